//! Uphill within a box.

use super::matrix::dot;

/// A function at a point.
#[derive(Debug, Clone, PartialEq)]
pub struct Slope {
    /// Its value.
    pub value: f64,
    /// Its gradient.
    pub gradient: Vec<f64>,
}

/// Follows the gradient of `f` from `start` between the corners of a box, in units of its sides, for at most `steps` evaluations: a step that gains makes
/// the next longer, one that does not is taken back and halved. Where that leads, never below the start.
pub fn uphill(
    start: &[f64],
    [lower, upper]: [&[f64]; 2],
    steps: usize,
    f: impl Fn(&[f64]) -> Slope,
) -> (Vec<f64>, Slope) {
    let (mut x, mut here, mut length) = (start.to_vec(), f(start), 0.1);
    for _ in 0..steps {
        let sides = lower.iter().zip(upper).map(|(l, u)| u - l);
        let slopes: Vec<f64> = sides
            .clone()
            .zip(&here.gradient)
            .map(|(side, g)| side * g)
            .collect();
        let norm = dot(&slopes, &slopes).sqrt();
        if norm == 0.0 {
            break;
        }
        let along = slopes.iter().zip(sides).enumerate();
        let next: Vec<f64> = along
            .map(|(d, (slope, side))| {
                (x[d] + length * side * slope / norm).clamp(lower[d], upper[d])
            })
            .collect();
        let there = f(&next);
        if there.value > here.value {
            (x, here) = (next, there);
            length *= 1.5;
        } else {
            length *= 0.5;
        }
    }
    (x, here)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The top of a paraboloid lies beyond one side of the box: the other coordinate is reached, and the side.
    #[test]
    fn the_top_within_the_box_is_found() {
        let f = |x: &[f64]| Slope {
            value: -(x[0] - 0.3).powi(2) - (x[1] - 5.0).powi(2),
            gradient: vec![-2.0 * (x[0] - 0.3), -2.0 * (x[1] - 5.0)],
        };
        let (x, top) = uphill(&[-0.9, 0.0], [&[-1.0, -2.0], &[1.0, 2.0]], 200, f);
        assert!((x[0] - 0.3).abs() < 1e-3 && x[1] == 2.0, "{x:?}");
        assert_eq!(top, f(&x));
    }
}
