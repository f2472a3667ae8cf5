//! Temporary.
/// tau
#[must_use]
pub fn kendall_tau(a: &[usize], b: &[usize]) -> f64 {
    let n = a.len();
    let mut s = 0i64;
    for i in 0..n { for j in 0..i { s += if (a[i] < a[j]) == (b[i] < b[j]) { 1 } else { -1 }; } }
    s as f64 / (n * (n - 1) / 2) as f64
}
