//! Local search among derivations, without a latent space: what a search in one has to beat.

use unbiased_grammar::{Codec, Draws, Grammar, GrammarError, Parser, bits};

/// A derivation that differs from this one in one subtree: a node drawn uniformly, everything below it drawn anew, each production uniformly among those
/// that can still be finished within `steps`.
///
/// # Errors
/// `steps` are fewer than any derivation has.
///
/// # Panics
/// If `productions` are no derivation of at most so many steps, or there is no other one.
pub fn neighbour(
    grammar: &Grammar,
    productions: &[u16],
    steps: usize,
    draws: &mut Draws,
) -> Result<Vec<u16>, GrammarError> {
    /// Draws that come out as they were or too long: with more in a row there is no other derivation.
    const PATIENCE: usize = 100_000;
    let codec = Codec::new(grammar);
    for _ in 0..PATIENCE {
        let node = draws.below(productions.len());
        let mut decoder = codec.budgeted(steps)?;
        for &production in &productions[..node] {
            decoder.push(production);
        }
        let mut open = 1;
        while open > 0 {
            let allowed = bits::count(decoder.mask());
            let choice = bits::ones(decoder.mask()).nth(draws.below(allowed));
            let choice = choice.expect("one of them") as u16;
            decoder.push(choice);
            open += grammar.children(choice).count();
            open -= 1;
        }
        let rest = &productions[subtree_end(grammar, productions, node)..];
        if decoder.productions().len() + rest.len() > steps {
            continue;
        }
        let mut changed = decoder.productions().to_vec();
        changed.extend_from_slice(rest);
        if changed != productions {
            return Ok(changed);
        }
    }
    panic!("expected more than one derivation of at most {steps} productions")
}

/// Behind the last production of the subtree that begins at `node`.
fn subtree_end(grammar: &Grammar, productions: &[u16], node: usize) -> usize {
    let (mut open, mut end) = (1, node);
    while open > 0 {
        open += grammar.children(productions[end]).count();
        open -= 1;
        end += 1;
    }
    end
}

/// Scores so many neighbours, each of the best text so far, the last of equals, beginning with `start`. All that were scored, in order.
///
/// # Errors
/// `start` is not of the language, or not within `steps`.
pub fn climb(
    grammar: &Grammar,
    start: (&str, f64),
    steps: usize,
    scored: usize,
    draws: &mut Draws,
    score: impl Fn(&str) -> f64,
) -> Result<Vec<(String, f64)>, GrammarError> {
    let (text, mut best) = start;
    let mut at = Parser::new(grammar).parse(text)?.productions;
    // Refuses what is too long.
    Codec::new(grammar).pad(&at, steps)?;
    let mut tried = Vec::with_capacity(scored);
    for _ in 0..scored {
        let next = neighbour(grammar, &at, steps, draws)?;
        let text = grammar.text_of(&next)?;
        let value = score(&text);
        if value <= best {
            (at, best) = (next, value);
        }
        tried.push((text, value));
    }
    Ok(tried)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use unbiased_grammar::languages::Language;

    /// Neighbours of a leaf are all that there is within the steps: every one is reached, is of the language and differs.
    #[test]
    fn neighbours_are_other_derivations_within_the_steps() {
        let language = Language::named("equations").expect("known");
        let grammar = language.kept();
        let mut parser = Parser::new(grammar);
        let (mut draws, mut seen) = (Draws::new(1), HashSet::new());
        let x = parser.parse("x").expect("of the language").productions;
        for _ in 0..2000 {
            let other = neighbour(grammar, &x, 4, &mut draws).expect("long enough");
            assert!(other != x && other.len() <= 4);
            seen.insert(grammar.text_of(&other).expect("a derivation"));
        }
        // 1, 2, 3; three brackets around four leaves; three operators between four and four leaves.
        assert_eq!(seen.len(), 3 + 12 + 48);
        let long = "x+1/(2+3)";
        let productions = parser.parse(long).expect("of the language").productions;
        for _ in 0..500 {
            let other = neighbour(grammar, &productions, 14, &mut draws).expect("long enough");
            let text = grammar.text_of(&other).expect("a derivation");
            assert_eq!(
                parser.parse(&text).expect("of the language").productions,
                other
            );
            assert!(text != long && other.len() <= 14);
        }
    }

    #[test]
    fn climbing_finds_the_shortest_text_and_scores_as_often_as_it_is_told() {
        let language = Language::named("equations").expect("known");
        let length = |text: &str| text.len() as f64;
        let start = ("x+x*(x+1)", 9.0);
        let climb = |steps| {
            climb(
                language.kept(),
                start,
                steps,
                60,
                &mut Draws::new(2),
                length,
            )
        };
        let tried = climb(14).expect("of the language");
        assert_eq!(tried.len(), 60);
        assert!(
            tried
                .iter()
                .any(|(text, score)| text.len() == 1 && *score == 1.0)
        );
        assert!(climb(5).is_err(), "the start is longer");
    }
}
