//! The transformer against a naive sampler.

use unbiased_models::air::Window;

use crate::support::{largest_difference, numbers, tensor};

/// Bilinear interpolation of a square picture at a point in pixels, 0 outside.
fn bilinear(picture: &[f64], side: usize, row: f64, column: f64) -> f64 {
    let at = |r: f64, c: f64| {
        let inside = |x: f64| x >= 0.0 && x < side as f64;
        if inside(r) && inside(c) {
            picture[r as usize * side + c as usize]
        } else {
            0.0
        }
    };
    let (r, c) = (row.floor(), column.floor());
    let (fr, fc) = (row - r, column - c);
    (1.0 - fr) * ((1.0 - fc) * at(r, c) + fc * at(r, c + 1.0))
        + fr * ((1.0 - fc) * at(r + 1.0, c) + fc * at(r + 1.0, c + 1.0))
}

/// Samples `picture` at every pixel of a square of `to` pixels: its point `X` is point `slope X + shift` of the picture.
fn naive(picture: &[f64], from: usize, to: usize, slope: f64, shift: [f64; 2]) -> Vec<f64> {
    let source = |pixel: usize, shift: f64| {
        let point = (2 * pixel + 1) as f64 / to as f64 - 1.0;
        ((slope * point + shift + 1.0) * from as f64 - 1.0) / 2.0
    };
    (0..to * to)
        .map(|i| {
            let row = source(i / to, shift[1]);
            bilinear(picture, from, row, source(i % to, shift[0]))
        })
        .collect()
}

#[test]
fn the_transformer_samples_bilinearly() {
    let window = Window {
        canvas: 7,
        window: 4,
    };
    let picture = |n: usize| -> Vec<f64> { (0..n).map(|i| (i as f64 * 1.7).sin()).collect() };
    let (canvas, object) = (picture(49), picture(16));
    let places = [
        [-0.6, 0.3, -0.2],
        [-0.1, -0.7, 0.5],
        [0.3, 0.1, 1.4],
        [-2.0, 0.0, 0.05],
    ];
    let rows = places.len();
    let place = tensor(&places.concat(), [rows, 3]);
    let crops = window.crop(tensor(&canvas, [1, 49]).repeat_dim(0, rows), place.clone());
    let pastes = window.paste(tensor(&object, [1, 16]).repeat_dim(0, rows), place);
    let (crops, pastes) = (numbers(crops), numbers(pastes));
    for (row, [log_scale, x, y]) in places.into_iter().enumerate() {
        let s = log_scale.exp();
        let crop = naive(&canvas, 7, 4, s, [x, y]);
        let paste = naive(&object, 4, 7, 1.0 / s, [-x / s, -y / s]);
        assert!(largest_difference(&crops[row * 16..][..16], &crop) < 1e-12);
        assert!(largest_difference(&pastes[row * 49..][..49], &paste) < 1e-12);
        // The check can fail: the axes exchanged.
        let mutant = naive(&canvas, 7, 4, s, [y, x]);
        assert!(largest_difference(&crops[row * 16..][..16], &mutant) > 1e-2);
    }
}

/// Where the pixels of window and canvas coincide, pasting copies and cropping gets the copy back.
#[test]
fn pasting_and_cropping_is_the_identity_on_coinciding_pixels() {
    let window = Window {
        canvas: 8,
        window: 4,
    };
    let object: Vec<f64> = (0..16).map(|i| 1.0 + f64::from(i)).collect();
    // s = 4/8; shifted by one pixel to the right and two up from the middle: 1/4 and -2/4 of the half canvas.
    let place = tensor(&[0.5_f64.ln(), 0.25, -0.5], [1, 3]);
    let canvas = window.paste(tensor(&object, [1, 16]), place.clone());
    let back = numbers(window.crop(canvas.clone(), place));
    assert!(largest_difference(&back, &object) < 1e-12);
    let canvas = numbers(canvas);
    for (i, value) in canvas.iter().enumerate() {
        let (row, column) = (i / 8, i % 8);
        // The middle window has its corner at (2, 2).
        let inside = row < 4 && (3..7).contains(&column);
        let expected = if inside {
            object[row * 4 + column - 3]
        } else {
            0.0
        };
        assert!((value - expected).abs() < 1e-12);
    }
}
