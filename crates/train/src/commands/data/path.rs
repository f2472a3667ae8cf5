//! `unbiased data path`.

use super::named;
use crate::cli::DataPathArgs;
use crate::data::{folder, search_path};
use crate::error::Failure;
use crate::out;

pub(super) fn run(args: &DataPathArgs) -> Result<(), Failure> {
    let set = named(&args.name)?;
    if set.is_generated() {
        return Err(Failure::usage(format!(
            "`{}` has no folder: the program draws it whenever it is needed",
            set.name
        )));
    }
    let folder = folder(set, &search_path(args.data_dir.as_deref()))?;
    Ok(out::result(folder.display())?)
}
