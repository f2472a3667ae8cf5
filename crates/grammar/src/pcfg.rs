//! Probabilistic context-free grammars: `P(tree) = prod_r P(r | lhs(r))`.

use crate::draws::Draws;
use crate::grammar::Grammar;

/// Rounds towards the probability that a derivation ends, times symbols; slow only where it hardly does.
const MAX_STEPS: usize = 1 << 28;

impl Grammar {
    /// Draws a derivation, production by production; `None` if it is not finished after so many.
    pub fn sample(&self, max_productions: usize, draws: &mut Draws) -> Option<Vec<u16>> {
        let mut productions = Vec::new();
        let mut open = vec![self.start()];
        while let Some(nonterminal) = open.pop() {
            if productions.len() == max_productions {
                return None;
            }
            let production = self.draw(nonterminal, draws)?;
            productions.push(production);
            open.extend(self.children(production).rev());
        }
        Some(productions)
    }

    /// `None` for a nonterminal without productions.
    fn draw(&self, nonterminal: u16, draws: &mut Draws) -> Option<u16> {
        let mut left = draws.uniform();
        let mut last = None;
        for &production in self.productions_of(nonterminal) {
            let probability = self.probability(production);
            if probability > 0.0 {
                // Probabilities that sum to a little less than 1 leave the rest to the last.
                last = Some(production);
                left -= probability;
                if left < 0.0 {
                    break;
                }
            }
        }
        last
    }

    /// The logarithm of the probability of a derivation, whether finished or not.
    #[must_use]
    pub fn ln_probability(&self, productions: &[u16]) -> f64 {
        productions
            .iter()
            .map(|&production| self.probability(production).ln())
            .sum()
    }

    /// The probability that a derivation of each nonterminal ends: the smallest solution of `z(A) = sum_r P(r) prod_{B in r} z(B)`, from below. Grammars
    /// that only just end, or large ones that hardly do, are given up after some seconds, with less than the truth.
    #[must_use]
    pub fn ends(&self) -> Vec<f64> {
        let mut ends = vec![0.0; self.nonterminals()];
        let symbols =
            (0..self.productions() as u16).map(|production| self.rhs(production).len() + 1);
        for _ in 0..MAX_STEPS / symbols.sum::<usize>() {
            let mut change = 0.0_f64;
            for nonterminal in 0..self.nonterminals() as u16 {
                let terms = self.productions_of(nonterminal).iter().map(|&production| {
                    let children = self.children(production);
                    self.probability(production)
                        * children
                            .map(|child| ends[usize::from(child)])
                            .product::<f64>()
                });
                let sum: f64 = terms.sum();
                change = change.max(sum - ends[usize::from(nonterminal)]);
                ends[usize::from(nonterminal)] = sum;
            }
            if change < 1e-15 {
                break;
            }
        }
        ends
    }
}
