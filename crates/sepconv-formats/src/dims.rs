//! Axes and sizes as files write them: integers of either sign.

use sepconv_core::{Error, Result};

/// The axis among `rank` that a number means; negative ones count from the end.
pub(crate) fn axis(value: i64, rank: usize) -> Result<usize> {
    let counted = if value < 0 { value.checked_add_unsigned(rank as u64) } else { Some(value) };
    counted.and_then(|axis| usize::try_from(axis).ok()).filter(|&axis| axis < rank).ok_or_else(|| {
        Error::mismatch("axis is out of range").expected(format_args!("-{rank} to {}", rank.saturating_sub(1)), value)
    })
}

/// Several axes, none of them twice, in the order given.
pub(crate) fn axes(list: &[i64], rank: usize) -> Result<Vec<usize>> {
    let mut axes = Vec::new();
    for &entry in list {
        let index = axis(entry, rank)?;
        if axes.contains(&index) {
            return Err(Error::malformed("axis is given twice").at(format!("axes {list:?}")));
        }
        axes.push(index);
    }
    Ok(axes)
}

/// An axis that separates those before it from those from it on; it may lie behind the last.
pub(crate) fn split_axis(given: i64, rank: usize) -> Result<usize> {
    if usize::try_from(given) == Ok(rank) { Ok(rank) } else { axis(given, rank) }
}

/// A size, which may not be negative.
pub(crate) fn size(value: i64) -> Result<usize> {
    usize::try_from(value).map_err(|_| Error::malformed("size is negative").expected("sizes from 0", value))
}

/// Several sizes.
pub(crate) fn sizes(values: &[i64]) -> Result<Vec<usize>> {
    values.iter().map(|&value| size(value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_count_from_both_ends() {
        for (value, expected) in [(0, 0), (2, 2), (-1, 2), (-3, 0)] {
            assert_eq!(axis(value, 3), Ok(expected), "{value}");
        }
        for value in [3, -4, i64::MIN, i64::MAX] {
            assert!(axis(value, 3).is_err(), "{value}");
        }
        assert!(axis(0, 0).is_err() && axis(-1, 0).is_err());
    }
}
