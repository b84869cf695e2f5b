use std::io::Cursor;

use png::{ColorType, Decoder, DecodingError, Encoder, Limits, Transformations};
use sepconv_core::Result;

use super::{Decoded, budget, damaged, orientation::Orientation, size, to_rgb, too_large};
use crate::Image;

impl Image {
    /// The bytes of a PNG file of this image.
    pub fn to_png(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // Sides are 1 to 32768, and a vector takes whatever is written: nothing of this fails.
        let [width, height] = [self.width(), self.height()].map(|side| side as u32);
        let mut encoder = Encoder::new(&mut bytes, width, height);
        encoder.set_color(ColorType::Rgb);
        let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(self.rgb()));
        debug_assert!(written.is_ok(), "{written:?}");
        bytes
    }
}

/// Palettes and narrow gray become 8 bits, of 16 the upper 8 stay, as with Pillow. Texts and color profiles are not
/// unpacked.
pub(super) fn decode(bytes: &[u8]) -> Result<Decoded> {
    let refused = |error: DecodingError| match error {
        DecodingError::LimitsExceeded => too_large("more"),
        error => damaged(error),
    };
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: budget(bytes) });
    decoder.set_transformations(Transformations::normalize_to_color8());
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let mut reader = decoder.read_info().map_err(refused)?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    let channels = reader.output_color_type().0.samples();
    let mut pixels = vec![0; size(bytes, width, height, channels)?];
    reader.next_frame(&mut pixels).map_err(refused)?;
    let orientation = Orientation::of_exif(reader.info().exif_metadata.as_deref());
    Ok(Decoded { width, height, rgb: to_rgb(pixels, channels), orientation })
}
