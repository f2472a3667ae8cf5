//! The arguments of `unbiased data`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{at_least_one, seed};
use crate::data::Split;
use crate::data::generate::GENERATORS;

/// What to do with data sets.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Show data sets: what is there, size, licence, systems that use them
    List(DataListArgs),
    /// Download data sets, or take their files from a folder; every file is checked
    Fetch(DataFetchArgs),
    /// Look at every byte of data sets that are there
    Verify(DataVerifyArgs),
    /// Print the folder of a data set
    Path(DataPathArgs),
    /// Take the files of a data set from a folder of yours, for sets that cannot be downloaded here
    Import(DataImportArgs),
    /// Write what the program draws itself to files
    Generate(DataGenerateArgs),
}

/// Arguments of `data list`.
#[derive(Debug, Args)]
pub struct DataListArgs {
    /// Where data sets lie, besides `$UNBIASED_DATA` and the user's cache
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `data fetch`.
#[derive(Debug, Args)]
pub struct DataFetchArgs {
    /// Names of data sets, see `data list`
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// Put them here (default: `$UNBIASED_DATA`, or the user's cache)
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Take the files from here, not from the network
    #[arg(long, value_name = "FILE|DIR", conflicts_with = "mirror")]
    pub from: Option<PathBuf>,
    /// Folder on the network to use in place of the published addresses; may be repeated
    #[arg(long, value_name = "URL")]
    pub mirror: Vec<String>,
    /// Show errors only
    #[arg(long, short)]
    pub quiet: bool,
}

/// Arguments of `data verify`.
#[derive(Debug, Args)]
pub struct DataVerifyArgs {
    /// Names of data sets; all that are there if none is given
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Where data sets lie, besides `$UNBIASED_DATA` and the user's cache
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `data path`.
#[derive(Debug, Args)]
pub struct DataPathArgs {
    /// Name of a data set
    pub name: String,
    /// Where data sets lie, besides `$UNBIASED_DATA` and the user's cache
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// Arguments of `data import`.
#[derive(Debug, Args)]
pub struct DataImportArgs {
    /// Name of a data set
    pub name: String,
    /// A file, or a folder that has the files under their published names, packed or not
    #[arg(value_name = "FILE|DIR")]
    pub from: PathBuf,
    /// Put them here (default: `$UNBIASED_DATA`, or the user's cache)
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// Arguments of `data generate`.
#[derive(Debug, Args)]
#[command(after_help = generators_help())]
pub struct DataGenerateArgs {
    /// What to draw
    pub name: String,
    /// Folder to write to
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Seed of the items
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true, value_parser = seed)]
    pub seed: u64,
    /// Part of the data (default: all three)
    #[arg(long, value_enum)]
    pub split: Option<Split>,
    /// The first N items of each part (default: 50,000 for training, 10,000 otherwise)
    #[arg(short, value_name = "N", value_parser = at_least_one)]
    pub n: Option<usize>,
}

fn generators_help() -> String {
    let lines = GENERATORS
        .iter()
        .map(|g| format!("  {:<23} {}", g.name, g.summary));
    format!("Generators:\n{}", lines.collect::<Vec<_>>().join("\n"))
}
