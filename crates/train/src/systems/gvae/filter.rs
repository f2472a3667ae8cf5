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

/// An equation has a value wherever equations are compared; in a molecule every ring that opens closes; in a
/// program a variable is read after it was assigned, which happens once. Other languages have no rule.
fn makes_sense(language: Language, text: &str) -> Result<(), String> {
    match language.name {
        "equations" => {
            let expression = Expression::read(text).ok_or("it is no expression")?;
            match places().find(|&x| !expression.value(x).is_finite()) {
                Some(x) => Err(format!("it has no value at x = {x:.3}")),
                None => Ok(()),
            }
        }
        "zinc" => obeys_rules("zinc_right", text),
        "programs" => obeys_rules("programs", text),
        _ => Ok(()),
    }
}

/// The rules of a language beyond its grammar.
fn obeys_rules(language: &str, text: &str) -> Result<(), String> {
    let language = Language::named(language).map_err(|e| e.to_string())?;
    let grammar = language.kept();
    let parse = Parser::new(grammar)
        .parse(text)
        .map_err(|e| e.to_string())?;
    let tree = Tree::new(grammar, &parse.productions).map_err(|e| e.to_string())?;
    let rules = language.rules(grammar).ok_or("the language has no rules")?;
    rules.check(&tree).map_err(|e| e.to_string())
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
    fn programs_that_read_what_has_no_value_are_dropped() {
        let sorted = sorted("programs", &["return:v0", "v1=v2+1;return:v1", "return:"]);
        assert_eq!(sorted.kept, ["return:v0"]);
        assert_eq!(sorted.dropped[0].0, "v1=v2+1;return:v1");
        assert_eq!(sorted.invalid[0].0, "return:");
    }

    #[test]
    fn molecules_with_open_rings_are_dropped() {
        let sorted = sorted("zinc", &["c1ccccc1", "c1ccccc", "C("]);
        assert_eq!(sorted.kept, ["c1ccccc1"]);
        assert_eq!(sorted.dropped[0].0, "c1ccccc");
        assert_eq!(sorted.invalid[0].0, "C(");
    }
}
