//! The offline check: texts of a language that make no sense are sorted out after they were written, each with the reason.

use unbiased_grammar::languages::Language;
use unbiased_grammar::{Parser, Tree};
use unbiased_models::gvae::{Expression, places};

/// What was written, sorted.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// Texts that make sense.
    pub(super) kept: Vec<String>,
    /// Texts of the language that do not, and why.
    pub(super) dropped: Vec<(String, String)>,
    /// Texts that are not of the language, and why.
    pub(super) invalid: Vec<(String, String)>,
    /// Texts that the steps were too few for.
    pub(super) unfinished: usize,
}

/// Sorts what a decoder wrote, `None` standing for a text that was not finished.
pub(super) fn sort(language: Language, written: &[Option<String>]) -> Sorted {
    let mut parser = Parser::new(language.kept());
    let mut sorted = Sorted::default();
    for text in written {
        let Some(text) = text.clone() else {
            sorted.unfinished += 1;
            continue;
        };
        if let Err(error) = parser.parse(&text) {
            sorted.invalid.push((text, error.to_string()));
        } else if let Err(reason) = makes_sense(language, &text) {
            sorted.dropped.push((text, reason));
        } else {
            sorted.kept.push(text);
        }
    }
    sorted
}

/// An equation has a value wherever equations are compared; in a molecule every ring that opens closes. Other languages have no rule.
fn makes_sense(language: Language, text: &str) -> Result<(), String> {
    match language.name {
        "equations" => {
            let expression = Expression::read(text).ok_or("it is no expression")?;
            match places().find(|&x| !expression.value(x).is_finite()) {
                Some(x) => Err(format!("it has no value at x = {x:.3}")),
                None => Ok(()),
            }
        }
        "zinc" => {
            let right = Language::named("zinc_right").map_err(|e| e.to_string())?;
            let grammar = right.kept();
            let parse = Parser::new(grammar)
                .parse(text)
                .map_err(|e| e.to_string())?;
            let tree = Tree::new(grammar, &parse.productions).map_err(|e| e.to_string())?;
            let rules = right.rules(grammar).ok_or("zinc_right has no rules")?;
            rules.check(&tree).map_err(|e| e.to_string())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(language: &str, texts: &[&str]) -> Sorted {
        let mut written: Vec<Option<String>> = texts.iter().map(|&t| Some(t.to_owned())).collect();
        written.push(None);
        sort(Language::named(language).expect("known"), &written)
    }

    #[test]
    fn equations_without_a_value_are_dropped() {
        let sorted = sorted(
            "equations",
            &["x+1", "1/(x/x/exp(exp(x)))", "1+", "exp(exp(x))"],
        );
        assert_eq!(sorted.kept, ["x+1"]);
        assert_eq!(sorted.dropped.len(), 2);
        assert!(
            sorted.dropped[1].1.contains("no value at x = "),
            "{sorted:?}"
        );
        assert_eq!(sorted.invalid[0].0, "1+");
        assert_eq!(sorted.unfinished, 1);
    }

    #[test]
    fn molecules_with_open_rings_are_dropped() {
        let sorted = sorted("zinc", &["c1ccccc1", "c1ccccc", "C("]);
        assert_eq!(sorted.kept, ["c1ccccc1"]);
        assert_eq!(sorted.dropped[0].0, "c1ccccc");
        assert_eq!(sorted.invalid[0].0, "C(");
    }
}
