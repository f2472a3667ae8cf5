//! `NeuralSort` and `SoftSort`.

use crate::support::{
    Numbers, column_sums, distance, gradient_error, row_sums, sorted, tensor, values,
};
use burn::tensor::Tensor;
use unbiased_permutations::Error;
use unbiased_permutations::sorting::{neural_sort, soft_sort};

type SortOf<const D: usize, const E: usize> = fn(Tensor<D>, f64) -> Result<Tensor<E>, Error>;

const LISTS: [SortOf<2, 3>; 2] = [neural_sort, soft_sort];

fn first_row(sort: SortOf<1, 2>) -> Vec<f64> {
    let p = sort(tensor(&[2.0, 5.0, 4.0, 1.0], [4]), 1.0).unwrap();
    values(p)[..4].to_vec()
}

#[test]
fn the_known_rows() {
    let expected = [0.000_666, 0.730_568, 0.268_761, 0.000_004];
    let row = first_row(neural_sort);
    assert!(distance(&row, &expected) < 1e-6, "{row:?}");
    let expected = [0.034_671, 0.696_387, 0.256_187, 0.012_755];
    let row = first_row(soft_sort);
    assert!(distance(&row, &expected) < 1e-6, "{row:?}");
}

#[test]
fn rows_sum_to_one_columns_do_not() {
    let scores = Numbers(1).normals(15);
    for sort in LISTS {
        let p = values(sort(tensor(&scores, [3, 5]), 1.0).unwrap());
        assert!(distance(&row_sums(&p, 5), &[1.0; 15]) < 1e-12);
        assert!(distance(&column_sums(&p, 5), &[1.0; 15]) > 1e-2);
    }
}

#[test]
fn cold_they_sort() {
    let scores = Numbers(2).normals(21);
    for sort in LISTS {
        let p = sort(tensor(&scores, [3, 7]), 1e-6).unwrap();
        let all = values(p.matmul(tensor(&scores, [3, 7, 1])));
        for (list, ours) in scores.chunks(7).zip(all.chunks(7)) {
            assert!(distance(ours, &sorted(list)) < 1e-9, "{ours:?}");
        }
    }
}

#[test]
fn permuting_scores_permutes_columns() {
    let scores = Numbers(3).normals(4);
    let order = [2, 0, 3, 1];
    let permuted: Vec<f64> = order.iter().map(|&i| scores[i]).collect();
    for sort in LISTS {
        let [p, q] = [&scores, &permuted].map(|s| values(sort(tensor(s, [1, 4]), 0.7).unwrap()));
        let columns: Vec<f64> = p.chunks(4).flat_map(|row| order.map(|j| row[j])).collect();
        assert!(distance(&columns, &q) < 1e-12);
    }
}

#[test]
fn a_list_of_a_batch_is_a_list_alone() {
    let scores = Numbers(4).normals(24);
    let batch = values(neural_sort::<3, 4>(tensor(&scores, [2, 3, 4]), 0.5).unwrap());
    let softs = values(soft_sort::<3, 4>(tensor(&scores, [2, 3, 4]), 0.5).unwrap());
    for (k, list) in scores.chunks(4).enumerate() {
        let alone = values(neural_sort::<1, 2>(tensor(list, [4]), 0.5).unwrap());
        assert!(distance(&alone, &batch[16 * k..][..16]) < 1e-15);
        let alone = values(soft_sort::<1, 2>(tensor(list, [4]), 0.5).unwrap());
        assert!(distance(&alone, &softs[16 * k..][..16]) < 1e-15);
    }
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let scores = Numbers(5).normals(10);
    for sort in LISTS {
        let error = gradient_error(|x| sort(x, 0.8).unwrap(), &scores, [2, 5]);
        assert!(error < 1e-8, "{error:e}");
    }
}

#[test]
fn the_temperature_must_be_positive() {
    for sort in LISTS {
        for tau in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let refused = sort(tensor(&[1.0, 2.0], [1, 2]), tau);
            assert!(matches!(
                refused,
                Err(Error::Setting {
                    setting: "temperature",
                    ..
                })
            ));
        }
    }
}
