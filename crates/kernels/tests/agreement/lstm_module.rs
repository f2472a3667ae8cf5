//! The LSTM as a module: burn's own as a reference, records, options.

use crate::support::{Numbers, relative_error};
use crate::{TOLERANCE, device};
use burn::module::{Initializer, Module};
use burn::tensor::Device;
use unbiased_kernels::{Lstm, LstmConfig};

#[test]
fn it_is_burns_lstm_and_their_records_are_alike() {
    for (batch_first, reverse, bias) in [
        (true, false, true),
        (false, false, true),
        (true, true, true),
        (true, false, false),
    ] {
        let initializer = Initializer::Uniform {
            min: -0.4,
            max: 0.4,
        };
        let theirs = burn::nn::LstmConfig::new(5, 7, bias)
            .with_batch_first(batch_first)
            .with_reverse(reverse)
            .with_initializer(initializer.clone())
            .init(&device());
        let ours: Lstm = LstmConfig {
            batch_first,
            reverse,
            initializer,
            ..LstmConfig::new(5, 7, bias)
        }
        .init(&device());
        let x = Numbers(1)
            .matrix([4 * 6, 5], 1.0, &device())
            .reshape([4, 6, 5]);
        let before = ours.forward(x.clone(), None).0.inner();
        let (expected, expected_state) = theirs.forward(x.clone(), None);
        assert!(relative_error(&before, &expected.clone().inner()) > 0.01);
        let back = theirs.clone();
        let ours = ours.load_record(theirs.into_record());
        let (output, state) = ours.forward(x.clone(), None);
        assert!(relative_error(&output.inner(), &expected.clone().inner()) < TOLERANCE);
        assert!(relative_error(&state.cell.inner(), &expected_state.cell.inner()) < TOLERANCE);
        assert!(relative_error(&state.hidden.inner(), &expected_state.hidden.inner()) < TOLERANCE);
        // And back.
        let back = back.load_record(ours.into_record());
        assert_eq!(
            back.forward(x, None).0.inner().into_data(),
            expected.inner().into_data()
        );
    }
}

#[test]
fn layer_norms_are_parameters_of_the_module() {
    let config = LstmConfig {
        layer_norm: Some(1.0),
        ..LstmConfig::new(5, 7, true)
    };
    let [ours, other] = [0; 2].map(|_| config.init(&device()));
    let x = Numbers(1)
        .matrix([4 * 6, 5], 1.0, &device())
        .reshape([4, 6, 5]);
    let value = |lstm: &Lstm| lstm.forward(x.clone(), None).0.inner();
    let plain = Lstm {
        layer_norm: None,
        ..ours.clone()
    };
    assert!(relative_error(&value(&ours), &value(&plain)) > 0.01);
    assert!(relative_error(&value(&ours), &value(&other)) > 0.01);
    let expected = value(&ours);
    let other = other.load_record(ours.clone().into_record());
    assert_eq!(value(&other).into_data(), expected.into_data());
    // Each of them has a gradient.
    let gradients = ours.forward(x, None).0.sum().backward();
    let norm = ours.layer_norm.unwrap();
    for parameter in [
        &norm.input_gain,
        &norm.recurrent_gain,
        &norm.cell_gain,
        &norm.cell_bias,
    ] {
        let gradient = parameter.val().grad(&gradients).unwrap();
        assert!(gradient.abs().max().into_scalar::<f32>() > 1e-3);
    }
}

#[test]
fn forget_gates_begin_open() {
    let config = LstmConfig {
        forget_bias: Some(1.0),
        ..LstmConfig::new(2, 3, true)
    };
    let bias = config.init(&Device::flex()).weights().bias;
    let bias = bias.into_data().try_to_vec::<f32>().unwrap();
    assert_eq!(bias[3..6], [1.0; 3]);
    assert_ne!(bias[..3], [1.0; 3]);
}
