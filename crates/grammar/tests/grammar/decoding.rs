//! Masks and budgets: every decode is a derivation, and every derivation can be decoded.

use unbiased_grammar::{Batch, Codec, Counts, Draws, Grammar, Parser, bits, sample};

use crate::random_grammar::random_grammar;

const EQUATIONS: &str = include_str!("../../languages/equations.cfg");

#[test]
fn the_paper_numbers_its_choices_so() {
    let grammar = Grammar::read(EQUATIONS).unwrap();
    let codec = Codec::new(&grammar);
    assert_eq!((codec.width(), codec.padding()), (12, 11));
    let all = |n| bits::ones(codec.mask(n)).collect::<Vec<_>>();
    assert_eq!(
        (all(0), all(1), all(2)),
        ((0..4).collect(), (4..11).collect(), vec![11])
    );
    let row = codec
        .pad(&Parser::new(&grammar).parse("x+1").unwrap().productions, 15)
        .unwrap();
    assert_eq!(
        row,
        [0, 3, 7, 8, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11]
    );
    assert_eq!(
        row.iter().map(|&c| codec.mask_of(c)).collect::<Vec<_>>()[..5],
        [0, 0, 1, 1, 2]
    );
    assert_eq!(grammar.text_of(codec.unpad(&row)).unwrap(), "x+1");
    assert!(codec.pad(&row, 14).is_err());
}

#[test]
fn zinc_masks_leave_out_what_never_ends() {
    let grammar = Grammar::read(include_str!("../../languages/zinc.cfg")).unwrap();
    let codec = Codec::new(&grammar);
    assert_eq!(codec.width(), 76);
    let mut all = vec![0; codec.words()];
    for nonterminal in 0..=grammar.nonterminals() as u16 {
        bits::union(&mut all, codec.mask(nonterminal));
    }
    let missing: Vec<usize> = (0..76)
        .filter(|&choice| !bits::contains(&all, choice))
        .collect();
    assert_eq!(missing, [29, 31]);
}

#[test]
fn budgets_allow_exactly_the_derivations_that_fit() {
    let mut draws = Draws::new(21);
    let mut total = 0;
    for _ in 0..300 {
        let Some(grammar) = random_grammar(&mut draws) else {
            continue;
        };
        let codec = Codec::new(&grammar);
        for steps in 1..7 {
            let counts = Counts::new(&grammar, steps).unwrap();
            let Ok(start) = codec.budgeted(steps) else {
                assert_eq!(*counts.at_most(), 0_u32.into());
                continue;
            };
            // All ways through the masks.
            let (mut stack, mut found) = (vec![start], 0_u32);
            while let Some(decoder) = stack.pop() {
                if decoder.is_finished() {
                    found += 1;
                    assert!(decoder.productions().len() <= steps);
                    continue;
                }
                assert!(bits::count(decoder.mask()) > 0, "a dead end in {grammar:?}");
                for choice in bits::ones(decoder.mask()).collect::<Vec<_>>() {
                    let mut next = decoder.clone();
                    next.push(choice as u16);
                    stack.push(next);
                }
            }
            assert_eq!(*counts.at_most(), found.into(), "{steps} {grammar:?}");
            total += found;
        }
    }
    assert!(total > 3_000, "{total}");
}

#[test]
fn without_a_budget_most_random_decodes_of_molecules_are_unfinished() {
    let grammar = Grammar::read(include_str!("../../languages/zinc.cfg")).unwrap();
    let codec = Codec::new(&grammar);
    let (mut draws, n, logits) = (Draws::new(22), 2000, [0.0; 76]);
    let mut finished = 0;
    for _ in 0..n {
        let mut decoder = codec.decoder(277);
        while !decoder.is_finished() && bits::count(decoder.mask()) > 0 {
            let choice = sample(&logits, decoder.mask(), &mut draws);
            decoder.push(choice);
        }
        finished += u32::from(decoder.is_finished());
    }
    // 33 % of uniform choices finish; six standard deviations of 2000 draws are 6.3 %.
    assert!(
        (f64::from(finished) / f64::from(n) - 0.33).abs() < 0.068,
        "{finished}"
    );
}

#[test]
fn batches_decode_their_rows_apart() {
    let grammar = Grammar::read(EQUATIONS).unwrap();
    let codec = Codec::new(&grammar);
    let (mut draws, rows) = (Draws::new(23), 64);
    let mut batch = Batch::new(&codec.budgeted(15).unwrap(), rows);
    let mut masks = vec![0; rows * codec.words()];
    for _ in 0..15 {
        batch.masks(&mut masks);
        let choices: Vec<u16> = masks
            .chunks(codec.words())
            .map(|mask| sample(&[0.0; 12], mask, &mut draws))
            .collect();
        batch.push(&choices);
    }
    assert!(batch.is_finished());
    let mut parser = Parser::new(&grammar);
    let mut texts: Vec<String> = batch
        .rows()
        .iter()
        .map(|row| grammar.text_of(row.productions()).unwrap())
        .collect();
    for (text, row) in texts.iter().zip(batch.rows()) {
        assert_eq!(parser.parse(text).unwrap().productions, row.productions());
    }
    texts.sort();
    texts.dedup();
    assert!(texts.len() > 10);
}
