//! Orders from scores on the host, in double precision.

use unbiased_permutations::{Error, assign, permutation::ranks};

use super::config::{OrderLaw, SortingConfig};

impl SortingConfig {
    /// The place of every element of a list of `n` that has these `scores`: that of the best order, or, with Gumbel `noise` for each score, of a
    /// drawn one. Of Gumbel-Sinkhorn drawn is the matching, its limit at temperature 0.
    ///
    /// # Errors
    /// Scores that are not finite.
    pub fn places(&self, scores: &[f64], noise: Option<&[f64]>) -> Result<Vec<usize>, Error> {
        let scale = match self.law {
            OrderLaw::GumbelSinkhorn => self.matching.noise,
            // Plackett-Luce draws from the top; here the greatest score belongs last.
            OrderLaw::PlackettLuce => -1.0,
        };
        let noisy: Vec<f64> = match noise {
            None => scores.to_vec(),
            Some(noise) => {
                let pairs = scores.iter().zip(noise);
                pairs.map(|(score, noise)| score + scale * noise).collect()
            }
        };
        match self.law {
            OrderLaw::GumbelSinkhorn => Ok(assign(&noisy, [self.n, self.n])?.list()),
            OrderLaw::PlackettLuce => ranks(&noisy),
        }
    }
}
