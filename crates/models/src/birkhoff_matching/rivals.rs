//! Laws of matchings that need no training.

use unbiased_kernels::uniforms;
use unbiased_permutations::{Error, assign, exact, metrics::footrule};

use super::Problem;

/// A law that a problem has by itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rival {
    /// All of its mass on the most probable matching.
    Map,
    /// The paper's Mallows law around the most probable matching, exactly: `p ∝ e^{−θ d}`, d the footrule `Σ |π_i − c_i|`.
    Mallows {
        /// θ, in nats.
        theta: f64,
    },
    /// So many samples of the posterior itself: what no sampler can beat.
    Exact {
        /// How many.
        samples: usize,
    },
    /// A Metropolis chain of the posterior by swaps of two, from the most probable matching; every state counts.
    Chain {
        /// Its steps.
        samples: usize,
    },
    /// So many samples of Gumbel-Matching with the scores `c·S`.
    GumbelMatching {
        /// c.
        scale: f64,
        /// How many.
        samples: usize,
    },
}

impl Rival {
    /// Its probabilities of all matchings, in the order of [`exact::permutations`]; frequencies where it is sampled.
    ///
    /// `stream` decides the samples.
    ///
    /// # Errors
    ///
    /// As [`assign`].
    pub fn law(self, problem: &Problem, stream: u64) -> Result<Vec<f64>, Error> {
        let n = problem.n();
        let posterior = problem.posterior();
        let mode = || Ok::<_, Error>(assign(problem.scores(), [n, n])?.list());
        let numbers = |count: usize| {
            let mut u = vec![0.0; count];
            uniforms(stream, &mut u);
            u
        };
        match self {
            Self::Map => {
                let mut law = vec![0.0; posterior.len()];
                law[exact::index(&mode()?)?] = 1.0;
                Ok(law)
            }
            Self::Mallows { theta } => {
                let centre = mode()?;
                let weight = |list: Vec<usize>| libm::exp(-theta * footrule(&list, &centre) as f64);
                let weights: Vec<f64> = exact::permutations(n)?.map(weight).collect();
                let sum: f64 = weights.iter().sum();
                Ok(weights.into_iter().map(|w| w / sum).collect())
            }
            Self::Exact { samples } => {
                let mut below = 0.0;
                let levels: Vec<f64> = posterior
                    .iter()
                    .map(|p| {
                        below += p;
                        below
                    })
                    .collect();
                // Rounding may leave the last level below 1.
                let last = levels.len() - 1;
                let drawn = numbers(samples).into_iter();
                let drawn = drawn.map(|u| Ok(levels.partition_point(|&x| x < u).min(last)));
                frequencies(posterior.len(), samples, drawn)
            }
            Self::Chain { samples } => {
                let mut list = mode()?;
                let mut at = exact::index(&list)?;
                let drawn = numbers(3 * samples);
                let drawn = drawn.chunks_exact(3).map(|u| {
                    let first = (u[0] * n as f64) as usize;
                    let second = (first + 1 + (u[1] * (n - 1) as f64) as usize) % n;
                    list.swap(first, second);
                    let next = exact::index(&list)?;
                    if u[2] * posterior[at] < posterior[next] {
                        at = next;
                    } else {
                        list.swap(first, second);
                    }
                    Ok(at)
                });
                frequencies(posterior.len(), samples, drawn)
            }
            Self::GumbelMatching { scale, samples } => {
                let u = numbers(n * n * samples);
                let drawn = u.chunks_exact(n * n).map(|u| {
                    let noisy = problem.scores().iter().zip(u);
                    let noisy = noisy.map(|(s, u)| scale * s - libm::log(-libm::log(*u)));
                    let noisy: Vec<f64> = noisy.collect();
                    exact::index(&assign(&noisy, [n, n])?.list())
                });
                frequencies(posterior.len(), samples, drawn)
            }
        }
    }
}

/// How often each of `values` was drawn, as a share.
fn frequencies(
    values: usize,
    samples: usize,
    drawn: impl Iterator<Item = Result<usize, Error>>,
) -> Result<Vec<f64>, Error> {
    let mut law = vec![0.0; values];
    for index in drawn {
        law[index?] += 1.0 / samples as f64;
    }
    Ok(law)
}
