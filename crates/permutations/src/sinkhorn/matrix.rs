//! One matrix and its factors.
//!
//! The potentials are `f = f₀ + ln u` and `g = g₀ + ln v`, and `e = exp(K + f₀ + g₀)` is kept: an iteration is one pass over e, without
//! exponentials. When a factor leaves the range in which single precision is safe, that one iteration is done with logarithms, from the scores,
//! and e is made anew around the potentials it found. So every temperature costs a pass per iteration, but for the few in which the
//! potentials move far.

use super::real::Real;
use std::borrow::Cow;

/// The scores K of one matrix, with the sums that its rows and columns shall have.
///
/// A rectangle gets a slack line that takes what is left over on its longer side: its score does not matter, since its sum is given.
pub(super) struct Matrix<'a, T: Clone> {
    pub(super) scores: Cow<'a, [T]>,
    /// Sums of rows: 1, but of a slack row.
    pub(super) a: Vec<T>,
    /// Sums of columns: 1, but of a slack column.
    pub(super) b: Vec<T>,
    /// 1 for a row without allowed pairs, whose sum stays 0, else 0.
    pub(super) idle_rows: Vec<T>,
    /// Alike for columns.
    pub(super) idle_columns: Vec<T>,
    /// The largest score of each row.
    tops: Vec<T>,
    /// Without the slack line.
    pub(super) dims: [usize; 2],
}

impl<'a, T: Real> Matrix<'a, T> {
    pub(super) fn new(scores: &'a [T], dims: [usize; 2]) -> Self {
        let [n, m] = dims;
        let (mut a, mut b) = (vec![T::ONE; n], vec![T::ONE; m]);
        if n < m {
            a.push(T::from_f64((m - n) as f64));
        }
        if m < n {
            b.push(T::from_f64((n - m) as f64));
        }
        let scores = with_slack(scores, dims);
        let never = T::from_f64(f64::NEG_INFINITY);
        let lines = scores.chunks_exact(b.len()).map(extremes);
        let (lows, tops): (Vec<T>, Vec<T>) = lines.unzip();
        let as_number = |idle| if idle { T::ONE } else { T::ZERO };
        let idle_rows = tops.iter().map(|&top| as_number(top == never)).collect();
        let mut idle_columns = vec![T::ZERO; b.len()];
        if lows.contains(&never) {
            for (j, idle) in idle_columns.iter_mut().enumerate() {
                let mut column = scores[j..].iter().step_by(b.len());
                *idle = as_number(column.all(|&k| k == never));
            }
        }
        Self {
            scores,
            a,
            b,
            idle_rows,
            idle_columns,
            tops,
            dims,
        }
    }

    /// The same matrix with all scores multiplied by a positive number.
    pub(super) fn scaled(&self, by: T) -> Matrix<'static, T> {
        let times = |x: &[T]| x.iter().map(|&x| x * by).collect::<Vec<T>>();
        Matrix {
            scores: times(&self.scores).into(),
            a: self.a.clone(),
            b: self.b.clone(),
            idle_rows: self.idle_rows.clone(),
            idle_columns: self.idle_columns.clone(),
            tops: times(&self.tops),
            dims: self.dims,
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.a.len()
    }

    pub(super) fn columns(&self) -> usize {
        self.b.len()
    }

    /// `exp(K + f + g)`.
    pub(super) fn gibbs(&self, f: &[T], g: &[T]) -> Vec<T> {
        let mut e = vec![T::ZERO; self.scores.len()];
        T::gibbs(&self.scores, f, g, &mut e);
        e
    }

    /// The block without the slack line.
    pub(super) fn block(&self, full: &[T], out: &mut [T]) {
        let [_, m] = self.dims;
        for (full, out) in full
            .chunks_exact(self.columns())
            .zip(out.chunks_exact_mut(m))
        {
            out.copy_from_slice(&full[..m]);
        }
    }

