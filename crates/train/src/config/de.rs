//! Reads a typed section from a TOML table, with errors that name the full key.
//!
//! The `toml` crate reports an unknown key by its last name only; a user who wrote one of many
//! `--set` options wants the whole path, the value that was given and the keys that exist there.

use std::fmt::{self, Display};

use serde::de::{self, DeserializeOwned, IntoDeserializer, Unexpected, Visitor};
use toml::{Table, Value};

/// What is wrong with a configuration, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigError {
    /// Dotted path of the offending key, outermost first; empty for the file as a whole.
    path: Vec<String>,
    reason: Reason,
}

#[derive(Debug, Clone, PartialEq)]
enum Reason {
    UnknownKey {
        value: Option<String>,
        allowed: Vec<String>,
    },
    UnknownName {
        given: String,
        allowed: Vec<String>,
    },
    Missing,
    Expected {
        expected: String,
        got: String,
    },
    Other(String),
}

impl ConfigError {
    /// A value that is of the right type and still not allowed.
    pub fn value(key: &str, given: impl Display, allowed: impl Display) -> Self {
        let reason = Reason::Expected {
            expected: allowed.to_string(),
            got: given.to_string(),
        };
        Self {
            path: key.split('.').map(str::to_owned).collect(),
            reason,
        }
    }

    /// A key that does not exist, with the value given to it and the keys that do.
    pub(super) fn unknown_key(path: Vec<String>, value: &Value, allowed: Vec<String>) -> Self {
        let value = Some(value.to_string());
        Self {
            path,
            reason: Reason::UnknownKey { value, allowed },
        }
    }

    /// Anything else, about the configuration as a whole.
    pub fn other(message: impl Display) -> Self {
        Self {
            path: Vec::new(),
            reason: Reason::Other(message.to_string()),
        }
    }

    fn within(mut self, key: &str) -> Self {
        self.path.insert(0, key.to_owned());
        self
    }

    fn with_value(mut self, given: &Value) -> Self {
        if let Reason::UnknownKey { value, .. } = &mut self.reason {
            value.get_or_insert_with(|| given.to_string());
        }
        self
    }

    fn new(reason: Reason) -> Self {
        Self {
            path: Vec::new(),
            reason,
        }
    }
}

impl Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.path.join(".");
        match &self.reason {
            Reason::UnknownKey { value, allowed } => {
                write!(f, "unknown key `{key}`")?;
                if let Some(value) = value {
                    write!(f, " (given {value})")?;
                }
                let last = self.path.last().map_or("", String::as_str);
                if let Some(close) = closest(last, allowed) {
                    write!(f, "; did you mean `{close}`?")?;
                }
                let table = &self.path[..self.path.len().saturating_sub(1)];
                match (allowed.is_empty(), table.is_empty()) {
                    (true, true) => Ok(()),
                    (true, false) => write!(f, "\n  [{}] has no keys", table.join(".")),
                    (false, true) => write!(f, "\n  the sections are: {}", allowed.join(", ")),
                    (false, false) => {
                        write!(
                            f,
                            "\n  keys of [{}]: {}",
                            table.join("."),
                            allowed.join(", ")
                        )
                    }
                }
            }
            Reason::UnknownName { given, allowed } => {
                write!(f, "`{key}` cannot be \"{given}\"")?;
                if let Some(close) = closest(given, allowed) {
                    write!(f, "; did you mean \"{close}\"?")?;
                }
                write!(f, "\n  allowed: {}", allowed.join(", "))
            }
            Reason::Missing => write!(f, "missing key `{key}`"),
            Reason::Expected { expected, got } => {
                write!(f, "`{key}`: expected {expected}, got {got}")
            }
            Reason::Other(message) if key.is_empty() => f.write_str(message),
            Reason::Other(message) => write!(f, "`{key}`: {message}"),
        }
    }
}

impl std::error::Error for ConfigError {}

/// The candidate a mistyped name most likely stands for.
#[must_use]
pub fn closest<'a>(given: &str, candidates: &'a [String]) -> Option<&'a str> {
    candidates
        .iter()
        .map(|name| (strsim::jaro_winkler(given, name), name))
        .filter(|(similarity, _)| *similarity > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name.as_str())
}

impl de::Error for ConfigError {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(Reason::Other(message.to_string()))
    }

    fn invalid_type(got: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(Reason::Expected {
            expected: plain_type(&expected.to_string()),
            got: got.to_string(),
        })
    }

    fn invalid_value(got: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(got, expected)
    }

    fn unknown_field(field: &str, allowed: &'static [&'static str]) -> Self {
        Self::new(Reason::UnknownKey {
            value: None,
            allowed: owned(allowed),
        })
        .within(field)
    }

    fn unknown_variant(given: &str, allowed: &'static [&'static str]) -> Self {
        Self::new(Reason::UnknownName {
            given: given.to_owned(),
            allowed: owned(allowed),
        })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Reason::Missing).within(field)
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// Rust's type names in the words of somebody who writes configurations.
fn plain_type(expected: &str) -> String {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, zero or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        other => return other.to_owned(),
    }
    .to_owned()
}

