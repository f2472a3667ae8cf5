//! The gradient of the limit, from its own equations.
//!
//! Where `P = exp(K + f + g)` has the row sums r and the column sums c, whatever K, a change of K is answered by changes of the potentials
//! that keep the sums. Reversed: `K̄ = Z − P∘(α1ᵀ + 1βᵀ)` with
//!
//! `[diag(r) P; Pᵀ diag(c)]·[α; β] = [Z1; Zᵀ1]`,
//!
//! solved for β by conjugate gradients on the Schur complement `diag(c) − Pᵀ·diag(r)⁻¹·P`, which is singular along 1 only: everything stays
//! orthogonal to it. In double precision, since the condition is that of the iteration: 1/(1 − σ₂²).

use super::matrix::Matrix;
use super::real::Real;

/// Where the residual is small enough, relative to the slopes.
const PRECISION: f64 = 1e-12;

/// Turns Z into the gradient towards the scores; both with the slack line.
pub(super) fn pull_back<T: Real>(matrix: &Matrix<'_, T>, f: &[T], g: &[T], z: &mut [T]) {
    let m = matrix.columns();
    let plan = matrix.gibbs(f, g);
    let plan = Plan {
        p: plan.into_iter().map(T::into_f64).collect(),
        m,
    };
    let (r, c) = plan.sums();
    let slopes = Plan {
        p: z.iter().map(|z| z.into_f64()).collect(),
        m,
    };
    let (z_rows, z_columns) = slopes.sums();
    let inverse = |x: f64| if x > 0.0 { 1.0 / x } else { 0.0 };
    let per_row = |x: &[f64]| -> Vec<f64> {
        let rows = x.iter().zip(&r);
        rows.map(|(x, &r)| x * inverse(r)).collect()
    };
    let complement = |x: &[f64]| -> Vec<f64> {
        let back = plan.transposed(&per_row(&plan.times(x)));
        let columns = x.iter().zip(&c).zip(back);
        columns.map(|((x, c), back)| c * x - back).collect()
    };
    let from_rows = plan.transposed(&per_row(&z_rows));
    let right: Vec<f64> = z_columns
        .iter()
        .zip(from_rows)
        .map(|(c, r)| c - r)
        .collect();
    let size = norm(&z_columns) + norm(&z_rows);
    let beta = conjugate_gradients(complement, right, size * PRECISION);
    let rest: Vec<f64> = z_rows
        .iter()
        .zip(plan.times(&beta))
        .map(|(z, p)| z - p)
        .collect();
    let alpha = per_row(&rest);
    let rows = z.chunks_exact_mut(m).zip(plan.p.chunks_exact(m)).zip(alpha);
    for ((z, p), alpha) in rows {
        for ((z, p), beta) in z.iter_mut().zip(p).zip(&beta) {
            *z = *z - T::from_f64(p * (alpha + beta));
        }
    }
}

struct Plan {
    p: Vec<f64>,
    m: usize,
}

impl Plan {
    fn sums(&self) -> (Vec<f64>, Vec<f64>) {
        let n = self.p.len() / self.m;
        (
            self.times(&vec![1.0; self.m]),
            self.transposed(&vec![1.0; n]),
        )
    }

    fn times(&self, x: &[f64]) -> Vec<f64> {
        let rows = self.p.chunks_exact(self.m);
        rows.map(|row| dot(row, x)).collect()
    }

    fn transposed(&self, x: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.m];
        for (row, x) in self.p.chunks_exact(self.m).zip(x) {
            for (sum, p) in sums.iter_mut().zip(row) {
                *sum += x * p;
            }
        }
        sums
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(x: &[f64]) -> f64 {
    dot(x, x).sqrt()
}

/// x with `A·x = right`, both orthogonal to 1, up to a residual of the given length.
fn conjugate_gradients(
    a: impl Fn(&[f64]) -> Vec<f64>,
    mut residual: Vec<f64>,
    length: f64,
) -> Vec<f64> {
    let mut x = vec![0.0; residual.len()];
    centre(&mut residual);
    let mut direction = residual.clone();
    let mut square = dot(&residual, &residual);
    // In exact arithmetic as many steps as there are unknowns do.
    for _ in 0..3 * x.len() {
        if square.sqrt() <= length {
            break;
        }
        let image = a(&direction);
        let curvature = dot(&direction, &image);
        if curvature <= 0.0 {
            break;
        }
        let step = square / curvature;
        for ((x, r), (d, i)) in x
            .iter_mut()
            .zip(&mut residual)
            .zip(direction.iter().zip(&image))
        {
            *x += step * d;
            *r -= step * i;
        }
        centre(&mut residual);
        let next = dot(&residual, &residual);
        for (d, r) in direction.iter_mut().zip(&residual) {
            *d = r + next / square * *d;
        }
        square = next;
    }
    x
}

fn centre(x: &mut [f64]) {
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    for x in x {
        *x -= mean;
    }
}
