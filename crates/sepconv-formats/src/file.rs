//! Whole files in and out: bounded and checked while reading, whole or untouched when writing.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

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

/// As [`read`], but looks at the first [`HEAD`] bytes, or all if there are fewer, before it takes memory for the
/// others.
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

/// Where a path leads: links are followed, also to a file that is not there yet.
///
/// # Errors
/// When the directory does not exist, or links lead in a circle.
pub fn resolve(path: &Path) -> io::Result<PathBuf> {
    /// As many as Linux follows.
    const MAX_LINKS: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match (fs::read_link(&path), path.file_name()) {
            (Ok(next), _) => path = directory_of(&path).join(next),
            (Err(_), Some(name)) => return Ok(fs::canonicalize(directory_of(&path))?.join(name)),
            (Err(_), None) => return fs::canonicalize(path),
        }
    }
    Err(io::Error::other("too many links"))
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a file whole or not at all: beside its place first, then renamed over it. A link is followed, and what is
/// replaced keeps its permissions; a pipe or device is written to as it is.
///
/// # Errors
/// When the operating system refuses; what was there before is then still there.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let refused =
        |error: io::Error| Error::io(format!("file cannot be written: {error}")).in_file(&path.display().to_string());
    let old = fs::metadata(path).ok();
    if old.as_ref().is_some_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        return File::options().write(true).open(path).and_then(|mut file| file.write_all(bytes)).map_err(refused);
    }
    let target = resolve(path).map_err(refused)?;
    if target.file_name().is_none() {
        return Err(Error::argument("path names no file").in_file(&path.display().to_string()));
    }
    let permissions = old.map(|metadata| metadata.permissions());
    let fill = |mut file: &File| {
        file.write_all(bytes)?;
        permissions.iter().try_for_each(|permissions| file.set_permissions(permissions.clone()))?;
        file.sync_all()
    };
    let beside = temporary(directory_of(&target), fill).map_err(refused)?;
    fs::rename(&beside, &target).map_err(|error| {
        // The first error is reported; the file that is left over is harmless.
        let _ = fs::remove_file(&beside);
        refused(error)
    })
}

/// A file in a directory that holds what `fill` wrote. Where the file system can, it has no name until it is complete:
/// then nothing is left over, however the process ends.
fn temporary(directory: &Path, fill: impl Fn(&File) -> io::Result<()>) -> io::Result<PathBuf> {
    if let Some(file) = unnamed(directory) {
        fill(&file)?;
        if let Ok((path, ())) = with_new_name(directory, |path| link(&file, path)) {
            return Ok(path);
        }
    }
    let (path, file) = with_new_name(directory, |path| File::create_new(path))?;
    fill(&file).inspect_err(|_| _ = fs::remove_file(&path))?;
    Ok(path)
}

/// Calls `make` with names until one is new. They are short: that of the output may be as long as names can be.
fn with_new_name<T>(directory: &Path, make: impl Fn(&Path) -> io::Result<T>) -> io::Result<(PathBuf, T)> {
    const ATTEMPTS: usize = 1000;
    let mut result = Err(io::ErrorKind::AlreadyExists.into());
    for i in 0..ATTEMPTS {
        let path = directory.join(format!(".sepconv-{}-{i}.tmp", std::process::id()));
        result = make(&path).map(|made| (path, made));
        if !matches!(&result, Err(error) if error.kind() == io::ErrorKind::AlreadyExists) {
            break;
        }
    }
    result
}

/// A file without a name, where there is such a thing.
#[cfg(target_os = "linux")]
fn unnamed(directory: &Path) -> Option<File> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
    open(directory, flags, Mode::from_raw_mode(0o666)).ok().map(File::from)
}

#[cfg(not(target_os = "linux"))]
fn unnamed(_: &Path) -> Option<File> {
    None
}

/// Gives a file without a name one.
#[cfg(target_os = "linux")]
fn link(file: &File, path: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, linkat};
    use std::os::fd::AsRawFd;
    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(linkat(CWD, open, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

#[cfg(not(target_os = "linux"))]
fn link(_: &File, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
