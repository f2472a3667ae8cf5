//! Exp3.S: which of several tasks to train on next, from what training on each has gained.
//!
//! Source: Graves, Bellemare, Menick, Munos & Kavukcuoglu, "Automated Curriculum Learning for Neural Networks", 2017, sections 2.2 and 2.3;
//! the algorithm is that of Auer, Cesa-Bianchi, Freund & Schapire, "The Nonstochastic Multiarmed Bandit Problem", 2002. With N arms:
//!
//! ```text
//! pi(i)  = (1 - epsilon) exp(w_i) / sum_j exp(w_j) + epsilon / N
//! r~_i   = (r [i was pulled] + beta) / pi(i)                           here beta = 0
//! w_i   <- ln( (1 - a) exp(w_i + eta r~_i) + a / (N - 1) sum_{j != i} exp(w_j + eta r~_j) ),    a = 1 / t
//! ```
//!
//! What leaks from arm to arm (`a`) lets the policy follow gains that change. Rewards `r` are the gains mapped to [-1, 1] so that their
//! 20 % quantile becomes -1 and their 80 % quantile 1, both from a reservoir of past gains.

use crate::init::uniform;

/// Step size of the log-weights.
const ETA: f64 = 1e-3;
/// Share of the policy that is uniform.
const EPSILON: f64 = 0.05;
/// Gains that are kept for the quantiles.
const RESERVOIR: usize = 1000;
/// Quantiles that become the rewards -1 and 1.
const QUANTILES: [f64; 2] = [0.2, 0.8];

/// The state of Exp3.S (Auer et al., 2002; Graves et al., 2017): log-weights of the arms and a reservoir of gains.
#[derive(Debug, Clone, PartialEq)]
pub struct Bandit {
    /// `w`, the largest 0: the policy does not change when all move alike.
    log_weights: Vec<f64>,
    /// A uniform sample of all gains so far (Vitter's algorithm R).
    gains: Vec<f64>,
    pulls: u64,
}

impl Bandit {
    /// A uniform policy over `arms` arms.
    ///
    /// # Panics
    /// Without arms.
    #[must_use]
    pub fn new(arms: usize) -> Self {
        assert!(arms > 0, "a bandit has at least one arm");
        Self::from_parts(vec![0.0; arms], Vec::new(), 0)
    }

    /// The state that [`parts`](Self::parts) gave.
    #[must_use]
    pub fn from_parts(log_weights: Vec<f64>, gains: Vec<f64>, pulls: u64) -> Self {
        Self {
            log_weights,
            gains,
            pulls,
        }
    }

    /// Log-weights, one per arm; the reservoir of gains; how often an arm was pulled.
    #[must_use]
    pub fn parts(&self) -> (&[f64], &[f64], u64) {
        (&self.log_weights, &self.gains, self.pulls)
    }

    /// How probable it is that each arm is pulled next.
    #[must_use]
    pub fn policy(&self) -> Vec<f64> {
        let arms = self.log_weights.len() as f64;
        let weights = self.log_weights.iter().map(|&w| libm::exp(w));
        let sum: f64 = weights.clone().sum();
        weights
            .map(|weight| (1.0 - EPSILON) * weight / sum + EPSILON / arms)
            .collect()
    }

    /// The arm that the policy pulls for a uniform number `u`.
    #[must_use]
    pub fn arm(&self, u: f64) -> usize {
        let mut left = u;
        let policy = self.policy();
        let found = policy.iter().position(|&p| {
            left -= p;
            left < 0.0
        });
        // Where rounding leaves a rest.
        found.unwrap_or(policy.len() - 1)
    }

    /// Takes in that pulling `arm` gained so much. `key` decides what the reservoir keeps, together with the number of pulls.
    ///
    /// # Panics
    /// If there is no such arm.
    pub fn observe(&mut self, arm: usize, gain: f64, key: u64) {
        let reward = self.reward(gain);
        self.learn(arm, reward);
        self.keep(gain, key);
    }

    /// The gain between the quantiles of those before it; 0 as long as there are none to compare with.
    fn reward(&self, gain: f64) -> f64 {
        if self.gains.is_empty() {
            return 0.0;
        }
        let mut sorted = self.gains.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len() - 1;
        let [low, high] = QUANTILES.map(|q| sorted[libm::round(q * last as f64) as usize]);
        if gain < low {
            -1.0
        } else if gain > high {
            1.0
        } else if low == high {
            0.0
        } else {
            2.0 * (gain - low) / (high - low) - 1.0
        }
    }

    fn learn(&mut self, arm: usize, reward: f64) {
        self.pulls += 1;
        let others = self.log_weights.len() - 1;
        if others == 0 {
            return;
        }
        // The first policy counts as that of t = 1.
        let leak = 1.0 / (self.pulls + 1) as f64;
        self.log_weights[arm] += ETA * reward / self.policy()[arm];
        let largest = self.log_weights.iter().copied().fold(f64::MIN, f64::max);
        let weights = self.log_weights.iter().map(|&w| libm::exp(w - largest));
        let weights: Vec<f64> = weights.collect();
        let sum: f64 = weights.iter().sum();
        let mixed = weights
            .iter()
            .map(|x| libm::log((1.0 - leak) * x + leak * (sum - x) / others as f64));
        self.log_weights = mixed.collect();
        let largest = self.log_weights.iter().copied().fold(f64::MIN, f64::max);
        for w in &mut self.log_weights {
            *w -= largest;
        }
    }

    /// Every gain so far is in the reservoir with the same probability.
    fn keep(&mut self, gain: f64, key: u64) {
        if self.gains.len() < RESERVOIR {
            self.gains.push(gain);
            return;
        }
        let place = (uniform(key, &[self.pulls]) * self.pulls as f64) as usize;
        if let Some(kept) = self.gains.get_mut(place) {
            *kept = gain;
        }
    }
}
