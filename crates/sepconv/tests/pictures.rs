//! Pictures as files hold them, and as networks see them.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, RgbImage};
use sepconv::{ErrorKind, Image};

fn drawn(width: usize, height: usize) -> Image {
    let pixel = |i: usize| {
        let (x, y) = (i % width, i / width);
        [x * x + 3 * y, 5 * x + y * y, x * y].map(|value| (value % 256) as u8)
    };
    Image::from_rgb(width, height, (0..width * height).flat_map(pixel).collect()).unwrap()
}

fn encoded(image: &Image, format: ImageFormat) -> Vec<u8> {
    let picture = RgbImage::from_raw(image.width() as u32, image.height() as u32, image.rgb().to_vec()).unwrap();
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::from(picture).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn assert_as_pillow(source: (usize, usize), size: (usize, usize), expected: &[u8]) {
    let fitted = drawn(source.0, source.1).fit(size.0, size.1).unwrap();
    assert_eq!((fitted.width(), fitted.height()), size);
    assert_eq!(fitted.rgb(), expected, "{source:?} to {size:?}");
}

#[test]
fn resizing_and_cropping_are_as_in_pillow() {
    assert_as_pillow((90, 61), (21, 21), include_bytes!("data/fit_90x61_21x21.rgb"));
    assert_as_pillow((37, 50), (28, 14), include_bytes!("data/fit_37x50_28x14.rgb"));
    assert_as_pillow((9, 11), (14, 14), include_bytes!("data/fit_9x11_14x14.rgb"));
}

#[test]
fn a_picture_of_the_right_size_is_only_cut() {
    for (width, height, left, top) in [(256, 300, 16, 38), (301, 256, 38, 16), (256, 256, 16, 16)] {
        let image = drawn(width, height);
        let fitted = image.fit(224, 224).unwrap();
        for y in 0..224 {
            let start = ((top + y) * width + left) * 3;
            assert_eq!(fitted.rgb()[y * 672..][..672], image.rgb()[start..][..672], "{width}x{height}, row {y}");
        }
    }
}

#[test]
fn lossless_formats_come_back_as_they_were() {
    let image = drawn(19, 7);
    for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::WebP] {
        assert_eq!(Image::decode(&encoded(&image, format)).unwrap(), image, "{format:?}");
    }
}

#[test]
fn transparency_is_dropped() {
    let picture = image::RgbaImage::from_pixel(2, 2, image::Rgba([10, 20, 30, 0]));
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    assert_eq!(Image::decode(&bytes.into_inner()).unwrap().rgb(), [10, 20, 30].repeat(4));
}

/// A JPEG of four flat quadrants (black, white; red, blue), 32 by 16, with an EXIF orientation.
fn quadrants(orientation: u8) -> Vec<u8> {
    let colour = |x: usize, y: usize| match (x < 16, y < 8) {
        (true, true) => [0, 0, 0],
        (false, true) => [255, 255, 255],
        (true, false) => [255, 0, 0],
        (false, false) => [0, 0, 255],
    };
    let pixels = (0..32 * 16).flat_map(|i| colour(i % 32, i / 32)).collect();
    let jpeg = encoded(&Image::from_rgb(32, 16, pixels).unwrap(), ImageFormat::Jpeg);
    let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    let mut bytes = jpeg[..2].to_vec();
    bytes.extend([0xff, 0xe1]);
    bytes.extend((exif.len() as u16 + 2).to_be_bytes());
    bytes.extend(exif);
    bytes.extend(&jpeg[2..]);
    bytes
}

/// A thumbnail has an end of its own, which is not that of the picture; what follows the picture is not looked at.
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
fn exif_orientation_is_honoured() {
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
    for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::WebP, ImageFormat::Jpeg] {
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
    assert_eq!(thread.fit(224, 224).unwrap_err().kind(), ErrorKind::Limit);
    assert!(thread.fit(usize::MAX, usize::MAX).is_err());
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
