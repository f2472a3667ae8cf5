//! Chemistry, as far as models that write molecules need it (feature `chem`).
//!
//! [`Chemistry`] is what they ask for; [`Native`] answers it in Rust alone: SMILES, a valence model, Kekulé structures, smallest rings, aromaticity, log P, synthetic
//! accessibility, and a canonical form. What it says is held against the answers of `RDKit` (`tools/`, README).
//!
//! ```
//! use unbiased_grammar::chem::{Chemistry, Native};
//!
//! let chemistry = Native::default();
//! let aspirin = chemistry.read("CC(=O)Oc1ccccc1C(=O)O")?;
//! assert!((chemistry.log_p(&aspirin) - 1.3101).abs() < 1e-4);
//! assert_eq!(chemistry.rings(&aspirin), [6]);
//! let again = chemistry.read("OC(=O)C1=CC=CC=C1OC(C)=O")?;
//! assert_eq!(chemistry.canonical(&aspirin), chemistry.canonical(&again));
//! assert!(chemistry.read("c1cccc1").unwrap_err().to_string().contains("aromatic"));
//! # Ok::<(), unbiased_grammar::GrammarError>(())
//! ```

mod access;
mod aromatic;
mod build;
mod canonical;
mod crippen;
mod kekule;
mod molecule;
mod rings;
mod smiles;
mod valence;
mod weights;

pub use access::Fragments;
pub use molecule::Molecule;
pub use rings::MAX_RINGS;
pub use smiles::MAX_ATOMS;

use crate::error::GrammarError;

/// Mean and standard deviation over the ZINC 250k set, as everybody uses them: log P, minus accessibility, minus ring penalty.
const ZINC: [(f64, f64); 3] = [
    (2.457_095_339_619_012_3, 1.434_324_401_111_988),
    (-3.052_581_129_316_613_4, 0.833_520_702_451_309_5),
    (-0.048_569_687_640_305_3, 0.286_021_211_024_554_5),
];

/// What a model of molecules asks of chemistry.
pub trait Chemistry {
    /// A molecule that passed all checks.
    type Molecule;

    /// Reads a SMILES and checks it.
    ///
    /// # Errors
    /// [`GrammarError::Molecule`]: the byte at which it is no SMILES or no molecule, and why.
    fn read(&self, smiles: &str) -> Result<Self::Molecule, GrammarError>;

    /// Equal for two molecules exactly if they are the same, stereo included.
    fn canonical(&self, molecule: &Self::Molecule) -> Vec<u32>;

    /// Logarithm (base 10) of the partition between octanol and water.
    fn log_p(&self, molecule: &Self::Molecule) -> f64;

    /// Sizes of its smallest rings, ascending.
    fn rings(&self, molecule: &Self::Molecule) -> Vec<usize>;

    /// Synthetic accessibility from 1 (easy) to 10; `None` where what it takes is missing.
    fn accessibility(&self, molecule: &Self::Molecule) -> Option<f64>;

    /// Atoms by which the largest ring exceeds six.
    fn ring_penalty(&self, molecule: &Self::Molecule) -> f64 {
        let largest = self.rings(molecule).last().copied().unwrap_or(0);
        largest.saturating_sub(6) as f64
    }

    /// Penalised log P of the Grammar VAE: log P, minus accessibility, minus ring penalty, each standardised over the ZINC 250k set. Without accessibility, the
    /// other two.
    fn penalised_log_p(&self, molecule: &Self::Molecule) -> f64 {
        let terms = [
            Some(self.log_p(molecule)),
            self.accessibility(molecule).map(|score| -score),
            Some(-self.ring_penalty(molecule)),
        ];
        let standard = |(term, (mean, deviation)): (Option<f64>, (f64, f64))| {
            term.map_or(0.0, |term| (term - mean) / deviation)
        };
        terms.into_iter().zip(ZINC).map(standard).sum()
    }
}

/// The chemistry of this crate.
#[derive(Debug, Clone, Default)]
pub struct Native {
    fragments: Option<Fragments>,
}

impl Native {
    /// With a table of fragments, for the accessibility.
    #[must_use]
    pub fn with_fragments(fragments: Fragments) -> Self {
        Self {
            fragments: Some(fragments),
        }
    }
}

impl Chemistry for Native {
    type Molecule = Molecule;

    fn read(&self, smiles: &str) -> Result<Molecule, GrammarError> {
        build::build(smiles)
    }

    fn canonical(&self, molecule: &Molecule) -> Vec<u32> {
        canonical::canonical(molecule)
    }

    fn log_p(&self, molecule: &Molecule) -> f64 {
        crippen::log_p(molecule)
    }

    fn rings(&self, molecule: &Molecule) -> Vec<usize> {
        molecule.rings()
    }

    fn accessibility(&self, molecule: &Molecule) -> Option<f64> {
        let fragments = self.fragments.as_ref()?;
        Some(access::accessibility(molecule, fragments))
    }
}
