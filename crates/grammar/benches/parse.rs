//! Parsing, masks and decoding: minima over rounds, one thread.
//!
//! `cargo bench -p unbiased-grammar --bench parse`, with `UNBIASED_DATA` set to the folder that holds `zinc250k`; without it molecules are drawn
//! from the grammar. A part of a name behind it runs some of them.

use std::hint::black_box;
use std::io::Read;
use std::path::PathBuf;
use std::time::Instant;

use flate2::read::GzDecoder;
use unbiased_grammar::languages::{
    Language, json, mini_c::MiniC, molecules::Molecules, programs::Programs,
};
use unbiased_grammar::{
    AttributeGrammar, Attributes, Batch, Codec, Counts, Draws, Grammar, Parser, bits, sample,
};

const ROUNDS: usize = 7;

fn wanted(name: &str) -> bool {
    let wanted = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with("--"));
    wanted.is_none_or(|part| name.contains(&part))
}

/// The least seconds of several rounds.
fn least<T>(mut run: impl FnMut() -> T) -> f64 {
    let rounds = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        black_box(run());
        start.elapsed().as_secs_f64()
    });
    rounds.fold(f64::INFINITY, f64::min)
}

#[expect(clippy::print_stdout, reason = "a benchmark reports to who runs it")]
fn report(name: &str, seconds: f64, units: usize, unit: &str) {
    println!(
        "{name:<34}{:>12.1} ns per {unit} ({units} in a round)",
        seconds / units as f64 * 1e9
    );
}

fn molecules(grammar: &Grammar) -> Vec<String> {
    let file = std::env::var_os("UNBIASED_DATA").and_then(|folder| {
        std::fs::File::open(
            PathBuf::from(folder).join("zinc250k/250k_rndm_zinc_drugs_clean.smi.gz"),
        )
        .ok()
    });
    if let Some(file) = file {
        let mut text = String::new();
        if GzDecoder::new(file).read_to_string(&mut text).is_ok() {
            return text.lines().map(str::to_owned).collect();
        }
    }
    let (counts, mut draws) = (
        Counts::new(grammar, 150).expect("a small count"),
        Draws::new(1),
    );
    let drawn = (0..2000).map(|_| {
        counts
            .sample(&mut draws)
            .expect("derivations of 150 productions")
    });
    drawn
        .map(|productions| grammar.text_of(&productions).expect("a derivation"))
        .collect()
}

fn parsing(name: &str) {
    if !wanted("parse") {
        return;
    }
    let grammar = Language::named(name).expect("a language").grammar();
    let texts = molecules(&grammar);
    let (mut parser, mut productions) = (Parser::new(&grammar), Vec::new());
    let terminals: usize = texts
        .iter()
        .map(|text| grammar.tokenize(text).expect("terminals").len())
        .sum();
    let seconds = least(|| {
        for text in &texts {
            parser
                .parse_into(text, &mut productions)
                .expect("a molecule of the grammar");
        }
    });
    report(&format!("parse/{name}"), seconds, texts.len(), "molecule");
    report(&format!("parse/{name}"), seconds, terminals, "terminal");
}

fn plain_masks(name: &str, steps: usize) {
    if !wanted("mask") {
        return;
    }
    let grammar = Language::named(name).expect("a language").grammar();
    let codec = Codec::new(&grammar);
    // Derivations that were drawn beforehand, so that only masks and stacks are measured.
    let (counts, mut draws) = (
        Counts::new(&grammar, steps).expect("a small count"),
        Draws::new(1),
    );
    let rows: Vec<Vec<u16>> = (0..200)
        .map(|_| counts.sample(&mut draws).expect("derivations"))
        .collect();
    let decisions: usize = rows.iter().map(Vec::len).sum();
    let start = codec.budgeted(steps).expect("a budget that is long enough");
    let seconds = least(|| {
        let mut seen = 0;
        for row in &rows {
            let mut decoder = start.clone();
            for &choice in row {
                seen ^= decoder.mask()[0];
                decoder.push(choice);
            }
        }
        seen
    });
    report(
        &format!("mask/{name}, budget {steps}"),
        seconds,
        decisions,
        "decision",
    );
}

