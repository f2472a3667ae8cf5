//! Noise laid out so that a weighted sum over rows is an expectation over the rankings of three items: one row per outcome, or a quadrature within each.

use unbiased_estimators::{Address, Role, Source};

use crate::support::{log_prob, rankings};

/// Rows of uniforms, three for each copy, with weights that sum to one.
#[derive(Clone)]
pub struct Grid {
    pub weights: Vec<f64>,
    /// By copy, row after row.
    copies: Vec<Vec<f64>>,
}

impl Source for Grid {
    fn fill(&self, at: Address<'_>, out: &mut [f64]) {
        match at.role {
            Role::Choice => out.copy_from_slice(&self.copies[at.copy][3 * at.row..][..3]),
            _ => out.fill(0.5),
        }
    }
}

/// The uniform of a Gumbel.
fn uniform(gumbel: f64) -> f64 {
    (-(-gumbel).exp()).exp()
}

impl Grid {
    /// All outcomes of `copies` independent choices: Gumbels far enough apart to make each certain.
    pub fn outcomes(scores: &[f64], copies: usize) -> Self {
        let lists = rankings(3);
        let total = lists.len().pow(copies as u32);
        let outcome =
            |row: usize, copy: usize| &lists[row / lists.len().pow(copy as u32) % lists.len()];
        let weight = |row: usize| {
            let chances = (0..copies).map(|copy| log_prob(scores, outcome(row, copy)).exp());
            chances.product()
        };
        let column = |copy: usize| {
            let noise = |row: usize| outcome(row, copy).iter().map(|r| uniform(10.0 * (2.0 - r)));
            (0..total).flat_map(noise).collect()
        };
        Self {
            weights: (0..total).map(weight).collect(),
            copies: (0..copies).map(column).collect(),
        }
    }

    /// One choice, with a rule of step `h` in each outcome.
    ///
    /// Given the ranking, `e^{−z_k} = Σ_{j ≤ k} e^{−φ_j} d_j` with independent exponentials d. What depends on differences of z only, as relaxed ranks
    /// and slopes do, depends on the shares of their sum only, which are uniform on a simplex: two dimensions, each mapped to a line, where the
    /// trapezoidal rule converges exponentially.
    pub fn quadrature(scores: &[f64], h: f64) -> Self {
        let line: Vec<[f64; 2]> = {
            let n = (32.0 / h) as i32;
            let sigma = |x: f64| 1.0 / (1.0 + (-x).exp());
            (-n..=n)
                .map(|k| h * f64::from(k))
                .map(|x| [sigma(x), sigma(-x)])
                .collect()
        };
        let mut grid = Self {
            weights: Vec::new(),
            copies: vec![Vec::new()],
        };
        for ranks in rankings(3) {
            let chance = log_prob(scores, &ranks).exp();
            let item = |rank: usize| (0..3).find(|&i| ranks[i] == rank as f64).expect("an item");
            let rate = |rank: usize| (rank..3).map(|k| scores[item(k)].exp()).sum::<f64>();
            for [a, not_a] in &line {
                for [b, not_b] in &line {
                    // 1 − (1 − x)² is the distribution of the first share; the others halve the rest uniformly.
                    let rest = not_a.sqrt();
                    let shares = [a / (1.0 + rest), rest * b, rest * not_b];
                    let mut sum = 0.0;
                    let z = [0, 1, 2].map(|k| {
                        sum += shares[k] / rate(k);
                        -f64::ln(sum)
                    });
                    // As far down as uniforms above 0 allow; gaps beyond 11 make no difference, and would not fit.
                    let last = scores.iter().copied().fold(f64::MIN, f64::max) - 6.0;
                    let middle = last + (z[1] - z[2]).min(11.0);
                    let first = middle + (z[0] - z[1]).min(11.0);
                    let mut uniforms = [0.0; 3];
                    for (k, z) in [first, middle, last].into_iter().enumerate() {
                        uniforms[item(k)] = uniform(z - scores[item(k)]);
                    }
                    grid.copies[0].extend(uniforms);
                    grid.weights.push(chance * a * not_a * b * not_b * h * h);
                }
            }
        }
        let total: f64 = grid.weights.iter().sum();
        assert!((total - 1.0).abs() < 1e-11, "weights sum to {total}");
        grid
    }
}
