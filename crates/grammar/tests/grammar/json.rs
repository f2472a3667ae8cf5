//! JSON under schemas, against `serde_json` and a plain validator.

use serde_json::Value;
use unbiased_grammar::languages::Language;
use unbiased_grammar::languages::json::{Field, Json, Schema};
use unbiased_grammar::{AttributeGrammar, Attributes, Grammar, Parser, bits};

use crate::attributes::{decode_many, passes};

fn fits(value: &Value, schema: &Schema) -> bool {
    match (schema, value) {
        (Schema::Any, _)
        | (Schema::Null, Value::Null)
        | (Schema::Boolean, Value::Bool(_))
        | (Schema::Number, Value::Number(_))
        | (Schema::String, Value::String(_)) => true,
        // serde_json reads `-0` and long numbers as floats.
        (Schema::Integer, Value::Number(number)) => {
            number.as_f64().is_some_and(|number| number.fract() == 0.0)
        }
        (Schema::Array(items), Value::Array(values)) => {
            values.iter().all(|value| fits(value, items))
        }
        (Schema::Object(fields), Value::Object(map)) => {
            map.iter().all(|(key, value)| {
                fields
                    .iter()
                    .any(|field| field.name == *key && fits(value, &field.schema))
            }) && fields
                .iter()
                .all(|field| !field.required || map.contains_key(&field.name))
        }
        _ => false,
    }
}

fn person() -> Schema {
    let pet = Schema::Object(vec![
        Field::required("name", Schema::String),
        Field::optional("age", Schema::Integer),
    ]);
    Schema::Object(vec![
        Field::required("id", Schema::Integer),
        Field::required("name", Schema::String),
        Field::optional("height", Schema::Number),
        Field::optional("pets", Schema::Array(Box::new(pet))),
        Field::required("alive", Schema::Boolean),
        Field::optional("notes", Schema::Any),
        Field::optional("none", Schema::Null),
    ])
}

fn grammar() -> Grammar {
    Language::named("json").unwrap().grammar()
}

#[test]
fn decoded_values_fit_their_schema() {
    let grammar = grammar();
    let empty = Schema::Object(vec![]);
    for (schema, budget) in [
        (person(), 79),
        (person(), 120),
        (person(), 600),
        (Schema::Any, 60),
        (Schema::Array(Box::new(empty)), 40),
    ] {
        let whole = AttributeGrammar::new(&grammar, Json::new(&grammar, &schema).unwrap());
        let mut with_pets = 0;
        for text in decode_many(&whole, budget, 1000, u64::from(budget)) {
            // serde_json's numbers end at 1.8e308.
            let Ok(value) = serde_json::from_str::<Value>(&text) else {
                assert!(text.contains(['e', 'E']) || text.contains("\\u"), "{text}");
                continue;
            };
            assert!(fits(&value, &schema), "{text}");
            with_pets += u32::from(text.contains("\"pets\""));
        }
        assert!(budget != 600 || with_pets > 100, "{with_pets}");
    }
}

/// With a budget, exactly the texts that fit it remain.
#[test]
fn budgets_of_json_are_exact() {
    let grammar = grammar();
    let schema = Schema::Object(vec![
        Field::required("a", Schema::Boolean),
        Field::optional("bb", Schema::Null),
        Field::required(
            "c",
            Schema::Array(Box::new(Schema::Object(vec![Field::required(
                "d",
                Schema::Null,
            )]))),
        ),
    ]);
    let whole = AttributeGrammar::new(&grammar, Json::new(&grammar, &schema).unwrap());
    let ways = |budget: u32, most: usize| {
        let (mut stack, mut found) = (vec![(whole.decode(budget).unwrap(), 0)], Vec::new());
        while let Some((decoder, length)) = stack.pop() {
            if decoder.is_finished() {
                found.push(decoder.productions().unwrap());
                continue;
            }
            assert!(bits::count(decoder.mask()) > 0);
            for choice in bits::ones(decoder.mask())
                .filter(|_| length < most)
                .collect::<Vec<_>>()
            {
                let mut next = decoder.clone();
                next.push(choice as u16).unwrap();
                stack.push((next, length + 1));
            }
        }
        found.sort();
        found
    };
    let least = (1..99)
        .find(|&budget| whole.decode(budget).is_ok())
        .unwrap();
    let mut found = 0;
    for budget in [least, least + 1] {
        let exact = ways(budget, budget as usize);
        // A budget with room to spare forbids nothing that fits the smaller one.
        assert_eq!(exact, ways(budget + 2, budget as usize), "{budget}");
        found = exact.len();
    }
    assert!(found > 100, "{found}");
}

#[test]
fn values_that_break_a_schema_are_refused() {
    let grammar = grammar();
    let schema = person();
    let whole = AttributeGrammar::new(&grammar, Json::new(&grammar, &schema).unwrap());
    for (text, right) in [
        (r#"{"id": 1, "name": "a", "alive": true}"#, true),
        (
            r#" {"alive":false,"pets":[{"name":"x\u00e9\n"},{"age":3,"name":""}],"id":-2,"name":"","notes":{"id":[],"id":0}}"#,
            true,
        ),
        (r#"{"id": 1, "name": "a"}"#, false),
        (
            r#"{"id": 1, "name": "a", "alive": true, "other": 1}"#,
            false,
        ),
        (r#"{"id": 1.5, "name": "a", "alive": true}"#, false),
        (r#"{"id": 1, "name": "a", "alive": 1}"#, false),
        (
            r#"{"id": 1, "name": "a", "alive": true, "pets": [{}]}"#,
            false,
        ),
        (r#"{"id": 1, "name": "a", "alive": true, "none": 0}"#, false),
        (r"[]", false),
    ] {
        assert_eq!(passes(&whole, text), right, "{text}");
        assert_eq!(
            fits(&serde_json::from_str(text).unwrap(), &schema),
            right,
            "{text}"
        );
    }
    assert!(!passes(
        &whole,
        r#"{"id": 1, "id": 1, "name": "a", "alive": true}"#
    ));
    assert!(
        Json::new(
            &grammar,
            &Schema::Object(vec![Field::required("ü", Schema::Any)])
        )
        .is_err()
    );
    assert!(whole.attributes().values() == 7);
}

#[test]
fn the_grammar_is_json() {
    let grammar = grammar();
    let mut parser = Parser::new(&grammar);
    for text in [
        "0",
        "-0",
        "01",
        "1.",
        "1.0",
        "1e5",
        "1E+05",
        ".5",
        "+1",
        "\"\\x\"",
        "\"\\u00zz\"",
        "\"\\u00ff\"",
        "[1,]",
        "[,]",
        "[1 , 2]",
        "{}",
        "{\"a\":1,}",
        "{\"a\" : null , \"a\":[]}",
        "nul",
        "true ",
        "\n[\t]\r",
        "\"a\nb\"",
        "",
        "\"",
        "{1:2}",
        "[[[[[[]]]]]]",
        "1 2",
    ] {
        assert_eq!(
            parser.parse(text).is_ok(),
            serde_json::from_str::<Value>(text).is_ok(),
            "{text:?}"
        );
    }
    assert!(
        parser
            .parse("{\"a\":[1, {\"b\": \"\"}]}")
            .unwrap()
            .ambiguity
            .is_none()
    );
}
