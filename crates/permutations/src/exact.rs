//! Laws of few elements, exactly: for tests, and for judging approximations.

use crate::{Error, assign, permutation};

/// Most elements of which all orders are enumerated.
pub const MOST_ENUMERATED: usize = 10;
/// Most elements of a [`Gibbs`] law: its tables have `2ⁿ` entries.
pub const MOST_GIBBS: usize = 20;

/// All permutations of 0, …, n − 1 in lexicographic order.
///
/// # Errors
///
/// [`Error::TooLarge`] above [`MOST_ENUMERATED`].
pub fn permutations(n: usize) -> Result<impl Iterator<Item = Vec<usize>>, Error> {
    if n > MOST_ENUMERATED {
        return Err(Error::TooLarge {
            what: "the enumeration of all permutations",
            limit: MOST_ENUMERATED,
            n,
        });
    }
    Ok(std::iter::successors(
        Some((0..n).collect()),
        |list: &Vec<usize>| next(list),
    ))
}

/// The next list in lexicographic order.
fn next(list: &[usize]) -> Option<Vec<usize>> {
    let rise = list.windows(2).rposition(|w| w[0] < w[1])?;
    let larger = list.iter().rposition(|&x| x > list[rise])?;
    let mut list = list.to_vec();
    list.swap(rise, larger);
    list[rise + 1..].reverse();
    Some(list)
}

/// The number of a permutation in the order of [`permutations`], from 0.
///
/// # Errors
///
/// As [`permutation::check`], and [`Error::TooLarge`] above [`MOST_ENUMERATED`].
pub fn index(list: &[usize]) -> Result<usize, Error> {
    permutation::check(list)?;
    let n = list.len();
    if n > MOST_ENUMERATED {
        return Err(Error::TooLarge {
            what: "the number of a permutation",
            limit: MOST_ENUMERATED,
            n,
        });
    }
    let smaller = |i: usize| list[i + 1..].iter().filter(|&&x| x < list[i]).count();
    Ok((0..n).fold(0, |index, i| index * (n - i) + smaller(i)))
}

/// The Gibbs law of matchings, `p(P) = exp ⟨P, X⟩ / Z`, `Z` the permanent of `exp X`.
///
/// The permanent is summed over sets of columns, row by row (Held and Karp's way): `2ⁿ n` steps as in Ryser's formula, but all terms are positive,
/// so that nothing cancels.
#[derive(Debug, Clone)]
pub struct Gibbs {
    n: usize,
    scores: Vec<f64>,
    /// `exp(x − u − v)`, row by row, with the duals u and v of the best matching.
    weights: Vec<f64>,
    /// By set of columns: the sum over matchings of that many first rows with the set.
    before: Vec<f64>,
    /// The sum over matchings of the other rows with the other columns.
    after: Vec<f64>,
    log_partition: f64,
}

impl Gibbs {
    /// The law of scores `[n, n]`, row by row; −∞ forbids a pair.
    ///
    /// # Errors
    ///
    /// [`Error::Length`], [`Error::TooLarge`] above [`MOST_GIBBS`], [`Error::NotANumber`], [`Error::Unbounded`], [`Error::Infeasible`].
    pub fn new(scores: &[f64], n: usize) -> Result<Self, Error> {
        if n > MOST_GIBBS {
            return Err(Error::TooLarge {
                what: "a Gibbs law",
                limit: MOST_GIBBS,
                n,
            });
        }
        if scores.len() != n * n {
            return Err(Error::Length {
                what: "scores",
                expected: n * n,
                got: scores.len(),
            });
        }
        // By the duals of the best matching every weight is at most 1, and its own weights are 1: whatever underflows is nothing beside it.
        let best = assign(scores, [n, n])?;
        let weight = |(k, &x): (usize, &f64)| {
            libm::exp(x - best.row_duals[k / n] - best.column_duals[k % n])
        };
        let weights: Vec<f64> = scores.iter().enumerate().map(weight).collect();
        let duals = best.row_duals.iter().chain(&best.column_duals);
        let scale: f64 = duals.sum();
        let full = (1_usize << n) - 1;
        let (mut before, mut after) = (vec![0.0; full + 1], vec![0.0; full + 1]);
        before[0] = 1.0;
        for set in 0..full {
            let row = set.count_ones() as usize;
            for j in columns(n, !set) {
                before[set | 1 << j] += before[set] * weights[row * n + j];
            }
        }
        after[full] = 1.0;
        for set in (0..full).rev() {
            let row = set.count_ones() as usize;
            after[set] = columns(n, !set)
                .map(|j| weights[row * n + j] * after[set | 1 << j])
                .sum();
        }
        Ok(Self {
            n,
            scores: scores.to_vec(),
            log_partition: scale + libm::log(after[0]),
            weights,
            before,
            after,
        })
    }

