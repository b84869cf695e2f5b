//! Windows bitmaps (`BITMAPCOREHEADER`, `BITMAPINFOHEADER` and its successors; Microsoft, "Bitmap Storage"),
//! uncompressed. Ours because the decoders there are were wrong on files of one bit a pixel, or come with a whole
//! library.

use sepconv_core::{Error, Result};

use super::{Decoded, damaged, orientation::Orientation, size};

/// Where the first header ends, and the second begins with its own length.
const FILE_HEADER: usize = 14;
/// Values of `biCompression` for pixels that are not compressed: as they are, or in places that masks tell.
const PLAIN: u32 = 0;
const MASKED: [u32; 2] = [3, 6];

pub(super) fn decode(bytes: &[u8]) -> Result<Decoded> {
    let header = Header::read(bytes).ok_or_else(|| damaged("its header breaks off"))?;
    let Header { width, height, bits, .. } = header;
    if width == 0 || height == 0 {
        return Err(damaged("it has no pixels"));
    }
    let bytes_of_pixels = size(bytes, width, height, 3)?;
    let colors = header.colors(bytes)?;
    // Rows begin at multiples of four bytes.
    let row = (width * bits).div_ceil(32) * 4;
    let rows = bytes.get(header.pixels..).filter(|rest| rest.len() >= row * (height - 1) + (width * bits).div_ceil(8));
    let rows = rows.ok_or_else(|| damaged("its pixels break off"))?;
    let mut rgb = Vec::with_capacity(bytes_of_pixels);
    for y in 0..height {
        let stored = if header.is_top_down { y } else { height - 1 - y };
        let row = &rows[stored * row..];
        (0..width).for_each(|x| rgb.extend(colors.pixel(row, x)));
    }
    Ok(Decoded { width, height, rgb, orientation: Orientation::default() })
}

/// What both headers say.
struct Header {
    width: usize,
    height: usize,
    is_top_down: bool,
    bits: usize,
    compression: u32,
    /// The number of colors in the palette; 0 for as many as the bits tell apart.
    colors: usize,
    /// Where the palette begins, and how long an entry is.
    palette: usize,
    entry: usize,
    /// Where the pixels begin.
    pixels: usize,
}

impl Header {
    /// `None` where the file ends before its header.
    fn read(bytes: &[u8]) -> Option<Self> {
        let length = usize::try_from(u32_at(bytes, FILE_HEADER)?).ok()?;
        let end = FILE_HEADER.checked_add(length)?;
        let pixels = usize::try_from(u32_at(bytes, 10)?).ok()?;
        if length == 12 {
            let [width, height, _, bits] = [18, 20, 22, 24].map(|at| u16_at(bytes, at).map(usize::from));
            let (compression, colors, is_top_down) = (PLAIN, 0, false);
            let (width, height, bits) = (width?, height?, bits?);
            return Some(Self {
                width,
                height,
                is_top_down,
                bits,
                compression,
                colors,
                palette: end,
                entry: 3,
                pixels,
            });
        }
        let [width, height] = [18, 22].map(|at| u32_at(bytes, at).map(u32::cast_signed));
        let (bits, compression, colors) = (u16_at(bytes, 28)?, u32_at(bytes, 30)?, u32_at(bytes, 46)?);
        // Masks follow the shortest header; in longer ones they are inside.
        let masks = if length == 40 && MASKED.contains(&compression) { 12 } else { 0 };
        Some(Self {
            width: usize::try_from(width?).unwrap_or(0),
            height: height?.unsigned_abs() as usize,
            is_top_down: height? < 0,
            bits: bits.into(),
            compression,
            colors: colors as usize,
            palette: end.checked_add(masks)?,
            entry: 4,
            pixels,
        })
    }

    fn colors(&self, bytes: &[u8]) -> Result<Colors> {
        match (self.bits, self.compression) {
            (bits @ (1 | 2 | 4 | 8), PLAIN) => {
                let all = 1 << bits;
                let count = if self.colors == 0 { all } else { self.colors.min(all) };
                let stored = bytes.get(self.palette..).unwrap_or_default();
                let colors: Vec<[u8; 3]> =
                    stored.chunks_exact(self.entry).take(count).map(|bgr| [bgr[2], bgr[1], bgr[0]]).collect();
                if colors.len() < count {
                    Err(damaged("its palette breaks off"))
                } else {
                    Ok(Colors::Palette(bits, colors))
                }
            }
            (16, PLAIN) => Ok(Colors::Masks(2, [0x7c00, 0x03e0, 0x001f].map(Mask::new))),
            (24 | 32, PLAIN) => Ok(Colors::Direct(self.bits / 8)),
            (16 | 32, compression) if MASKED.contains(&compression) => {
                let masks = [54, 58, 62].map(|at| u32_at(bytes, at));
                let [Some(red), Some(green), Some(blue)] = masks else { return Err(damaged("its header breaks off")) };
                Ok(Colors::Masks(self.bits / 8, [red, green, blue].map(Mask::new)))
            }
            (bits, compression) => Err(Error::unsupported("this kind of BMP is not supported").expected(
                "uncompressed pixels of 1, 2, 4, 8, 16, 24 or 32 bits",
                format_args!("{bits} bits, compression {compression}"),
            )),
        }
    }
}

/// How the bits of a pixel become red, green and blue.
enum Colors {
    /// An index of so many bits, the first in the upper ones of a byte. Of colors that are not there it is black.
    Palette(usize, Vec<[u8; 3]>),
    /// Blue, green and red are bytes, in so many.
    Direct(usize),
    /// Some bits of so many bytes.
    Masks(usize, [Mask; 3]),
}

impl Colors {
    /// Pixel `x` of a row.
    fn pixel(&self, row: &[u8], x: usize) -> [u8; 3] {
        match self {
            Self::Palette(bits, colors) => {
                let (at, shift) = (x * bits / 8, 8 - bits - x * bits % 8);
                let index = row[at] >> shift & (u8::MAX >> (8 - bits));
                colors.get(usize::from(index)).copied().unwrap_or_default()
            }
            Self::Direct(width) => {
                let bgr = &row[x * width..][..3];
                [bgr[2], bgr[1], bgr[0]]
            }
            Self::Masks(width, masks) => {
                let pixel =
                    row[x * width..][..*width].iter().rev().fold(0, |pixel, &byte| pixel << 8 | u32::from(byte));
                masks.map(|mask| mask.of(pixel))
            }
        }
    }
}

/// Neighboring bits of a pixel.
#[derive(Clone, Copy)]
struct Mask {
    mask: u32,
    shift: u32,
    most: u32,
}

impl Mask {
    fn new(mask: u32) -> Self {
        let shift = mask.trailing_zeros() % u32::BITS;
        Self { mask, shift, most: mask >> shift }
    }

    /// The bits as eight: all of them set are 255.
    fn of(self, pixel: u32) -> u8 {
        let value = u64::from((pixel & self.mask) >> self.shift);
        (value * 255).checked_div(self.most.into()).unwrap_or(0) as u8
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|&bytes| u16::from_le_bytes(bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|&bytes| u32::from_le_bytes(bytes))
}
