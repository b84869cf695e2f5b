use fast_image_resize as fir;
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use sepconv_core::{Error, Result};

/// The largest width and height.
pub(crate) const MAX_SIDE: u32 = 1 << 15;
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

/// `round(side * 256 / 224)`
fn with_margin(side: usize) -> usize {
    let (scale, part) = MARGIN;
    (2 * side * scale + part) / (2 * part)
}
