//! Distances between rankings. All take lists: `a[i]` and `b[i]` are the places that two rankings give to thing i.
//!
//! Sources: Kendall, "A New Measure of Rank Correlation", 1938, and "The Treatment of Ties in Ranking Problems", 1945; Knight, "A Computer
//! Method for Calculating Kendall's Tau with Ungrouped Data", 1966; Diaconis & Graham, "Spearman's Footrule as a Measure of Disarray", 1977.

/// Kendall's `τ_b`: the correlation of the signs of all pairs, in [−1, 1], in O(n log n).
///
/// Ties are allowed: `(C − D) / √((P − T_a)(P − T_b))` with C pairs in the same order, D in opposite order, P pairs, of which T are tied. Without
/// ties that is `1 − 2D/P`. NaN where all pairs of a ranking are tied, and for fewer than two things.
///
/// # Panics
///
/// If the lists differ in length.
#[must_use]
pub fn kendall_tau(a: &[usize], b: &[usize]) -> f64 {
    assert_eq!(a.len(), b.len(), "kendall_tau: lists must have one length");
    let mut pairs: Vec<(usize, usize)> = a.iter().copied().zip(b.iter().copied()).collect();
    pairs.sort_unstable();
    let [ties_a, ties_both] = [
        ties(pairs.iter().map(|pair| pair.0)),
        ties(pairs.iter().copied()),
    ];
    let mut b: Vec<usize> = pairs.iter().map(|pair| pair.1).collect();
    // In order of a, and of b where a is tied: what is out of order now is in opposite order.
    let opposite = inversions(&mut b);
    let ties_b = ties(b.iter().copied());
    let all = a.len() as f64 * (a.len() as f64 - 1.0) / 2.0;
    let same_minus_opposite = all - ties_a - ties_b + ties_both - 2.0 * opposite;
    same_minus_opposite / ((all - ties_a) * (all - ties_b)).sqrt()
}

/// Pairs of equal neighbours and of those in one run with them, in a sorted list.
fn ties<T: PartialEq>(sorted: impl Iterator<Item = T>) -> f64 {
    let (mut pairs, mut run, mut last) = (0.0, 0.0, None);
    for value in sorted {
        run = if last.as_ref() == Some(&value) {
            run + 1.0
        } else {
            0.0
        };
        pairs += run;
        last = Some(value);
    }
    pairs
}

/// Pairs in descending order, counted while `x` is merge-sorted.
fn inversions(x: &mut [usize]) -> f64 {
    let n = x.len();
    let mut merged = x.to_vec();
    let (mut count, mut width) = (0.0, 1);
    while width < n {
        for start in (0..n).step_by(2 * width) {
            let (middle, end) = ((start + width).min(n), (start + 2 * width).min(n));
            let (mut left, mut right) = (start, middle);
            for to in &mut merged[start..end] {
                if left < middle && (right == end || x[left] <= x[right]) {
                    *to = x[left];
                    left += 1;
                } else {
                    *to = x[right];
                    right += 1;
                    count += (middle - left) as f64;
                }
            }
        }
        x.copy_from_slice(&merged);
        width *= 2;
    }
    count
}

/// Kendall's distance: pairs that two rankings without ties put in opposite orders, in O(n log n); at most `n(n − 1)/2`.
///
/// # Panics
///
/// If the lists differ in length, or `a` is no permutation.
#[must_use]
pub fn kendall_distance(a: &[usize], b: &[usize]) -> usize {
    assert_eq!(
        a.len(),
        b.len(),
        "kendall_distance: lists must have one length"
    );
    let mut in_order = vec![0; a.len()];
    for (&a, &b) in a.iter().zip(b) {
        in_order[a] = b;
    }
    inversions(&mut in_order) as usize
}

/// Spearman's footrule, `Σ |a_i − b_i|`; at most `⌊n²/2⌋`.
///
/// # Panics
///
/// If the lists differ in length.
#[must_use]
pub fn footrule(a: &[usize], b: &[usize]) -> usize {
    assert_eq!(a.len(), b.len(), "footrule: lists must have one length");
    a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).sum()
}

/// How many things have another place.
///
/// # Panics
///
/// If the lists differ in length.
#[must_use]
pub fn hamming(a: &[usize], b: &[usize]) -> usize {
    assert_eq!(a.len(), b.len(), "hamming: lists must have one length");
    a.iter().zip(b).filter(|(a, b)| a != b).count()
}

/// Means over a batch of pairs of lists: the proportion of things with another place, and that of lists with any such thing. NaN for no lists.
///
/// # Panics
///
/// If the lists of a pair differ in length or are empty.
#[must_use]
pub fn proportions_wrong<'a>(
    pairs: impl IntoIterator<Item = (&'a [usize], &'a [usize])>,
) -> (f64, f64) {
    let (mut lists, mut things, mut any) = (0.0, 0.0, 0.0);
    for (a, b) in pairs {
        assert!(!a.is_empty(), "proportions_wrong: a list is empty");
        let wrong = hamming(a, b);
        lists += 1.0;
        things += wrong as f64 / a.len() as f64;
        any += f64::from(u8::from(wrong > 0));
    }
    (things / lists, any / lists)
}

#[cfg(test)]
mod tests {
    use super::*;
    use unbiased_kernels::uniforms;

    /// `τ_b` by its definition.
    fn by_pairs(a: &[usize], b: &[usize]) -> f64 {
        let sign = |x: usize, y: usize| i64::from(x > y) - i64::from(x < y);
        let pairs = || (0..a.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
        let sum: i64 = pairs()
            .map(|(i, j)| sign(a[i], a[j]) * sign(b[i], b[j]))
            .sum();
        let untied = |x: &[usize]| pairs().filter(|&(i, j)| x[i] != x[j]).count() as f64;
        sum as f64 / (untied(a) * untied(b)).sqrt()
    }

    #[test]
    fn kendall_is_the_mean_sign_of_pairs_with_and_without_ties() {
        for n in 2..40 {
            for classes in [3, 10, 1 << 20] {
                let mut u = vec![0.0; 2 * n];
                uniforms((n * classes) as u64, &mut u);
                let places: Vec<usize> = u.iter().map(|u| (u * classes as f64) as usize).collect();
                let (a, b) = places.split_at(n);
                let (got, expected) = (kendall_tau(a, b), by_pairs(a, b));
                assert!(
                    (got - expected).abs() < 1e-12 || (got.is_nan() && expected.is_nan()),
                    "{a:?} {b:?}: {got} {expected}"
                );
            }
        }
        assert_eq!(kendall_tau(&[0, 1, 2, 3], &[0, 1, 2, 3]), 1.0);
        assert_eq!(kendall_tau(&[0, 1, 2, 3], &[3, 2, 1, 0]), -1.0);
        assert!(kendall_tau(&[1, 1, 1], &[0, 1, 2]).is_nan());
    }

    #[test]
    fn distances_of_small_lists() {
        assert_eq!(footrule(&[0, 1, 2, 3], &[3, 2, 1, 0]), 8);
        assert_eq!(hamming(&[0, 1, 2], &[0, 2, 1]), 2);
        assert_eq!(kendall_distance(&[0, 1, 2, 3], &[3, 2, 1, 0]), 6);
        assert_eq!(kendall_distance(&[2, 0, 1], &[1, 0, 2]), 1);
        let same: &[usize] = &[0, 1, 2, 3];
        let other: &[usize] = &[1, 0, 2, 3];
        assert_eq!(
            proportions_wrong([(same, same), (same, other)]),
            (0.25, 0.5)
        );
    }
}