fn attribute_masks<A: Attributes + Clone>(
    name: &str,
    whole: &AttributeGrammar<'_, A>,
    budget: u32,
) {
    if !wanted("mask") {
        return;
    }
    let (mut draws, logits) = (Draws::new(1), vec![0.0; whole.width()]);
    let mut rows = Vec::new();
    for _ in 0..200 {
        let (mut decoder, mut row) = (
            whole.decode(budget).expect("a budget that is long enough"),
            Vec::new(),
        );
        while !decoder.is_finished() {
            let choice = sample(&logits, decoder.mask(), &mut draws);
            row.push(choice);
            decoder
                .push(choice)
                .expect("attributes that keep their promises");
        }
        rows.push(row);
    }
    let decisions: usize = rows.iter().map(Vec::len).sum();
    let seconds = least(|| {
        let mut seen = 0;
        for row in &rows {
            let mut decoder = whole.decode(budget).expect("a budget that is long enough");
            for &choice in row {
                seen ^= decoder.mask()[0];
                decoder
                    .push(choice)
                    .expect("attributes that keep their promises");
            }
        }
        seen
    });
    report(
        &format!("mask/{name}, attributes, {budget}"),
        seconds,
        decisions,
        "decision",
    );
}

fn batches(name: &str, steps: usize, rows: usize) {
    if !wanted("batch") {
        return;
    }
    let grammar = Language::named(name).expect("a language").grammar();
    let codec = Codec::new(&grammar);
    let start = codec.budgeted(steps).expect("a budget that is long enough");
    let words = codec.words();
    let (mut draws, logits) = (Draws::new(1), vec![0.0; codec.width()]);
    let (mut masks, mut choices) = (vec![0; rows * words], vec![0; rows]);
    let mut made = 0;
    let seconds = least(|| {
        let mut batch = Batch::new(&start, rows);
        while !batch.is_finished() {
            batch.masks(&mut masks);
            for (choice, mask) in choices.iter_mut().zip(masks.chunks_exact(words)) {
                *choice = if bits::count(mask) == 1 {
                    bits::ones(mask).next().expect("one choice") as u16
                } else {
                    sample(&logits, mask, &mut draws)
                };
            }
            batch.push(&choices);
        }
        made = batch.rows().len();
    });
    report(
        &format!("batch/{name}, {rows} rows of {steps}"),
        seconds,
        made,
        "text, sampled",
    );
}

fn main() {
    parsing("zinc");
    parsing("zinc_right");
    plain_masks("equations", 15);
    plain_masks("zinc", 277);
    let programs = Language::named("programs").expect("a language").grammar();
    attribute_masks(
        "programs",
        &AttributeGrammar::new(&programs, Programs::new(&programs)),
        80,
    );
    let mini_c = Language::named("mini_c").expect("a language").grammar();
    attribute_masks(
        "mini_c",
        &AttributeGrammar::new(&mini_c, MiniC::new(&mini_c)),
        200,
    );
    let grammar = Language::named("json").expect("a language").grammar();
    let schema = json::Schema::Object(vec![
        json::Field::required("id", json::Schema::Integer),
        json::Field::required("name", json::Schema::String),
        json::Field::optional("tags", json::Schema::Array(Box::new(json::Schema::String))),
    ]);
    let attributes = json::Json::new(&grammar, &schema).expect("a schema");
    attribute_masks("json", &AttributeGrammar::new(&grammar, attributes), 200);
    let molecules = Language::named("zinc_right").expect("a language").grammar();
    attribute_masks(
        "zinc_right",
        &AttributeGrammar::new(&molecules, Molecules::new(&molecules)),
        277,
    );
    batches("zinc", 277, 500);
}
