//! A small language, and networks for it whose weights are large enough that nothing is nearly linear.

use unbiased_grammar::Grammar;
use unbiased_models::gvae::{
    Batch, Characters, DecoderKind, Derivations, EncoderKind, Gvae, GvaeConfig, Masks, Notation,
    Sizes,
};
use unbiased_models::sbn::Latent;

use crate::support::{device, stirred};

/// Choices of a row.
pub const STEPS: usize = 6;

pub fn grammar() -> Grammar {
    Grammar::read("S -> S '+' T | T\nT -> '(' S ')' | 'x' | '1'").expect("a grammar")
}

/// Every text of at most `STEPS` productions, 30 of them.
pub fn texts() -> Vec<String> {
    let shapes = [
        "a", "a+b", "(a)", "a+b+c", "((a))", "(a+b)", "(a)+b", "a+(b)",
    ];
    let mut texts = Vec::new();
    for shape in shapes {
        let leaves: Vec<char> = shape.chars().filter(char::is_ascii_lowercase).collect();
        for bits in 0..1 << leaves.len() {
            let mut text = shape.to_owned();
            for (i, &leaf) in leaves.iter().enumerate() {
                text = text.replace(leaf, if bits >> i & 1 == 1 { "x" } else { "1" });
            }
            texts.push(text);
        }
    }
    texts
}

pub fn small(encoder: EncoderKind, decoder: DecoderKind) -> GvaeConfig {
    GvaeConfig {
        encoder,
        decoder,
        filters: vec![[2, 2], [3, 3]],
        features: 3,
        latents: 2,
        classes: 3,
        embed: 2,
        hidden: 3,
        layers: 2,
        ..GvaeConfig::default()
    }
}

pub fn discrete(latent: Latent, decoder: DecoderKind) -> GvaeConfig {
    GvaeConfig {
        latent,
        ..small(EncoderKind::Gru, decoder)
    }
}

pub fn sizes(notation: &dyn Notation) -> Sizes {
    Sizes {
        steps: STEPS,
        width: notation.width(),
        contexts: notation.contexts(),
    }
}

pub fn network(config: &GvaeConfig, notation: &dyn Notation) -> Gvae {
    let net = Gvae::new(config, sizes(notation), 3, &device().autodiff());
    stirred(net, 1.5, 0.3)
}

pub fn characters() -> Characters {
    Characters::of(["x+1"])
}

/// Texts as padded rows.
pub fn rows(notation: &dyn Notation, texts: &[&str]) -> Vec<Vec<u16>> {
    let padding = (notation.width() - 1) as u16;
    let mut reader = notation.reader();
    let row = |text: &&str| {
        let mut row = reader(text).expect("a text of the language");
        row.resize(STEPS, padding);
        row
    };
    texts.iter().map(row).collect()
}

pub fn batch(notation: &dyn Notation, masks: Masks, texts: &[&str]) -> Batch {
    let rows = rows(notation, texts);
    let rows: Vec<&[u16]> = rows.iter().map(Vec::as_slice).collect();
    Batch::new(notation, masks, &rows, &device()).expect("texts that fit")
}

/// A batch of three texts of the language.
pub fn three(masks: Masks) -> Batch {
    batch(&Derivations::new(&grammar()), masks, &["x+1", "(x)", "1"])
}
