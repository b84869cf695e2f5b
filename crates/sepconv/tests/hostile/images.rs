//! Images.

use sepconv::Image;

use crate::{Case, texts};

fn said(cases: impl IntoIterator<Item = Case>) -> String {
    texts(cases, |_, bytes| Image::decode(&bytes).map(|image| format!("answer: {}x{}", image.width(), image.height())))
}

/// The check sum of PNG chunks.
fn crc(bytes: impl IntoIterator<Item = u8>) -> u32 {
    let step = |crc: u32, byte: u8| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    };
    !bytes.into_iter().fold(u32::MAX, step)
}

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let sum = crc(kind.iter().chain(data).copied());
    [&(data.len() as u32).to_be_bytes()[..], kind, data, &sum.to_be_bytes()].concat()
}

/// A PNG file of 8 bits in red, green and blue, with these chunks between the first and the last.
fn png(width: u32, height: u32, chunks: &[Vec<u8>]) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &header), chunks.concat(), chunk(b"IEND", &[])].concat()
}

/// `count` zeros and more, as zlib packs them: 1 byte, then 258 more for each 13 bits (RFC 1951, 3.2.5). The check sum
/// is wrong.
fn zeros(count: usize) -> Vec<u8> {
    let mut bits: Vec<bool> = [1, 1, 0].map(|bit| bit == 1).to_vec();
    bits.extend([false, false, true, true, false, false, false, false]);
    let longest = [1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0].map(|bit| bit == 1);
    (0..count / 258).for_each(|_| bits.extend(longest));
    bits.extend([false; 7]);
    let bytes = bits.chunks(8).map(|byte| {
        byte.iter().rev().fold(0, |byte, &bit| byte << 1 | u8::from(bit)) << (8 - byte.len()) >> (8 - byte.len())
    });
    [0x78, 0x9c].into_iter().chain(bytes).chain([0; 4]).collect()
}

#[test]
fn pngs() {
    let pixel = || chunk(b"IDAT", &[0x78, 0x01, 0x01, 4, 0, 0xfb, 0xff, 0, 1, 2, 3, 0, 14, 0, 7]);
    let sound = || png(1, 1, &[pixel()]);
    let profile = [&b"name\0\0"[..], &zeros(64 << 20)].concat();
    let text = [&b"Comment\0\0"[..], &zeros(64 << 20)].concat();
    let mut damaged = sound();
    damaged[20] ^= 1;
    let cases = [
        ("sound", sound()),
        ("empty", vec![]),
        ("text", b"a letter".to_vec()),
        ("signature and nothing", b"\x89PNG\r\n\x1a\n".to_vec()),
        ("cut in the header", sound()[..20].to_vec()),
        ("cut in the pixels", sound()[..50].to_vec()),
        ("check sum wrong", damaged),
        ("no pixels", png(1, 1, &[])),
        ("pixels that are no zlib", png(1, 1, &[chunk(b"IDAT", b"nonsense")])),
        ("width 0", png(0, 1, &[pixel()])),
        ("sides 2^31", png(1 << 31, 1 << 31, &[pixel()])),
        ("sides 40,000", png(40_000, 40_000, &[pixel()])),
        ("sides 30,000", png(30_000, 30_000, &[pixel()])),
        ("sides 13,000, of one pixel", png(13_000, 13_000, &[pixel()])),
        ("sides 4,000, of one pixel", png(4_000, 4_000, &[pixel()])),
        ("one pixel, of 64 MiB", png(1, 1, &[chunk(b"IDAT", &zeros(64 << 20))])),
        ("color profile of 64 MiB", png(1, 1, &[chunk(b"iCCP", &profile), pixel()])),
        ("comment of 64 MiB", png(1, 1, &[chunk(b"zTXt", &text), pixel()])),
        ("chunk of 2^31 bytes", png(1, 1, &[[&[0x80, 0, 0, 0][..], b"tEXt"].concat()])),
        ("depth 99", {
            let header = [&[0, 0, 0, 1, 0, 0, 0, 1][..], &[99, 2, 0, 0, 0]].concat();
            [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &header), pixel(), chunk(b"IEND", &[])].concat()
        }),
    ];
    insta::assert_snapshot!(said(cases));
}

#[test]
fn others() {
    let jpeg = |width: u16, height: u16| {
        let [h, w] = [height, width].map(u16::to_be_bytes);
        let frame = [0xff, 0xc0, 0, 11, 8, h[0], h[1], w[0], w[1], 1, 1, 0x11, 0];
        [&[0xff, 0xd8][..], &frame, &[0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 0, 0xff, 0xd9]].concat()
    };
    let bmp = |width: i32, height: i32, depth: u16| {
        let header = [&b"BM"[..], &[58, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0]].concat();
        let sizes = [&width.to_le_bytes()[..], &height.to_le_bytes(), &[1, 0], &depth.to_le_bytes(), &[0; 24]].concat();
        [header, sizes, vec![1, 2, 3, 0]].concat()
    };
    // Lossless: a signature byte, then 14 bits for each side less one.
    let webp = |width: u32, height: u32| {
        let sides = (width - 1) | (height - 1) << 14;
        let data = [&[0x2f][..], &sides.to_le_bytes(), &[0; 11]].concat();
        [&b"RIFF"[..], &28u32.to_le_bytes(), b"WEBPVP8L", &16u32.to_le_bytes(), &data].concat()
    };
    let cases = [
        ("JPEG of a start", vec![0xff, 0xd8]),
        ("JPEG of start and end", vec![0xff, 0xd8, 0xff, 0xd9]),
        ("JPEG without tables", jpeg(8, 8)),
        ("JPEG without rows", jpeg(8, 0)),
        ("JPEG with sides 65,535", jpeg(u16::MAX, u16::MAX)),
        ("JPEG with sides 20,000", jpeg(20_000, 20_000)),
        ("JPEG with a segment of length 0", vec![0xff, 0xd8, 0xff, 0xe0, 0, 0, 0xff, 0xd9]),
        ("JPEG with a segment beyond the end", vec![0xff, 0xd8, 0xff, 0xe0, 0xff, 0xff, 0xff, 0xd9]),
        ("BMP, sound", bmp(1, 1, 24)),
        ("BMP with sides 2^31 - 1", bmp(i32::MAX, i32::MAX, 24)),
        ("BMP with sides -2^31", bmp(i32::MIN, i32::MIN, 24)),
        ("BMP with sides 10,000", bmp(10_000, 10_000, 24)),
        ("BMP of no depth", bmp(1, 1, 0)),
        ("BMP of depth 99", bmp(1, 1, 99)),
        ("BMP cut off", bmp(1, 1, 24)[..30].to_vec()),
        ("WebP of a start", b"RIFF\x04\0\0\0WEBP".to_vec()),
        ("WebP with sides 16,384", webp(16_384, 16_384)),
        ("WebP with sides 8,000", webp(8_000, 8_000)),
        ("WebP of zeros", webp(8, 8)),
        ("GIF", b"GIF89a\x01\0\x01\0\0\0\0;".to_vec()),
        ("TIFF", b"II*\0\x08\0\0\0".to_vec()),
    ];
    insta::assert_snapshot!(said(cases));
}
