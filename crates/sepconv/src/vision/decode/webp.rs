use std::io::Cursor;

use image_webp::{DecodingError, WebPDecoder};
use sepconv_core::Result;

use super::{Decoded, budget, damaged, orientation::Orientation, size, to_rgb, too_large};

/// Of an animation the first frame.
pub(super) fn decode(bytes: &[u8]) -> Result<Decoded> {
    let refused = |error: DecodingError| match error {
        DecodingError::MemoryLimitExceeded | DecodingError::ImageTooLarge => too_large("more"),
        error => damaged(error),
    };
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(refused)?;
    decoder.set_memory_limit(budget(bytes));
    let (width, height) = decoder.dimensions();
    let (width, height) = (width as usize, height as usize);
    // Lossless ones are decoded with alpha, whatever they have.
    size(bytes, width, height, 4)?;
    let channels = if decoder.has_alpha() { 4 } else { 3 };
    let mut pixels = vec![0; width * height * channels];
    decoder.read_image(&mut pixels).map_err(refused)?;
    let orientation = Orientation::of_exif(decoder.exif_metadata().ok().flatten().as_deref());
    Ok(Decoded { width, height, rgb: to_rgb(pixels, channels), orientation })
}
