//! The crate holds its documentation only so far; that it builds by itself is all there is to show.

use unbiased_permutations as _;

fn main() {
    println!("unbiased-permutations builds alone");
}
