use sepconv_core::{Error, Result};

/// The files of a ZIP archive whose names are wanted, stored or deflated. Bytes before the archive do not matter.
///
/// # Errors
/// When the archive is malformed, a checksum is wrong, a file is compressed in another way, or the files take more than `limit` bytes
/// together.
pub(crate) fn read(bytes: &[u8], limit: usize, wanted: impl Fn(&str) -> bool) -> Result<Vec<(String, Vec<u8>)>> {
    let broken = |error: rawzip::Error| Error::malformed(format!("ZIP archive is broken: {error}"));
    let archive = rawzip::ZipArchive::from_slice(bytes).map_err(broken)?;
    let mut entries = archive.entries();
    let (mut files, mut room) = (vec![], limit);
    while let Some(entry) = entries.next_entry().map_err(broken)? {
        let path = entry.file_path();
        let Ok(name) = std::str::from_utf8(path.as_bytes()) else { continue };
        if entry.is_dir() || !wanted(name) {
            continue;
        }
        let place = || format!("file {name:?} of the archive");
        let content = archive.get_entry(entry.wayfinder()).map_err(broken)?;
        let data = decompress(content.data(), entry.compression_method(), room).map_err(|error| error.at(place()))?;
        let found = rawzip::ZipVerification { crc: rawzip::crc32(&data), uncompressed_size: data.len() as u64 };
        content.claim_verifier().valid(found).map_err(|error| broken(error).at(place()))?;
        // A file costs a little even when it is empty.
        room = room.saturating_sub(data.len() + name.len() + size_of::<(String, Vec<u8>)>());
        files.push((name.to_owned(), data));
    }
    Ok(files)
}

fn decompress(data: &[u8], method: rawzip::CompressionMethod, limit: usize) -> Result<Vec<u8>> {
    let too_large =
        || Error::limit("file in a ZIP archive is too large").expected(format_args!("at most {limit} bytes"), "more");
    match method {
        rawzip::CompressionMethod::STORE if data.len() > limit => Err(too_large()),
        rawzip::CompressionMethod::STORE => Ok(data.to_vec()),
        rawzip::CompressionMethod::DEFLATE => {
            miniz_oxide::inflate::decompress_to_vec_with_limit(data, limit).map_err(|error| match error.status {
                miniz_oxide::inflate::TINFLStatus::HasMoreOutput => too_large(),
                _ => Error::malformed("compressed data is broken"),
            })
        }
        other => Err(Error::unsupported("ZIP archive is compressed in a way that sepconv does not read")
            .expected("stored or deflated files", format_args!("{other:?}"))),
    }
}