    /// ln Z.
    #[must_use]
    pub fn log_partition(&self) -> f64 {
        self.log_partition
    }

    /// `ln p` of a permutation, in nats.
    ///
    /// # Errors
    ///
    /// As [`permutation::check`], and [`Error::Length`].
    pub fn log_prob(&self, list: &[usize]) -> Result<f64, Error> {
        permutation::check(list)?;
        if list.len() != self.n {
            return Err(Error::Length {
                what: "the permutation",
                expected: self.n,
                got: list.len(),
            });
        }
        let total: f64 = list
            .iter()
            .enumerate()
            .map(|(i, j)| self.scores[i * self.n + j])
            .sum();
        Ok(total - self.log_partition)
    }

    /// `P(row i goes to column j)`, `[n, n]`, row by row.
    #[must_use]
    pub fn marginals(&self) -> Vec<f64> {
        let n = self.n;
        let mut marginals = vec![0.0; n * n];
        for set in 0..(1_usize << n) - 1 {
            let row = set.count_ones() as usize;
            for j in columns(n, !set) {
                let with = self.weights[row * n + j] * self.after[set | 1 << j];
                marginals[row * n + j] += self.before[set] * with / self.after[0];
            }
        }
        marginals
    }

    /// An exact sample from `n` uniforms on (0, 1), one for each row.
    ///
    /// # Panics
    ///
    /// If there are fewer uniforms.
    #[must_use]
    pub fn sample(&self, u: &[f64]) -> Vec<usize> {
        let n = self.n;
        let mut set = 0;
        (0..n)
            .map(|row| {
                let mut left = u[row] * self.after[set];
                let weight = |j: usize| self.weights[row * n + j] * self.after[set | 1 << j];
                let mut chosen = None;
                for j in columns(n, !set).filter(|&j| weight(j) > 0.0) {
                    chosen = Some(j);
                    left -= weight(j);
                    if left < 0.0 {
                        break;
                    }
                }
                let chosen = chosen.expect("every set that is reached can be completed");
                set |= 1 << chosen;
                chosen
            })
            .collect()
    }
}

/// The columns in a set of bits.
fn columns(n: usize, set: usize) -> impl Iterator<Item = usize> {
    (0..n).filter(move |j| set >> j & 1 == 1)
}

/// `Σ √(p q)` of two laws over the same values, in [0, 1].
///
/// # Errors
///
/// [`Error::Length`] if they differ in length.
pub fn bhattacharyya(p: &[f64], q: &[f64]) -> Result<f64, Error> {
    if p.len() != q.len() {
        return Err(Error::Length {
            what: "the second law",
            expected: p.len(),
            got: q.len(),
        });
    }
    Ok(p.iter().zip(q).map(|(p, q)| (p * q).sqrt()).sum())
}

