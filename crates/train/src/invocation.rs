//! How the program was called, for messages that tell what to type next.

/// The words that start this program: through cargo, or installed.
#[must_use]
pub fn program() -> &'static str {
    // `cargo run` sets this for the program it starts.
    if std::env::var_os("CARGO_MANIFEST_DIR").is_some() {
        "cargo run --release --"
    } else {
        "unbiased"
    }
}

/// The arguments of this call, quoted for a shell.
#[must_use]
pub fn arguments() -> String {
    let words: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|word| quote(&word.to_string_lossy()))
        .collect();
    words.join(" ")
}

/// The word in single quotes where a shell would take it apart.
#[must_use]
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn words_survive_a_shell() {
        assert_eq!(quote("runs/toy-s0"), "runs/toy-s0");
        assert_eq!(quote("a b"), "'a b'");
        assert_eq!(quote("it's"), r"'it'\''s'");
        assert_eq!(quote(""), "''");
    }
}
