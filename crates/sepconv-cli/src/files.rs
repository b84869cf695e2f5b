//! The rule for every output: no command replaces a file that it reads.

use std::fs;
use std::path::{Path, PathBuf};

use sepconv::{Error, Result, file};

/// The files that a command reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct FilesRead(Vec<PathBuf>);

impl FilesRead {
    /// These too.
    pub(crate) fn and<P: Into<PathBuf>>(mut self, files: impl IntoIterator<Item = P>) -> Self {
        self.0.extend(files.into_iter().map(Into::into));
        self
    }

    /// Their paths.
    #[cfg(feature = "train")]
    pub(crate) fn paths(self) -> Vec<PathBuf> {
        self.0
    }

    /// Checks an output before anything is computed: its extension, that its folder exists, and that it is none of the
    /// files read, whichever links lead to it. Pipes and devices may be called anything.
    ///
    /// # Errors
    /// [`Argument`](sepconv::ErrorKind::Argument), but for a folder that does not exist.
    pub(crate) fn check_output(&self, output: &Path, extensions: &[&str]) -> Result<()> {
        let shown = output.display().to_string();
        let found = fs::metadata(output).ok();
        if found.as_ref().is_some_and(fs::Metadata::is_dir) {
            return Err(Error::argument("expected a file, found a directory").in_file(&shown));
        }
        let is_special = found.as_ref().is_some_and(|metadata| !metadata.is_file());
        let matches = |extension: &str| output.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension));
        if !is_special && !extensions.iter().any(|extension| matches(extension)) {
            let names: Vec<_> = extensions.iter().map(|extension| format!(".{extension}")).collect();
            return Err(Error::argument(format!("output must end in {}", names.join(" or "))).in_file(&shown));
        }
        if let Some(read) = self.find(output).filter(|_| !is_special) {
            return Err(Error::argument("output would replace a file that this command reads")
                .in_file(&shown)
                .help(format!("{} is the same file; choose another output", read.display())));
        }
        let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() {
            return Err(Error::io("output directory does not exist")
                .in_file(&folder.display().to_string())
                .help("create it first, or choose another output"));
        }
        if is_special {
            return Ok(());
        }
        let unresolved = |error| Error::io(format!("file cannot be written: {error}")).in_file(&shown);
        file::resolve(output).map(drop).map_err(unresolved)
    }

    /// The file that is the same as another, whichever links lead to it.
    pub(crate) fn find(&self, other: &Path) -> Option<&Path> {
        let target = file::resolve(other).ok();
        // Also where neither exists yet. Nothing is opened, for opening a pipe can block.
        let leads_there = |path: &Path| target.is_some() && file::resolve(path).ok() == target;
        self.0.iter().map(PathBuf::as_path).find(|path| is_hard_link(path, other) || leads_there(path))
    }
}

#[cfg(unix)]
fn is_hard_link(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |path: &Path| fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino())).ok();
    identity(a).is_some_and(|a| identity(b) == Some(a))
}

/// No identity of files is stable elsewhere.
#[cfg(not(unix))]
fn is_hard_link(_: &Path, _: &Path) -> bool {
    false
}
