//! Images as files hold them, and as networks see them.

use libjpeg_turbo_rs::{PixelFormat, Subsampling};
use sepconv::{ErrorKind, Image};

fn drawn(width: usize, height: usize) -> Image {
    let pixel = |i: usize| {
        let (x, y) = (i % width, i / width);
        [x * x + 3 * y, 5 * x + y * y, x * y].map(|value| (value % 256) as u8)
    };
    Image::from_rgb(width, height, (0..width * height).flat_map(pixel).collect()).unwrap()
}

#[derive(Clone, Copy, Debug)]
enum Format {
    Png,
    Bmp,
    WebP,
    Jpeg,
}

fn encoded(image: &Image, format: Format) -> Vec<u8> {
    let (width, height, rgb) = (image.width(), image.height(), image.rgb());
    match format {
        Format::Png => image.to_png(),
        Format::Bmp => bmp(image),
        Format::WebP => {
            let mut bytes = Vec::new();
            let encoder = image_webp::WebPEncoder::new(&mut bytes);
            encoder.encode(rgb, width as u32, height as u32, image_webp::ColorType::Rgb8).unwrap();
            bytes
        }
        Format::Jpeg => {
            libjpeg_turbo_rs::compress(rgb, width, height, PixelFormat::Rgb, 90, Subsampling::S444).unwrap()
        }
    }
}

/// Three bytes for each pixel, the last row first, each row as long as a multiple of four.
fn bmp(image: &Image) -> Vec<u8> {
    let row = (3 * image.width()).next_multiple_of(4);
    let size = 54 + row * image.height();
    let mut bytes = b"BM".to_vec();
    [size, 0, 54, 40, image.width(), image.height()]
        .iter()
        .for_each(|&field| bytes.extend((field as u32).to_le_bytes()));
    bytes.extend([1, 0, 24, 0]);
    bytes.extend([0; 24]);
    for pixels in image.rgb().chunks_exact(3 * image.width()).rev() {
        pixels.chunks_exact(3).for_each(|pixel| bytes.extend([pixel[2], pixel[1], pixel[0]]));
        bytes.extend(std::iter::repeat_n(0, row - pixels.len()));
    }
    bytes
}

/// Pixels that Pillow made of what is drawn here: `data/README.md` says how.
fn pillow(file: &str) -> Vec<u8> {
    std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(file)).unwrap()
}

#[test]
fn resizing_and_cropping_are_as_in_pillow() {
    for ((w, h), (width, height)) in [((90, 61), (21, 21)), ((37, 50), (28, 14)), ((9, 11), (14, 14))] {
        let image = drawn(w, h);
        let fitted = [image.resize_crop(width, height).unwrap(), image.crop_resize(width, height).unwrap()];
        for (fitted, geometry) in fitted.iter().zip(["resize_crop", "crop_resize"]) {
            let file = format!("{geometry}_{w}x{h}_{width}x{height}.rgb");
            assert_eq!((fitted.width(), fitted.height()), (width, height));
            assert_eq!(fitted.rgb(), pillow(&file), "{file}");
        }
    }
}

/// Colors of half and of quarter resolution are enlarged as libjpeg-turbo does it.
#[test]
fn jpegs_have_the_pixels_of_pillow() {
    for name in ["drawn_37x21_420", "drawn_37x21_422"] {
        let image = Image::decode(&pillow(&format!("{name}.jpg"))).unwrap();
        assert_eq!((image.width(), image.height()), (37, 21));
        assert_eq!(image.rgb(), pillow(&format!("{name}.rgb")), "{name}");
    }
}

