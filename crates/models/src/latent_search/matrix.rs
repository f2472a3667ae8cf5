//! Small dense matrices in double precision.

/// A matrix, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    rows: usize,
    columns: usize,
    values: Vec<f64>,
}

impl Matrix {
    /// The matrix of these values, row by row.
    ///
    /// # Panics
    /// If there are not `rows * columns` values.
    #[must_use]
    pub fn new(rows: usize, columns: usize, values: Vec<f64>) -> Self {
        assert_eq!(
            values.len(),
            rows * columns,
            "expected {rows} times {columns} values, got {}",
            values.len()
        );
        Self {
            rows,
            columns,
            values,
        }
    }

    /// The matrix whose entries are a function of row and column.
    #[must_use]
    pub fn from_fn(rows: usize, columns: usize, entry: impl Fn(usize, usize) -> f64) -> Self {
        let places = (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j)));
        Self::new(rows, columns, places.map(|(i, j)| entry(i, j)).collect())
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns there are.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// A row.
    #[must_use]
    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.columns..][..self.columns]
    }

    /// All rows in order.
    #[must_use]
    pub fn iter_rows(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        (0..self.rows).map(|i| self.row(i))
    }

    /// All entries, row by row.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// One more row.
    ///
    /// # Panics
    /// If it is not as long as the others.
    pub fn push_row(&mut self, row: &[f64]) {
        assert_eq!(
            row.len(),
            self.columns,
            "expected a row of {}, got {}",
            self.columns,
            row.len()
        );
        self.values.extend_from_slice(row);
        self.rows += 1;
    }

    /// Some of its rows.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let values = rows.iter().flat_map(|&i| self.row(i)).copied().collect();
        Self::new(rows.len(), self.columns, values)
    }

    /// The same with an entry-by-entry function of both.
    #[must_use]
    pub(super) fn zip(mut self, other: &Self, f: impl Fn(f64, f64) -> f64) -> Self {
        assert_eq!((self.rows, self.columns), (other.rows, other.columns));
        for (a, &b) in self.values.iter_mut().zip(&other.values) {
            *a = f(*a, b);
        }
        self
    }

    pub(super) fn add_to_diagonal(&mut self, value: f64) {
        for i in 0..self.rows {
            self.values[i * self.columns + i] += value;
        }
    }

    #[must_use]
    pub(super) fn transposed(&self) -> Self {
        Self::from_fn(self.columns, self.rows, |i, j| self.row(j)[i])
    }

    /// `A v`.
    #[must_use]
    pub(super) fn apply(&self, v: &[f64]) -> Vec<f64> {
        self.iter_rows().map(|row| dot(row, v)).collect()
    }

    /// `A B`.
    #[must_use]
    pub(super) fn product(&self, other: &Self) -> Self {
        assert_eq!(self.columns, other.rows, "sizes of a product");
        let mut values = vec![0.0; self.rows * other.columns];
        if other.columns > 0 {
            for (sum, row) in values.chunks_exact_mut(other.columns).zip(self.iter_rows()) {
                combine(sum, row, |k| other.row(k));
            }
        }
        Self::new(self.rows, other.columns, values)
    }

    /// `Aᵀ B`, a block of rows at a time, so that a sum stays at hand while the block is gone through.
    #[must_use]
    pub(super) fn transposed_product(&self, other: &Self) -> Self {
        const BLOCK: usize = 64;
        assert_eq!(self.rows, other.rows, "sizes of a product");
        let mut values = vec![0.0; self.columns * other.columns];
        let mut factors = Vec::with_capacity(BLOCK);
        for start in (0..self.rows).step_by(BLOCK) {
            let block = start..self.rows.min(start + BLOCK);
            for (i, sum) in values.chunks_exact_mut(other.columns).enumerate() {
                factors.clear();
                factors.extend(block.clone().map(|n| self.row(n)[i]));
                combine(sum, &factors, |k| other.row(start + k));
            }
        }
        Self::new(self.columns, other.columns, values)
    }

    /// `L` of `A = L Lᵀ`; `None` if `A` is not positive definite.
    #[must_use]
    pub fn cholesky(&self) -> Option<Cholesky> {
        let n = self.rows;
        let mut lower = vec![0.0; n * n];
        for i in 0..n {
            let (above, rest) = lower.split_at_mut(i * n);
            let row = &mut rest[..n];
            for j in 0..i {
                let other = &above[j * n..][..n];
                row[j] = (self.row(i)[j] - dot(&row[..j], &other[..j])) / other[j];
            }
            let square = self.row(i)[i] - dot(&row[..i], &row[..i]);
            if !(square > 0.0 && square.is_finite()) {
                return None;
            }
            row[i] = square.sqrt();
        }
        Some(Cholesky {
            lower: Self::new(n, n, lower),
        })
    }
}

