//! The inner loops of Sinkhorn balancing on slices, in single precision: one matrix, row after row, one thread, the widest vectors that the
//! CPU has.
//!
//! A matrix of scores K is balanced by potentials f of its rows and g of its columns so that `exp(K + f + g)` has the sums a and b. In between,
//! `e = exp(K + f₀ + g₀)` is kept, and only factors u of its rows and v of its columns change: no exponential is taken in the loop. The loop
//! itself, and its gradient, are in the crate `unbiased-permutations`.

pub use crate::flex::balance::{
    gibbs, log_column_sums, log_row_sums, reverse_sweep, scale, subtract_products, sweep,
};