/// Files of every depth, with rows of every length.
#[test]
fn bitmaps_of_few_colors_and_of_masks_are_decoded() {
    let file = |header: &[u8], bits: u16, compression: u32, palette: &[u8], pixels: &[u8]| {
        let start = 14 + header.len() as u32 + 8 + palette.len() as u32;
        let first = [b"BM\0\0\0\0\0\0\0\0".to_vec(), start.to_le_bytes().to_vec(), header.to_vec()].concat();
        [
            first,
            vec![1, 0],
            bits.to_le_bytes().to_vec(),
            compression.to_le_bytes().to_vec(),
            palette.to_vec(),
            pixels.to_vec(),
        ]
        .concat()
    };
    // 40 bytes of header, of which the last 20 follow the compression.
    let short = |width: i32, height: i32| [40i32, width, height].map(i32::to_le_bytes).concat();
    let rest = |colors: u32| [0u32, 0, 0, colors, 0].map(u32::to_le_bytes).concat();
    let two = [rest(2), vec![10, 20, 30, 0, 40, 50, 60, 0]].concat();
    let [black, white] = [[30, 20, 10], [60, 50, 40]];
    let decode = |bytes: Vec<u8>| Image::decode(&bytes).map(|image| image.rgb().to_vec());
    // Nine pixels of a bit each take two bytes, and a row is four long.
    let bits = file(&short(9, 1), 1, 0, &two, &[0b1010_0001, 0b1000_0000, 0, 0]);
    let expected = [white, black, white, black, black, black, black, white, white].concat();
    assert_eq!(decode(bits), Ok(expected));
    // Rows from the top where the height is negative.
    let nibbles = file(&short(3, -2), 4, 0, &two, &[0x01, 0x10, 0, 0, 0x10, 0x00, 0, 0]);
    assert_eq!(decode(nibbles), Ok([black, white, white, white, black, black].concat()));
    let masks = [rest(0), [0xf800u32, 0x07e0, 0x001f].map(u32::to_le_bytes).concat()].concat();
    let five = file(&short(2, 1), 16, 3, &masks, &[0x00, 0xf8, 0xff, 0x07]);
    assert_eq!(decode(five), Ok(vec![255, 0, 0, 0, 255, 255]));
    let packed = file(&short(2, 1), 8, 1, &two, &[2, 0, 0, 1]);
    assert_eq!(decode(packed).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn a_picture_of_the_right_size_is_only_cut() {
    for (width, height, left, top) in [(256, 300, 16, 38), (301, 256, 38, 16), (256, 256, 16, 16)] {
        let image = drawn(width, height);
        let fitted = image.resize_crop(224, 224).unwrap();
        for y in 0..224 {
            let start = ((top + y) * width + left) * 3;
            assert_eq!(fitted.rgb()[y * 672..][..672], image.rgb()[start..][..672], "{width}x{height}, row {y}");
        }
    }
}

#[test]
fn lossless_formats_come_back_as_they_were() {
    let image = drawn(19, 7);
    for format in [Format::Png, Format::Bmp, Format::WebP] {
        assert_eq!(Image::decode(&encoded(&image, format)).unwrap(), image, "{format:?}");
    }
}

#[test]
fn transparency_is_dropped() {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 2, 2);
    encoder.set_color(png::ColorType::Rgba);
    encoder.write_header().unwrap().write_image_data(&[10, 20, 30, 0].repeat(4)).unwrap();
    assert_eq!(Image::decode(&bytes).unwrap().rgb(), [10, 20, 30].repeat(4));
}

/// A JPEG of four flat quadrants (black, white; red, blue), 32 by 16, with an EXIF orientation.
fn quadrants(orientation: u8) -> Vec<u8> {
    let color = |x: usize, y: usize| match (x < 16, y < 8) {
        (true, true) => [0, 0, 0],
        (false, true) => [255, 255, 255],
        (true, false) => [255, 0, 0],
        (false, false) => [0, 0, 255],
    };
    let pixels = (0..32 * 16).flat_map(|i| color(i % 32, i / 32)).collect();
    let jpeg = encoded(&Image::from_rgb(32, 16, pixels).unwrap(), Format::Jpeg);
    let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    let mut bytes = jpeg[..2].to_vec();
    bytes.extend([0xff, 0xe1]);
    bytes.extend((exif.len() as u16 + 2).to_be_bytes());
    bytes.extend(exif);
    bytes.extend(&jpeg[2..]);
    bytes
}

/// A thumbnail has an end of its own, which is not that of the image; what follows the image is not looked at.
#[test]
fn only_the_end_of_the_picture_itself_counts() {
    let whole = quadrants(1);
    let mut nested = whole[..2].to_vec();
    nested.extend([0xff, 0xe2]);
    nested.extend((whole.len() as u16 + 2).to_be_bytes());
    nested.extend(&whole);
    nested.extend(&whole[2..]);
    assert_eq!(Image::decode(&nested), Image::decode(&whole));
    assert!(Image::decode(&nested[..nested.len() - 2]).is_err());
    let followed: Vec<u8> = whole.iter().copied().chain([0xff, 0xda, 0]).collect();
    assert_eq!(Image::decode(&followed), Image::decode(&whole));
}

#[test]
fn exif_orientation_is_honored() {
    // The corners from the top left, row by row, as people should see them: K(black) W(hite) R(ed) B(lue).
    let expected = ["KWRB", "WKBR", "BRWK", "RBKW", "KRWB", "RKBW", "BWRK", "WBKR"];
    for (orientation, corners) in (1..).zip(expected) {
        let image = Image::decode(&quadrants(orientation)).unwrap();
        let size = if orientation <= 4 { (32, 16) } else { (16, 32) };
        assert_eq!((image.width(), image.height()), size, "orientation {orientation}");
        let corner = |x: usize, y: usize| match &image.rgb()[(y * image.width() + x) * 3..][..3] {
            [200..=255, 200..=255, 200..=255] => 'W',
            [200..=255, 0..=55, 0..=55] => 'R',
            [0..=55, 0..=55, 200..=255] => 'B',
            [0..=55, 0..=55, 0..=55] => 'K',
            other => panic!("orientation {orientation}: {other:?} at {x}, {y}"),
        };
        let (right, bottom) = (image.width() - 3, image.height() - 3);
        let seen: String =
            [(2, 2), (right, 2), (2, bottom), (right, bottom)].map(|(x, y)| corner(x, y)).iter().collect();
        assert_eq!(seen, corners, "orientation {orientation}");
    }
}

#[test]
fn pictures_that_break_off_are_errors_and_damaged_ones_never_panics() {
    for format in [Format::Png, Format::Bmp, Format::WebP, Format::Jpeg] {
        let bytes = encoded(&drawn(24, 17), format);
        let whole = Image::decode(&bytes);
        for end in 0..bytes.len() {
            // A PNG may lack what follows its pixels.
            let decoded = Image::decode(&bytes[..end]);
            assert!(decoded.is_err() || decoded == whole, "{format:?} cut at {end}");
        }
        for i in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[i] ^= 0xff;
            // Either answer is right; a panic or an endless loop is not.
            let _ = Image::decode(&damaged);
        }
    }
}

