//! What the tests of the neural Turing machine share: small machines and sequences in f64, and comparisons that can fail.

use unbiased_models::ntm::{Address, Controller, Ntm, NtmConfig, Sequences};

use crate::support::{device, edit, tensor};

/// So few slots that two steps have 16 (slot) or 81 (shift) states. With two, moves by -1 and +1 would be the same.
pub fn hard(address: Address) -> NtmConfig {
    NtmConfig {
        controller: Controller::Lstm,
        hidden: vec![3],
        slots: if address == Address::Shift { 3 } else { 2 },
        width: 2,
        address,
        ..NtmConfig::default()
    }
}

/// A machine of 3 inputs and 2 outputs whose weights are large enough that nothing is nearly linear.
pub fn machine(config: &NtmConfig) -> Ntm {
    let net = Ntm::new(config, 3, 2, 3, &device().autodiff());
    edit(net, |index, value| {
        value * 2.0 + 0.2 * (1.0 + 1.7 * index as f64).sin()
    })
}

/// Two sequences of so many steps; the output of every second step counts, the last one's among them.
pub fn sequences(steps: usize) -> Sequences {
    let table = |columns: usize, phase: f64| {
        let values: Vec<f64> = (0..2 * columns)
            .map(|i| f64::from(u8::from((7.3 * i as f64 + phase).sin() > 0.0)))
            .collect();
        tensor(&values, [2, columns])
    };
    Sequences {
        inputs: (0..steps).map(|t| table(3, 1.3 * t as f64)).collect(),
        targets: (0..steps)
            .map(|t| ((steps - t) % 2 == 1).then(|| table(2, 0.4 + 2.1 * t as f64)))
            .collect(),
    }
}

/// Whether two lists agree: largest difference over the largest entry.
pub fn compare(what: &str, got: &[f64], want: &[f64], bound: f64) -> Result<f64, String> {
    assert_eq!(got.len(), want.len());
    let largest = want.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    let (index, error) = got
        .iter()
        .zip(want)
        .map(|(a, b)| (a - b).abs() / largest)
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .expect("numbers");
    if error < bound {
        Ok(error)
    } else {
        Err(format!(
            "{what}: entry {index} is {} instead of {}, error {error:e}",
            got[index], want[index]
        ))
    }
}

/// A negative control.
pub fn must_fail<T: std::fmt::Debug>(mutant: &str, outcome: Result<T, String>) {
    assert!(outcome.is_err(), "{mutant} went through: {outcome:?}");
}
