//! `unbiased data generate`.

use super::unknown;
use crate::cli::DataGenerateArgs;
use crate::data::Split;
use crate::data::generate::{GENERATORS, Request};
use crate::error::Failure;
use crate::out;

pub(super) fn run(args: &DataGenerateArgs) -> Result<(), Failure> {
    let generator = GENERATORS.iter().find(|g| g.name == args.name);
    let generator = generator.ok_or_else(|| {
        let known = GENERATORS.iter().map(|g| g.name.to_owned());
        Failure::usage(unknown("generator", &args.name, &known.collect::<Vec<_>>()))
    })?;
    let all = [Split::Train, Split::Valid, Split::Test];
    for split in all
        .into_iter()
        .filter(|&s| args.split.is_none_or(|split| split == s))
    {
        let usual = if split == Split::Train {
            50_000
        } else {
            10_000
        };
        let n = args.n.unwrap_or(usual);
        let request = Request {
            out: &args.out,
            seed: args.seed,
            split,
            n,
        };
        let drawn = generator.draw(&request)?;
        out::note(format_args!(
            "{} version {}, seed {}, {n} items for {split}\n  yardstick: {}",
            generator.name, generator.version, args.seed, drawn.yardstick
        ));
        for file in drawn.files {
            out::result(file.display())?;
        }
    }
    Ok(())
}