/// The beginning of a PNG of this size, complete enough to be decoded by an unwary reader.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut chunk = b"IHDR".to_vec();
    chunk.extend(width.to_be_bytes());
    chunk.extend(height.to_be_bytes());
    chunk.extend([8, 2, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    png.extend(&chunk);
    png.extend(crc32(&chunk).to_be_bytes());
    png.extend(b"\0\0\0\x02IDAT\x78\x9c");
    png.extend(crc32(b"IDAT\x78\x9c").to_be_bytes());
    png
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, &byte: &u8| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    };
    !bytes.iter().fold(!0, step)
}

#[test]
fn pictures_that_claim_to_be_enormous_are_refused_before_memory_is_taken() {
    for (width, height) in [(1 << 31, 1), (32_769, 10), (30_000, 30_000)] {
        let error = Image::decode(&png_header(width, height)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit, "{width}x{height}: {error}");
    }
    let thread = Image::from_rgb(32_768, 1, vec![0; 3 * 32_768]).unwrap();
    assert_eq!(thread.resize_crop(224, 224).unwrap_err().kind(), ErrorKind::Limit);
    assert!(thread.resize_crop(usize::MAX, usize::MAX).is_err());
}

#[test]
fn what_is_no_picture_is_an_error_that_says_so() {
    assert_eq!(
        Image::decode(b"hello").unwrap_err().to_string(),
        "not an image\n   = help: PNG, JPEG, BMP and WebP are decoded"
    );
    assert!(Image::from_rgb(2, 2, vec![0; 11]).is_err());
    assert!(Image::from_rgb(0, 2, vec![]).is_err());
}
