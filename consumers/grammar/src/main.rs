//! The crate holds its documentation only so far; that it builds by itself, without Burn, is all there is to show.

use unbiased_grammar as _;

fn main() {
    println!("unbiased-grammar builds alone");
}
