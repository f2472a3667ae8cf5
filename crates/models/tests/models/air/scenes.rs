//! Scenes that are drawn, and settings.

use unbiased_estimators::{Noise, Objective};
use unbiased_models::air::{AirConfig, Input};

use super::support::{config, network};
use crate::support::numbers;

#[test]
fn scenes_of_the_model_have_their_objects_and_follow_the_noise() {
    let net = network(&config(Input::Image));
    let sample = |seed| numbers(net.sample(&[0, 1, 3], &Noise::new(seed, 0)));
    assert_eq!(sample(1), sample(1));
    assert_ne!(sample(1), sample(2));
    let pixels = sample(1);
    assert_eq!(pixels.len(), 3 * 36);
    assert!(pixels[..36].iter().all(|&p| p == 0.0));
    assert!(pixels[36..72].iter().all(|p| (0.0..=1.0).contains(p)));
    assert!(pixels.iter().all(|p| (0.0..=3.0).contains(p)));
}

#[test]
fn settings_out_of_range_are_named() {
    let ok = AirConfig::default;
    for (bad, key) in [
        (AirConfig { window: 0, ..ok() }, "window"),
        (AirConfig { steps: 0, ..ok() }, "steps"),
        (
            AirConfig {
                glimpse: vec![0],
                ..ok()
            },
            "glimpse",
        ),
        (AirConfig { sigma: 0.0, ..ok() }, "sigma"),
        (
            AirConfig {
                exploration: 1.0,
                ..ok()
            },
            "exploration",
        ),
        (
            AirConfig {
                presence_bias: f64::NAN,
                ..ok()
            },
            "presence_bias",
        ),
        (
            AirConfig {
                objective: Objective::LogMeanWeight { k: 0 },
                ..ok()
            },
            "objective.k",
        ),
    ] {
        assert_eq!(bad.check().expect_err("out of range").key, key);
    }
}
