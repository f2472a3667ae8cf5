//! The likelihood from statistics, against the recording itself.

use unbiased_models::neuron_identification::{Activity, Energy, places};

use super::support::{conjugate, matrix, normals, squares};

#[test]
fn energies_and_their_changes_are_those_of_the_recording() {
    let n = 5;
    let y = normals(9 * n, 1);
    let activity = Activity::of(&y, n);
    let mut w = normals(n * n, 2);
    w[3] = 0.0;
    let energy = Energy::new(w.clone(), n);
    let s01: Vec<f64> = (0..n * n)
        .map(|k| activity.s10[k % n * n + k / n])
        .collect();
    let names = [3, 0, 4, 1, 2];
    let at = places(&names);
    let direct = |names: &[usize]| squares(&y, &conjugate(&matrix(names), &w, n), n);
    let total = energy.total(&activity, &at);
    assert!((total - direct(&names)).abs() < 1e-9);
    // The inverse is another permutation.
    assert!((total - direct(&at)).abs() > 1e-2);
    for a in 0..n {
        for b in 0..a {
            let mut swapped = names;
            swapped.swap(a, b);
            let change = energy.change(&activity, &s01, &at, [names[a], names[b]]);
            assert!((change - (direct(&swapped) - total)).abs() < 1e-9);
        }
    }
}
