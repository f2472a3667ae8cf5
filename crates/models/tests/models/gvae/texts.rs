//! What is written: of the language always, and with the probabilities that training sees.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::Tensor;
use unbiased_estimators::Noise;
use unbiased_grammar::{Parser, bits};
use unbiased_models::gvae::{
    DecoderKind, Derivations, EncoderKind, Gvae, GvaeConfig, GvaeConfigError, KlWeight, Loss,
    Masks, Notation, Pick, write,
};
use unbiased_models::sbn::{Latent, Prior};

use super::support::{STEPS, batch, characters, discrete, grammar, network, small, texts};
use crate::support::{numbers, tensor};

const BOTH: [DecoderKind; 2] = [DecoderKind::Parallel, DecoderKind::Autoregressive];

/// `n` copies of one latent.
fn same(n: usize) -> Tensor<2> {
    tensor(&[0.7, -0.4].repeat(n), [n, 2])
}

fn probabilities<T: AsRef<str>>(
    net: &Gvae,
    notation: &dyn Notation,
    masks: Masks,
    texts: &[T],
) -> Vec<f64> {
    let lines: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
    let batch = batch(notation, masks, &lines);
    let log = numbers(net.log_lik(same(texts.len()), &batch));
    log.into_iter().map(f64::exp).collect()
}

/// Within the budget nothing is lost: the probabilities of all texts add up to 1. Without it some derivations do not end.
#[test]
fn all_texts_together_have_probability_one() {
    let grammar = grammar();
    let notation = Derivations::new(&grammar);
    for decoder in BOTH {
        let net = network(&small(EncoderKind::Gru, decoder), &notation).valid();
        let total = |masks| {
            probabilities(&net, &notation, masks, &texts())
                .iter()
                .sum::<f64>()
        };
        assert!((total(Masks::Budgeted) - 1.0).abs() < 1e-12);
        assert!(total(Masks::Plain) < 0.99);
    }
}

/// The same for characters: every line of at most `STEPS` of three.
#[test]
fn all_lines_together_have_probability_one() {
    let notation = characters();
    let mut lines = vec![String::new()];
    let mut longest = lines.clone();
    for _ in 0..STEPS {
        let longer = longest.iter().flat_map(|line| {
            notation
                .alphabet()
                .iter()
                .map(move |c| format!("{line}{c}"))
        });
        longest = longer.collect();
        lines.extend(longest.clone());
    }
    for decoder in BOTH {
        let net = network(&small(EncoderKind::Gru, decoder), &notation).valid();
        let total: f64 = probabilities(&net, &notation, Masks::Plain, &lines)
            .iter()
            .sum();
        assert!((total - 1.0).abs() < 1e-12, "{total}");
    }
}

/// 20,000 texts, 31 classes with the unfinished ones: each count within 5 standard deviations (false alarms 1e-5 together). The mode is the text
/// whose choices are the most probable ones in turn.
#[test]
fn texts_are_written_with_the_probabilities_of_training() {
    let grammar = grammar();
    let notation = Derivations::new(&grammar);
    let n = 20_000;
    for decoder in BOTH {
        let net = network(&small(EncoderKind::Gru, decoder), &notation).valid();
        for masks in [Masks::Plain, Masks::Budgeted] {
            let written =
                write(&net, same(n), &notation, masks, Pick::Draw { seed: 4 }).expect("written");
            let mut counts: BTreeMap<Option<String>, f64> = BTreeMap::new();
            for text in written {
                *counts.entry(text).or_default() += 1.0;
            }
            let exact = probabilities(&net, &notation, masks, &texts());
            let unfinished = 1.0 - exact.iter().sum::<f64>();
            let mut classes: Vec<(Option<String>, f64)> =
                texts().into_iter().map(Some).zip(exact).collect();
            classes.push((None, unfinished.max(0.0)));
            for (text, p) in classes {
                let count = counts.remove(&text).unwrap_or(0.0);
                let allowed = 5.0 * (n as f64 * p * (1.0 - p)).sqrt() + 1e-9;
                assert!(
                    (count - n as f64 * p).abs() <= allowed,
                    "{decoder:?} {text:?}: {count} {p}"
                );
            }
            assert!(counts.is_empty(), "{counts:?}");
        }
    }
}

