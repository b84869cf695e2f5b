use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Deref;

use bytemuck::{cast_slice, cast_slice_mut};

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
        f.write_str("[")?;
        for (i, size) in self.iter().enumerate() {
            write!(f, "{}{size}", if i == 0 { "" } else { "," })?;
        }
        f.write_str("]")
    }
}

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// What flows through a network of floats.
    F32,
    /// What is computed while importing: shapes, axes, indices. Readers widen every wider integer type to it. Also
    /// the biases of integer layers.
    I64,
    /// Bytes that stand for real numbers; see [`QuantParams`](crate::op::QuantParams).
    U8,
    /// Signed bytes that stand for real numbers.
    I8,
}

impl DType {
    /// Bytes in an element.
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::I64 => 8,
            Self::U8 | Self::I8 => 1,
        }
    }

    /// Whether elements are the bytes of a quantized tensor.
    pub fn is_int8(self) -> bool {
        matches!(self, Self::U8 | Self::I8)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::I64 => "i64",
            Self::U8 => "u8",
            Self::I8 => "i8",
        })
    }
}

/// The elements of a tensor, last axis fastest.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// See [`DType::F32`].
    F32(Vec<f32>),
    /// See [`DType::I64`].
    I64(Vec<i64>),
    /// See [`DType::U8`].
    U8(Vec<u8>),
    /// See [`DType::I8`].
    I8(Vec<i8>),
}

/// A shape and the elements that fill it.
#[derive(Debug, PartialEq)]
pub struct Tensor {
    shape: Shape,
    /// Shared where the same elements have several shapes.
    data: Arc<Data>,
}

/// A copy of the elements, so that writing to either allocates nothing.
impl Clone for Tensor {
    fn clone(&self) -> Self {
        Self { shape: self.shape.clone(), data: Arc::new(Data::clone(&self.data)) }
    }
}

impl Tensor {
    /// Joins elements to a shape; their number must agree.
    pub fn new(shape: Shape, data: Data) -> Result<Self> {
        let len = match &data {
            Data::F32(data) => data.len(),
            Data::I64(data) => data.len(),
            Data::U8(data) => data.len(),
            Data::I8(data) => data.len(),
        };
        if len != shape.elements() {
            return Err(Error::mismatch("tensor data does not fill its shape")
                .expected(format_args!("{} elements for {shape}", shape.elements()), len));
        }
        Ok(Self { shape, data: Arc::new(data) })
    }

    /// A tensor of floats.
    pub fn f32(dims: impl Into<Vec<usize>>, data: impl Into<Vec<f32>>) -> Result<Self> {
        Self::new(Shape::new(dims)?, Data::F32(data.into()))
    }

    /// A tensor of integers.
    pub fn i64(dims: impl Into<Vec<usize>>, data: impl Into<Vec<i64>>) -> Result<Self> {
        Self::new(Shape::new(dims)?, Data::I64(data.into()))
    }

    /// A tensor of unsigned bytes.
    pub fn u8(dims: impl Into<Vec<usize>>, data: impl Into<Vec<u8>>) -> Result<Self> {
        Self::new(Shape::new(dims)?, Data::U8(data.into()))
    }

    /// A tensor of signed bytes.
    pub fn i8(dims: impl Into<Vec<usize>>, data: impl Into<Vec<i8>>) -> Result<Self> {
        Self::new(Shape::new(dims)?, Data::I8(data.into()))
    }

    /// A tensor of zeros.
    pub fn zeros(shape: Shape, dtype: DType) -> Self {
        let len = shape.elements();
        let data = match dtype {
            DType::F32 => Data::F32(vec![0.0; len]),
            DType::I64 => Data::I64(vec![0; len]),
            DType::U8 => Data::U8(vec![0; len]),
            DType::I8 => Data::I8(vec![0; len]),
        };
        Self { shape, data: Arc::new(data) }
    }

    /// Its shape.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The type of its elements.
    pub fn dtype(&self) -> DType {
        match *self.data {
            Data::F32(_) => DType::F32,
            Data::I64(_) => DType::I64,
            Data::U8(_) => DType::U8,
            Data::I8(_) => DType::I8,
        }
    }

    /// Its elements.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// Its elements, where they are floats.
    pub fn as_f32(&self) -> Option<&[f32]> {
        match &*self.data {
            Data::F32(data) => Some(data),
            _ => None,
        }
    }

    /// Its elements for writing, where they are floats.
    pub fn as_f32_mut(&mut self) -> Option<&mut [f32]> {
        match Arc::make_mut(&mut self.data) {
            Data::F32(data) => Some(data),
            _ => None,
        }
    }

    /// Its elements, where they are integers.
    pub fn as_i64(&self) -> Option<&[i64]> {
        match &*self.data {
            Data::I64(data) => Some(data),
            _ => None,
        }
    }

    /// Its elements, where they are unsigned bytes.
    pub fn as_u8(&self) -> Option<&[u8]> {
        match &*self.data {
            Data::U8(data) => Some(data),
            _ => None,
        }
    }

    /// Its elements for writing, where they are unsigned bytes.
    pub fn as_u8_mut(&mut self) -> Option<&mut [u8]> {
        match Arc::make_mut(&mut self.data) {
            Data::U8(data) => Some(data),
            _ => None,
        }
    }

    /// Its elements for writing, where they are signed bytes.
    pub fn as_i8_mut(&mut self) -> Option<&mut [i8]> {
        match Arc::make_mut(&mut self.data) {
            Data::I8(data) => Some(data),
            _ => None,
        }
    }

    /// Its elements, where they are signed bytes.
    pub fn as_i8(&self) -> Option<&[i8]> {
        match &*self.data {
            Data::I8(data) => Some(data),
            _ => None,
        }
    }

    /// The bytes of its elements, as memory holds them.
    pub fn bytes(&self) -> &[u8] {
        match &*self.data {
            Data::F32(data) => cast_slice(data),
            Data::I64(data) => cast_slice(data),
            Data::U8(data) => data,
            Data::I8(data) => cast_slice(data),
        }
    }

    /// Its elements for writing, as memory holds them.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        match Arc::make_mut(&mut self.data) {
            Data::F32(data) => cast_slice_mut(data),
            Data::I64(data) => cast_slice_mut(data),
            Data::U8(data) => data,
            Data::I8(data) => cast_slice_mut(data),
        }
    }

    /// Takes over the elements of a tensor of the same shape and type, without allocating.
    ///
    /// # Errors
    /// When its shape or type is another.
    pub fn copy_from(&mut self, other: &Self) -> Result<()> {
        if (self.shape(), self.dtype()) != (other.shape(), other.dtype()) {
            return Err(Error::argument("tensor to copy to has another shape or type").expected(
                format_args!("{} {}", other.dtype(), other.shape()),
                format_args!("{} {}", self.dtype(), self.shape()),
            ));
        }
        self.bytes_mut().copy_from_slice(other.bytes());
        Ok(())
    }

    /// The same elements in another shape of equal size.
    ///
    /// # Errors
    /// When the size is another.
    pub fn reshape(self, shape: Shape) -> Result<Self> {
        self.share(shape)
    }

    /// The same elements in another shape of equal size, without copying them.
    ///
    /// # Errors
    /// When the size is another.
    pub(crate) fn share(&self, shape: Shape) -> Result<Self> {
        if self.shape.elements() != shape.elements() {
            return Err(Error::mismatch("tensor data does not fill its shape")
                .expected(format_args!("{} elements for {shape}", shape.elements()), self.shape.elements()));
        }
        Ok(Self { shape, data: self.data.clone() })
    }
}
