use core::fmt;

use bytemuck::{Pod, cast_slice, cast_slice_mut};

use super::{DType, Data, Tensor};
use crate::{Error, Result};

/// A borrowed tensor: a shape and the elements that fill it, last axis fastest. What a session reads.
///
/// ```
/// use sepconv_core::{Tensor, TensorView};
///
/// let pixels = vec![0.5; 3 * 2 * 2];
/// let view = TensorView::f32(&[1, 3, 2, 2], &pixels)?;
/// assert_eq!(view.shape(), [1, 3, 2, 2]);
/// assert!(TensorView::f32(&[1, 3, 2, 3], &pixels).is_err());
/// let tensor = Tensor::f32([1, 3, 2, 2], pixels.clone())?;
/// assert_eq!(TensorView::from(&tensor), view);
/// # Ok::<(), sepconv_core::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq)]
pub struct TensorView<'a> {
    shape: &'a [usize],
    dtype: DType,
    bytes: &'a [u8],
}

/// A borrowed tensor to write to: where a session puts a result.
pub struct TensorViewMut<'a> {
    shape: &'a [usize],
    dtype: DType,
    bytes: &'a mut [u8],
}

/// `elements` if they fill `shape`.
fn filled<T>(shape: &[usize], len: usize, elements: T) -> Result<T> {
    match shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size)) {
        Some(product) if product == len => Ok(elements),
        _ => Err(Error::argument("tensor data does not fill its shape")
            .expected(format_args!("the product of {shape:?} elements"), len)),
    }
}

impl<'a> TensorView<'a> {
    /// A view of f32 elements.
    ///
    /// # Errors
    /// If `data` does not have as many elements as `shape`.
    pub fn f32(shape: &'a [usize], data: &'a [f32]) -> Result<Self> {
        filled(shape, data.len(), Self { shape, dtype: DType::F32, bytes: cast_slice(data) })
    }

    /// A view of i64 elements.
    ///
    /// # Errors
    /// Those of [`f32`](Self::f32).
    pub fn i64(shape: &'a [usize], data: &'a [i64]) -> Result<Self> {
        filled(shape, data.len(), Self { shape, dtype: DType::I64, bytes: cast_slice(data) })
    }

    /// A view of u8 elements.
    ///
    /// # Errors
    /// Those of [`f32`](Self::f32).
    pub fn u8(shape: &'a [usize], data: &'a [u8]) -> Result<Self> {
        filled(shape, data.len(), Self { shape, dtype: DType::U8, bytes: data })
    }

    /// A view of i8 elements.
    ///
    /// # Errors
    /// Those of [`f32`](Self::f32).
    pub fn i8(shape: &'a [usize], data: &'a [i8]) -> Result<Self> {
        filled(shape, data.len(), Self { shape, dtype: DType::I8, bytes: cast_slice(data) })
    }

    /// A view of no elements.
    pub(crate) const EMPTY: Self = Self { shape: &[0], dtype: DType::U8, bytes: &[] };

    /// A view of memory that holds these elements.
    pub(crate) fn of_bytes(shape: &'a [usize], dtype: DType, bytes: &'a [u8]) -> Self {
        Self { shape, dtype, bytes }
    }

    /// The elements, of a type of this size.
    pub(crate) fn elements<T: Pod>(&self) -> &'a [T] {
        // An empty slice need not be aligned.
        if self.bytes.is_empty() { &[] } else { cast_slice(self.bytes) }
    }

    /// The size along each axis, slowest first.
    pub fn shape(&self) -> &'a [usize] {
        self.shape
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The elements as memory holds them.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

impl<'a> From<&'a Tensor> for TensorView<'a> {
    fn from(tensor: &'a Tensor) -> Self {
        Self { shape: tensor.shape(), dtype: tensor.dtype(), bytes: tensor.bytes() }
    }
}

impl<'a> TensorViewMut<'a> {
    /// A view of f32 elements to write to.
    ///
    /// # Errors
    /// If `data` does not have as many elements as `shape`.
    pub fn f32(shape: &'a [usize], data: &'a mut [f32]) -> Result<Self> {
        filled(shape, data.len(), Self { shape, dtype: DType::F32, bytes: cast_slice_mut(data) })
    }

    /// A view of i64 elements to write to.
    ///
    /// # Errors
    /// Those of [`f32`](Self::f32).
    pub fn i64(shape: &'a [usize], data: &'a mut [i64]) -> Result<Self> {
        filled(shape, data.len(), Self { shape, dtype: DType::I64, bytes: cast_slice_mut(data) })
    }

    /// A view of u8 elements to write to.
    ///
    /// # Errors
    /// Those of [`f32`](Self::f32).
    pub fn u8(shape: &'a [usize], data: &'a mut [u8]) -> Result<Self> {
        filled(shape, data.len(), Self { shape, dtype: DType::U8, bytes: data })
    }

    /// A view of i8 elements to write to.
    ///
    /// # Errors
    /// Those of [`f32`](Self::f32).
    pub fn i8(shape: &'a [usize], data: &'a mut [i8]) -> Result<Self> {
        filled(shape, data.len(), Self { shape, dtype: DType::I8, bytes: cast_slice_mut(data) })
    }

    /// A view of memory that holds these elements.
    pub(crate) fn of_bytes(shape: &'a [usize], dtype: DType, bytes: &'a mut [u8]) -> Self {
        Self { shape, dtype, bytes }
    }

    /// The shape, and the elements, of a type of this size.
    pub(crate) fn shape_and_elements<T: Pod>(&mut self) -> (&'a [usize], &mut [T]) {
        (self.shape, cast_slice_mut(self.bytes))
    }

    /// The size along each axis, slowest first.
    pub fn shape(&self) -> &[usize] {
        self.shape
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The elements as memory holds them.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes
    }
}

impl<'a> From<&'a mut Tensor> for TensorViewMut<'a> {
    fn from(tensor: &'a mut Tensor) -> Self {
        let dtype = tensor.dtype();
        let (shape, data) = tensor.shape_and_data_mut();
        let bytes = match data {
            Data::F32(data) => cast_slice_mut(data),
            Data::I64(data) => cast_slice_mut(data),
            Data::U8(data) => data,
            Data::I8(data) => cast_slice_mut(data),
        };
        Self { shape, dtype, bytes }
    }
}

impl fmt::Debug for TensorView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TensorView({} {:?})", self.dtype, self.shape)
    }
}

impl fmt::Debug for TensorViewMut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TensorViewMut({} {:?})", self.dtype, self.shape)
    }
}
