//! The Mallows law of rankings: the less probable, the more pairs differ from a centre. With no concentration, the uniform law.
//!
//! `p(π) = e^{−θ d(π, c)} / Z`, d Kendall's distance ([`kendall_distance`](crate::metrics::kendall_distance)).
//!
//! Sources: Mallows, "Non-null Ranking Models. I", 1957; Doignon, Pekeč & Regenwetter, "The Repeated Insertion Model for Rankings", 2004.
//!
//! Items are inserted one after the other, in the order of the centre: the t-th (from 0) jumps ahead of `V_t` of the t before it, which puts that many pairs
//! out of order. So `d = Σ V_t`, the `V_t` are independent, `P(V_t = v) ∝ e^{−θ v}` on 0, …, t, and
//!
//! `Z = Π_t Σ_{v ≤ t} e^{−θ v}`
//!
//! All of this is on the host, in double precision.

use crate::{Error, metrics::kendall_distance, permutation};

/// The law around a centre. Rankings are lists: `list[i]` is the rank of item i.
///
/// # Example
///
/// ```
/// use unbiased_permutations::Mallows;
///
/// let law = Mallows::new(&[2, 0, 1], 1.5)?;
/// assert_eq!(law.mode(), [2, 0, 1]);
/// // One pair out of order costs θ.
/// let (at, beside) = (law.log_prob(&[2, 0, 1])?, law.log_prob(&[1, 0, 2])?);
/// assert!((at - beside - 1.5).abs() < 1e-12);
/// # Ok::<(), unbiased_permutations::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Mallows {
    centre: Vec<usize>,
    /// The item of each rank of the centre.
    items: Vec<usize>,
    theta: f64,
}

impl Mallows {
    /// The law with this centre and concentration θ, in nats for each pair out of order.
    ///
    /// # Errors
    ///
    /// As [`permutation::check`]; [`Error::Setting`] for θ below 0 or not finite.
    pub fn new(centre: &[usize], theta: f64) -> Result<Self, Error> {
        if !(theta >= 0.0 && theta.is_finite()) {
            return Err(Error::Setting {
                setting: "theta",
                value: theta,
                allowed: "a finite number, at least 0",
            });
        }
        Ok(Self {
            items: permutation::inverse(centre)?,
            centre: centre.to_vec(),
            theta,
        })
    }

    /// The uniform law over all rankings of n items.
    #[must_use]
    pub fn uniform(n: usize) -> Self {
        Self {
            centre: (0..n).collect(),
            items: (0..n).collect(),
            theta: 0.0,
        }
    }

    /// Chances of `V_t = 0, …, t`.
    fn jumps(&self, t: usize) -> impl Iterator<Item = f64> {
        let total = self.jump_total(t);
        let theta = self.theta;
        (0..=t).map(move |v| libm::exp(-theta * v as f64) / total)
    }

    /// `Σ_{v ≤ t} e^{−θ v}`, between 1 and t + 1.
    fn jump_total(&self, t: usize) -> f64 {
        (0..=t).map(|v| libm::exp(-self.theta * v as f64)).sum()
    }

    /// `ln Z`.
    #[must_use]
    pub fn log_partition(&self) -> f64 {
        (0..self.items.len())
            .map(|t| libm::log(self.jump_total(t)))
            .sum()
    }

    /// `ln p` of a ranking, in nats.
    ///
    /// # Errors
    ///
    /// As [`permutation::check`]; [`Error::Length`].
    pub fn log_prob(&self, list: &[usize]) -> Result<f64, Error> {
        permutation::check(list)?;
        if list.len() != self.centre.len() {
            return Err(Error::Length {
                what: "the ranking",
                expected: self.centre.len(),
                got: list.len(),
            });
        }
        let distance = kendall_distance(list, &self.centre) as f64;
        Ok(-self.theta * distance - self.log_partition())
    }

    /// The most probable ranking: the centre.
    #[must_use]
    pub fn mode(&self) -> &[usize] {
        &self.centre
    }

    /// An exact sample from `n` uniforms on (0, 1), one for each insertion.
    ///
    /// # Panics
    ///
    /// If there are fewer uniforms.
    #[must_use]
    pub fn sample(&self, u: &[f64]) -> Vec<usize> {
        let mut order: Vec<usize> = Vec::with_capacity(self.items.len());
        for (t, &item) in self.items.iter().enumerate() {
            let mut left = u[t];
            let ahead = self.jumps(t).position(|p| {
                left -= p;
                left < 0.0
            });
            // What rounding leaves over is the last one's.
            order.insert(t - ahead.unwrap_or(t), item);
        }
        let mut ranks = vec![0; order.len()];
        for (rank, &item) in order.iter().enumerate() {
            ranks[item] = rank;
        }
        ranks
    }

    /// Mean and variance of the distance from the centre.
    #[must_use]
    pub fn distance_moments(&self) -> (f64, f64) {
        let moments = (0..self.items.len()).map(|t| {
            let moment = |power: i32| -> f64 {
                let jumps = self.jumps(t).enumerate();
                jumps.map(|(v, p)| (v as f64).powi(power) * p).sum()
            };
            let mean = moment(1);
            (mean, moment(2) - mean * mean)
        });
        moments.fold((0.0, 0.0), |sum, next| (sum.0 + next.0, sum.1 + next.1))
    }

    /// `P(item i has rank j)`, the expected matrix `[n, n]`, row by row, in O(n³).
    #[must_use]
    pub fn marginals(&self) -> Vec<f64> {
        let n = self.items.len();
        let mut marginals = vec![0.0; n * n];
        for (t, &item) in self.items.iter().enumerate() {
            // At place t − V_t of those there are.
            let mut places: Vec<f64> = self.jumps(t).collect();
            places.reverse();
            for later in t + 1..n {
                // The next one goes to place `later − V`: to this place or before it, moving it on, with this chance.
                let mut before: Vec<f64> = self.jumps(later).collect();
                before.reverse();
                let mut moved = vec![0.0; later + 1];
                let mut ahead = 0.0;
                for (place, p) in places.iter().enumerate() {
                    ahead += before[place];
                    moved[place] += p * (1.0 - ahead);
                    moved[place + 1] += p * ahead;
                }
                places = moved;
            }
            marginals[item * n..][..n].copy_from_slice(&places);
        }
        marginals
    }
}
