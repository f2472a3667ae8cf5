//! What may be wrong with a grammar that can nevertheless be used.

use crate::grammar::Grammar;

/// Nonterminals that deserve a look, each list in the order of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Used, but without any production. Productions that need one are masked for ever.
    pub undefined: Vec<u16>,
    /// No finished derivation exists.
    pub unproductive: Vec<u16>,
    /// No derivation from the start symbol holds one.
    pub unreachable: Vec<u16>,
    /// Derive the empty text.
    pub nullable: Vec<u16>,
    /// Derive something that begins with themselves: a model must say how long a list is before its first item.
    pub left_recursive: Vec<u16>,
    /// Derive themselves alone: texts with infinitely many derivations.
    pub cyclic: Vec<u16>,
}

impl Grammar {
    /// Looks for symbols that cannot be used, or not as one may think.
    #[must_use]
    pub fn check(&self) -> Report {
        let analysis = &self.analysis;
        let all = |holds: &dyn Fn(usize) -> bool| {
            let matching = (0..self.nonterminals()).filter(|&n| holds(n));
            matching.map(|n| n as u16).collect()
        };
        Report {
            undefined: all(&|n| self.productions_of(n as u16).is_empty()),
            unproductive: all(&|n| analysis.fewest[n] == u32::MAX),
            unreachable: all(&|n| !analysis.reachable[n]),
            nullable: all(&|n| analysis.is_nullable(n as u16)),
            left_recursive: all(&|n| analysis.left_recursive[n]),
            cyclic: all(&|n| analysis.cyclic[n]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Format;

    #[test]
    fn each_kind_of_trouble_is_found() {
        let grammar = Grammar::read_as(
            "S -> L 'x' | E | M\nL -> L 'y' | 'y'\nE -> | E2\nE2 -> E\nM -> 'm' gone\nU -> 'u' U\nI -> H 'i' | 'i'\nH -> E I",
            Format::Nltk,
        )
        .unwrap();
        let report = grammar.check();
        let names = |list: &[u16]| {
            list.iter()
                .map(|&n| grammar.name(n))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(names(&report.undefined), "gone");
        assert_eq!(names(&report.unproductive), "M U gone");
        assert_eq!(names(&report.unreachable), "U I H");
        assert_eq!(names(&report.nullable), "S E E2");
        // `H -> E I` begins with `I`, since `E` may be empty.
        assert_eq!(names(&report.left_recursive), "L E E2 I H");
        assert_eq!(names(&report.cyclic), "E E2");
    }
}
