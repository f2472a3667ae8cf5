//! The exact gradient of the iterations that were done, in O(L·n) memory.
//!
//! With Z = P∘∂l/∂P, and f̄, ḡ the slopes towards the potentials of an iterate, the reverse of `g′ → f → g` is
//!
//! * `f̄ ← f̄ − A·(ḡ/b)`, `K̄ ← K̄ − A∘1(ḡ/b)ᵀ`, with `A = exp(K + f + g)`, whose columns have the sums b;
//! * `ḡ′ = −Cᵀ·(f̄/a)`, `K̄ ← K̄ − C∘(f̄/a)1ᵀ`, with `C = exp(K + f + g′)`, whose rows have the sums a.
//!
//! In the scaling form A and C are `e` with factors of its rows and columns, so that an iteration is one pass over e as in the forward
//! direction, and the updates of K̄ of a few of them together are `e` times a matrix of low rank, made at once.

use super::matrix::Matrix;
use super::plain::Segment;
use super::real::Real;

/// Iterations whose updates of K̄ are made at once.
const TOGETHER: usize = 64;

/// Turns Z into the gradient towards the scores; both with the slack line.
pub(super) fn pull_back<T: Real>(matrix: &Matrix<'_, T>, trace: &[Segment<T>], z: &mut [T]) {
    let (n, m) = (matrix.rows(), matrix.columns());
    let (mut slope_f, mut slope_g) = (vec![T::ZERO; n], vec![T::ZERO; m]);
    for (row, f) in z.chunks_exact(m).zip(&mut slope_f) {
        for (&z, g) in row.iter().zip(&mut slope_g) {
            *f = *f + z;
            *g = *g + z;
        }
    }
    let mut slopes = Slopes {
        f: slope_f,
        g: slope_g,
        sums: vec![T::ZERO; m],
    };
    for segment in trace.iter().rev() {
        match segment {
            Segment::Scaled { f0, g0, factors } => {
                slopes.scaled(matrix, &matrix.gibbs(f0, g0), factors, z);
            }
            Segment::Logarithmic { f, before, g } => {
                let [column_exact, row_exact] = [g, before].map(|g| matrix.gibbs(f, g));
                slopes.logarithmic(matrix, &column_exact, &row_exact, z);
            }
        }
    }
}

struct Slopes<T> {
    f: Vec<T>,
    g: Vec<T>,
    sums: Vec<T>,
}

impl<T: Real> Slopes<T> {
    fn scaled(&mut self, matrix: &Matrix<'_, T>, e: &[T], factors: &[T], out: &mut [T]) {
        let (n, m) = (matrix.rows(), matrix.columns());
        let steps = factors.len() / (n + m);
        let room = 2 * steps.min(TOGETHER);
        let (mut left, mut right) = (vec![T::ZERO; room * n], vec![T::ZERO; room * m]);
        let ones = vec![T::ONE; m];
        for first in (0..steps).step_by(TOGETHER).rev() {
            let last = (first + TOGETHER).min(steps);
            for t in (first..last).rev() {
                let (u, v) = factors[t * (n + m)..][..n + m].split_at(n);
                let before = if t == 0 {
                    &ones
                } else {
                    &factors[t * (n + m) - m..][..m]
                };
                let at = 2 * (t - first);
                let (left_u, left_w) = left[at * n..][..2 * n].split_at_mut(n);
                let (right_x, right_v) = right[at * m..][..2 * m].split_at_mut(m);
                for (((x, &v), &g), &b) in right_x.iter_mut().zip(v).zip(&self.g).zip(&matrix.b) {
                    *x = v * g / b;
                }
                T::reverse_sweep(e, right_x, u, &self.f, &matrix.a, left_w, &mut self.sums);
                left_u.copy_from_slice(u);
                right_v.copy_from_slice(before);
                for ((g, &v), &sum) in self.g.iter_mut().zip(before).zip(&self.sums) {
                    *g = -(v * sum);
                }
                self.f.fill(T::ZERO);
            }
            let rank = 2 * (last - first);
            T::subtract_products(e, &left[..rank * n], &right[..rank * m], n, out);
        }
    }

    fn logarithmic(
        &mut self,
        matrix: &Matrix<'_, T>,
        column_exact: &[T],
        row_exact: &[T],
        out: &mut [T],
    ) {
        let (n, m) = (matrix.rows(), matrix.columns());
        let (ones, other_ones) = (vec![T::ONE; n], vec![T::ONE; m]);
        let x: Vec<T> = self.g.iter().zip(&matrix.b).map(|(&g, &b)| g / b).collect();
        let mut w = vec![T::ZERO; n];
        T::reverse_sweep(
            column_exact,
            &x,
            &ones,
            &self.f,
            &matrix.a,
            &mut w,
            &mut self.sums,
        );
        T::subtract_products(column_exact, &ones, &x, n, out);
        // Only the sums over the rows are wanted of this pass.
        let (none, mut same) = (vec![T::ZERO; m], vec![T::ZERO; n]);
        T::reverse_sweep(
            row_exact,
            &none,
            &ones,
            &w,
            &ones,
            &mut same,
            &mut self.sums,
        );
        T::subtract_products(row_exact, &w, &other_ones, n, out);
        for (g, &sum) in self.g.iter_mut().zip(&self.sums) {
            *g = -sum;
        }
        self.f.fill(T::ZERO);
    }
}
