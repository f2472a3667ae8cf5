//! Sums and the like over one row.

const LANES: usize = 16;

/// Folds the terms of a row in `LANES` interleaved parts; a fold into one number would not vectorise. Short rows are not worth it.
#[inline(always)]
pub(super) fn fold(
    a: &[f32],
    b: &[f32],
    start: f32,
    term: impl Fn(f32, f32) -> f32,
    f: impl Fn(f32, f32) -> f32,
) -> f32 {
    if a.len() < 2 * LANES {
        return a
            .iter()
            .zip(b)
            .fold(start, |all, (&a, &b)| f(all, term(a, b)));
    }
    let mut parts = [start; LANES];
    let (mut a, mut b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    for (a, b) in (&mut a).zip(&mut b) {
        for ((part, &a), &b) in parts.iter_mut().zip(a).zip(b) {
            *part = f(*part, term(a, b));
        }
    }
    for ((part, &a), &b) in parts.iter_mut().zip(a.remainder()).zip(b.remainder()) {
        *part = f(*part, term(a, b));
    }
    parts.into_iter().fold(start, f)
}

#[inline(always)]
pub(super) fn sum(row: &[f32]) -> f32 {
    fold(row, row, 0.0, |a, _| a, |a, b| a + b)
}

#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    fold(a, b, 0.0, |a, b| a * b, |a, b| a + b)
}

/// The largest element; NaN is skipped (the exponentials that follow carry it).
#[inline(always)]
pub(super) fn max(row: &[f32]) -> f32 {
    let larger = |a, b| if b > a { b } else { a };
    fold(row, row, f32::NEG_INFINITY, |a, _| a, larger)
}
