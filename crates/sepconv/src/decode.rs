use std::io::Cursor;
use std::path::Path;

use ::image::error::{LimitError, LimitErrorKind};
use ::image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use sepconv_core::{Error, Result, probe_memory};
use sepconv_formats::recognize::mistaken;

use crate::image::MAX_SIDE;
use crate::{Image, file};

/// The largest file that is read.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// How often pixels are in memory at once while they are decoded: as their format has them, and as RGB.
const COPIES: usize = 2;
/// The most memory that decoding one picture may take.
const MAX_BYTES: u64 = 512 << 20;
/// Pictures up to this size are decoded however small their file is; beyond it a file has a byte for each `MAX_RATIO` of them, which is
/// twice what PNG reaches on a blank page.
const UNDOUBTED: u64 = 64 << 20;
const MAX_RATIO: u64 = 2048;

impl Image {
    /// Reads and [decodes](Self::decode) a file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = file::read_checked(path, MAX_FILE_BYTES, |head| format(head).map(|_| ()))?;
        Self::decode(&bytes).map_err(|error| error.in_file(&path.display().to_string()))
    }

    /// Decodes PNG, JPEG, BMP or WebP, told apart by content, and turns the picture upright where its EXIF data says how.
    /// Transparency is dropped.
    ///
    /// # Errors
    /// When the bytes are none of these formats or damaged, a side is above 32768, or decoding would take more than 512 MiB, or more than
    /// 64 MiB of a file that is too small to hold so much.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let format = format(bytes)?;
        let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
        if format == ImageFormat::Jpeg && !jpeg_ends(bytes) {
            return Err(Error::malformed("picture is damaged: it breaks off before its end"));
        }
        let mut limits = Limits::default();
        limits.max_image_width = Some(MAX_SIDE);
        limits.max_image_height = Some(MAX_SIDE);
        limits.max_alloc = Some(MAX_BYTES.min(UNDOUBTED.max(MAX_RATIO * bytes.len() as u64)));
        reader.limits(limits.clone());
        let mut memory = Ok(());
        let upright = reader.into_decoder().and_then(|mut decoder| {
            limits.reserve(decoder.total_bytes())?;
            memory = probe_memory(COPIES * usize::try_from(decoder.total_bytes()).unwrap_or(usize::MAX));
            memory
                .clone()
                .map_err(|_| ImageError::Limits(LimitError::from_kind(LimitErrorKind::InsufficientMemory)))?;
            let orientation = decoder.orientation()?;
            let mut picture = DynamicImage::from_decoder(decoder)?;
            picture.apply_orientation(orientation);
            Ok(picture.into_rgb8())
        });
        memory?;
        let picture = upright.map_err(describe)?;
        Self::from_rgb(picture.width() as usize, picture.height() as usize, picture.into_raw())
    }
}

/// The format that the first bytes tell.
fn format(head: &[u8]) -> Result<ImageFormat> {
    let known = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Bmp, ImageFormat::WebP];
    const DECODED: &str = "PNG, JPEG, BMP and WebP are decoded";
    match ::image::guess_format(head) {
        Ok(format) if known.contains(&format) => Ok(format),
        Ok(format) => Err(Error::unsupported(format!("image format {format:?} is not supported")).help(DECODED)),
        Err(_) => Err(mistaken(head, "an image").unwrap_or_else(|| Error::malformed("not an image").help(DECODED))),
    }
}

/// Whether a JPEG file has its end-of-image marker (ITU-T T.81, B.1.1). Without it the decoder would paint what is missing gray.
fn jpeg_ends(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(2..).unwrap_or_default();
    // In what is coded, 0xff is followed by 0 or is a restart marker.
    let is_marker = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xd0..=0xd7 | 0xff);
    while let Some(at) = rest.windows(2).position(is_marker) {
        if rest[at + 1] == 0xd9 {
            return true;
        }
        // The length of a segment counts its own two bytes. Entropy-coded data follows some; it is searched for the next marker.
        let Some(&[high, low]) = rest.get(at + 2..at + 4) else { return false };
        let length = usize::from(u16::from_be_bytes([high, low]));
        rest = rest.get(at + 2 + length..).unwrap_or_default();
    }
    false
}

fn describe(error: ImageError) -> Error {
    match error {
        ImageError::Limits(_) => Error::limit("picture is too large").help(format!(
            "sides up to {MAX_SIDE} pixels and {} MiB in memory are decoded, {} MiB of a file that is very small",
            MAX_BYTES >> 20,
            UNDOUBTED >> 20
        )),
        ImageError::Unsupported(error) => {
            Error::unsupported(format!("image is not supported: {error}")).help("PNG, JPEG, BMP and WebP are decoded")
        }
        error => Error::malformed(format!("picture is damaged: {}", error.to_string().trim_end())),
    }
}
