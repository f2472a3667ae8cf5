//! `unbiased data fetch` and `unbiased data import`.

use std::path::Path;

use super::show::{Files, size};
use super::{named, target};
use crate::cli::{DataFetchArgs, DataImportArgs};
use crate::data::fetch::Fetcher;
use crate::data::{Manifest, State, state};
use crate::error::Failure;
use crate::invocation::program;
use crate::{interrupt, out};

pub(super) fn run(args: &DataFetchArgs) -> Result<(), Failure> {
    let sets: Vec<&Manifest> = args
        .names
        .iter()
        .map(|name| named(name))
        .collect::<Result<_, _>>()?;
    let fetcher = Fetcher {
        mirrors: args.mirror.clone(),
        stop: interrupt::requested,
        ..Fetcher::default()
    };
    interrupt::install("stopping; what has arrived is kept");
    for set in sets {
        get(
            set,
            &fetcher,
            args.data_dir.as_deref(),
            args.from.as_deref(),
            args.quiet,
        )?;
    }
    Ok(())
}

pub(super) fn import(args: &DataImportArgs) -> Result<(), Failure> {
    let set = named(&args.name)?;
    get(
        set,
        &Fetcher::default(),
        args.data_dir.as_deref(),
        Some(&args.from),
        false,
    )
}

fn get(
    set: &Manifest,
    fetcher: &Fetcher,
    data_dir: Option<&Path>,
    from: Option<&Path>,
    quiet: bool,
) -> Result<(), Failure> {
    let mut files = Files::new(quiet);
    if set.is_generated() {
        files.say(&format!(
            "{} needs no files: the program draws it",
            set.name
        ));
        return Ok(());
    }
    if let Some(from) = from.filter(|from| !from.exists()) {
        return Err(Failure::usage(format!("there is no {}", from.display())));
    }
    let root = target(set, data_dir)?;
    let length = match set.bytes() {
        0 => "unknown".to_owned(),
        bytes => size(bytes),
    };
    files.say(&format!(
        "{}: {}\n  licence  {}\n  you owe  {}\n  size     {length}\n  folder   {}",
        set.name,
        set.title,
        set.licence,
        set.obligation,
        root.join(set.name).display()
    ));
    let mut report = |event: crate::data::fetch::Event<'_>| files.show(&event);
    let outcome = match from {
        Some(from) => fetcher.import(set, &root, from, &mut report),
        None => fetcher.fetch(set, &root, &mut report),
    };
    files.clear();
    outcome?;
    if quiet {
        return Ok(());
    }
    if let State::Ready(_) = state(set, std::slice::from_ref(&root)) {
        out::note(format_args!("{} is ready{}", set.name, next(set)));
    } else {
        out::note(format_args!(
            "{} is not complete yet: {} data verify {} tells what is missing",
            set.name,
            program(),
            set.name
        ));
    }
    Ok(())
}

/// What to do with a set.
fn next(set: &Manifest) -> String {
    set.used_by.first().map_or_else(String::new, |system| {
        format!(
            "; train on it with\n  {} train {system} --set data.name={}",
            program(),
            set.name
        )
    })
}