    /// Potentials of the rows that give them their sums: `f[i] = ln a[i] − ln Σ_j exp(K[i, j] + g[j])`, 0 for an idle row.
    pub(super) fn row_potentials(&self, g: &[T]) -> Vec<T> {
        let mut sums = vec![T::ZERO; self.rows()];
        T::log_row_sums(&self.scores, g, &mut sums);
        potentials(&sums, &self.a, &self.idle_rows)
    }

    /// Potentials of the columns that give them their sums.
    pub(super) fn column_potentials(&self, f: &[T]) -> Vec<T> {
        let mut sums = vec![T::ZERO; self.columns()];
        T::log_column_sums(&self.scores, f, &mut sums);
        potentials(&sums, &self.b, &self.idle_columns)
    }
}

/// The smallest and the largest number of a row, in lanes, so that the loop vectorises.
fn extremes<T: Real>(row: &[T]) -> (T, T) {
    const LANES: usize = 16;
    let (mut low, mut top) = ([row[0]; LANES], [row[0]; LANES]);
    for part in row.chunks(LANES) {
        for ((low, top), &x) in low.iter_mut().zip(&mut top).zip(part) {
            *low = if x < *low { x } else { *low };
            *top = if x > *top { x } else { *top };
        }
    }
    let least = |a: T, b: T| if b < a { b } else { a };
    let most = |a: T, b: T| if b > a { b } else { a };
    (
        low.into_iter().fold(row[0], least),
        top.into_iter().fold(row[0], most),
    )
}

fn potentials<T: Real>(log_sums: &[T], targets: &[T], idle: &[T]) -> Vec<T> {
    let lines = log_sums.iter().zip(targets).zip(idle);
    lines
        .map(|((&sum, target), &idle)| {
            if idle > T::ZERO {
                T::ZERO
            } else {
                target.ln() - sum
            }
        })
        .collect()
}

/// A matrix with a row or column of zeros more on its shorter side.
pub(super) fn with_slack<T: Real>(x: &[T], [n, m]: [usize; 2]) -> Cow<'_, [T]> {
    let columns = if m < n { m + 1 } else { m };
    if n == m {
        return Cow::Borrowed(x);
    }
    let mut full = vec![T::ZERO; if n < m { n + 1 } else { n } * columns];
    for (full, x) in full.chunks_exact_mut(columns).zip(x.chunks_exact(m)) {
        full[..m].copy_from_slice(x);
    }
    Cow::Owned(full)
}

/// A matrix on its way to balance.
pub(super) struct Factors<'m, T: Real> {
    pub(super) matrix: &'m Matrix<'m, T>,
    /// `exp(K + f₀ + g₀)`.
    pub(super) e: Vec<T>,
    pub(super) f0: Vec<T>,
    pub(super) g0: Vec<T>,
    pub(super) u: Vec<T>,
    pub(super) v: Vec<T>,
    /// What [`Factors::sweep`] found, of which the caller takes what it needs.
    pub(super) next_u: Vec<T>,
    /// `1/v` of the next iterate, up to the columns' targets.
    sums: Vec<T>,
}

impl<'m, T: Real> Factors<'m, T> {
    /// With the given potentials of the columns, and potentials of the rows that keep every entry below 1.
    pub(super) fn new(matrix: &'m Matrix<'m, T>, g0: Vec<T>) -> Self {
        let (_, highest) = extremes(&g0);
        let lowered = |&top: &T| {
            let f = -(top + highest);
            if f.into_f64().is_finite() { f } else { T::ZERO }
        };
        let f0: Vec<T> = matrix.tops.iter().map(lowered).collect();
        Self {
            e: matrix.gibbs(&f0, &g0),
            u: vec![T::ONE; f0.len()],
            v: vec![T::ONE; g0.len()],
            next_u: vec![T::ONE; f0.len()],
            sums: vec![T::ONE; g0.len()],
            matrix,
            f0,
            g0,
        }
    }

    /// Rows, then columns, from the present v: `next_u`, and the sums from which [`Factors::next_v`] comes. False if they left the range.
    pub(super) fn sweep(&mut self) -> bool {
        let Matrix { a, idle_rows, .. } = self.matrix;
        T::sweep(
            &self.e,
            &self.v,
            a,
            idle_rows,
            &mut self.next_u,
            &mut self.sums,
        );
        let columns = self.occupied_columns();
        // Without a way out early, which the compiler could not vectorise.
        self.next_u.iter().fold(columns, |all, u| all & in_range(u))
    }

