//! The options of custom operators: a map of numbers in the FlexBuffers format
//! (<https://flatbuffers.dev/internals/#flexbuffers>).

use sepconv_core::{Error, Result};

/// The map at the root of a buffer.
pub(super) struct Flexbuffer<'a> {
    bytes: &'a [u8],
    /// Where its values are, how many, and the bytes of each.
    values: usize,
    len: usize,
    width: usize,
}

const MAP: u8 = 9;

impl<'a> Flexbuffer<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self> {
        Self::root(bytes).ok_or_else(|| Error::malformed("options of a custom operator are not a map"))
    }

    fn root(bytes: &'a [u8]) -> Option<Self> {
        let [.., kind, width] = *bytes else { return None };
        let place = bytes.len().checked_sub(2 + usize::from(width))?;
        let values = place.checked_sub(unsigned(bytes, place, width.into())?)?;
        let width = 1 << (kind & 3);
        let len = unsigned(bytes, values.checked_sub(width)?, width)?;
        (kind >> 2 == MAP && len <= bytes.len()).then_some(Self { bytes, values, len, width })
    }

    /// The number called `name`; a boolean is 0 or 1.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        (0..self.len).find(|&i| self.key(i) == Some(name.as_bytes())).and_then(|i| self.value(i))
    }

    fn key(&self, i: usize) -> Option<&'a [u8]> {
        let place = self.values.checked_sub(3 * self.width)?;
        let keys = place.checked_sub(unsigned(self.bytes, place, self.width)?)?;
        let width = unsigned(self.bytes, place + self.width, self.width)?;
        let place = keys.checked_add(i.checked_mul(width)?)?;
        let key = self.bytes.get(place.checked_sub(unsigned(self.bytes, place, width)?)?..)?;
        key.split(|&byte| byte == 0).next()
    }

    fn value(&self, i: usize) -> Option<f64> {
        let kind = *self.bytes.get(self.values.checked_add(self.len.checked_mul(self.width)?)?.checked_add(i)?)?;
        let place = self.values.checked_add(i.checked_mul(self.width)?)?;
        let is_indirect = matches!(kind >> 2, 6..=8);
        let (place, width) = match is_indirect {
            true => (place.checked_sub(unsigned(self.bytes, place, self.width)?)?, 1 << (kind & 3)),
            false => (place, self.width),
        };
        let bits = unsigned(self.bytes, place, width)? as u64;
        match (kind >> 2, width) {
            (1 | 6, 1..=8) => Some(((bits << (64 - 8 * width)).cast_signed() >> (64 - 8 * width)) as f64),
            (2 | 7 | 26, _) => Some(bits as f64),
            (3 | 8, 4) => Some(f32::from_bits(bits as u32).into()),
            (3 | 8, 8) => Some(f64::from_bits(bits)),
            _ => None,
        }
    }
}

/// An unsigned integer of 1, 2, 4 or 8 bytes.
fn unsigned(bytes: &[u8], place: usize, width: usize) -> Option<usize> {
    if !matches!(width, 1 | 2 | 4 | 8) {
        return None;
    }
    let bytes = bytes.get(place..place.checked_add(width)?)?;
    let number = bytes.iter().rev().fold(0u64, |number, &byte| number << 8 | u64::from(byte));
    usize::try_from(number).ok()
}
