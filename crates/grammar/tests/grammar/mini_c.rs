//! The small C, against a type checker of its own.

use std::collections::{HashMap, HashSet};

use unbiased_grammar::languages::{Language, mini_c::MiniC};
use unbiased_grammar::{AttributeGrammar, Parser};

use crate::attributes::{decode_many, masks_are_exact, passes};

/// A checker by recursive descent over characters without spaces; it knows no grammar but its own.
struct Checker {
    text: Vec<char>,
    at: usize,
    scopes: Vec<HashMap<char, &'static str>>,
}

type Checked<T> = Option<T>;

impl Checker {
    fn eat(&mut self, word: &str) -> bool {
        let found = self.text[self.at..].starts_with(&word.chars().collect::<Vec<_>>());
        if found {
            self.at += word.len();
        }
        found
    }

    fn need(&mut self, word: &str) -> Checked<()> {
        self.eat(word).then_some(())
    }

    fn kind(&self, name: char) -> Checked<&'static str> {
        self.scopes
            .iter()
            .rev()
            .find_map(|scope| scope.get(&name).copied())
    }

    fn letter(&mut self) -> char {
        self.at += 1;
        self.text[self.at - 1]
    }

    fn program(&mut self) -> Checked<()> {
        self.need("intmain(void){")?;
        self.scopes.push(HashMap::new());
        while !self.eat("return") {
            self.item()?;
        }
        (self.levels(0)? == "int").then_some(())?;
        self.need(";}")?;
        (self.at == self.text.len()).then_some(())
    }

    fn block(&mut self) -> Checked<()> {
        self.need("{")?;
        self.scopes.push(HashMap::new());
        while !self.eat("}") {
            self.item()?;
        }
        self.scopes.pop();
        Some(())
    }

    fn condition(&mut self) -> Checked<()> {
        self.need("(")?;
        (self.levels(0)? == "bool").then_some(())?;
        self.need(")")?;
        self.block()
    }

    fn item(&mut self) -> Checked<()> {
        if self.eat("if") {
            self.condition()?;
            return if self.eat("else") {
                self.block()
            } else {
                Some(())
            };
        }
        if self.eat("while") {
            return self.condition();
        }
        let declared = ["int", "bool"].into_iter().find(|kind| self.eat(kind));
        let name = self.letter();
        self.need("=")?;
        if let Some(declared) = declared {
            // The initializer must not see the name: take away what it could be outside.
            let hidden: Vec<_> = self
                .scopes
                .iter_mut()
                .map(|scope| scope.remove(&name))
                .collect();
            let fresh = hidden.last().is_some_and(Option::is_none);
            let kind = self.levels(0);
            for (scope, kind) in self.scopes.iter_mut().zip(hidden) {
                scope.extend(kind.map(|kind| (name, kind)));
            }
            (fresh && kind? == declared).then_some(())?;
            self.scopes.last_mut()?.insert(name, declared);
        } else {
            let kind = self.kind(name)?;
            (self.levels(0)? == kind).then_some(())?;
        }
        self.need(";")
    }

    /// Operators from loose to tight, what they take and what they give.
    fn levels(&mut self, level: usize) -> Checked<&'static str> {
        let operators: [(&[&str], &str, &str); 6] = [
            (&["||"], "bool", "bool"),
            (&["&&"], "bool", "bool"),
            (&["==", "!="], "", "bool"),
            (&["<=", ">=", "<", ">"], "int", "bool"),
            (&["+", "-"], "int", "int"),
            (&["*", "/", "%"], "int", "int"),
        ];
        let Some(&(signs, takes, gives)) = operators.get(level) else {
            return self.unary();
        };
        let mut left = self.levels(level + 1)?;
        while signs.iter().any(|sign| self.eat(sign)) {
            let right = self.levels(level + 1)?;
            let takes = if takes.is_empty() { left } else { takes };
            (left == takes && right == takes).then_some(())?;
            left = gives;
        }
        Some(left)
    }

    fn unary(&mut self) -> Checked<&'static str> {
        if self.eat("-") {
            return self.primary().filter(|&kind| kind == "int");
        }
        if self.eat("!") {
            return self.primary().filter(|&kind| kind == "bool");
        }
        self.primary()
    }

    fn primary(&mut self) -> Checked<&'static str> {
        if self.eat("true") || self.eat("false") {
            return Some("bool");
        }
        if self.eat("(") {
            let kind = self.levels(0)?;
            self.need(")")?;
            return Some(kind);
        }
        let first = self.letter();
        if !first.is_ascii_digit() {
            return self.kind(first);
        }
        while self.text.get(self.at).is_some_and(char::is_ascii_digit) {
            self.at += 1;
        }
        Some("int")
    }
}

fn is_right(text: &str) -> bool {
    let text = text.chars().filter(|c| !c.is_whitespace()).collect();
    Checker {
        text,
        at: 0,
        scopes: Vec::new(),
    }
    .program()
    .is_some()
}

#[test]
fn decoded_programs_are_right() {
    let grammar = Language::named("mini_c").unwrap().grammar();
    let whole = AttributeGrammar::new(&grammar, MiniC::new(&grammar));
    let mut seen = HashSet::new();
    for budget in [11, 20, 40, 100, 400] {
        for text in decode_many(&whole, budget, 1500, u64::from(budget)) {
            assert!(is_right(&text), "{text}");
            for word in ["while", "else", "bool ", "int z", "==", "%", "!", "  "] {
                if text.contains(word) {
                    seen.insert(word);
                }
            }
        }
    }
    assert_eq!(seen.len(), 7, "{seen:?}");
}

#[test]
fn masks_of_mini_c_are_exact() {
    let grammar = Language::named("mini_c").unwrap().grammar();
    let whole = AttributeGrammar::new(&grammar, MiniC::new(&grammar));
    // `return 0;` and `return -0;`
    assert_eq!(masks_are_exact(&whole, 11), 2);
    assert!(masks_are_exact(&whole, 14) > 30);
}

#[test]
fn programs_that_break_a_rule_are_refused() {
    let grammar = Language::named("mini_c").unwrap().grammar();
    let whole = AttributeGrammar::new(&grammar, MiniC::new(&grammar));
    for (body, right) in [
        ("return 0;", true),
        ("int a = 1; int b = a*a+2; return b-a;", true),
        ("int a=1;while(a<10){int b=a;a=a+b;}return a;", true),
        (
            "bool a = true; if (a == false) { int a = 1; a = 2; } else { a = !a; } return 0;",
            true,
        ),
        ("bool a = 1 < 2 == (3 > 4); return 0;", true),
        ("int a = 1; if (true) { bool a = 2 == 2; } return a;", true),
        ("return a;", false),
        ("int a = a; return a;", false),
        ("int a = 1; if (true) { int a = a; } return a;", false),
        ("int a = 1; int a = 2; return a;", false),
        ("int a = true; return a;", false),
        ("bool a = 1; return 0;", false),
        ("bool a = true; return a;", false),
        ("if (true) { int a = 1; } return a;", false),
        ("if (1) { } return 0;", false),
        ("int a = 1; a = false; return a;", false),
        ("a = 1; return 0;", false),
        ("bool a = true == 1; return 0;", false),
        ("bool a = true < false; return 0;", false),
        ("bool a = !1; return 0;", false),
        ("return -true;", false),
    ] {
        let text = format!("int main(void) {{ {body} }}");
        assert_eq!(passes(&whole, &text), right, "{text}");
        assert_eq!(is_right(&text), right, "{text}");
    }
    assert!(
        Parser::new(&grammar)
            .parse("int main(void) { return 01; }")
            .is_err()
    );
}
