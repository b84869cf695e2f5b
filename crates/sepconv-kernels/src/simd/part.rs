//! Fewer than eight bytes, without a call to copy them.

/// Up to eight bytes as a little-endian number, absent ones zero.
#[cfg(any(target_arch = "x86_64", target_feature = "neon", target_feature = "simd128"))]
#[inline(always)]
pub(super) fn read(from: &[u8]) -> u64 {
    if let Some(whole) = from.first_chunk() {
        return u64::from_le_bytes(*whole);
    }
    let (mut rest, mut shift, mut x) = (from, 0, 0);
    if let Some((head, tail)) = rest.split_first_chunk() {
        x = u64::from(u32::from_le_bytes(*head));
        (rest, shift) = (tail, 32);
    }
    if let Some((head, tail)) = rest.split_first_chunk() {
        x |= u64::from(u16::from_le_bytes(*head)) << shift;
        (rest, shift) = (tail, shift + 16);
    }
    rest.first().map_or(x, |&last| x | u64::from(last) << shift)
}

/// Writes all of `to`, up to eight bytes, from a little-endian number.
#[inline(always)]
pub(super) fn write(x: u64, to: &mut [u8]) {
    if let Some(whole) = to.first_chunk_mut() {
        *whole = x.to_le_bytes();
        return;
    }
    let (mut rest, mut x) = (to, x);
    if rest.len() >= 4 {
        let (head, tail) = rest.split_at_mut(4);
        head.copy_from_slice(&(x as u32).to_le_bytes());
        (rest, x) = (tail, x >> 32);
    }
    if rest.len() >= 2 {
        let (head, tail) = rest.split_at_mut(2);
        head.copy_from_slice(&(x as u16).to_le_bytes());
        (rest, x) = (tail, x >> 16);
    }
    if let Some(last) = rest.first_mut() {
        *last = x as u8;
    }
}
