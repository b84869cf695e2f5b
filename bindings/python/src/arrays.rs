//! NumPy's arrays as the tensors of a network, and back.

use numpy::{Element, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyReadwriteArrayDyn, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use sepconv::{DType, Data, ElementType, Error, Shape, Tensor, TensorView, TensorViewMut};

use crate::error::Result;

/// An array that a network reads where it is.
pub(crate) enum Input<'py> {
    F32(PyReadonlyArrayDyn<'py, f32>),
    I64(PyReadonlyArrayDyn<'py, i64>),
    U8(PyReadonlyArrayDyn<'py, u8>),
    I8(PyReadonlyArrayDyn<'py, i8>),
}

/// An array that a network writes to.
pub(crate) enum Output<'py> {
    F32(PyReadwriteArrayDyn<'py, f32>),
    I64(PyReadwriteArrayDyn<'py, i64>),
    U8(PyReadwriteArrayDyn<'py, u8>),
    I8(PyReadwriteArrayDyn<'py, i8>),
}

impl<'py> Input<'py> {
    /// The array itself where the network can read it as it is. Other types of the file, other orders of elements and
    /// whatever NumPy makes an array of are converted first.
    pub(crate) fn new(value: &Bound<'py, PyAny>, dtype: DType, element: ElementType, name: &str) -> Result<Self> {
        if let Some(input) = Self::as_it_is(value, dtype) {
            return Ok(input);
        }
        static CONVERT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let py = value.py();
        let convert = CONVERT.import(py, "sepconv._arrays", "converted")?;
        let converted = convert.call1((value, element_name(dtype.into()), element_name(element), name))?;
        let input = Self::as_it_is(&converted, dtype);
        Ok(input.ok_or_else(|| Error::argument("input is no array").at(format!("input {name:?}")))?)
    }

    fn as_it_is(value: &Bound<'py, PyAny>, dtype: DType) -> Option<Self> {
        match dtype {
            DType::F32 => readable(value).map(Self::F32),
            DType::I64 => readable(value).map(Self::I64),
            DType::U8 => readable(value).map(Self::U8),
            DType::I8 => readable(value).map(Self::I8),
        }
    }

    pub(crate) fn view(&self) -> Result<TensorView<'_>> {
        Ok(match self {
            Self::F32(array) => TensorView::f32(array.shape(), slice(array)?),
            Self::I64(array) => TensorView::i64(array.shape(), slice(array)?),
            Self::U8(array) => TensorView::u8(array.shape(), slice(array)?),
            Self::I8(array) => TensorView::i8(array.shape(), slice(array)?),
        }?)
    }

    /// A copy that outlives the array.
    pub(crate) fn tensor(&self) -> Result<Tensor> {
        Ok(match self {
            Self::F32(array) => Tensor::f32(array.shape(), slice(array)?.to_vec()),
            Self::I64(array) => Tensor::i64(array.shape(), slice(array)?.to_vec()),
            Self::U8(array) => Tensor::u8(array.shape(), slice(array)?.to_vec()),
            Self::I8(array) => Tensor::i8(array.shape(), slice(array)?.to_vec()),
        }?)
    }
}

impl<'py> Output<'py> {
    /// A new array.
    pub(crate) fn new(py: Python<'py>, dtype: DType, shape: &Shape) -> Result<Self> {
        Ok(match dtype {
            DType::F32 => Self::F32(writable(py, shape)?),
            DType::I64 => Self::I64(writable(py, shape)?),
            DType::U8 => Self::U8(writable(py, shape)?),
            DType::I8 => Self::I8(writable(py, shape)?),
        })
    }

    /// A new array with the elements of a tensor.
    pub(crate) fn of(py: Python<'py>, tensor: &Tensor) -> Result<Self> {
        let mut output = Self::new(py, tensor.dtype(), tensor.shape())?;
        match (&mut output, tensor.data()) {
            (Self::F32(array), Data::F32(data)) => slice_mut(array)?.copy_from_slice(data),
            (Self::I64(array), Data::I64(data)) => slice_mut(array)?.copy_from_slice(data),
            (Self::U8(array), Data::U8(data)) => slice_mut(array)?.copy_from_slice(data),
            (Self::I8(array), Data::I8(data)) => slice_mut(array)?.copy_from_slice(data),
            (Self::F32(_) | Self::I64(_) | Self::U8(_) | Self::I8(_), _) => {
                return Err(Error::mismatch("array and tensor differ in type").into());
            }
        }
        Ok(output)
    }

    pub(crate) fn view_mut<'a>(&'a mut self, shape: &'a Shape) -> Result<TensorViewMut<'a>> {
        Ok(match self {
            Self::F32(array) => TensorViewMut::f32(shape, slice_mut(array)?),
            Self::I64(array) => TensorViewMut::i64(shape, slice_mut(array)?),
            Self::U8(array) => TensorViewMut::u8(shape, slice_mut(array)?),
            Self::I8(array) => TensorViewMut::i8(shape, slice_mut(array)?),
        }?)
    }

    /// The array for Python, with elements of the type that the model's file names.
    pub(crate) fn into_array(self, element: ElementType) -> PyResult<Bound<'py, PyAny>> {
        let (array, dtype) = match &self {
            Self::F32(array) => (array.as_any().clone(), DType::F32),
            Self::I64(array) => (array.as_any().clone(), DType::I64),
            Self::U8(array) => (array.as_any().clone(), DType::U8),
            Self::I8(array) => (array.as_any().clone(), DType::I8),
        };
        drop(self);
        if element == dtype.into() || element == ElementType::BF16 {
            return Ok(array);
        }
        array.call_method1("astype", (element_name(element),))
    }
}

fn readable<'py, T: Element>(value: &Bound<'py, PyAny>) -> Option<PyReadonlyArrayDyn<'py, T>> {
    let array = value.cast::<PyArrayDyn<T>>().ok()?;
    // Fortran's order counts as contiguous, too.
    let is_readable = array.is_c_contiguous() && array.is_aligned();
    is_readable.then(|| array.try_readonly().ok()).flatten()
}

fn writable<'py, T: Element>(py: Python<'py>, shape: &Shape) -> Result<PyReadwriteArrayDyn<'py, T>> {
    let array = PyArrayDyn::zeros(py, shape.to_vec(), false);
    Ok(array.try_readwrite().map_err(PyErr::from)?)
}

fn slice<'a, T: Element>(array: &'a PyReadonlyArrayDyn<'_, T>) -> Result<&'a [T]> {
    Ok(array.as_slice().map_err(PyErr::from)?)
}

fn slice_mut<'a, T: Element>(array: &'a mut PyReadwriteArrayDyn<'_, T>) -> Result<&'a mut [T]> {
    Ok(array.as_slice_mut().map_err(PyErr::from)?)
}

/// NumPy's name of a type. It has none for bfloat16, which is widened.
pub(crate) fn element_name(element: ElementType) -> &'static str {
    match element {
        ElementType::F16 => "float16",
        ElementType::BF16 | ElementType::F32 => "float32",
        ElementType::F64 => "float64",
        ElementType::Bool => "bool",
        ElementType::I8 => "int8",
        ElementType::U8 => "uint8",
        ElementType::I16 => "int16",
        ElementType::U16 => "uint16",
        ElementType::I32 => "int32",
        ElementType::U32 => "uint32",
        ElementType::I64 => "int64",
        ElementType::U64 => "uint64",
    }
}