/// Reads `T` from a table.
///
/// # Errors
/// Names the full key, the value and what is allowed there.
pub fn from_table<T: DeserializeOwned>(table: &Table) -> Result<T, ConfigError> {
    T::deserialize(Node(&Value::Table(table.clone())))
}

struct Node<'a>(&'a Value);

impl<'de> de::Deserializer<'de> for Node<'_> {
    type Error = ConfigError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        match self.0 {
            Value::String(text) => visitor.visit_str(text),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Boolean(flag) => visitor.visit_bool(*flag),
            Value::Datetime(date) => visitor.visit_string(date.to_string()),
            Value::Array(items) => visitor.visit_seq(Items(items.iter().enumerate())),
            Value::Table(table) => visitor.visit_map(Entries {
                rest: table.iter(),
                current: None,
            }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        match self.0 {
            Value::String(name) => visitor.visit_enum(name.as_str().into_deserializer()),
            Value::Table(table) if table.len() == 1 => {
                visitor.visit_enum(de::value::MapAccessDeserializer::new(Entries {
                    rest: table.iter(),
                    current: None,
                }))
            }
            other => Err(ConfigError::new(Reason::Expected {
                expected: "a name in quotes".to_owned(),
                got: other.to_string(),
            })),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

struct Items<'a>(std::iter::Enumerate<std::slice::Iter<'a, Value>>);

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = ConfigError;

    fn next_element_seed<S: de::DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, ConfigError> {
        let Some((index, item)) = self.0.next() else {
            return Ok(None);
        };
        seed.deserialize(Node(item))
            .map(Some)
            .map_err(|error| error.within(&index.to_string()))
    }
}

struct Entries<'a> {
    rest: toml::map::Iter<'a, String, Value>,
    current: Option<(&'a String, &'a Value)>,
}

impl<'de> de::MapAccess<'de> for Entries<'_> {
    type Error = ConfigError;

    fn next_key_seed<S: de::DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, ConfigError> {
        self.current = self.rest.next();
        let Some((key, value)) = self.current else {
            return Ok(None);
        };
        let key: de::value::StrDeserializer<'_, ConfigError> = key.as_str().into_deserializer();
        seed.deserialize(key)
            .map(Some)
            .map_err(|error| error.with_value(value))
    }

    fn next_value_seed<S: de::DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, ConfigError> {
        let Some((key, value)) = self.current else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        seed.deserialize(Node(value))
            .map_err(|error| error.within(key))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Outer {
        inner: Inner,
        rates: Vec<f64>,
    }

    #[derive(Debug, PartialEq, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Inner {
        steps: u64,
        limit: Option<u64>,
        kind: Kind,
    }

    #[derive(Debug, PartialEq, Default, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        #[default]
        Adam,
        Sgd,
        Decayed {
            rate: f64,
        },
    }

    fn read(text: &str) -> Result<Outer, String> {
        let table: Table = text.parse().map_err(|e: toml::de::Error| e.to_string())?;
        from_table(&table).map_err(|error| error.to_string())
    }

    #[test]
    fn whole_numbers_serve_as_rates_and_missing_keys_take_their_defaults() {
        let outer = read("rates = [1, 0.5]\ninner.limit = 3").unwrap();
        assert_eq!(outer.rates, [1.0, 0.5]);
        assert_eq!((outer.inner.steps, outer.inner.limit), (0, Some(3)));
        let decayed = read("inner.kind.decayed.rate = 0.5").unwrap();
        assert_eq!(decayed.inner.kind, Kind::Decayed { rate: 0.5 });
    }

    #[test]
    fn an_unknown_key_is_named_with_its_path_its_value_and_its_neighbours() {
        let error = read("inner.stepz = 5").unwrap_err();
        assert_eq!(
            error,
            "unknown key `inner.stepz` (given 5); did you mean `steps`?\n  \
             keys of [inner]: steps, limit, kind"
        );
    }

    #[test]
    fn a_wrong_type_says_what_was_expected_and_what_came() {
        for (text, message) in [
            (
                "inner.steps = \"many\"",
                "`inner.steps`: expected a whole number, zero or more, got string \"many\"",
            ),
            (
                "inner.steps = -1",
                "`inner.steps`: expected a whole number, zero or more, got integer `-1`",
            ),
            (
                "rates = [1, true]",
                "`rates.1`: expected a number, got boolean `true`",
            ),
            (
                "inner.kind = \"adan\"",
                "`inner.kind` cannot be \"adan\"; did you mean \"adam\"?\n  \
                 allowed: adam, sgd, decayed",
            ),
        ] {
            assert_eq!(read(text).unwrap_err(), message);
        }
    }
}
