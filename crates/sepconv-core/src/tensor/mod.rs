//! Values: a shape, a data type and elements, owned ([`Tensor`]) or borrowed ([`TensorView`], [`TensorViewMut`]).

mod dtype;
mod shape;
mod view;

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use bytemuck::cast_slice;

use crate::{Error, Result};

pub use self::dtype::DType;
pub use self::shape::Shape;
pub(crate) use self::shape::ShapeText;
pub use self::view::{TensorView, TensorViewMut};

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

    /// Its shape, and its elements for writing.
    fn shape_and_data_mut(&mut self) -> (&Shape, &mut Data) {
        (&self.shape, Arc::make_mut(&mut self.data))
    }

    /// Keeps the first `size` indices along an axis. Allocates nothing where no other tensor shares the elements.
    pub(crate) fn truncate(&mut self, axis: usize, size: usize) {
        let [outer, from, inner] = crate::op::split_at(&self.shape, axis);
        let (kept, rows) = (size.min(from) * inner, from * inner);
        match Arc::make_mut(&mut self.data) {
            Data::F32(data) => keep_first(data, outer, rows, kept),
            Data::I64(data) => keep_first(data, outer, rows, kept),
            Data::U8(data) => keep_first(data, outer, rows, kept),
            Data::I8(data) => keep_first(data, outer, rows, kept),
        }
        self.shape.set(axis, size.min(from));
    }

    /// Gives a truncated tensor the shape again that it had.
    pub(crate) fn restore(&mut self, shape: &[usize]) {
        let len = shape.iter().product();
        match Arc::make_mut(&mut self.data) {
            Data::F32(data) => data.resize(len, 0.0),
            Data::I64(data) => data.resize(len, 0),
            Data::U8(data) => data.resize(len, 0),
            Data::I8(data) => data.resize(len, 0),
        }
        shape.iter().enumerate().for_each(|(axis, &size)| self.shape.set(axis, size));
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

/// The first `kept` elements of each of `outer` rows of `len`, one after the other.
fn keep_first<T: Copy>(data: &mut Vec<T>, outer: usize, len: usize, kept: usize) {
    for row in 1..outer {
        data.copy_within(row * len..row * len + kept, row * kept);
    }
    data.truncate(outer * kept);
}
