//! Ranges of numbers that files ask for.

use sepconv_core::{Error, Result};

/// The most numbers of a range.
const MAX_LEN: usize = 1 << 24;

/// Integers from `start` on, `delta` apart, that lie before `limit`.
pub(crate) fn integers(start: i64, limit: i64, delta: i64) -> Result<impl ExactSizeIterator<Item = i64>> {
    let count = len((i128::from(limit) - i128::from(start)) as f64, delta as f64)?;
    Ok((0..count).map(move |i| start.wrapping_add(delta.wrapping_mul(i as i64))))
}

/// The same for floats.
pub(crate) fn floats(start: f32, limit: f32, delta: f32) -> Result<impl ExactSizeIterator<Item = f32>> {
    let count = len(f64::from(limit) - f64::from(start), delta.into())?;
    Ok((0..count).map(move |i| start + delta * i as f32))
}

fn len(distance: f64, delta: f64) -> Result<usize> {
    let len = (distance / delta).ceil().max(0.0);
    if delta != 0.0 && len <= MAX_LEN as f64 {
        return Ok(len as usize);
    }
    Err(Error::limit("range has too many numbers").expected(format_args!("at most {MAX_LEN}"), len))
}
