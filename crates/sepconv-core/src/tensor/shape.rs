use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Deref;

use crate::{Error, Result};

/// The size of a tensor along each axis, slowest first. At most [`Shape::MAX_RANK`] axes; their product fits in memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// The largest number of axes.
    pub const MAX_RANK: usize = 8;

    /// Checks the rank and that the element count, as bytes of the widest type, fits in an `isize`.
    pub fn new(dims: impl Into<Vec<usize>>) -> Result<Self> {
        let dims = dims.into();
        let shape = Self(dims);
        if shape.len() > Self::MAX_RANK {
            return Err(Error::unsupported("tensor has too many axes")
                .expected(format_args!("at most {}", Self::MAX_RANK), shape.len()));
        }
        // A zero axis must not hide that the others overflow: everything computed from them would.
        let product = shape.iter().filter(|&&d| d != 0).try_fold(8usize, |product, &d| product.checked_mul(d));
        match product {
            Some(bytes) if isize::try_from(bytes).is_ok() => Ok(shape),
            _ => Err(Error::limit("tensor is larger than the address space")
                .expected(format_args!("at most {} bytes", isize::MAX), format_args!("the shape {shape}"))),
        }
    }

    /// Changes the size along an axis to a smaller one.
    pub(crate) fn set(&mut self, axis: usize, size: usize) {
        self.0[axis] = size;
    }

    /// The number of elements.
    pub fn elements(&self) -> usize {
        self.iter().product()
    }

    /// The distance in elements between neighbors along each axis, for data without gaps.
    pub fn strides(&self) -> Vec<usize> {
        let mut strides = vec![1; self.len()];
        for axis in (1..self.len()).rev() {
            strides[axis - 1] = strides[axis] * self[axis];
        }
        strides
    }

    /// The size of the last axis; 1 for a scalar.
    pub fn last(&self) -> usize {
        self.0.last().copied().unwrap_or(1)
    }
}

impl Deref for Shape {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.0
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ShapeText(self).fmt(f)
    }
}

/// Sizes as errors show them: `[1,3,224,224]`.
pub(crate) struct ShapeText<'a>(pub(crate) &'a [usize]);

impl fmt::Display for ShapeText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (i, size) in self.0.iter().enumerate() {
            write!(f, "{}{size}", if i == 0 { "" } else { "," })?;
        }
        f.write_str("]")
    }
}
