//! `unbiased data list`.

use std::fmt::Write;

use serde::Serialize;

use super::show::size;
use crate::cli::DataListArgs;
use crate::data::{Manifest, catalogue, search_path, state};
use crate::error::Failure;
use crate::invocation::program;
use crate::out;

#[derive(Serialize)]
struct Item {
    name: &'static str,
    title: &'static str,
    state: &'static str,
    folder: Option<String>,
    /// Of a download, as far as lengths are published.
    bytes: u64,
    files: usize,
    train: usize,
    valid: usize,
    test: usize,
    licence: &'static str,
    obligation: &'static str,
    used_by: &'static [String],
}

pub(super) fn run(args: &DataListArgs) -> Result<(), Failure> {
    let roots = search_path(args.data_dir.as_deref());
    let item = |set: &'static Manifest| {
        let state = state(set, &roots);
        Item {
            name: set.name,
            title: &set.title,
            state: state.word(),
            folder: state.folder().map(|folder| folder.display().to_string()),
            bytes: set.bytes(),
            files: set.files.len(),
            train: set.items.train,
            valid: set.items.valid,
            test: set.items.test,
            licence: &set.licence,
            obligation: &set.obligation,
            used_by: &set.used_by,
        }
    };
    let items: Vec<Item> = catalogue().iter().map(item).collect();
    if args.json {
        let text = serde_json::to_string_pretty(&items).map_err(anyhow::Error::from)?;
        return Ok(out::result(text)?);
    }
    Ok(out::result(table(&items))?)
}

fn table(items: &[Item]) -> String {
    let mut text = String::new();
    for item in items {
        let length = match (item.files, item.bytes) {
            (0, _) => "no download".to_owned(),
            (_, 0) => "size unknown".to_owned(),
            (_, bytes) => size(bytes),
        };
        let _ = writeln!(
            text,
            "{:<16} {:<9} {length:>12}  {}",
            item.name, item.state, item.title
        );
        let items = format!(
            "{} / {} / {} (training / validation / test)",
            item.train, item.valid, item.test
        );
        let rows = [
            ("items", items),
            ("licence", item.licence.to_owned()),
            ("used by", item.used_by.join(", ")),
            ("folder", item.folder.clone().unwrap_or_default()),
        ];
        for (label, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
            let _ = writeln!(text, "    {label:<8} {value}");
        }
    }
    let _ = write!(text, "\nGet one with: {} data fetch NAME", program());
    text
}