/// `sum += sum_k factors[k] row(k)`, four rows at a time: each entry of the sum is then read and written once for all of them.
fn combine<'r>(sum: &mut [f64], factors: &[f64], row: impl Fn(usize) -> &'r [f64]) {
    let n = sum.len();
    let mut fours = factors.chunks_exact(4);
    for (four, f) in fours.by_ref().enumerate() {
        let [a, b, c, d] = std::array::from_fn(|k| &row(4 * four + k)[..n]);
        for (j, sum) in sum.iter_mut().enumerate() {
            *sum += f[0] * a[j] + f[1] * b[j] + f[2] * c[j] + f[3] * d[j];
        }
    }
    let done = factors.len() - fours.remainder().len();
    for (k, &f) in fours.remainder().iter().enumerate() {
        for (sum, &a) in sum.iter_mut().zip(row(done + k)) {
            *sum += f * a;
        }
    }
}

/// `a · b`, in eight partial sums.
#[must_use]
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (mut left, mut right) = (a.chunks_exact(8), b.chunks_exact(8));
    for (a, b) in left.by_ref().zip(right.by_ref()) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    let rest = left.remainder().iter().zip(right.remainder());
    sums.iter().sum::<f64>() + rest.map(|(a, b)| a * b).sum::<f64>()
}

/// The factor of a symmetric positive definite matrix.
#[derive(Debug, Clone)]
pub struct Cholesky {
    lower: Matrix,
}

impl Cholesky {
    /// `ln |A|`.
    #[must_use]
    pub fn ln_det(&self) -> f64 {
        let diagonal = (0..self.lower.rows).map(|i| self.lower.row(i)[i]);
        2.0 * diagonal.map(libm::log).sum::<f64>()
    }

    /// `A⁻¹ = L⁻ᵀ L⁻¹`.
    #[must_use]
    pub fn inverse(&self) -> Matrix {
        let n = self.lower.rows;
        // Rows of L⁻¹, each from those above it: `L_ii x_i = e_i - sum_{j < i} L_ij x_j`.
        let mut inverse = vec![0.0; n * n];
        for i in 0..n {
            let (above, rest) = inverse.split_at_mut(i * n);
            let x = &mut rest[..n];
            let row = self.lower.row(i);
            combine(&mut x[..i], &row[..i], |j| &above[j * n..][..i]);
            for x in &mut x[..i] {
                *x /= -row[i];
            }
            x[i] = 1.0 / row[i];
        }
        let inverse = Matrix::new(n, n, inverse);
        inverse.transposed_product(&inverse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(rows: usize, columns: usize) -> Matrix {
        Matrix::from_fn(rows, columns, |i, j| {
            libm::sin((i * 7 + j * 13) as f64 + 0.5)
        })
    }

    #[test]
    fn products_are_sums_over_the_inner_index() {
        let (a, b) = (some(70, 11), some(11, 9));
        let by_hand = Matrix::from_fn(70, 9, |i, j| {
            (0..11).map(|k| a.row(i)[k] * b.row(k)[j]).sum()
        });
        for product in [a.product(&b), a.transposed().transposed_product(&b)] {
            for (x, y) in product.values().iter().zip(by_hand.values()) {
                assert!((x - y).abs() < 1e-13);
            }
        }
        // More rows than a block.
        let gram = a.transposed_product(&a);
        let same = a.transposed().product(&a);
        for (x, y) in gram.values().iter().zip(same.values()) {
            assert!((x - y).abs() < 1e-12);
        }
    }

    #[test]
    fn the_inverse_undoes_and_the_determinant_is_known() {
        let x = some(30, 6);
        let mut a = x.transposed_product(&x);
        a.add_to_diagonal(0.1);
        let one = a.product(&a.cholesky().expect("positive").inverse());
        for i in 0..6 {
            for j in 0..6 {
                let expected = f64::from(u8::from(i == j));
                assert!((one.row(i)[j] - expected).abs() < 1e-9);
            }
        }
        let two = Matrix::new(2, 2, vec![4.0, 1.0, 1.0, 3.0]);
        let ln_det = two.cholesky().expect("positive").ln_det();
        assert!((ln_det - libm::log(11.0)).abs() < 1e-14);
        assert!(
            Matrix::new(2, 2, vec![1.0, 2.0, 2.0, 1.0])
                .cholesky()
                .is_none()
        );
    }
}