    /// The columns alone, from given factors of the rows; false as for [`Factors::sweep`].
    pub(super) fn column_sums(&mut self, u: &[T]) -> bool {
        let [ones, mut same] = [T::ONE, T::ZERO].map(|x| vec![x; u.len()]);
        let none = vec![T::ZERO; self.v.len()];
        T::reverse_sweep(&self.e, &none, &ones, u, &ones, &mut same, &mut self.sums);
        self.occupied_columns()
    }

    fn occupied_columns(&mut self) -> bool {
        for (sum, &idle) in self.sums.iter_mut().zip(&self.matrix.idle_columns) {
            *sum = *sum + idle;
        }
        self.sums.iter().fold(true, |all, sum| all & in_range(sum))
    }

    /// The factors of the columns after [`Factors::sweep`].
    pub(super) fn next_v(&mut self) {
        let parts = self.sums.iter().zip(&self.matrix.b);
        for (v, (&sum, &b)) in self.v.iter_mut().zip(parts) {
            *v = b / sum;
        }
    }

    pub(super) fn f(&self) -> Vec<T> {
        sum_of_logs(&self.f0, &self.u)
    }

    pub(super) fn g(&self) -> Vec<T> {
        sum_of_logs(&self.g0, &self.v)
    }

    /// Makes e anew around these potentials.
    pub(super) fn absorb(&mut self, f: Vec<T>, g: Vec<T>) {
        T::gibbs(&self.matrix.scores, &f, &g, &mut self.e);
        (self.f0, self.g0) = (f, g);
        self.u.fill(T::ONE);
        self.v.fill(T::ONE);
    }

    /// The largest difference between the sum of a row and its target, columns being exact; at least 1 where a line has no allowed pair.
    pub(super) fn error(&mut self) -> f64 {
        if !self.sweep() {
            let next = self.matrix.row_potentials(&self.g());
            return self.at_least_idle(error_of(&self.f(), &next, &self.matrix.a));
        }
        let error = self.change();
        self.at_least_idle(error)
    }

    /// The error of the present iterate after [`Factors::sweep`] has found the next one: a row has the sum `a·u/next_u`.
    pub(super) fn change(&self) -> f64 {
        let factors = self.u.iter().zip(&self.next_u).zip(&self.matrix.a);
        let mut worst = T::ZERO;
        for ((&u, &next), &a) in factors {
            let off = a * (u / next - T::ONE);
            let off = if off < T::ZERO { -off } else { off };
            // Written so that NaN stays.
            worst = if off < worst { worst } else { off };
        }
        worst.into_f64()
    }

    pub(super) fn at_least_idle(&self, error: f64) -> f64 {
        let idle = |lines: &[T]| lines.iter().any(|&x| x > T::ZERO);
        if idle(&self.matrix.idle_rows) || idle(&self.matrix.idle_columns) {
            larger(error, 1.0)
        } else {
            error
        }
    }
}

pub(super) fn in_range<T: Real>(factor: &T) -> bool {
    *factor > T::ONE / T::RANGE && *factor < T::RANGE
}

/// The error of an iterate whose rows have the potentials f, where `next` would give them their sums.
pub(super) fn error_of<T: Real>(f: &[T], next: &[T], a: &[T]) -> f64 {
    let lines = f.iter().zip(next).zip(a);
    let errors =
        lines.map(|((&f, &next), &a)| a.into_f64() * libm::expm1((f - next).into_f64()).abs());
    errors.fold(0.0, larger)
}

/// The larger one; NaN if one is.
pub(super) fn larger(a: f64, b: f64) -> f64 {
    if b < a || a.is_nan() { a } else { b }
}

fn sum_of_logs<T: Real>(start: &[T], factors: &[T]) -> Vec<T> {
    let pairs = start.iter().zip(factors);
    pairs.map(|(&start, &factor)| start + factor.ln()).collect()
}
