//! Bytes as elements of other types, for programs that keep all values in one array of bytes.

use core::ops::Range;

/// The same bytes as numbers without a sign.
pub fn unsigned(bytes: &[i8]) -> &[u8] {
    // SAFETY: the types differ in how a byte is read only.
    unsafe { core::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len()) }
}

/// The same bytes as numbers with a sign.
pub fn signed(bytes: &[u8]) -> &[i8] {
    // SAFETY: the types differ in how a byte is read only.
    unsafe { core::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len()) }
}

/// Four bytes each as an f32. Panics where they do not begin at a multiple of four, or are not fours.
pub fn floats(bytes: &[u8]) -> &[f32] {
    // SAFETY: any four bytes are an f32.
    let (before, floats, after) = unsafe { bytes.align_to() };
    assert!(before.is_empty() && after.is_empty());
    floats
}

/// As [`floats`], to be written.
pub fn floats_mut(bytes: &mut [u8]) -> &mut [f32] {
    // SAFETY: any four bytes are an f32, and the reverse.
    let (before, floats, after) = unsafe { bytes.align_to_mut() };
    assert!(before.is_empty() && after.is_empty());
    floats
}

/// As [`signed`], to be written.
pub fn signed_mut(bytes: &mut [u8]) -> &mut [i8] {
    // SAFETY: the types differ in how a byte is read only.
    unsafe { core::slice::from_raw_parts_mut(bytes.as_mut_ptr().cast(), bytes.len()) }
}

/// Four bytes each as a number of 32 bits, to be written. Panics as [`floats`].
#[inline]
pub fn words_mut(bytes: &mut [u8]) -> &mut [i32] {
    // SAFETY: any four bytes are an i32, and the reverse.
    let (before, words, after) = unsafe { bytes.align_to_mut() };
    assert!(before.is_empty() && after.is_empty());
    words
}

/// The first four bytes as a number of 32 bits. Panics where there are fewer.
#[inline]
pub fn word(bytes: &[i8]) -> i32 {
    let &[a, b, c, d] = bytes.first_chunk().expect("four bytes");
    i32::from_ne_bytes([a, b, c, d].map(|byte| byte as u8))
}

/// A slice of `N` elements as an array. Panics where it has others.
pub fn array<T, const N: usize>(slice: &[T]) -> &[T; N] {
    match slice.try_into() {
        Ok(array) => array,
        Err(_) => panic!(),
    }
}

/// As [`array()`], to be written.
pub fn array_mut<T, const N: usize>(slice: &mut [T]) -> &mut [T; N] {
    match slice.try_into() {
        Ok(array) => array,
        Err(_) => panic!(),
    }
}

/// The parts at `ranges`, to be written. Panics where they overlap or are beyond the end.
pub fn split<const N: usize>(bytes: &mut [u8], ranges: [Range<usize>; N]) -> [&mut [u8]; N] {
    match bytes.get_disjoint_mut(ranges) {
        Ok(parts) => parts,
        Err(_) => panic!(),
    }
}
