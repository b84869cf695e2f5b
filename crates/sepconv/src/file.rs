use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sepconv_core::{Error, Result};

/// The largest file that is read into memory.
const MAX_BYTES: u64 = 4 << 30;

/// The whole of a file, or of what a pipe gives.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let name = path.display().to_string();
    let refused = |error: io::Error| Error::io(format!("file cannot be read: {error}")).in_file(&name);
    let file = File::open(path).map_err(refused)?;
    let metadata = file.metadata().map_err(refused)?;
    if metadata.is_dir() {
        return Err(Error::io("a file is needed, this is a folder").in_file(&name));
    }
    let limit = Error::limit("file is too large").expected(format_args!("at most {MAX_BYTES} bytes"), "more");
    if metadata.len() > MAX_BYTES {
        return Err(limit.in_file(&name));
    }
    // Pipes and devices tell no length: what they give is bounded while reading.
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(refused)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(limit.in_file(&name));
    }
    Ok(bytes)
}

/// The whole of a file that holds text, without the byte order mark that some editors put before it.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    let mut bytes = read(path)?;
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    String::from_utf8(bytes)
        .map_err(|_| Error::malformed("file is not UTF-8 text").in_file(&path.display().to_string()))
}
