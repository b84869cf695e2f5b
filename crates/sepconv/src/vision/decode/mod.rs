//! Image files to upright RGB pixels: one file for each format, each around a decoder of its own.

mod bmp;
mod jpeg;
mod orientation;
mod png;
mod webp;

use std::path::Path;

use sepconv_core::{Error, Result, probe_memory};
use sepconv_formats::recognize::mistaken;

use self::orientation::Orientation;
use super::image::MAX_SIDE;
use crate::{Image, file};

/// The largest file that is read.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// The most memory that the pixels of an image may take while they are decoded.
const MAX_BYTES: usize = 512 << 20;
/// Images up to this size are decoded however small their file is; beyond it a file has a byte for each `MAX_RATIO` of
/// them, which is twice what PNG reaches on a blank page.
const UNDOUBTED: usize = 64 << 20;
const MAX_RATIO: usize = 2048;
/// How often pixels are in memory at once: as their format has them, and as RGB.
const COPIES: usize = 2;

const DECODED: &str = "PNG, JPEG, BMP and WebP are decoded";

/// An image as its file has it.
struct Decoded {
    width: usize,
    height: usize,
    /// Rows of red, green and blue.
    rgb: Vec<u8>,
    orientation: Orientation,
}

impl Image {
    /// Reads and [decodes](Self::decode) a file of at most 256 MiB.
    ///
    /// # Errors
    /// When the file cannot be read or is larger, and those of [`decode`](Self::decode).
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = file::read_checked(path, MAX_FILE_BYTES, |head| decoder(head).map(|_| ()))?;
        Self::decode(&bytes).map_err(|error| error.in_file(&path.display().to_string()))
    }

    /// Decodes PNG, JPEG, BMP or WebP, told apart by content, and turns the image upright where its EXIF data says how.
    /// Transparency is dropped. Pixels of JPEG are those of libjpeg-turbo, which Pillow and OpenCV use.
    ///
    /// # Errors
    /// When the bytes are none of these formats or damaged, a side is above 32768, or decoding would take more than 512
    /// MiB, or more than 64 MiB of a file that is too small to hold so much.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let Decoded { width, height, rgb, orientation } = decoder(bytes)?(bytes)?;
        let (width, height, rgb) = orientation.upright(width, height, rgb);
        Self::from_rgb(width, height, rgb)
    }
}

/// Decodes the bytes of a file of one format.
type Decoder = fn(&[u8]) -> Result<Decoded>;

/// The decoder for the format that the first bytes tell.
fn decoder(head: &[u8]) -> Result<Decoder> {
    match head {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Ok(png::decode),
        [0xff, 0xd8, 0xff, ..] => Ok(jpeg::decode),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Ok(webp::decode),
        [b'B', b'M', ..] => Ok(bmp::decode),
        _ => Err(match head {
            [b'G', b'I', b'F', b'8', ..] => Some("GIF"),
            [b'I', b'I', b'*', 0, ..] | [b'M', b'M', 0, b'*', ..] => Some("TIFF"),
            [_, _, _, _, b'f', b't', b'y', b'p', b'a', b'v', b'i', ..] => Some("AVIF"),
            [_, _, _, _, b'f', b't', b'y', b'p', b'h' | b'm', ..] => Some("HEIF"),
            _ => None,
        }
        .map(|format| Error::unsupported(format!("image format {format} is not supported")).help(DECODED))
        .or_else(|| mistaken(head, "an image"))
        .unwrap_or_else(|| Error::malformed("not an image").help(DECODED))),
    }
}

/// Bytes that the pixels of a file of this length may take.
fn budget(bytes: &[u8]) -> usize {
    MAX_BYTES.min(UNDOUBTED.max(MAX_RATIO.saturating_mul(bytes.len())))
}

/// The bytes of an image of this size with so many channels, once they are known to be allowed and to fit memory.
fn size(bytes: &[u8], width: usize, height: usize, channels: usize) -> Result<usize> {
    let is_side = |side: usize| side <= MAX_SIDE as usize;
    let size = width.checked_mul(height).and_then(|pixels| pixels.checked_mul(channels));
    let size = size.filter(|&size| is_side(width) && is_side(height) && size <= budget(bytes));
    let size = size.ok_or_else(|| too_large(format_args!("{width}x{height} pixels")))?;
    probe_memory(COPIES * size)?;
    Ok(size)
}

fn too_large(got: impl std::fmt::Display) -> Error {
    Error::limit("image is too large")
        .expected(
            format_args!(
                "sides up to {MAX_SIDE}, and {} MiB of pixels, {} MiB of a file that is very small",
                MAX_BYTES >> 20,
                UNDOUBTED >> 20
            ),
            got,
        )
        .help("make the image smaller first")
}

fn damaged(what: impl std::fmt::Display) -> Error {
    Error::malformed(format!("image is damaged: {}", what.to_string().trim_end()))
}

/// Pixels of 1 (gray), 2 (gray, alpha), 3 or 4 (with alpha) channels as RGB.
fn to_rgb(pixels: Vec<u8>, channels: usize) -> Vec<u8> {
    match channels {
        3 => pixels,
        1 | 2 => pixels.chunks_exact(channels).flat_map(|pixel| [pixel[0]; 3]).collect(),
        _ => pixels.chunks_exact(channels).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect(),
    }
}
