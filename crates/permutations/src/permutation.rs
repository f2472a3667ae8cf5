//! The two forms of a permutation, and what is done with them.
//!
//! List form: `list[i] = j`; matrix form: `P_ij = 1`. Row i goes to column j. The inverse of a matrix is its transpose.

use crate::Error;
use burn::tensor::{Device, Tensor, TensorData};

/// Whether `list` holds each of 0, …, n − 1 once.
///
/// # Errors
///
/// [`Error::NotAPermutation`] names the first entry that is too large or was there before.
pub fn check(list: &[usize]) -> Result<(), Error> {
    let n = list.len();
    let mut seen = vec![false; n];
    for (index, &value) in list.iter().enumerate() {
        if value >= n || std::mem::replace(&mut seen[value], true) {
            return Err(Error::NotAPermutation { n, index, value });
        }
    }
    Ok(())
}

/// The list with `inverse[list[i]] = i`.
///
/// # Errors
///
/// As [`check`].
pub fn inverse(list: &[usize]) -> Result<Vec<usize>, Error> {
    check(list)?;
    let mut inverse = vec![0; list.len()];
    for (i, &j) in list.iter().enumerate() {
        inverse[j] = i;
    }
    Ok(inverse)
}

/// First `first`, then `second`: the list of `second[first[i]]`, in matrix form the product of the two in that order.
///
/// # Errors
///
/// As [`check`]; [`Error::Length`] if they differ in length.
pub fn compose(first: &[usize], second: &[usize]) -> Result<Vec<usize>, Error> {
    check(first)?;
    check(second)?;
    if first.len() != second.len() {
        return Err(Error::Length {
            what: "the second permutation",
            expected: first.len(),
            got: second.len(),
        });
    }
    Ok(first.iter().map(|&j| second[j]).collect())
}

/// The matrix form, `[n, n]`.
///
/// # Errors
///
/// As [`check`].
pub fn to_matrix(list: &[usize], device: &Device) -> Result<Tensor<2>, Error> {
    check(list)?;
    let n = list.len();
    let mut values = vec![0.0_f32; n * n];
    for (i, &j) in list.iter().enumerate() {
        values[i * n + j] = 1.0;
    }
    Ok(Tensor::from_data(TensorData::new(values, [n, n]), device))
}

/// The list form of a matrix `[n, n]` of zeros and ones; waits for the device. For the nearest permutation of another matrix see
/// [`assign_batch`](crate::assign_batch).
///
/// # Errors
///
/// [`Error::NotSquare`]; [`Error::NotAMatrix`] where an entry is neither 0 nor 1 or a row has not exactly one 1; [`Error::NotAPermutation`]
/// where two rows go to one column.
///
/// # Panics
///
/// If the device cannot be read.
pub fn from_matrix(matrix: &Tensor<2>) -> Result<Vec<usize>, Error> {
    let [rows, columns] = matrix.dims();
    if rows != columns {
        return Err(Error::NotSquare { rows, columns });
    }
    let values: Vec<f64> = matrix.clone().into_data().iter::<f64>().collect();
    let mut list = Vec::with_capacity(rows);
    for (row, values) in values.chunks_exact(columns.max(1)).enumerate() {
        let mut ones = (0..columns).filter(|&j| values[j] == 1.0);
        match (ones.next(), ones.next()) {
            (Some(j), None) if values.iter().all(|&v| v == 0.0 || v == 1.0) => list.push(j),
            _ => return Err(Error::NotAMatrix { row }),
        }
    }
    check(&list)?;
    Ok(list)
}

/// The place of each value in ascending order, from 0: `x` sorted has `x[i]` at place `ranks(x)[i]`. Equal values keep their order.
///
/// # Errors
///
/// [`Error::NotANumber`].
pub fn ranks(x: &[f64]) -> Result<Vec<usize>, Error> {
    if let Some(column) = x.iter().position(|x| x.is_nan()) {
        return Err(Error::NotANumber {
            what: "value",
            matrix: 0,
            row: 0,
            column,
        });
    }
    let mut order: Vec<usize> = (0..x.len()).collect();
    order.sort_by(|&i, &j| x[i].total_cmp(&x[j]));
    inverse(&order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_agree() {
        let device = Device::flex();
        let (a, b) = ([2, 0, 1], [0, 2, 1]);
        let matrix = |list: &[usize]| to_matrix(list, &device).unwrap();
        assert_eq!(from_matrix(&matrix(&a)).unwrap(), a);
        assert_eq!(
            from_matrix(&matrix(&a).transpose()).unwrap(),
            inverse(&a).unwrap()
        );
        let product = matrix(&a).matmul(matrix(&b));
        assert_eq!(from_matrix(&product).unwrap(), compose(&a, &b).unwrap());
        // The other order is another permutation.
        assert_ne!(compose(&a, &b).unwrap(), compose(&b, &a).unwrap());
    }

    #[test]
    fn what_is_no_permutation_is_named() {
        assert_eq!(
            check(&[0, 2, 0]),
            Err(Error::NotAPermutation {
                n: 3,
                index: 2,
                value: 0
            })
        );
        assert!(check(&[0, 3, 1]).is_err());
        assert!(compose(&[0, 1], &[0]).is_err());
        let device = Device::flex();
        let soft = Tensor::<2>::from_floats([[0.5, 0.5], [0.5, 0.5]], &device);
        assert_eq!(from_matrix(&soft), Err(Error::NotAMatrix { row: 0 }));
        let twice = Tensor::<2>::from_floats([[1.0, 0.0], [1.0, 0.0]], &device);
        assert!(matches!(
            from_matrix(&twice),
            Err(Error::NotAPermutation { index: 1, .. })
        ));
    }

    #[test]
    fn ranks_are_places() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, -2.0]).unwrap(), [2, 1, 3, 0]);
        assert!(ranks(&[0.0, f64::NAN]).is_err());
    }
}
