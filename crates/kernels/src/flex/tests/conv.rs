//! Convolutions on every instruction set against sums in double precision, written pixel by pixel.

use super::{pseudo_random, relative_error};
use crate::flex::conv::{self, Geometry, Side};
use crate::flex::isa::Isa;

struct Case {
    count: usize,
    channels: [usize; 2],
    size: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    used: fn(usize) -> bool,
}

impl Case {
    fn features(&self) -> [usize; 2] {
        [0, 1].map(|a| (self.size[a] + 2 * self.padding[a] - self.kernel[a]) / self.stride[a] + 1)
    }

    fn geometry(&self) -> Geometry {
        let [images, features] = self.channels;
        Geometry::new(
            Side {
                channels: images,
                size: self.size,
            },
            Side {
                channels: features,
                size: self.features(),
            },
            self.padding,
            self.kernel,
            self.stride,
            self.used,
        )
    }

    /// Calls `f` with the places in image, feature and weights of every product.
    fn each(&self, mut f: impl FnMut(usize, usize, usize)) {
        let ([c_in, c_out], [height, width], [rows, columns]) =
            (self.channels, self.size, self.features());
        let taps = self.kernel[0] * self.kernel[1];
        for n in 0..self.count {
            for (o, c) in (0..c_out).flat_map(|o| (0..c_in).map(move |c| (o, c))) {
                for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
                    for tap in (0..taps).filter(|&tap| (self.used)(tap)) {
                        let y = i * self.stride[0] + tap / self.kernel[1];
                        let x = j * self.stride[1] + tap % self.kernel[1];
                        let (Some(y), Some(x)) = (
                            y.checked_sub(self.padding[0]),
                            x.checked_sub(self.padding[1]),
                        ) else {
                            continue;
                        };
                        if y < height && x < width {
                            f(
                                ((n * c_in + c) * height + y) * width + x,
                                ((n * c_out + o) * rows + i) * columns + j,
                                (o * c_in + c) * taps + tap,
                            );
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn convolutions_match_double_precision() {
    let case = |count, channels, size, kernel, stride, padding| Case {
        count,
        channels,
        size,
        kernel,
        stride,
        padding,
        used: |_| true,
    };
    let mut cases = [
        case(1, [1, 1], [1, 1], [1, 1], [1, 1], [0, 0]),
        case(3, [2, 13], [9, 8], [3, 3], [1, 1], [1, 1]),
        // More positions than the weight gradient takes at a time, and several tasks.
        case(9, [3, 11], [33, 34], [3, 3], [1, 1], [1, 1]),
        case(2, [5, 7], [9, 12], [4, 3], [2, 3], [1, 0]),
        case(2, [9, 3], [8, 7], [2, 2], [3, 2], [0, 1]),
        case(2, [3, 4], [5, 9], [5, 7], [1, 1], [2, 3]),
        case(4, [30, 9], [3, 3], [3, 3], [1, 1], [1, 1]),
    ];
    cases[5].used = |tap| tap < 17;
    for case in cases {
        let geometry = case.geometry();
        let length = |shape: [usize; 4]| shape.iter().product::<usize>();
        let images = pseudo_random(length(geometry.images(case.count)), 1, 1.0);
        let features = pseudo_random(length(geometry.features(case.count)), 2, 1.0);
        let weights = pseudo_random(length(geometry.weights()), 3, 1.0);
        let image_bias = pseudo_random(case.channels[0], 4, 1.0);
        let feature_bias = pseudo_random(case.channels[1], 5, 1.0);
        let biases = |bias: &[f32], length: usize| -> Vec<f64> {
            let plane = length / case.count / bias.len();
            (0..length)
                .map(|i| f64::from(bias[i / plane % bias.len()]))
                .collect()
        };
        let mut exact_features = biases(&feature_bias, features.len());
        let mut exact_images = biases(&image_bias, images.len());
        let mut exact_weights = vec![0.0; weights.len()];
        case.each(|image, feature, weight| {
            let [x, y, w] = [images[image], features[feature], weights[weight]].map(f64::from);
            exact_features[feature] += w * x;
            exact_images[image] += w * y;
            exact_weights[weight] += x * y;
        });
        for isa in Isa::all() {
            let mut got_features = vec![f32::NAN; features.len()];
            let mut got_images = vec![f32::NAN; images.len()];
            conv::correlate(
                isa,
                &geometry,
                &images,
                &weights,
                &feature_bias,
                &mut got_features,
            );
            conv::spread(
                isa,
                &geometry,
                &features,
                &weights,
                &image_bias,
                &mut got_images,
            );
            let got_weights = conv::weight_gradient(isa, &geometry, &images, &features);
            for (name, got, exact) in [
                ("features", &got_features, &exact_features),
                ("images", &got_images, &exact_images),
                ("weights", &got_weights, &exact_weights),
            ] {
                let error = relative_error(got, exact);
                assert!(error < 2e-6, "{isa:?} {name} {geometry:?}: {error}");
            }
        }
    }
}