/// `√(1 − Σ √(p q))`, the Hellinger distance: what the tables of Linderman et al. (2018) call the Bhattacharyya distance.
///
/// # Errors
///
/// As [`bhattacharyya`].
pub fn hellinger(p: &[f64], q: &[f64]) -> Result<f64, Error> {
    Ok((1.0 - bhattacharyya(p, q)?).max(0.0).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use unbiased_kernels::uniforms;

    fn scores(n: usize, seed: u64) -> Vec<f64> {
        let mut u = vec![0.0; n * n];
        uniforms(seed, &mut u);
        u.iter().map(|u| 6.0 * u - 3.0).collect()
    }

    fn law(scores: &[f64], n: usize) -> Vec<f64> {
        let total = |list: Vec<usize>| {
            list.iter()
                .enumerate()
                .map(|(i, j)| scores[i * n + j])
                .sum::<f64>()
        };
        let weights: Vec<f64> = permutations(n)
            .unwrap()
            .map(|p| libm::exp(total(p)))
            .collect();
        let z: f64 = weights.iter().sum();
        weights.into_iter().map(|w| w / z).collect()
    }

    #[test]
    fn all_permutations_are_numbered_in_order() {
        assert_eq!(permutations(0).unwrap().count(), 1);
        assert_eq!(permutations(3).unwrap().nth(3), Some(vec![1, 2, 0]));
        for (k, list) in permutations(5).unwrap().enumerate() {
            assert_eq!(index(&list).unwrap(), k);
        }
        assert_eq!(permutations(6).unwrap().count(), 720);
        assert!(permutations(11).is_err());
    }

    #[test]
    fn gibbs_is_the_enumerated_law() {
        for n in 1..6 {
            let scores = scores(n, n as u64);
            let (gibbs, law) = (Gibbs::new(&scores, n).unwrap(), law(&scores, n));
            let mut marginals = vec![0.0; n * n];
            for (list, p) in permutations(n).unwrap().zip(&law) {
                assert!((gibbs.log_prob(&list).unwrap() - p.ln()).abs() < 1e-12);
                for (i, j) in list.into_iter().enumerate() {
                    marginals[i * n + j] += p;
                }
            }
            for (got, expected) in gibbs.marginals().iter().zip(&marginals) {
                assert!((got - expected).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn permanents_of_ones_are_factorials_and_large_scores_do_not_overflow() {
        let gibbs = Gibbs::new(&[0.0; 400], 20).unwrap();
        assert!((gibbs.log_partition() - libm::lgamma(21.0)).abs() < 1e-10);
        let shifted = Gibbs::new(&[1e4; 9], 3).unwrap();
        assert!((shifted.log_partition() - 3e4 - 6.0_f64.ln()).abs() < 1e-8);
        // Both rows prefer the first column by far more than an exponential can tell.
        let contested = Gibbs::new(&[0.0, -900.0, 0.0, -900.0 + 2.0_f64.ln()], 2).unwrap();
        assert!((contested.log_partition() + 900.0 - 3.0_f64.ln()).abs() < 1e-10);
        let marginals = contested.marginals();
        assert!((marginals[0] - 2.0 / 3.0).abs() < 1e-10);
    }

    #[test]
    fn samples_have_the_law() {
        let (n, draws) = (3, 60_000);
        let scores = scores(n, 5);
        let (gibbs, law) = (Gibbs::new(&scores, n).unwrap(), law(&scores, n));
        let mut counts = vec![0.0; 6];
        let mut u = vec![0.0; n * draws];
        uniforms(11, &mut u);
        for u in u.chunks_exact(n) {
            counts[index(&gibbs.sample(u)).unwrap()] += 1.0;
        }
        for (count, p) in counts.iter().zip(&law) {
            let sd = (draws as f64 * p * (1.0 - p)).sqrt();
            assert!(
                (count - draws as f64 * p).abs() < 4.0 * sd + 1.0,
                "{counts:?} {law:?}"
            );
        }
        // Another law is told apart.
        assert!((counts[0] / draws as f64 - 1.0 / 6.0).abs() > 0.01);
    }

    #[test]
    fn bad_scores_are_errors() {
        let no = f64::NEG_INFINITY;
        assert!(matches!(
            Gibbs::new(&[0.0, f64::NAN, 0.0, 0.0], 2),
            Err(Error::NotANumber {
                row: 0,
                column: 1,
                ..
            })
        ));
        assert!(matches!(
            Gibbs::new(&[0.0; 3], 2),
            Err(Error::Length { .. })
        ));
        // Both rows want the first column.
        assert!(matches!(
            Gibbs::new(&[0.0, no, 0.0, no], 2),
            Err(Error::Infeasible { .. })
        ));
        assert!(Gibbs::new(&[0.0, no, no, 0.0], 2).is_ok());
    }

    #[test]
    fn distances_of_laws() {
        assert_eq!(hellinger(&[0.5, 0.5], &[0.5, 0.5]).unwrap(), 0.0);
        assert_eq!(hellinger(&[1.0, 0.0], &[0.0, 1.0]).unwrap(), 1.0);
        assert!(bhattacharyya(&[1.0], &[0.5, 0.5]).is_err());
    }
}
