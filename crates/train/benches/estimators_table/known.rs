//! Programs whose exact gradient has a closed form: every row has logits of its own, so that a run gives as many independent estimates
//! as it has rows.

use burn::tensor::{Device, Tensor, TensorData};
use unbiased_estimators::{Program, Run, Site};

use crate::measure::Truth;

/// What is minimised.
pub(crate) trait Cost: Clone {
    /// Makes the choices from `logits` `[rows, width]` and reports the costs.
    fn run(&self, logits: Tensor<2>, run: &mut Run<'_>);
    /// The exact gradient at one row of logits.
    fn gradient(&self, logits: &[f64]) -> Vec<f64>;
}

/// A cost at the same logits in every row.
pub(crate) struct Known<C> {
    cost: C,
    at: Vec<f64>,
    logits: Tensor<2>,
}

impl<C: Cost> Known<C> {
    pub(crate) fn new(cost: C, at: Vec<f64>, rows: usize, device: &Device) -> Self {
        let data = TensorData::new(at.repeat(rows), [rows, at.len()]);
        let logits = Tensor::from_data(data, device).require_grad();
        Self { cost, at, logits }
    }

    pub(crate) fn truth(&self) -> Truth {
        Truth {
            gradient: self.cost.gradient(&self.at),
            error: 0.0,
        }
    }

    /// One after the other.
    pub(crate) fn gradients(&self, surrogate: &Tensor<1>) -> Vec<f32> {
        let gradient = self.logits.grad(&surrogate.backward());
        let gradient = gradient.expect("a gradient at the logits");
        // The surrogate is a mean over rows.
        let rows = gradient.dims()[0] as f64;
        (gradient * rows).into_data().iter::<f32>().collect()
    }
}

impl<C: Cost> Program for Known<C> {
    fn batch(&self) -> usize {
        self.logits.dims()[0]
    }

    fn device(&self) -> Device {
        self.logits.device()
    }

    fn run(&self, run: &mut Run<'_>) {
        self.cost.run(run.rows(self.logits.clone()), run);
    }

    fn frozen(&self) -> Box<dyn Program + '_> {
        Box::new(Self {
            cost: self.cost.clone(),
            at: self.at.clone(),
            logits: self.logits.clone().inner(),
        })
    }
}

/// Numbers between -1 and 1, always the same.
pub(crate) fn spread(n: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / f64::from(1_u32 << 31) * 2.0 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

fn sigma(a: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-a))
}

fn row(x: &[f64], like: &Tensor<2>) -> Tensor<2> {
    let data = TensorData::new(x.to_vec(), [1, x.len()]);
    Tensor::from_data(data, &like.clone().inner().device())
}

/// Something to look at, for baselines: the same everywhere.
fn one(like: &Tensor<2>) -> Tensor<2> {
    like.clone().inner().narrow(1, 0, 1).ones_like()
}

fn sum(x: Tensor<2>) -> Tensor<1> {
    x.sum_dim(1).squeeze_dim::<1>(1)
}

/// `(w b - c)^2` over independent bits.
#[derive(Clone)]
pub(crate) struct Quadratic {
    pub(crate) weights: Vec<f64>,
    pub(crate) offset: f64,
}

impl Cost for Quadratic {
    fn run(&self, logits: Tensor<2>, run: &mut Run<'_>) {
        let weights = row(&self.weights, &logits);
        let site = Site::new(logits.clone()).context(one(&logits));
        let bits = run.bernoulli("bits", site).value;
        let cost = (sum(bits * weights) - self.offset).square();
        run.cost("cost", cost, run.mark());
    }

    fn gradient(&self, logits: &[f64]) -> Vec<f64> {
        // E = (m - c)^2 + sum w^2 p (1 - p), m = sum w p.
        let p = logits.iter().map(|&a| sigma(a));
        let both: Vec<_> = p.zip(&self.weights).collect();
        let mean: f64 = both.iter().map(|(p, w)| p * *w).sum();
        let slope = |&(p, w): &(f64, &f64)| {
            (2.0 * (mean - self.offset) * w + w * w * (1.0 - 2.0 * p)) * p * (1.0 - p)
        };
        both.iter().map(slope).collect()
    }
}

