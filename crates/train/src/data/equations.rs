//! The expressions of the Grammar VAE: 100,000 of them, from their recipe.
//!
//! Kusner, Paige & Hernández-Lobato, "Grammar Variational Autoencoder", 2017, speak of random expressions of at most 15 productions. The published
//! file `equation2_15_dataset.txt` is the beginning of a list in order: all derivations of depth 6, the leftmost choice varying slowest. So every
//! expression is `L o L + A + B` with leaves `L` among x, 1, 2, 3; `o` among +, *, /; `A` a leaf, bare or in brackets, sine or exponential; `B` one
//! too, or `L o L` in brackets, sine or exponential. The expression that the paper looks for is among them.

use unbiased_grammar::languages::Language;

/// How many there are.
pub const COUNT: usize = 100_000;
/// Depth of the derivations, the start symbol counted.
const DEPTH: u32 = 6;

/// All expressions in the order of the file, without spaces.
///
/// # Panics
/// Never: the language and the depth are fixed.
#[must_use]
pub fn generate() -> Vec<String> {
    let language = Language::named("equations").expect("a language of the crate");
    let grammar = language.grammar();
    let mut derivations = grammar.derivations(DEPTH).expect("a small depth");
    let mut texts = Vec::with_capacity(COUNT);
    while texts.len() < COUNT {
        let productions = derivations
            .next_productions()
            .expect("1,205,920 derivations");
        texts.push(grammar.text_of(productions).expect("a derivation"));
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::test_support::sha256;
    use unbiased_models::gvae::score;

    /// A line as the published file has it: tokens apart, brackets with the function in front of them.
    fn line(text: &str) -> String {
        let mut line = text.to_owned();
        for mark in ["+", "*", "/"] {
            line = line.replace(mark, &format!(" {mark} "));
        }
        line.replace('(', "( ").replace(')', " )")
    }

    #[test]
    fn the_file_is_the_published_one() {
        let texts = generate();
        assert_eq!(texts.len(), COUNT);
        assert_eq!(line(&texts[0]), "x + x + ( x ) + ( x + x )");
        assert_eq!(line(&texts[COUNT - 1]), "1 / 3 + ( x ) + 3");
        let lines: Vec<String> = texts.iter().map(|text| line(text) + "\n").collect();
        assert_eq!(sha256(lines.concat().as_bytes()), SHA256);
    }

    /// Of the lines with their ends, as another program makes them from the same recipe; none was published.
    const SHA256: &str = "ae9850311e884f888491f56dca57ef3c2f9880899e63d26b5da3b71840591ca2";

    /// 28 templates, all distinct, the longest 19 characters; the last tenth begins with `x/` or `1/`.
    #[test]
    fn expressions_have_the_shape_of_the_recipe() {
        let texts = generate();
        let mut distinct: Vec<&String> = texts.iter().collect();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), COUNT);
        let shape = |text: &str| {
            let leaf = |c: char| {
                if c == 'x' || c.is_ascii_digit() {
                    'L'
                } else {
                    c
                }
            };
            let text = text.replace("exp", "e");
            let shape: String = text.chars().map(leaf).collect();
            shape[1..].replacen(['*', '/'], "+", 1)
        };
        let mut shapes: Vec<String> = texts.iter().map(|text| shape(text)).collect();
        shapes.sort_unstable();
        shapes.dedup();
        // The operator within the last bracket is still there: 4 kinds of A times 3 brackets times 3 operators, and 4 times 4 leaves.
        assert_eq!(shapes.len(), 4 * 3 * 3 + 4 * 4);
        assert_eq!(texts.iter().map(String::len).max(), Some(19));
        let last = &texts[COUNT - COUNT / 10..];
        assert!(
            last.iter()
                .all(|text| text.starts_with("x/") || text.starts_with("1/"))
        );
    }

    /// Moments of the scores, over every 23rd expression (the list has periods of 4): standard errors of the mean .02, of the deviation .015, of the share .0035; the
    /// published ones over all are 4.719, 1.458 and 6.5 %.
    #[test]
    fn scores_have_the_known_moments() {
        let scores: Vec<f64> = generate()
            .iter()
            .step_by(23)
            .map(|text| score(text))
            .collect();
        let n = scores.len() as f64;
        let mean = scores.iter().sum::<f64>() / n;
        let deviation = (scores.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / n).sqrt();
        let worst = scores.iter().filter(|&&s| s > 6.9).count() as f64 / n;
        assert!((mean - 4.719).abs() < 0.1, "{mean}");
        assert!((deviation - 1.458).abs() < 0.06, "{deviation}");
        assert!((worst - 0.065).abs() < 0.015, "{worst}");
    }
}
