use libjpeg_turbo_rs::{DecodeLimits, Decoder, JpegError, PixelFormat};
use sepconv_core::{Error, Result};

use super::{Decoded, budget, damaged, orientation::Orientation, size, too_large};
use crate::vision::image::MAX_SIDE;

/// Scans of a progressive file; each costs a pass over all pixels. Encoders write about ten.
const MAX_SCANS: usize = 500;
/// Bytes for each of pixels and their memory while coefficients of all scans are kept: two for each of three channels,
/// and the pixels.
const PROGRESSIVE: usize = 3;

pub(super) fn decode(bytes: &[u8]) -> Result<Decoded> {
    if !ends(bytes) {
        return Err(damaged("it breaks off before its end"));
    }
    let limits = DecodeLimits {
        max_width: MAX_SIDE as usize,
        max_height: MAX_SIDE as usize,
        max_pixels: budget(bytes) as u64 / 3,
        max_scans: MAX_SCANS,
        max_memory: Some((PROGRESSIVE * budget(bytes)) as u64),
    };
    let mut decoder = Decoder::new_with_limits(bytes, limits).map_err(refused)?;
    size(bytes, decoder.header().width.into(), decoder.header().height.into(), 3)?;
    decoder.set_output_format(PixelFormat::Rgb);
    let orientation = Orientation::numbered(decoder.exif_orientation());
    let image = decoder.decode_image().map_err(refused)?;
    Ok(Decoded { width: image.width, height: image.height, rgb: image.data, orientation })
}

fn refused(error: JpegError) -> Error {
    match error {
        JpegError::LimitExceeded { .. } => too_large("more"),
        JpegError::AllocationFailed { .. } => Error::io("out of memory"),
        JpegError::Unsupported(what) => Error::unsupported(format!("JPEG is not supported: {what}")),
        error => damaged(error),
    }
}

/// Whether a file has its end-of-image marker (ITU-T T.81, B.1.1). Without it the decoder would paint what is missing
/// gray.
fn ends(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(2..).unwrap_or_default();
    // In what is coded, 0xff is followed by 0 or is a restart marker.
    let is_marker = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xd0..=0xd7 | 0xff);
    while let Some(at) = rest.windows(2).position(is_marker) {
        if rest[at + 1] == 0xd9 {
            return true;
        }
        // The length of a segment counts its own two bytes. Entropy-coded data follows some; it is searched for the
        // next marker.
        let Some(&[high, low]) = rest.get(at + 2..at + 4) else { return false };
        let length = usize::from(u16::from_be_bytes([high, low]));
        rest = rest.get(at + 2 + length..).unwrap_or_default();
    }
    false
}
