use std::io::Cursor;
use std::path::Path;

use ::image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use fast_image_resize as fir;
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use sepconv_core::{Error, Result};

use crate::file;

/// The largest width and height that are decoded.
const MAX_SIDE: u32 = 1 << 15;
/// The most memory that decoding one picture may take.
const MAX_BYTES: u64 = 512 << 20;
/// Pictures up to this size are decoded however small their file is; beyond it a file has a byte for each `MAX_RATIO` of them, which is
/// twice what PNG reaches on a blank page.
const UNDOUBTED: u64 = 64 << 20;
const MAX_RATIO: u64 = 2048;
/// Networks see the centre of a photograph: the shortest side becomes 256/224 of what they take.
const MARGIN: (usize, usize) = (8, 7);

/// A picture as eight-bit RGB, row after row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl Image {
    /// Joins pixels (`height` rows of `width` times red, green, blue) to a size.
    ///
    /// # Errors
    /// When a side is zero or above 32768, or the pixels are not `width * height * 3` bytes.
    pub fn from_rgb(width: usize, height: usize, rgb: Vec<u8>) -> Result<Self> {
        let sides = 1..=MAX_SIDE as usize;
        if !sides.contains(&width) || !sides.contains(&height) {
            return Err(Error::argument("picture has an impossible size")
                .expected(format_args!("sides from 1 to {MAX_SIDE}"), format_args!("{width}x{height}")));
        }
        if rgb.len() != width * height * 3 {
            return Err(Error::argument("pixels do not fill the picture")
                .expected(format_args!("{} bytes for {width}x{height}", width * height * 3), rgb.len()));
        }
        Ok(Self { width, height, rgb })
    }

    /// Reads and [decodes](Self::decode) a file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::decode(&file::read(path, file::MAX_BYTES)?).map_err(|error| error.in_file(&path.display().to_string()))
    }

    /// Decodes PNG, JPEG, BMP or WebP, told apart by content, and turns the picture upright where its EXIF data says how.
    /// Transparency is dropped.
    ///
    /// # Errors
    /// When the bytes are none of these formats or damaged, a side is above 32768, or decoding would take more than 512 MiB, or more than
    /// 64 MiB of a file that is too small to hold so much.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = ImageReader::new(Cursor::new(bytes))
            .with_guessed_format()
            .map_err(|error| Error::io(format!("picture cannot be read: {error}")))?;
        if reader.format().is_none() {
            return Err(Error::malformed("not a picture").help("PNG, JPEG, BMP and WebP are understood"));
        }
        if reader.format() == Some(ImageFormat::Jpeg) && !jpeg_ends(bytes) {
            return Err(Error::malformed("picture is damaged: it breaks off before its end"));
        }
        let mut limits = Limits::default();
        limits.max_image_width = Some(MAX_SIDE);
        limits.max_image_height = Some(MAX_SIDE);
        limits.max_alloc = Some(MAX_BYTES.min(UNDOUBTED.max(MAX_RATIO * bytes.len() as u64)));
        reader.limits(limits.clone());
        let upright = reader.into_decoder().and_then(|mut decoder| {
            limits.reserve(decoder.total_bytes())?;
            let orientation = decoder.orientation()?;
            let mut picture = DynamicImage::from_decoder(decoder)?;
            picture.apply_orientation(orientation);
            Ok(picture.into_rgb8())
        });
        let picture = upright.map_err(describe)?;
        Self::from_rgb(picture.width() as usize, picture.height() as usize, picture.into_raw())
    }

    /// Pixels across.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Pixels down.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The pixels, red, green, blue, row after row.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// What a network that takes `width` by `height` pixels is shown: the picture shrunk or enlarged until its shortest side is
    /// 256/224 of the network's (256 for 224; more where the proportions demand it), then the centre. A picture whose shortest
    /// side has that length already is cut only: its pixels are not touched.
    pub fn fit(&self, width: usize, height: usize) -> Result<Self> {
        self.shown([width, height], with_margin)
    }

    /// The picture shrunk or enlarged until it just covers `width` by `height`, then the centre: as [`fit`](Self::fit), without a
    /// margin.
    pub fn cover(&self, width: usize, height: usize) -> Result<Self> {
        self.shown([width, height], |side| side)
    }

    fn shown(&self, [width, height]: [usize; 2], covered: impl Fn(usize) -> usize) -> Result<Self> {
        if width.max(height) > MAX_SIDE as usize {
            return Err(Error::argument("picture cannot become that large")
                .expected(format_args!("sides up to {MAX_SIDE}"), format_args!("{width}x{height}")));
        }
        let (cover_width, cover_height) = self.covering(covered(width), covered(height));
        if cover_width.max(cover_height) > MAX_SIDE as usize {
            return Err(Error::limit("picture is too long for its width to be resized")
                .expected(format_args!("sides up to {MAX_SIDE}"), format_args!("{cover_width}x{cover_height}")));
        }
        self.resize(cover_width, cover_height)?.centre(width, height)
    }

    /// The size with this picture's proportions that just covers `width` by `height`; fractions are dropped.
    fn covering(&self, width: usize, height: usize) -> (usize, usize) {
        if width * self.height >= height * self.width {
            (width, width * self.height / self.width)
        } else {
            (height * self.width / self.height, height)
        }
    }

    /// Bilinear interpolation, antialiased. Columns first, then rows, each rounded to eight bits: the order in which Pillow works,
    /// and with it all but one in a thousand values are Pillow's.
    fn resize(&self, width: usize, height: usize) -> Result<Self> {
        let columns = self.resize_once(width, self.height)?;
        columns.resize_once(width, height)
    }

    fn resize_once(&self, width: usize, height: usize) -> Result<Self> {
        if (width, height) == (self.width, self.height) {
            return Ok(self.clone());
        }
        let refused = |error: &dyn std::fmt::Display| Error::limit(format!("picture cannot be resized: {error}"));
        let size = |side: usize| u32::try_from(side).map_err(|error| refused(&error));
        // Typed, or the code for every other type of pixel would come along, 2.3 MB of it.
        let source = TypedImageRef::<U8x3>::from_buffer(size(self.width)?, size(self.height)?, &self.rgb)
            .map_err(|error| refused(&error))?;
        let mut rgb = vec![0; width * height * 3];
        let mut target =
            TypedImage::<U8x3>::from_buffer(size(width)?, size(height)?, &mut rgb).map_err(|error| refused(&error))?;
        let options = fir::ResizeOptions::new()
            .resize_alg(fir::ResizeAlg::Convolution(fir::FilterType::Bilinear))
            .use_alpha(false);
        fir::Resizer::new().resize_typed(&source, &mut target, &options).map_err(|error| refused(&error))?;
        Self::from_rgb(width, height, rgb)
    }

    /// The centre; where it cannot be exact, one pixel nearer to the top left.
    fn centre(&self, width: usize, height: usize) -> Result<Self> {
        if width > self.width || height > self.height {
            return Err(Error::argument("picture is smaller than its part")
                .expected(format_args!("at least {width}x{height}"), format_args!("{}x{}", self.width, self.height)));
        }
        let (left, top) = ((self.width - width) / 2, (self.height - height) / 2);
        let rows = self.rgb.chunks_exact(self.width * 3).skip(top).take(height);
        Self::from_rgb(width, height, rows.flat_map(|row| &row[left * 3..][..width * 3]).copied().collect())
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

/// `round(side * 256 / 224)`
fn with_margin(side: usize) -> usize {
    let (scale, part) = MARGIN;
    (2 * side * scale + part) / (2 * part)
}

fn describe(error: ::image::ImageError) -> Error {
    use ::image::ImageError;
    match error {
        ImageError::Limits(_) => Error::limit("picture is too large").help(format!(
            "sides up to {MAX_SIDE} pixels and {} MiB in memory are decoded, {} MiB of a file that is very small",
            MAX_BYTES >> 20,
            UNDOUBTED >> 20
        )),
        ImageError::Unsupported(error) => Error::unsupported(format!("picture is not understood: {error}"))
            .help("PNG, JPEG, BMP and WebP are understood"),
        error => Error::malformed(format!("picture is damaged: {}", error.to_string().trim_end())),
    }
}
