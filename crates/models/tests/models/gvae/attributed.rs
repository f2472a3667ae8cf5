//! Programs under the attributes of their language, and what they compute.

use unbiased_grammar::languages::{Language, programs::Programs};
use unbiased_grammar::{Draws, Grammar, bits};
use unbiased_models::gvae::{Attributed, Masks, Notation, StraightLine, golden, program_score};

fn grammar() -> &'static Grammar {
    Language::named("programs")
        .expect("a language of the crate")
        .kept()
}

fn programs() -> Attributed<'static, Programs> {
    Attributed::new(grammar(), Programs::new(grammar()))
}

/// One text, each choice as likely as any other that the mask allows.
fn drawn(notation: &dyn Notation, masks: Masks, steps: usize, draws: &mut Draws) -> Option<String> {
    let mut writer = notation.writer(steps, masks).expect("a budget");
    for _ in 0..steps {
        let choices: Vec<usize> = bits::ones(writer.mask()).collect();
        writer.push(choices[draws.below(choices.len())] as u16);
    }
    writer.text()
}

/// What is written is a program that runs, always finished within 80 steps, and read back as the choices that wrote it.
#[test]
fn whatever_is_chosen_is_a_program() {
    let notation = programs();
    let mut reader = notation.reader();
    let mut draws = Draws::new(3);
    for (masks, steps) in [(Masks::Plain, 80), (Masks::Budgeted, 40)] {
        for _ in 0..2_000 {
            let text = drawn(&notation, masks, steps, &mut draws).expect("finished");
            assert!(StraightLine::read(&text).is_some(), "{text}");
            let choices = reader(&text).expect("of the language");
            let mut writer = notation.writer(steps, Masks::Plain).expect("a writer");
            for choice in choices {
                assert!(
                    bits::count(writer.mask()) > 1,
                    "{text}: a step without alternative"
                );
                writer.push(choice);
            }
            assert_eq!(writer.text().as_ref(), Some(&text));
        }
    }
    for bad in [
        "v1=v2+1;return:v1",
        "v1=sin(v0);v1=v1+1;return:v1",
        "v1=sin(v0);return:v3",
    ] {
        assert!(reader(bad).is_err(), "{bad}");
    }
}

/// The four published scores.
#[test]
fn published_programs_have_their_scores() {
    for (text, score) in [
        ("v6=sin(v0);v5=exp(3);v4=v0*v6;return:v6", 0.1206),
        ("v5=6+v0;v6=sin(v5);return:v6", 0.1436),
        ("v7=5+v0;v5=cos(v7);return:v5", 0.1742),
        ("v3=1/5;v9=-1;v1=v0*v3;return:v3", 0.5454),
    ] {
        let ours = program_score(text);
        assert!((ours - score).abs() < 5.1e-5, "{text}: {ours}");
    }
    assert_eq!(
        program_score("v1=sin(v0);v2=exp(v1);v3=v2-1;return:v3"),
        0.0
    );
    assert!((program_score("v1=v2+1;return:v1") - 16.0).abs() < 1e-6);
}

#[test]
fn programs_compute_what_they_say() {
    let value = |text: &str| StraightLine::read(text).expect("a program").value(0.5);
    assert_eq!(value("return:v0"), Some(0.5));
    assert_eq!(value("v1=v0/4;v2=3-v1;return:v2"), Some(2.875));
    assert_eq!(value("v9=-v0;v3=v9*v9;return:v3"), Some(0.25));
    assert_eq!(value("v1=v0-v0;v2=1/v1;return:v2"), None);
    let golden_program = StraightLine::read("v1=sin(v0);v2=exp(v1);v3=v2-1;return:v3");
    assert_eq!(
        golden_program.expect("a program").value(0.3),
        Some(golden(0.3))
    );
    for bad in [
        "",
        "return:v10",
        "v1=0+v0;return:v1",
        "v1=v0+;return:v1",
        "v1=tan(v0);return:v1",
        "v1=v0;return:v1",
        "return:v1",
    ] {
        assert!(StraightLine::read(bad).is_none(), "{bad}");
    }
}
