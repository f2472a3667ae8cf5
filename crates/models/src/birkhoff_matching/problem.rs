//! Problems of matching and their exact posteriors.

use core::f64::consts::TAU;

use burn::tensor::{Device, Tensor, TensorData};
use unbiased_kernels::{substream, uniforms};
use unbiased_permutations::{Error, exact};

/// Centres, noisy observations of them in another order, and what can be known of that order.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    centres: Vec<[f64; 2]>,
    observations: Vec<[f64; 2]>,
    sd: f64,
    scores: Vec<f64>,
    posterior: Vec<f64>,
}

impl Problem {
    /// Problem `number` of a stream of random ones: `n` points of the plane and noise of standard deviation `sd` in each coordinate, observed in
    /// random order. Problems of one number differ between noises in that alone.
    ///
    /// # Errors
    ///
    /// As [`Problem::new`].
    pub fn random(n: usize, sd: f64, stream: u64, number: u64) -> Result<Self, Error> {
        // Four normals to a point, by two uniforms each; and where it is observed.
        let mut u = vec![0.0; 9 * n];
        uniforms(substream(stream, number), &mut u);
        let (of_points, of_order) = u.split_at(8 * n);
        let normals: Vec<f64> = of_points
            .chunks_exact(2)
            .map(|u| (-2.0 * libm::log(u[0])).sqrt() * libm::cos(TAU * u[1]))
            .collect();
        let points = normals.chunks_exact(4);
        let centres = points.clone().map(|p| [p[0], p[1]]).collect();
        let mut observed: Vec<(f64, [f64; 2])> = of_order
            .iter()
            .zip(points)
            .map(|(&u, p)| (u, [p[0] + sd * p[2], p[1] + sd * p[3]]))
            .collect();
        observed.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self::new(centres, observed.into_iter().map(|(_, y)| y).collect(), sd)
    }

    /// The problem of these points.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] above [`exact::MOST_ENUMERATED`], [`Error::Setting`] for an sd that is not positive, [`Error::Length`].
    pub fn new(
        centres: Vec<[f64; 2]>,
        observations: Vec<[f64; 2]>,
        sd: f64,
    ) -> Result<Self, Error> {
        if !(sd > 0.0 && sd.is_finite()) {
            return Err(Error::Setting {
                setting: "sd",
                value: sd,
                allowed: "a positive number",
            });
        }
        let n = centres.len();
        if observations.len() != n {
            return Err(Error::Length {
                what: "the observations",
                expected: n,
                got: observations.len(),
            });
        }
        let mut scores = Vec::with_capacity(n * n);
        for x in &centres {
            for y in &observations {
                let square = (y[0] - x[0]).powi(2) + (y[1] - x[1]).powi(2);
                scores.push(square / (-2.0 * sd * sd));
            }
        }
        let total = |list: Vec<usize>| -> f64 {
            let pairs = list.iter().enumerate();
            pairs.map(|(i, j)| scores[i * n + j]).sum()
        };
        let totals: Vec<f64> = exact::permutations(n)?.map(total).collect();
        let top = totals.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut posterior: Vec<f64> = totals.iter().map(|x| libm::exp(x - top)).collect();
        let sum: f64 = posterior.iter().sum();
        for p in &mut posterior {
            *p /= sum;
        }
        Ok(Self {
            centres,
            observations,
            sd,
            scores,
            posterior,
        })
    }

    /// Number of points.
    #[must_use]
    pub fn n(&self) -> usize {
        self.centres.len()
    }

    /// S, `[n, n]`, row after row: a row for each centre.
    #[must_use]
    pub fn scores(&self) -> &[f64] {
        &self.scores
    }

    /// Probabilities in the order of [`exact::permutations`].
    #[must_use]
    pub fn posterior(&self) -> &[f64] {
        &self.posterior
    }

    /// The distance of a law, in the same order, from the posterior: 0 to 1.
    ///
    /// # Errors
    ///
    /// [`Error::Length`].
    pub fn distance(&self, law: &[f64]) -> Result<f64, Error> {
        exact::hellinger(&self.posterior, law)
    }
}

/// Many problems on a device.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// x, `[problems, n, 2]`.
    pub(super) centres: Tensor<3>,
    /// y, `[problems, n, 2]`.
    pub(super) observations: Tensor<3>,
    /// σ², `[problems, 1]`.
    pub(super) variance: Tensor<2>,
}

impl Evidence {
    /// Problems of one size, without autodiff.
    ///
    /// # Panics
    ///
    /// If there are none, or of different sizes.
    #[must_use]
    pub fn new(problems: &[Problem], device: &Device) -> Self {
        let (count, n) = (problems.len(), problems[0].n());
        assert!(
            problems.iter().all(|problem| problem.n() == n),
            "Evidence: problems must have one size"
        );
        let points = |of: fn(&Problem) -> &[[f64; 2]]| {
            let values: Vec<f32> = problems
                .iter()
                .flat_map(|problem| of(problem).as_flattened())
                .map(|&x| x as f32)
                .collect();
            Tensor::from_data(TensorData::new(values, [count, n, 2]), device)
        };
        let variances: Vec<f32> = problems.iter().map(|p| (p.sd * p.sd) as f32).collect();
        Self {
            centres: points(|problem| &problem.centres),
            observations: points(|problem| &problem.observations),
            variance: Tensor::from_data(TensorData::new(variances, [count, 1]), device),
        }
    }
}
