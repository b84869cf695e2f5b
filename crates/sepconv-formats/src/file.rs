//! Whole files in and out: bounded and checked while reading, whole or untouched when writing.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use sepconv_core::{Error, Result};

/// Bytes at the beginning of a file that tell what it is.
pub const HEAD: usize = 4096;

/// All of a file, or of what a pipe or device gives, up to `most` bytes.
///
/// # Errors
/// When it cannot be read, is a directory, or holds more; when there is not memory enough.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    read_checked(path, most, |_| Ok(()))
}

/// As [`read`], but looks at the first [`HEAD`] bytes, or all if there are fewer, before it takes memory for the others.
///
/// # Errors
/// Those of [`read`] and of `check`.
pub fn read_checked(path: &Path, most: u64, check: impl FnOnce(&[u8]) -> Result<()>) -> Result<Vec<u8>> {
    let name = path.display().to_string();
    let refused = |error: io::Error| match error.kind() {
        io::ErrorKind::OutOfMemory => Error::io("file does not fit memory").in_file(&name),
        _ => Error::io(format!("file cannot be read: {error}")).in_file(&name),
    };
    let mut file = File::open(path).map_err(refused)?;
    let metadata = file.metadata().map_err(refused)?;
    if metadata.is_dir() {
        return Err(Error::io("expected a file, found a directory").in_file(&name));
    }
    let mut bytes = Vec::new();
    Read::by_ref(&mut file).take(HEAD as u64).read_to_end(&mut bytes).map_err(refused)?;
    check(&bytes).map_err(|error| error.in_file(&name))?;
    let too_large = |got: String| {
        Error::limit("file is too large").expected(format_args!("at most {most} bytes"), got).in_file(&name)
    };
    if metadata.len() > most {
        return Err(too_large(metadata.len().to_string()));
    }
    // Pipes and devices tell no length: what they give is bounded while reading.
    let rest = usize::try_from(metadata.len()).unwrap_or(usize::MAX).saturating_sub(bytes.len());
    bytes.try_reserve_exact(rest).map_err(|_| refused(io::ErrorKind::OutOfMemory.into()))?;
    file.take(most.saturating_add(1).saturating_sub(bytes.len() as u64)).read_to_end(&mut bytes).map_err(refused)?;
    if bytes.len() as u64 > most {
        return Err(too_large("more".to_owned()));
    }
    Ok(bytes)
}

/// Writes a file whole or not at all: beside its place first, then renamed over it. A link is followed; a pipe or device is
/// written to as it is.
///
/// # Errors
/// When the operating system refuses; what was there before is then still there.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let refused =
        |error: io::Error| Error::io(format!("file cannot be written: {error}")).in_file(&path.display().to_string());
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if fs::metadata(&target).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        return File::options().write(true).open(&target).and_then(|mut file| file.write_all(bytes)).map_err(refused);
    }
    let name =
        target.file_name().ok_or_else(|| Error::argument("path names no file").in_file(&path.display().to_string()))?;
    let mut beside = OsString::from(".");
    beside.push(name);
    beside.push(format!(".{}.tmp", std::process::id()));
    let beside = target.with_file_name(beside);
    let written = File::create_new(&beside)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&beside, &target));
    written.map_err(|error| {
        // The first error is the one to tell; the file that is left over harms nobody.
        let _ = fs::remove_file(&beside);
        refused(error)
    })
}
