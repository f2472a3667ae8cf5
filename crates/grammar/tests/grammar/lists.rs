//! The typed list language, against an interpreter that would trip over anything undefined.

use std::collections::HashMap;

use unbiased_grammar::AttributeGrammar;
use unbiased_grammar::languages::{Language, lists::Lists};

use crate::attributes::{decode_many, masks_are_exact, passes};

#[derive(Clone, Debug)]
enum Value {
    List(Vec<i64>),
    Integer(i64),
}

/// Runs a program; `None` where a variable is undefined, defined out of turn, or of the wrong type.
fn run(text: &str) -> Option<Value> {
    let mut variables: HashMap<String, Value> = HashMap::from([
        ("v0".into(), Value::List(vec![3, 1, 2])),
        ("v1".into(), Value::Integer(2)),
    ]);
    let mut last = None;
    for (at, statement) in text.split(';').enumerate() {
        let (target, call) = statement.split_once('=')?;
        let (function, arguments) = call.strip_suffix(')')?.split_once('(')?;
        let arguments: Vec<Value> = arguments
            .split(',')
            .map(|argument| match argument.parse() {
                Ok(number) => Some(Value::Integer(number)),
                Err(_) => variables.get(argument).cloned(),
            })
            .collect::<Option<_>>()?;
        let value = match (function, &arguments[..]) {
            ("head", [Value::List(list)]) => Value::Integer(list.first().copied().unwrap_or(0)),
            ("sum", [Value::List(list)]) => Value::Integer(list.iter().sum()),
            ("sort", [Value::List(list)]) => {
                let mut list = list.clone();
                list.sort_unstable();
                Value::List(list)
            }
            ("take", [Value::Integer(n), Value::List(list)]) => Value::List(
                list.iter()
                    .take(usize::try_from(*n).unwrap_or(0))
                    .copied()
                    .collect(),
            ),
            ("add", [Value::Integer(a), Value::Integer(b)]) => Value::Integer(a + b),
            _ => return None,
        };
        if target != format!("v{}", at + 2) || target.len() > 2 {
            return None;
        }
        variables.insert(target.into(), value.clone());
        last = Some(value);
    }
    last
}

#[test]
fn decoded_programs_run() {
    let grammar = Language::named("lists").unwrap().grammar();
    let whole = AttributeGrammar::new(&grammar, Lists::new(&grammar));
    let mut longest = 0;
    for budget in [6, 10, 12, 30, 100] {
        for text in decode_many(&whole, budget, 1500, u64::from(budget)) {
            assert!(run(&text).is_some(), "{text}");
            longest = longest.max(text.split(';').count());
        }
    }
    assert_eq!(longest, 8);
}

#[test]
fn masks_of_list_programs_are_exact() {
    let grammar = Language::named("lists").unwrap().grammar();
    let whole = AttributeGrammar::new(&grammar, Lists::new(&grammar));
    // head, sum and sort of v0; six decisions each.
    assert_eq!(masks_are_exact(&whole, 6), 3);
    assert!(masks_are_exact(&whole, 12) > 100);
}

#[test]
fn list_programs_that_break_a_rule_are_refused() {
    let grammar = Language::named("lists").unwrap().grammar();
    let whole = AttributeGrammar::new(&grammar, Lists::new(&grammar));
    for (text, right) in [
        ("v2=sort(v0);v3=head(v2);v4=add(v3,v1)", true),
        ("v2=take(v1,v0)", true),
        ("v2=take(3,v0);v3=sum(v2)", true),
        ("v2=sort(v1)", false),
        ("v2=sort(v2)", false),
        ("v2=sum(v0);v3=sort(v2)", false),
        ("v3=sum(v0)", false),
        ("v2=take(v0,v0)", false),
        ("v2=sum(v0);v2=sum(v0)", false),
    ] {
        assert_eq!(passes(&whole, text), right, "{text}");
        assert_eq!(run(text).is_some(), right, "{text}");
    }
}
