use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;

use crate::pointers::{optional_path, path, slice};
use crate::status::{Status, free, hand_out};

/// A network as its file holds it.
pub struct Model(pub(crate) sepconv::Model);

/// Reads a .onnx or .tflite file of up to 700 MB; its content decides which of the two it is.
///
/// `external_data` is the folder in which an ONNX file may keep weights in files of their own, or NULL: none is read
/// then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sepconv_model_open(
    path: *const c_char,
    external_data: *const c_char,
    model: Option<&mut MaybeUninit<Option<Box<Model>>>>,
) -> Status {
    hand_out(model, || {
        // SAFETY: the caller's texts, as the header demands.
        let (path, folder) = unsafe { (self::path(path, "path")?, optional_path(external_data, "external_data")?) };
        let model = sepconv::Model::open(path)?;
        Ok(Model(match folder {
            Some(folder) => model.with_external_data(folder),
            None => model,
        }))
    })
}

/// As sepconv_model_open(), from the `size` bytes of such a file. They are copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sepconv_model_from_bytes(
    bytes: *const c_void,
    size: usize,
    model: Option<&mut MaybeUninit<Option<Box<Model>>>>,
) -> Status {
    hand_out(model, || {
        // SAFETY: the caller's bytes, as the header demands.
        let bytes: &[u8] = unsafe { slice(bytes.cast(), size, "bytes") }?;
        sepconv::Model::from_bytes("memory", bytes).map(Model)
    })
}

/// Frees a model. Networks that were compiled of it are not concerned.
#[unsafe(no_mangle)]
pub extern "C" fn sepconv_model_free(model: Option<Box<Model>>) {
    free(model);
}
