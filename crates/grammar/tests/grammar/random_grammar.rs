//! Small random grammars, with every kind of trouble in them.

use unbiased_grammar::{Draws, Format, Grammar};

/// A grammar over the terminals `a` and `b` with up to four nonterminals; `None` where the start symbol derives nothing.
pub(crate) fn random_grammar(draws: &mut Draws) -> Option<Grammar> {
    let names = ["S", "A", "B", "C"];
    let nonterminals = 1 + draws.below(4);
    let mut text = String::new();
    for name in &names[..nonterminals] {
        let alternatives = 1 + draws.below(3);
        let alternatives: Vec<String> = (0..alternatives)
            .map(|_| {
                let symbols = (0..draws.below(4)).map(|_| match draws.below(nonterminals + 2) {
                    0 => "'a'",
                    1 => "'b'",
                    n => names[n - 2],
                });
                symbols.collect::<Vec<_>>().join(" ")
            })
            .collect();
        text.extend([name, " -> ", &alternatives.join(" | "), "\n"]);
    }
    Grammar::read_as(&text, Format::Nltk).ok()
}

/// All texts over two letters up to a length.
pub(crate) fn texts(longest: u32) -> impl Iterator<Item = String> {
    (0..=longest).flat_map(|length| {
        (0..1_u32 << length).map(move |bits| {
            (0..length)
                .map(|i| if bits >> i & 1 == 0 { 'a' } else { 'b' })
                .collect()
        })
    })
}
