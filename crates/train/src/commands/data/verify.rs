//! `unbiased data verify`.

use serde_json::{Value, json};

use super::{named, show};
use crate::cli::DataVerifyArgs;
use crate::data::{Manifest, State, Verdict, catalogue, folder, search_path, state, verify};
use crate::error::Failure;
use crate::invocation::program;
use crate::out;

pub(super) fn run(args: &DataVerifyArgs) -> Result<(), Failure> {
    let roots = search_path(args.data_dir.as_deref());
    let sets: Vec<&Manifest> = if args.names.is_empty() {
        let there =
            |set: &&Manifest| !matches!(state(set, &roots), State::Generated | State::Absent);
        catalogue().iter().filter(there).collect()
    } else {
        let sets = args.names.iter().map(|name| named(name));
        sets.collect::<Result<_, _>>()?
    };
    if sets.is_empty() {
        out::note("no data set is there");
    }
    let mut wrong = Vec::new();
    let mut results = Vec::new();
    for set in sets {
        let place = match state(set, &roots) {
            State::Generated => {
                out::note(format_args!(
                    "{}: drawn by the program, nothing to verify",
                    set.name
                ));
                continue;
            }
            // Says what can be done.
            State::Absent => folder(set, &roots)?,
            State::Ready(place) | State::Partial(place) | State::Damaged(place) => place,
        };
        let mut files = Vec::new();
        for file in &set.files {
            let verdict = verify(&place, file)?;
            if matches!(verdict, Verdict::Missing | Verdict::Wrong { .. }) {
                wrong.push(set.name);
            }
            if !args.json {
                let line = format!("{}/{}: {}", set.name, file.path, show::verdict(&verdict));
                out::result(line)?;
            }
            files.push(describe(&file.path, &verdict));
        }
        results.push(
            json!({ "name": set.name, "folder": place.display().to_string(), "files": files }),
        );
    }
    if args.json {
        out::result(serde_json::to_string_pretty(&results).map_err(anyhow::Error::from)?)?;
    }
    wrong.dedup();
    if wrong.is_empty() {
        return Ok(());
    }
    let names = wrong.join(" ");
    Err(Failure::Failed(anyhow::anyhow!(
        "files are missing or wrong; get them again with\n  {} data fetch {names}",
        program()
    )))
}

fn describe(path: &str, verdict: &Verdict) -> Value {
    match verdict {
        Verdict::Good(kind) => json!({ "path": path, "state": "right", "by": kind }),
        Verdict::LengthOnly => json!({ "path": path, "state": "right", "by": "length" }),
        Verdict::Missing => json!({ "path": path, "state": "missing" }),
        Verdict::Wrong { found, expected } => {
            json!({ "path": path, "state": "wrong", "found": found, "expected": expected })
        }
    }
}
