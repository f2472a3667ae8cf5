//! What the crate's chemistry says of the SMILES on standard input, a line each, between tabs: validity (0 or 1), log P, weight, accessibility (`-` without
//! a table of fragments), sizes of rings, a hash of the canonical form; of a text that is refused, the reason.
//!
//! `cargo run --release -p unbiased-grammar --features chem --example molecules [FRAGMENTS] < SMILES`

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufWriter, Write};

use unbiased_grammar::chem::{Chemistry, Fragments, Native};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let chemistry = match std::env::args().nth(1) {
        Some(path) => Native::with_fragments(Fragments::read(&std::fs::read_to_string(path)?)?),
        None => Native::default(),
    };
    let mut out = BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lines() {
        let line = line?;
        let molecule = match chemistry.read(&line) {
            Ok(molecule) => molecule,
            Err(error) => {
                writeln!(out, "0\t{error}")?;
                continue;
            }
        };
        let rings: Vec<String> = chemistry
            .rings(&molecule)
            .iter()
            .map(usize::to_string)
            .collect();
        let accessibility = chemistry
            .accessibility(&molecule)
            .map_or("-".into(), |score| format!("{score:.6}"));
        let mut hasher = DefaultHasher::new();
        chemistry.canonical(&molecule).hash(&mut hasher);
        writeln!(
            out,
            "1\t{:.6}\t{:.4}\t{accessibility}\t{}\t{:016x}",
            chemistry.log_p(&molecule),
            molecule.weight(),
            rings.join(","),
            hasher.finish(),
        )?;
    }
    Ok(())
}
