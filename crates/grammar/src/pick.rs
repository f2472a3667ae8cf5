//! One number out of masked logits, on the host: what is not in the mask is never picked.

use crate::bits;
use crate::draws::Draws;

/// The logit of a choice; what is not a number counts as minus infinity.
fn logit(logits: &[f32], choice: usize) -> f64 {
    let logit = f64::from(logits[choice]);
    if logit.is_nan() {
        f64::NEG_INFINITY
    } else {
        logit
    }
}

/// The largest allowed logit, the first of equals.
///
/// # Panics
/// When the mask is empty or allows more than there are logits.
#[must_use]
pub fn argmax(logits: &[f32], mask: &[u64]) -> u16 {
    let mut best = None;
    for choice in bits::ones(mask) {
        let value = logit(logits, choice);
        if best.is_none_or(|(_, largest)| value > largest) {
            best = Some((choice, value));
        }
    }
    best.expect("a mask with at least one choice").0 as u16
}

/// `exp(logit)` relative to the largest; all equal where every allowed logit is minus infinity.
fn weight(logit: f64, largest: f64) -> f64 {
    if logit == largest {
        1.0
    } else {
        (logit - largest).exp()
    }
}

/// Draws from the softmax of the allowed logits.
///
/// # Panics
/// When the mask is empty or allows more than there are logits.
pub fn sample(logits: &[f32], mask: &[u64], draws: &mut Draws) -> u16 {
    let largest = logit(logits, usize::from(argmax(logits, mask)));
    let total: f64 = bits::ones(mask)
        .map(|choice| weight(logit(logits, choice), largest))
        .sum();
    let mut left = draws.uniform() * total;
    let mut last = 0;
    for choice in bits::ones(mask) {
        let weight = weight(logit(logits, choice), largest);
        if weight > 0.0 {
            last = choice;
            left -= weight;
            if left < 0.0 {
                break;
            }
        }
    }
    last as u16
}

/// `log softmax` of one allowed choice, in nats.
///
/// # Panics
/// When the mask is empty or allows more than there are logits.
#[must_use]
pub fn log_prob(logits: &[f32], mask: &[u64], choice: u16) -> f64 {
    if !bits::contains(mask, usize::from(choice)) {
        return f64::NEG_INFINITY;
    }
    let largest = logit(logits, usize::from(argmax(logits, mask)));
    let total: f64 = bits::ones(mask)
        .map(|choice| weight(logit(logits, choice), largest))
        .sum();
    weight(logit(logits, usize::from(choice)), largest).ln() - total.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forbidden_is_never_picked() {
        let mut draws = Draws::new(1);
        let inf = f32::INFINITY;
        for logits in [
            [0.0; 4],
            [-inf; 4],
            [f32::NAN; 4],
            [f32::MAX, -inf, -f32::MAX, inf],
            [inf, f32::NAN, -inf, 0.0],
        ] {
            for mask in 1..16 {
                for _ in 0..20 {
                    for choice in [
                        sample(&logits, &[mask], &mut draws),
                        argmax(&logits, &[mask]),
                    ] {
                        assert!(mask >> choice & 1 == 1, "{logits:?} {mask:b}");
                    }
                }
                let sum: f64 = (0..4)
                    .map(|choice| log_prob(&logits, &[mask], choice).exp())
                    .sum();
                assert!((sum - 1.0).abs() < 1e-12, "{logits:?} {mask:b} {sum}");
            }
        }
    }

    #[test]
    fn draws_follow_the_softmax_of_what_is_allowed() {
        let (mut draws, n, mut hits) = (Draws::new(2), 40_000, [0_u32; 4]);
        for _ in 0..n {
            hits[usize::from(sample(
                &[0.0, 5.0, 1.0, f32::NEG_INFINITY],
                &[0b1101],
                &mut draws,
            ))] += 1;
        }
        let p = 1.0 / (1.0 + 1.0_f64.exp());
        let frequency = f64::from(hits[0]) / f64::from(n);
        assert!((frequency - p).abs() < 6.0 * (p * (1.0 - p) / f64::from(n)).sqrt());
        assert_eq!((hits[1], hits[3]), (0, 0));
    }
}
