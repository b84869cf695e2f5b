//! What this machine reaches, measured once and kept for later.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sepconv::{Machine, Options, Result, file};

use crate::failure::warn;
use crate::files::FilesRead;

/// The most that the kept file may hold.
const MOST: u64 = 1 << 20;

/// Changes with what is measured: what an older program kept is then measured anew.
const METHOD: u32 = 2;

/// All machines that were measured for this user, by processor, threads, instruction set and version.
type Kept = BTreeMap<String, Machine>;

/// What the machine reaches with these options: as measured before where that was kept, else measured now and kept.
pub(crate) fn known(options: &Options, threads: usize, isa: &str, read: &FilesRead) -> Result<Machine> {
    match kept().remove(&key(threads, isa)) {
        Some(machine) => Ok(machine),
        None => Ok(measured(options, read)?.0),
    }
}

/// Measures, and keeps what was found where there is a place for it: which is then told. It is only kept to save time;
/// without it the next call measures again. It never replaces a file that the command reads.
pub(crate) fn measured(options: &Options, read: &FilesRead) -> Result<(Machine, Option<PathBuf>)> {
    let machine = Machine::measure(options)?;
    if let Some(doubt) = machine.doubt() {
        warn(format_args!("measured on a busy machine: {doubt}; `sepconv machine` measures again"));
    }
    let mut kept = kept();
    kept.insert(key(machine.threads, &machine.isa), machine.clone());
    let write = |path: PathBuf| {
        fs::create_dir_all(path.parent()?).ok()?;
        let is_ours = is_ours_or_new(&path) && read.find(&path).is_none();
        is_ours.then_some(())?;
        file::write(&path, &serde_json::to_vec_pretty(&kept).ok()?).ok()?;
        Some(path)
    };
    Ok((machine, path().and_then(write)))
}

/// Where it is kept: `sepconv/machine.json` in the user's folder for such things.
pub(crate) fn path() -> Option<PathBuf> {
    let folder = |variable: &str| env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = folder("XDG_CACHE_HOME")
        .or_else(|| folder("LOCALAPPDATA"))
        .or_else(|| env::home_dir().map(|home| home.join(".cache")))?;
    Some(cache.join("sepconv").join("machine.json"))
}

/// Whether the file is one that was kept here, or none: not a link, whose target is another's, nor a pipe, which can
/// block.
fn is_ours_or_new(path: &Path) -> bool {
    match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.is_file(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// What is kept; nothing where the file is not there or not ours.
fn kept() -> Kept {
    let bytes = path().filter(|path| is_ours_or_new(path)).and_then(|path| file::read(&path, MOST).ok());
    bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn key(threads: usize, isa: &str) -> String {
    format!("{}, {threads} of {isa}, {} {METHOD}", Machine::processor(), env!("CARGO_PKG_VERSION"))
}
