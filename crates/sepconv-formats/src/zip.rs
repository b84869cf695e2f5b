//! ZIP archives: `rawzip` reads them; they are written here, because its writer changes names that look like paths
//! (`/a`, `c\d`, `x:0`), and a member must be called exactly as its tensor.
//!
//! The format is PKWARE's APPNOTE 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16.

use std::iter;

use miniz_oxide::inflate::decompress_slice_iter_to_slice;
use sepconv_core::{Error, Result, probe_memory};

/// The files of a ZIP archive whose names are wanted, stored or deflated. Bytes before the archive do not matter.
///
/// # Errors
/// When the archive is malformed, a checksum is wrong, a file is compressed in another way, or the files take more than
/// `limit` bytes together.
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
        let (data, size, method) = (content.data(), entry.uncompressed_size_hint(), entry.compression_method());
        let data = decompress(data, size, method, room).map_err(|error| error.at(place()))?;
        let found = rawzip::ZipVerification { crc: rawzip::crc32(&data), uncompressed_size: data.len() as u64 };
        content.claim_verifier().valid(found).map_err(|error| broken(error).at(place()))?;
        // A file costs a little even when it is empty.
        room = room.saturating_sub(data.len() + name.len() + size_of::<(String, Vec<u8>)>());
        files.push((name.to_owned(), data));
    }
    Ok(files)
}

/// Bytes that a byte of DEFLATE can become at most: 258 from two bits.
const MOST_EXPANDED: usize = 1032;

/// The file that `data` holds, of a `size` that the archive claims.
fn decompress(data: &[u8], size: u64, method: rawzip::CompressionMethod, limit: usize) -> Result<Vec<u8>> {
    let broken = || Error::malformed("compressed data is broken");
    let size = usize::try_from(size).ok().filter(|&size| size <= limit).ok_or_else(|| {
        Error::limit("file in a ZIP archive is too large").expected(format_args!("at most {limit} bytes"), size)
    })?;
    probe_memory(size)?;
    match method {
        rawzip::CompressionMethod::STORE if data.len() == size => Ok(data.to_vec()),
        rawzip::CompressionMethod::STORE => Err(broken()),
        rawzip::CompressionMethod::DEFLATE if size / MOST_EXPANDED > data.len() => Err(broken()),
        rawzip::CompressionMethod::DEFLATE => {
            let mut file = vec![0; size];
            let inflated = decompress_slice_iter_to_slice(&mut file, iter::once(data), false, true);
            if inflated == Ok(size) { Ok(file) } else { Err(broken()) }
        }
        other => Err(Error::unsupported("ZIP archive is compressed in a way that sepconv does not read")
            .expected("stored or deflated files", format_args!("{other:?}"))),
    }
}

/// Bit 11 of the flags: names are UTF-8.
const UTF8: u16 = 1 << 11;
/// 1 January 1980, the first day there is in an archive: the same files make the same bytes.
const DATE: u16 = 1 << 5 | 1;

/// An archive of these files under exactly these names, nothing compressed.
///
/// # Errors
/// When a name is longer than 65,535 bytes, or the archive would have more files than that or 4 GiB: sizes beyond need
/// ZIP64.
pub(crate) fn write(files: &[(String, Vec<u8>)]) -> Result<Vec<u8>> {
    let size = files.iter().map(|(name, data)| 2 * name.len() + data.len() + 100).sum();
    probe_memory(size)?;
    let (mut archive, mut directory) = (Vec::with_capacity(size), vec![]);
    for (name, data) in files {
        let name_len = u16::try_from(name.len()).map_err(|_| {
            Error::limit("name is too long for a ZIP archive").expected("at most 65535 bytes", name.len())
        })?;
        let [offset, size] = [offset(archive.len())?, offset(data.len())?];
        // What the entry's own header and the directory have in common: from the version to the length of what follows
        // the name.
        let mut common = vec![];
        [10, UTF8, 0, 0, DATE].iter().for_each(|field| common.extend(field.to_le_bytes()));
        [rawzip::crc32(data), size, size].iter().for_each(|field| common.extend(field.to_le_bytes()));
        [name_len, 0].iter().for_each(|field: &u16| common.extend(field.to_le_bytes()));

        archive.extend(b"PK\x03\x04");
        archive.extend(&common);
        archive.extend(name.as_bytes());
        archive.extend(data);

        directory.extend(b"PK\x01\x02\x0a\0");
        directory.extend(common);
        // No comment, the first disk, no attributes.
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let count = u16::try_from(files.len())
        .map_err(|_| Error::limit("ZIP archive has too many files").expected("at most 65535", files.len()))?;
    let [begin, size] = [offset(archive.len())?, offset(directory.len())?];
    offset(archive.len() + directory.len())?;
    archive.extend(directory);
    archive.extend(b"PK\x05\x06\0\0\0\0");
    [count, count].iter().for_each(|field| archive.extend(field.to_le_bytes()));
    [size, begin].iter().for_each(|field| archive.extend(field.to_le_bytes()));
    archive.extend([0; 2]);
    Ok(archive)
}

/// A size or place in an archive.
fn offset(bytes: usize) -> Result<u32> {
    u32::try_from(bytes).map_err(|_| {
        Error::limit("ZIP archive is too large").expected(format_args!("at most {} bytes", u32::MAX), bytes)
    })
}
