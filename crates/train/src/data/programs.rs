//! The straight-line programs of the Syntax-Directed VAE, from their recipe.
//!
//! Dai, Tian, Dai, Skiena & Song, "Syntax-Directed Variational Autoencoder for Structured Data", 2018, and their released generator: up to 50,000
//! different programs of each length of 1 to 5 statements, `return` among them, in which nothing is computed in vain and which have a value at
//! fifteen inputs. Each statement assigns to a fresh variable, unary or binary, its function or operator, and variable or digit as operands, each as
//! likely.

use std::collections::HashSet;

use unbiased_models::gvae::StraightLine;

use super::stream::{Draws, Stream};

/// Lengths of programs, in statements.
pub const LENGTHS: usize = 5;
/// Different programs of a length at most.
const MOST: usize = 50_000;
/// Test programs of a length, and as many validation programs; of short lengths a tenth.
const TEST: usize = 500;
/// How often a length with few programs is repeated in training, at most.
const REPEATED: usize = 5;
/// Draws in a row that bring nothing new, after which a length is complete.
const STALE: usize = 20_000;

/// Training, validation and test programs. The same for every run of one seed, on every platform.
#[must_use]
pub fn generate(seed: u64) -> [Vec<String>; 3] {
    let [mut train, mut valid, mut test]: [Vec<String>; 3] = Default::default();
    for length in 1..=LENGTHS {
        let mut programs = of_length(length, seed);
        let apart = TEST.min(programs.len() / 10);
        test.extend(programs.drain(..apart));
        valid.extend(programs.drain(..apart));
        let times = (MOST / programs.len()).clamp(1, REPEATED);
        for _ in 0..times {
            train.extend(programs.iter().cloned());
        }
    }
    let order = Stream::new("programs/1/order", seed);
    for (part, programs) in [&mut train, &mut valid, &mut test].into_iter().enumerate() {
        order.draws(part as u32, 0).shuffle(programs);
    }
    [train, valid, test]
}

/// Different programs in the order they were drawn.
fn of_length(length: usize, seed: u64) -> Vec<String> {
    let stream = Stream::new("programs/1", seed);
    let mut draws = stream.draws(length as u32, 0);
    let (mut known, mut programs, mut stale) = (HashSet::new(), Vec::new(), 0);
    while programs.len() < MOST && stale < STALE {
        let program = draw(length, &mut draws);
        if has_values(&program) && known.insert(program.clone()) {
            programs.push(program);
            stale = 0;
        } else {
            stale += 1;
        }
    }
    programs
}

/// One program in which every variable is read before it returns the last.
fn draw(length: usize, draws: &mut Draws<'_>) -> String {
    let mut names: Vec<usize> = (1..10).collect();
    let (mut known, mut unread, mut text) = (vec![0], vec![0], String::new());
    for left in (1..length).rev() {
        let (value, read) = loop {
            let (value, read) = expression(&known, draws);
            let still = unread.iter().filter(|v| !read.contains(v)).count();
            // The new variable is unread too; every statement that is left can do with one less.
            if still < left {
                break (value, read);
            }
        };
        let name = names.swap_remove(draws.below(names.len() as u32) as usize);
        unread.retain(|v| !read.contains(v));
        unread.push(name);
        known.push(name);
        text.extend(["v", &name.to_string(), "=", &value, ";"]);
    }
    text + &format!("return:v{}", unread[0])
}

/// The text of an expression, and the variables it reads.
fn expression(known: &[usize], draws: &mut Draws<'_>) -> (String, Vec<usize>) {
    let mut read = Vec::new();
    let mut operand = |draws: &mut Draws<'_>| {
        if draws.below(2) == 0 {
            let variable = known[draws.below(known.len() as u32) as usize];
            read.push(variable);
            format!("v{variable}")
        } else {
            (1 + draws.below(9)).to_string()
        }
    };
    if draws.below(2) == 0 {
        let a = operand(draws);
        let text = match draws.below(4) {
            0 => format!("-{a}"),
            n => format!("{}({a})", ["sin", "cos", "exp"][n as usize - 1]),
        };
        return (text, read);
    }
    let (a, operator, b) = (operand(draws), draws.below(4), operand(draws));
    if read.is_empty() || a == b && operator == 1 {
        return expression(known, draws);
    }
    (
        format!("{a}{}{b}", ["+", "-", "*", "/"][operator as usize]),
        read,
    )
}

fn has_values(program: &str) -> bool {
    let whole = (-5..=5).map(f64::from);
    let inputs = whole.chain([1e-5, -1e-5, 1.0 - 1e-5, 0.12345]);
    let program = StraightLine::read(program).expect("a program was drawn");
    inputs
        .into_iter()
        .all(|input| program.value(input).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 9 targets; the input has to be read: 4 unary values of it, but not 1/0; `v0 o 1..9` and `1..9 o v0` with 4 operators, of which the 9
    /// quotients `n / v0` have no value at 0; `v0 + v0`, `v0 * v0`, but not `v0 / v0`.
    #[test]
    fn short_programs_are_complete() {
        assert_eq!(of_length(1, 0), ["return:v0"]);
        assert_eq!(of_length(2, 0).len(), 9 * (4 + 36 + 27 + 2));
    }

    #[test]
    fn nothing_is_computed_in_vain() {
        let stream = Stream::new("test", 0);
        let mut draws = stream.draws(0, 0);
        for length in 1..=LENGTHS {
            for _ in 0..500 {
                let text = draw(length, &mut draws);
                let statements: Vec<&str> = text.split(';').collect();
                assert_eq!(statements.len(), length, "{text}");
                let target = |s: &&str| s.split_once('=').map(|(target, _)| target.to_owned());
                for (at, name) in statements.iter().filter_map(target).enumerate() {
                    assert!(
                        statements[at + 1..].iter().any(|s| s.contains(&name)),
                        "{text}"
                    );
                }
                assert!(length == 1 || text[3..].contains("v0"), "{text}");
                assert_eq!(
                    StraightLine::read(&text).expect("a program").statements(),
                    length
                );
            }
        }
    }

    #[test]
    fn the_parts_share_nothing() {
        let [train, valid, test] = generate(0);
        assert_eq!(valid.len(), test.len());
        let train: HashSet<&String> = train.iter().collect();
        let rest: HashSet<&String> = valid.iter().chain(&test).collect();
        assert_eq!(rest.len(), valid.len() + test.len());
        assert!(rest.is_disjoint(&train));
    }
}
