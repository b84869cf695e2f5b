//! Images as Python has them.

use std::path::PathBuf;

use numpy::{PyArray3, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use sepconv::{Error, Image};

use crate::error::Result;
use crate::recipe::held;

/// Where the pixels of an image are.
pub(crate) enum Source {
    File(PathBuf),
    Encoded(Py<PyBytes>),
    Pixels(Image),
}

impl Source {
    pub(crate) fn new(value: &Bound<'_, PyAny>) -> Result<Self> {
        if let Some(bytes) = held(value)? {
            return Ok(Self::Encoded(bytes));
        }
        if let Ok(path) = value.extract::<PathBuf>() {
            return Ok(Self::File(path));
        }
        let py = value.py();
        let array = py.import("sepconv._arrays")?.getattr("pixels")?.call1((value,))?;
        let array = array.cast::<PyArray3<u8>>().map_err(|_| {
            PyTypeError::new_err("expected an image: a path, the bytes of an image file, or an array of uint8")
        })?;
        let [height, width] = [array.shape()[0], array.shape()[1]];
        if array.shape()[2] != 3 {
            return Err(Error::argument("image is not RGB")
                .expected("an array [height,width,3]", format_args!("{:?}", array.shape()))
                .into());
        }
        Ok(Self::Pixels(Image::from_rgb(width, height, array.readonly().as_slice().map_err(PyErr::from)?.to_vec())?))
    }

    /// Calls `work` with the decoded image while other threads of Python run.
    pub(crate) fn with<T: Send>(
        self,
        py: Python<'_>,
        work: impl FnOnce(Image) -> sepconv::Result<T> + Send,
    ) -> Result<T> {
        Ok(match self {
            Self::File(path) => py.detach(|| {
                let in_file = |error: Error| error.in_file(&path.display().to_string());
                Image::open(&path).and_then(work).map_err(in_file)
            }),
            Self::Encoded(bytes) => {
                let bytes = bytes.as_bytes(py);
                py.detach(|| work(Image::decode(bytes)?))
            }
            Self::Pixels(image) => py.detach(|| work(image)),
        }?)
    }
}