/// `exp(w b)` over independent one-hot choices.
#[derive(Clone)]
pub(crate) struct Exponential {
    pub(crate) weights: Vec<f64>,
    pub(crate) classes: usize,
}

impl Cost for Exponential {
    fn run(&self, logits: Tensor<2>, run: &mut Run<'_>) {
        let weights = row(&self.weights, &logits);
        let site = Site::new(logits.clone()).context(one(&logits));
        let choices = run.categorical("choices", self.classes, site).value;
        run.cost("cost", sum(choices * weights).exp(), run.mark());
    }

    fn gradient(&self, logits: &[f64]) -> Vec<f64> {
        // E = prod_i Z_i, Z_i = sum_k p_k e^w_k; dE/da_k = E (p_k e^w_k / Z_i - p_k).
        let choices = logits
            .chunks(self.classes)
            .zip(self.weights.chunks(self.classes));
        let choices: Vec<_> = choices
            .map(|(logits, weights)| {
                let odds: Vec<f64> = logits.iter().map(|&a| libm::exp(a)).collect();
                let total: f64 = odds.iter().sum();
                let p: Vec<f64> = odds.iter().map(|o| o / total).collect();
                let weighed = p.iter().zip(weights).map(|(p, &w)| p * libm::exp(w));
                let weighed: Vec<f64> = weighed.collect();
                let z: f64 = weighed.iter().sum();
                (p, weighed, z)
            })
            .collect();
        let value: f64 = choices.iter().map(|(_, _, z)| z).product();
        let of_choice = |(p, weighed, z): &(Vec<f64>, Vec<f64>, f64)| {
            let slopes = p.iter().zip(weighed).map(|(p, q)| value * (q / z - p));
            slopes.collect::<Vec<_>>()
        };
        choices.iter().flat_map(of_choice).collect()
    }
}

/// One bit after the other, each drawn towards the one before it, with the costs `(b_t - y_t)^2 + (b_t - b_{t-1})^2 / 2`.
#[derive(Clone)]
pub(crate) struct Chain {
    pub(crate) targets: Vec<f64>,
}

impl Chain {
    fn cost(&self, t: usize, before: f64, b: f64) -> f64 {
        (b - self.targets[t]).powi(2) + 0.5 * (b - before).powi(2)
    }
}

impl Cost for Chain {
    fn run(&self, logits: Tensor<2>, run: &mut Run<'_>) {
        let steps = self.targets.len();
        let mut before = one(&logits).zeros_like();
        for (t, target) in self.targets.iter().enumerate() {
            let time = before.clone().inner().zeros_like() + t as f64 / steps as f64;
            let logit = logits.clone().narrow(1, t, 1) + before.clone() * 2.0 - 1.0;
            let seen = Tensor::cat(vec![before.clone().inner(), time], 1);
            let bit = run.bernoulli("bit", Site::new(logit).context(seen)).value;
            let cost = (bit.clone() - *target).square() + (bit.clone() - before).square() * 0.5;
            run.cost("cost", sum(cost), run.mark());
            before = bit;
        }
    }

    fn gradient(&self, logits: &[f64]) -> Vec<f64> {
        let steps = logits.len();
        let p = |t: usize, before: f64| sigma(logits[t] + 2.0 * before - 1.0);
        // Costs from step t on, given the bit before; then the law of that bit.
        let mut ahead = vec![[0.0; 2]; steps + 1];
        for t in (0..steps).rev() {
            for before in 0..2 {
                let with = |b: usize| self.cost(t, before as f64, b as f64) + ahead[t + 1][b];
                let p = p(t, before as f64);
                ahead[t][before] = p * with(1) + (1.0 - p) * with(0);
            }
        }
        let mut law = [1.0, 0.0];
        let mut gradient = Vec::with_capacity(steps);
        for t in 0..steps {
            let (mut slope, mut next) = (0.0, 0.0);
            for (before, mass) in [0.0, 1.0].into_iter().zip(law) {
                let with = |b: usize| self.cost(t, before, b as f64) + ahead[t + 1][b];
                let p = p(t, before);
                slope += mass * p * (1.0 - p) * (with(1) - with(0));
                next += mass * p;
            }
            gradient.push(slope);
            law = [1.0 - next, next];
        }
        gradient
    }
}
