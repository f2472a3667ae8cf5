//! Changes that the command line makes to a configuration.

use std::fmt::{self, Display};
use std::str::FromStr;

use toml::{Table, Value};

use super::ConfigError;

/// One change, as `--set key=value` or an option that stands for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Override {
    path: Vec<String>,
    value: Value,
}

impl Override {
    /// Sets the key at `path` (dotted) to `value`.
    pub fn new(path: &str, value: impl Into<Value>) -> Self {
        Self {
            path: path.split('.').map(str::to_owned).collect(),
            value: value.into(),
        }
    }

    /// The dotted key.
    #[must_use]
    pub fn key(&self) -> String {
        self.path.join(".")
    }

    /// Writes the value into `table`, whose changeable sections are `sections`.
    pub(super) fn apply(&self, table: &mut Table, sections: &[String]) -> Result<(), ConfigError> {
        let (last, parents) = self.path.split_last().expect("a split is never empty");
        if !sections.contains(&self.path[0]) {
            let path = vec![self.path[0].clone()];
            return Err(ConfigError::unknown_key(
                path,
                &self.value,
                sections.to_vec(),
            ));
        }
        let mut here = table;
        for (depth, name) in parents.iter().enumerate() {
            let next = here
                .entry(name.clone())
                .or_insert_with(|| Value::Table(Table::new()));
            here = match next {
                Value::Table(inner) => inner,
                other => {
                    let key = self.path[..=depth].join(".");
                    return Err(ConfigError::value(
                        &self.key(),
                        format!("`{key}`, which is {other}"),
                        "a table above it",
                    ));
                }
            };
        }
        here.insert(last.clone(), self.value.clone());
        Ok(())
    }
}

impl Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key(), self.value)
    }
}

impl FromStr for Override {
    type Err = String;

    /// `key=value`, where the value is TOML, or plain text where it is not.
    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text
            .split_once('=')
            .ok_or_else(|| "expected key=value, such as schedule.steps=500".to_owned())?;
        let path: Vec<String> = key.trim().split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) {
            return Err(format!(
                "`{key}` is not a key; keys look like schedule.steps"
            ));
        }
        let value = value.trim();
        let value = format!("value = {value}")
            .parse::<Table>()
            .ok()
            .and_then(|mut table| table.remove("value").filter(|_| table.is_empty()))
            .unwrap_or_else(|| Value::String(value.to_owned()));
        Ok(Self { path, value })
    }
}

/// Writes every leaf of `changes` over `table`.
pub(super) fn merge(table: &mut Table, changes: Table) {
    for (key, change) in changes {
        match (table.get_mut(&key), change) {
            (Some(Value::Table(old)), Value::Table(new)) => merge(old, new),
            (_, change) => {
                table.insert(key, change);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, Value) {
        let change: Override = text.parse().unwrap();
        (change.key(), change.value)
    }

    #[test]
    fn values_are_typed_and_plain_words_are_text() {
        assert_eq!(parsed("a.b=3"), ("a.b".to_owned(), Value::Integer(3)));
        assert_eq!(parsed("a = 1e-3").1, Value::Float(1e-3));
        assert_eq!(parsed("a=[1, 2]").1, Value::from(vec![1, 2]));
        assert_eq!(parsed("a=true").1, Value::Boolean(true));
        assert_eq!(parsed("data.name=mnist").1, Value::from("mnist"));
        assert_eq!(parsed("a=").1, Value::from(""));
        assert_eq!(parsed("a=1\nb=2").1, Value::from("1\nb=2"));
        assert!("steps".parse::<Override>().is_err());
        assert!(".a=1".parse::<Override>().is_err());
    }

    #[test]
    fn a_merge_keeps_what_it_does_not_name() {
        let mut table: Table = "[a]\nx = 1\ny = 2".parse().unwrap();
        merge(&mut table, "a.y = 3\nb = 4".parse().unwrap());
        let expected: Table = "b = 4\n[a]\nx = 1\ny = 3".parse().unwrap();
        assert_eq!(table, expected);
    }
}
