//! Masks and choices on a device against those of the host.
#![allow(missing_docs)]

use burn::tensor::{Device, Tensor, TensorData};
use unbiased_grammar::device::{MaskRows, log_probs, pick, upload};
use unbiased_grammar::languages::Language;
use unbiased_grammar::{Batch, Codec, Draws, argmax, log_prob};

fn tensor(values: &[f32], rows: usize) -> Tensor<2> {
    let shape = [rows, values.len() / rows];
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &Device::flex())
}

#[test]
fn log_probs_and_modes_are_those_of_the_host() {
    let grammar = Language::named("zinc").unwrap().grammar();
    let codec = Codec::new(&grammar);
    let rows = grammar.nonterminals() + 1;
    let mut draws = Draws::new(1);
    let values: Vec<f32> = (0..rows * codec.width())
        .map(|_| (8.0 * draws.uniform() - 4.0) as f32)
        .collect();
    let numbers: Vec<u16> = (0..rows as u16)
        .filter(|&n| codec.mask(n).iter().any(|&word| word != 0))
        .collect();
    let values = values[..numbers.len() * codec.width()].to_vec();
    let allowed = MaskRows::new(&codec, &Device::flex()).select(&numbers);
    let masks: Vec<u64> = numbers
        .iter()
        .flat_map(|&n| codec.mask(n).to_vec())
        .collect();
    let uploaded = upload(&masks, codec.words(), codec.width(), &Device::flex());
    assert_eq!(
        allowed.clone().into_data().try_to_vec::<bool>().unwrap(),
        uploaded.into_data().try_to_vec::<bool>().unwrap()
    );
    let logits = tensor(&values, numbers.len());
    let found = log_probs(logits.clone(), allowed.clone())
        .into_data()
        .try_to_vec::<f32>()
        .unwrap();
    let modes = pick(logits.clone(), allowed, logits.zeros_like())
        .into_data()
        .convert::<i64>()
        .try_to_vec::<i64>()
        .unwrap();
    for (row, &n) in numbers.iter().enumerate() {
        let here = &values[row * codec.width()..][..codec.width()];
        assert_eq!(modes[row], i64::from(argmax(here, codec.mask(n))));
        for choice in 0..codec.width() {
            let expected = log_prob(here, codec.mask(n), choice as u16);
            let got = f64::from(found[row * codec.width() + choice]);
            assert!(
                got == expected || (got - expected).abs() < 1e-5,
                "{got} {expected}"
            );
        }
    }
}

#[test]
fn nothing_forbidden_is_picked_whatever_the_logits() {
    let extremes = [
        0.0,
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MAX,
        -f32::MAX,
    ];
    for first in extremes {
        for second in extremes {
            for mask in 1..8_u64 {
                let allowed = upload(&[mask], 1, 3, &Device::flex());
                let noise = tensor(&[0.5, -0.5, 9.0], 1);
                let picked = pick(tensor(&[first, second, first], 1), allowed, noise);
                let choice = picked
                    .into_data()
                    .convert::<i64>()
                    .try_to_vec::<i64>()
                    .unwrap()[0];
                assert!(
                    mask >> choice & 1 == 1,
                    "{first} {second} {mask:b} {choice}"
                );
            }
        }
    }
}

#[test]
fn a_whole_batch_decodes_on_the_device() {
    let grammar = Language::named("equations").unwrap().grammar();
    let codec = Codec::new(&grammar);
    let (mut draws, rows) = (Draws::new(2), 32);
    let mut batch = Batch::new(&codec.budgeted(15).unwrap(), rows);
    let mut masks = vec![0; rows * codec.words()];
    for _ in 0..15 {
        batch.masks(&mut masks);
        let allowed = upload(&masks, codec.words(), codec.width(), &Device::flex());
        let noise: Vec<f32> = (0..rows * codec.width())
            .map(|_| -(-draws.uniform().ln()).ln() as f32)
            .collect();
        let noise = tensor(&noise, rows);
        let picked = pick(noise.zeros_like(), allowed, noise);
        let choices = picked
            .into_data()
            .convert::<i64>()
            .try_to_vec::<i64>()
            .unwrap();
        batch.push(
            &choices
                .into_iter()
                .map(|choice| choice as u16)
                .collect::<Vec<_>>(),
        );
    }
    assert!(batch.is_finished());
}
