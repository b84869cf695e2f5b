use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path};

use sepconv_core::{Error, Result};

use super::proto::TensorProto;

/// Where tensors that are stored beside the model file may be read from: a directory that the caller named, or nowhere.
#[derive(Clone, Copy)]
pub(super) struct External<'a> {
    pub(super) directory: Option<&'a Path>,
    pub(super) max_bytes: usize,
}

impl External<'_> {
    /// The `expected` bytes of a tensor. Nothing outside the directory is opened, whatever the file says, and nothing is
    /// allocated before the data is known to be there.
    pub(super) fn read(&self, proto: &TensorProto, expected: usize) -> Result<Vec<u8>> {
        let Some(directory) = self.directory else {
            return Err(Error::unsupported("tensor is stored outside the model file").help(
                "name the directory that it may be read from, e.g. Options::external_data(\"models\"); nothing else is read",
            ));
        };
        let entry = |key: &str| proto.external_data.iter().find(|entry| entry.key == key).map(|entry| &*entry.value);
        let location = entry("location").ok_or_else(|| Error::malformed("external tensor has no location"))?;
        let number = |key: &str| entry(key).map(|text| parse(key, text)).transpose();
        let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
        let mut file = open(directory, location)?;
        let available = file.metadata().map_err(|e| io(location, &e))?.len().saturating_sub(offset);
        let length = length.unwrap_or(available);
        if length != expected as u64 || length > available {
            return Err(Error::malformed("external data does not fill the tensor").expected(
                format_args!("{expected} bytes"),
                format_args!("{length} of {available} bytes from {offset} in {location:?}"),
            ));
        }
        if expected > self.max_bytes {
            return Err(Error::limit("external data takes too much memory")
                .expected(format_args!("at most {} bytes", self.max_bytes), expected));
        }
        let mut bytes = vec![0; expected];
        file.seek(SeekFrom::Start(offset)).and_then(|_| file.read_exact(&mut bytes)).map_err(|e| io(location, &e))?;
        Ok(bytes)
    }
}

/// Opens a regular file below `directory`, checking the path as written and, with links followed, as it is.
fn open(directory: &Path, location: &str) -> Result<File> {
    let outside = || {
        Error::malformed("external data lies outside the directory it may be read from")
            .expected("a relative path without \"..\" or links that lead out", format_args!("{location:?}"))
    };
    let plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    if location.is_empty() || location.contains(['\\', ':', '\0']) || !Path::new(location).components().all(plain) {
        return Err(outside());
    }
    let directory = directory.canonicalize().map_err(|e| io(&directory.to_string_lossy(), &e))?;
    let path = directory.join(location).canonicalize().map_err(|e| io(location, &e))?;
    if !path.starts_with(&directory) {
        return Err(outside());
    }
    // A pipe or device would block or never end.
    if !path.metadata().map_err(|e| io(location, &e))?.is_file() {
        return Err(Error::malformed("external data is not a regular file").at(format!("{location:?}")));
    }
    File::open(&path).map_err(|e| io(location, &e))
}

fn parse(key: &str, text: &str) -> Result<u64> {
    text.parse().map_err(|_| {
        Error::malformed(format!("external tensor has an unreadable {key}"))
            .expected("a number of bytes", format_args!("{text:?}"))
    })
}

fn io(path: &str, error: &std::io::Error) -> Error {
    Error::io(format!("external data {path:?} cannot be read: {error}"))
}
