use sepconv_core::{Error, Result};
use sepconv_kernels::resample;

/// The largest width and height.
pub(crate) const MAX_SIDE: u32 = 1 << 15;
/// Networks see the center of a photograph: the shortest side becomes 256/224 of what they take.
const MARGIN: (usize, usize) = (8, 7);

/// An image as eight-bit RGB, row after row.
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
            return Err(Error::argument("image has an impossible size")
                .expected(format_args!("sides from 1 to {MAX_SIDE}"), format_args!("{width}x{height}")));
        }
        if rgb.len() != width * height * 3 {
            return Err(Error::argument("pixels do not fill the image")
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

    /// Resizes the image until its shorter side is 256/224 of a network's (256 for 224; more where the proportions
    /// demand it), then cuts out the center of `width` by `height`: torchvision's `Resize(256)`, `CenterCrop(224)`.
    /// Where the shorter side has that length already no pixel is changed.
    ///
    /// # Errors
    /// When the image would become too large.
    pub fn resize_crop(&self, width: usize, height: usize) -> Result<Self> {
        self.covered([width, height], with_margin)
    }

    /// Cuts out the center, 224/256 of the largest part with the proportions of `width` by `height`, and resizes it to
    /// that size: TensorFlow's central fraction of 0.875. Where the part has that size already no pixel is changed.
    ///
    /// # Errors
    /// When a side would be zero or too large.
    pub fn crop_resize(&self, width: usize, height: usize) -> Result<Self> {
        let sides = 1..=MAX_SIDE as usize;
        if !sides.contains(&width) || !sides.contains(&height) {
            return Err(Error::argument("image cannot have this size")
                .expected(format_args!("sides from 1 to {MAX_SIDE}"), format_args!("{width}x{height}")));
        }
        // The largest part with these proportions touches two sides.
        let (across, down) = match width * self.height >= height * self.width {
            true => (self.width, self.width * height / width),
            false => (self.height * width / height, self.height),
        };
        self.center(without_margin(across), without_margin(down))?.resize(width, height)
    }

    /// Resizes the image until it just covers `width` by `height`, then cuts out the center: as
    /// [`resize_crop`](Self::resize_crop), without a margin.
    ///
    /// # Errors
    /// When the image would become too large.
    pub fn cover(&self, width: usize, height: usize) -> Result<Self> {
        self.covered([width, height], |side| side)
    }

    /// The center of the image resized until it covers what `covered` makes of both sides.
    fn covered(&self, [width, height]: [usize; 2], covered: impl Fn(usize) -> usize) -> Result<Self> {
        if width.max(height) > MAX_SIDE as usize {
            return Err(Error::argument("image cannot become that large")
                .expected(format_args!("sides up to {MAX_SIDE}"), format_args!("{width}x{height}")));
        }
        let (cover_width, cover_height) = self.covering(covered(width), covered(height));
        if cover_width.max(cover_height) > MAX_SIDE as usize {
            return Err(Error::limit("image is too long for its width to be resized")
                .expected(format_args!("sides up to {MAX_SIDE}"), format_args!("{cover_width}x{cover_height}")));
        }
        self.resize(cover_width, cover_height)?.center(width, height)
    }

    /// The size with this image's proportions that just covers `width` by `height`; fractions are dropped.
    fn covering(&self, width: usize, height: usize) -> (usize, usize) {
        if width * self.height >= height * self.width {
            (width, width * self.height / self.width)
        } else {
            (height * self.width / self.height, height)
        }
    }

    /// Bilinear interpolation, antialiased. Columns first, then rows, each rounded to eight bits, in Pillow's order and
    /// with its weights.
    fn resize(&self, width: usize, height: usize) -> Result<Self> {
        if (width, height) == (self.width, self.height) {
            return Ok(self.clone());
        }
        let mut narrowed = vec![0; width * self.height * 3];
        let triangles = Triangles::new(self.width, width);
        for (row, out) in self.rgb.chunks_exact(self.width * 3).zip(narrowed.chunks_exact_mut(width * 3)) {
            resample::columns(triangles.axis(), row.as_chunks().0, out.as_chunks_mut().0);
        }
        let mut rgb = vec![0; width * height * 3];
        resample::rows(Triangles::new(self.height, height).axis(), width * 3, &narrowed, &mut rgb);
        Self::from_rgb(width, height, rgb)
    }

    /// The center; where it cannot be exact, one pixel nearer to the top left.
    fn center(&self, width: usize, height: usize) -> Result<Self> {
        if width > self.width || height > self.height {
            return Err(Error::argument("image is smaller than its part")
                .expected(format_args!("at least {width}x{height}"), format_args!("{}x{}", self.width, self.height)));
        }
        let (left, top) = ((self.width - width) / 2, (self.height - height) / 2);
        let rows = self.rgb.chunks_exact(self.width * 3).skip(top).take(height);
        Self::from_rgb(width, height, rows.flat_map(|row| &row[left * 3..][..width * 3]).copied().collect())
    }
}

/// Bilinear interpolation along an axis: each position is made of the pixels that a triangle over it covers, which is
/// as wide as two pixels of the longer axis.
struct Triangles {
    first: Vec<usize>,
    weights: Vec<i32>,
}

impl Triangles {
    /// From an axis of `from` pixels to one of `to`, neither of them zero.
    fn new(from: usize, to: usize) -> Self {
        let ratio = from as f64 / to as f64;
        let reach = ratio.max(1.0);
        let count = from.min((2.0 * reach).ceil() as usize);
        let (mut first, mut weights) = (Vec::with_capacity(to), Vec::with_capacity(to * count));
        for position in 0..to {
            let center = (position as f64 + 0.5) * ratio;
            let start = ((center - reach + 0.5).max(0.0) as usize).min(from - count);
            let weight = |pixel: usize| (1.0 - ((pixel as f64 + 0.5 - center) * (1.0 / reach)).abs()).max(0.0);
            let sum: f64 = (start..start + count).map(weight).sum();
            let whole = |weight: f64| (0.5 + weight / sum * f64::from(resample::ONE)) as i32;
            first.push(start);
            weights.extend((start..start + count).map(|pixel| whole(weight(pixel))));
        }
        Self { first, weights }
    }

    fn axis(&self) -> resample::Axis<'_> {
        resample::Axis { first: &self.first, weights: &self.weights }
    }
}

/// `round(side * 224 / 256)`, at least 1
fn without_margin(side: usize) -> usize {
    let (scale, part) = MARGIN;
    ((2 * side * part + scale) / (2 * scale)).max(1)
}

/// `round(side * 256 / 224)`
fn with_margin(side: usize) -> usize {
    let (scale, part) = MARGIN;
    (2 * side * scale + part) / (2 * part)
}
