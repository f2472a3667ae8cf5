//! Attribute grammars: what is decoded passes the check, what is replayed comes back, and programs outside the crate agree.

use unbiased_grammar::{AttributeGrammar, Attributes, Draws, Grammar, Parser, Tree, bits, sample};

/// Decodes at random, and checks each text by every means there is; the texts.
pub(crate) fn decode_many<A: Attributes + Clone>(
    whole: &AttributeGrammar<'_, A>,
    budget: u32,
    n: u32,
    seed: u64,
) -> Vec<String> {
    let grammar = whole.grammar();
    let (mut draws, mut parser) = (Draws::new(seed), Parser::new(grammar));
    let mut texts = Vec::new();
    for _ in 0..n {
        // Logits that differ from text to text reach corners that even ones do not.
        let logits: Vec<f32> = (0..whole.width())
            .map(|_| (8.0 * draws.uniform() - 4.0) as f32)
            .collect();
        let mut decoder = whole.decode(budget).unwrap();
        let (mut choices, mut masks) = (Vec::new(), Vec::new());
        while !decoder.is_finished() {
            assert!(
                bits::count(decoder.mask()) > 0,
                "a dead end after {choices:?}: {:?} {:?}",
                decoder.decision(),
                decoder.inherited()
            );
            let choice = sample(&logits, decoder.mask(), &mut draws);
            choices.push(choice);
            masks.extend_from_slice(decoder.mask());
            decoder.push(choice).unwrap();
        }
        assert!(choices.len() <= budget as usize);
        assert_eq!(
            bits::ones(decoder.mask()).collect::<Vec<_>>(),
            [usize::from(whole.padding())]
        );
        let productions = decoder.productions().unwrap();
        let text = grammar.text_of(&productions).unwrap();
        let tree = Tree::new(grammar, &productions).unwrap();
        whole
            .check(&tree)
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        let replayed = whole.replay_within(&tree, budget).unwrap();
        assert_eq!(replayed.choices, choices, "{text}");
        assert_eq!(replayed.masks, masks, "{text}");
        let parse = parser.parse(&text).unwrap();
        assert!(parse.ambiguity.is_none(), "{text}: {:?}", parse.ambiguity);
        assert_eq!(parse.productions, productions);
        texts.push(text);
    }
    texts
}

/// Whether the text passes, and whether it is of the grammar at all.
pub(crate) fn passes<A: Attributes>(whole: &AttributeGrammar<'_, A>, text: &str) -> bool {
    let parse = Parser::new(whole.grammar())
        .parse(text)
        .unwrap_or_else(|error| panic!("{text}: {error}"));
    let tree = Tree::new(whole.grammar(), &parse.productions).unwrap();
    whole.check(&tree).is_ok()
}

/// Every way through the masks of a budget is a text that passes, and no text that passes is missing.
pub(crate) fn masks_are_exact<A: Attributes + Clone>(
    whole: &AttributeGrammar<'_, A>,
    budget: u32,
) -> usize {
    let grammar: &Grammar = whole.grammar();
    let (mut stack, mut found) = (vec![whole.decode(budget).unwrap()], Vec::new());
    while let Some(decoder) = stack.pop() {
        if decoder.is_finished() {
            found.push(decoder.productions().unwrap());
            continue;
        }
        assert!(
            bits::count(decoder.mask()) > 0,
            "a dead end at {:?} {:?}",
            decoder.decision(),
            decoder.inherited()
        );
        for choice in bits::ones(decoder.mask()).collect::<Vec<_>>() {
            let mut next = decoder.clone();
            next.push(choice as u16).unwrap();
            stack.push(next);
        }
    }
    found.sort();
    let count = found.len();
    found.dedup();
    assert_eq!(found.len(), count, "two ways to one derivation");
    let mut passing = Vec::new();
    let mut stack = vec![(Vec::new(), vec![grammar.start()])];
    while let Some((productions, open)) = stack.pop() {
        let Some((&next, rest)) = open.split_last() else {
            let tree = Tree::new(grammar, &productions).unwrap();
            if whole
                .replay(&tree)
                .is_ok_and(|decisions| decisions.choices.len() <= budget as usize)
            {
                passing.push(productions);
            }
            continue;
        };
        let least: u32 = open
            .iter()
            .map(|&n| grammar.fewest_productions(n).unwrap())
            .sum();
        if productions.len() + least as usize > budget as usize {
            continue;
        }
        for &production in grammar.productions_of(next) {
            let mut productions: Vec<u16> = productions.clone();
            productions.push(production);
            let mut open = rest.to_vec();
            open.extend(grammar.children(production).rev());
            stack.push((productions, open));
        }
    }
    passing.sort();
    assert_eq!(found, passing);
    count
}
