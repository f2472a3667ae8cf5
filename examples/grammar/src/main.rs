//! A language with rules beyond its grammar, from outside the workspace: read, parse, count, and write texts that are always right.

use unbiased_grammar::languages::{Language, lists::Lists};
use unbiased_grammar::{
    AttributeGrammar, Codec, Counts, Draws, Grammar, GrammarError, Parser, Tree, sample,
};

fn main() -> Result<(), GrammarError> {
    let mut draws = Draws::new(7);

    // A grammar of one's own: texts to production numbers and back.
    let grammar = Grammar::read("S -> S '+' T | T\nT -> '(' S ')' | 'x' | '1'")?;
    let parse = Parser::new(&grammar).parse("(x+1)+x")?;
    println!("(x+1)+x is {:?}", parse.productions);
    println!(
        "{} derivations of at most 15 productions",
        Counts::new(&grammar, 15)?.at_most()
    );

    // A model's logits, masked: every decode ends within its budget.
    let codec = Codec::new(&grammar);
    let mut decoder = codec.budgeted(15)?;
    while !decoder.is_finished() {
        let logits = vec![0.0; codec.width()];
        decoder.push(sample(&logits, decoder.mask(), &mut draws));
    }
    println!("drawn: {}", grammar.text_of(decoder.productions())?);

    // Attributes: variables are defined before they are used, and have the right type.
    let grammar = Language::named("lists")?.grammar();
    let lists = AttributeGrammar::new(&grammar, Lists::new(&grammar));
    let mut decoder = lists.decode(40)?;
    while !decoder.is_finished() {
        let logits = vec![0.0; lists.width()];
        decoder.push(sample(&logits, decoder.mask(), &mut draws))?;
    }
    let productions = decoder.productions().expect("it is finished");
    println!("drawn: {}", grammar.text_of(&productions)?);

    // The same rules, for a text from elsewhere.
    let parse = Parser::new(&grammar).parse("v2=sum(v1)")?;
    match lists.check(&Tree::new(&grammar, &parse.productions)?) {
        Ok(_) => println!("v2=sum(v1) is right"),
        Err(error) => println!("v2=sum(v1): {error}"),
    }
    Ok(())
}