/// Whatever the weights are, nothing forbidden is chosen (the writer panics), and within a budget every text is finished.
#[test]
fn nothing_forbidden_is_ever_written() {
    let grammar = grammar();
    let notation = Derivations::new(&grammar);
    let mut parser = Parser::new(&grammar);
    let mut unfinished = 0;
    for decoder in BOTH {
        for scale in [1.0, 1e3, 1e8] {
            let net = network(&small(EncoderKind::Lstm, decoder), &notation).valid();
            let z = net.draw_prior(200, &Noise::new(2, 0)) * scale;
            for pick in [Pick::Draw { seed: 1 }, Pick::Mode] {
                for text in
                    write(&net, z.clone(), &notation, Masks::Budgeted, pick).expect("written")
                {
                    parser
                        .parse(&text.expect("finished"))
                        .expect("of the language");
                }
                let plain = write(&net, z.clone(), &notation, Masks::Plain, pick).expect("written");
                unfinished += plain.iter().filter(|text| text.is_none()).count();
                for text in plain.into_iter().flatten() {
                    parser.parse(&text).expect("of the language");
                }
            }
        }
    }
    assert!(unfinished > 0);
}

#[test]
fn a_batch_shows_what_the_writer_shows() {
    let grammar = grammar();
    let notation = Derivations::new(&grammar);
    // x: S -> T, T -> x, then padding. The budget of 6 does not matter there.
    let batch = batch(&notation, Masks::Plain, &["x"]);
    let width = notation.width();
    let row = |x: Tensor<3>, step: usize| {
        let columns = x.dims()[2];
        numbers(x)[step * columns..][..columns].to_vec()
    };
    assert_eq!(
        row(batch.choices.clone(), 0),
        [0.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    );
    assert_eq!(
        row(batch.choices.clone(), 2),
        [0.0, 0.0, 0.0, 0.0, 0.0, 1.0]
    );
    assert_eq!(row(batch.contexts.clone(), 1), [0.0, 1.0, 0.0]);
    assert_eq!(row(batch.contexts.clone(), 5), [0.0, 0.0, 1.0]);
    assert_eq!(row(batch.previous(), 0), [0.0; 6]);
    assert_eq!(row(batch.previous(), 1), row(batch.choices.clone(), 0));
    let present: Vec<bool> = batch
        .present
        .clone()
        .into_data()
        .try_to_vec()
        .expect("bits");
    assert_eq!(present, [true, true, false, false, false, false]);
    let forbidden: Vec<bool> = batch
        .forbidden
        .clone()
        .into_data()
        .try_to_vec()
        .expect("bits");
    assert_eq!(forbidden[..width], [false, false, true, true, true, true]);
    assert_eq!(
        forbidden[2 * width..3 * width],
        [true, true, true, true, true, false]
    );
    let hidden = batch.showing(vec![1.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
    assert_eq!(row(hidden.previous(), 1), [0.0; 6]);
    assert_eq!(row(hidden.previous(), 2), row(hidden.choices.clone(), 1));
}

#[test]
fn characters_end_with_padding_and_not_before() {
    let notation = characters();
    let mut writer = notation.writer(3, Masks::Plain).expect("a writer");
    assert_eq!(bits::count(writer.mask()), 4);
    writer.push(2);
    assert_eq!((writer.context(), writer.text()), (0, None));
    writer.push(3);
    assert_eq!(bits::ones(writer.mask()).collect::<Vec<_>>(), [3]);
    assert_eq!(writer.text().as_deref(), Some("x"));
    assert!(notation.reader()("x-1").is_err());
}

#[test]
fn the_weight_of_the_divergence_rises_in_a_line() {
    let weight = KlWeight {
        start: 0.0,
        end: 1.0,
        hold: 2,
        steps: 10,
    };
    assert_eq!(
        [1, 3, 8, 13, 100].map(|step| weight.at(step)),
        [0.0, 0.0, 0.5, 1.0, 1.0]
    );
    assert_eq!(KlWeight::default().at(1), 1.0);
}

#[test]
fn settings_out_of_range_are_named() {
    let base = small(EncoderKind::Convolutional, DecoderKind::Parallel);
    let key = |config: &GvaeConfig| {
        config
            .check(STEPS)
            .map_err(|GvaeConfigError { key, .. }| key)
    };
    assert_eq!(key(&base), Ok(()));
    let wide = GvaeConfig {
        filters: vec![[2, 4], [2, 4]],
        ..base.clone()
    };
    assert_eq!(key(&wide), Err("filters"));
    let prior = GvaeConfig {
        prior: Prior::Learned,
        ..base.clone()
    };
    assert_eq!(key(&prior), Err("prior"));
    let loss = GvaeConfig {
        loss: Loss::OriginalCode,
        ..discrete(Latent::Bernoulli, DecoderKind::Parallel)
    };
    assert_eq!(key(&loss), Err("loss"));
    assert_eq!(key(&GvaeConfig { latents: 0, ..base }), Err("latents"));
}
