use std::ffi::{CString, c_char};
use std::mem::MaybeUninit;
use std::ptr;

use sepconv::{CompiledModel, DType, TensorInfo, printable};

use crate::model::Model;
use crate::options::{Options, options};
use crate::status::{Status, free, hand_out, null};

/// A network made ready for this machine: chosen kernels and packed weights.
pub struct Compiled {
    pub(crate) model: CompiledModel,
    inputs: Ports,
    outputs: Ports,
    unused_tuning: Option<CString>,
}

/// The type of a tensor's elements. Files have more types; other integers and booleans arrive as I64.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum Dtype {
    /// float
    F32 = 0,
    /// uint8_t
    U8 = 1,
    /// int8_t
    I8 = 2,
    /// int64_t
    I64 = 3,
}

/// An input or output of a network.
#[repr(C)]
pub struct Tensor {
    /// The name in the file; empty where that holds a zero. Print it with care: a file may put anything into it.
    pub name: *const c_char,
    /// The type of its elements.
    pub dtype: Dtype,
    /// The number of axes, up to 8.
    pub rank: usize,
    /// The size along each axis, in the file's order; the last axis is the fastest. Where the length of an output
    /// depends on the data it is the largest.
    pub shape: [usize; 8],
    /// The bytes of all its elements.
    pub size: usize,
    /// What an integer q of a quantized tensor stands for is scale * (q - zero_point). 0 where the file states no
    /// scale, or one for each channel.
    pub scale: f32,
    /// See `scale`.
    pub zero_point: i32,
}

/// The inputs or outputs of a network, with the names that they point to.
struct Ports {
    tensors: Vec<Tensor>,
    _names: Vec<CString>,
}

// SAFETY: the pointers lead to `_names`, which nothing changes.
unsafe impl Send for Ports {}
// SAFETY: as above.
unsafe impl Sync for Ports {}

impl Ports {
    fn new(infos: &[TensorInfo]) -> Self {
        let names: Vec<_> = infos.iter().map(|info| CString::new(&*info.name).unwrap_or_default()).collect();
        Self { tensors: infos.iter().zip(&names).map(|(info, name)| Tensor::new(info, name)).collect(), _names: names }
    }

    fn list(&self, count: Option<&mut MaybeUninit<usize>>) -> *const Tensor {
        if let Some(count) = count {
            count.write(self.tensors.len());
        }
        self.tensors.as_ptr()
    }
}

impl Tensor {
    fn new(info: &TensorInfo, name: &CString) -> Self {
        let mut shape = [0; 8];
        shape[..info.shape.len()].copy_from_slice(&info.shape);
        let (scale, zero_point) =
            info.quantization.as_ref().and_then(|params| params.as_per_tensor()).unwrap_or_default();
        Self {
            name: name.as_ptr(),
            dtype: info.dtype.into(),
            rank: info.shape.len(),
            shape,
            size: bytes(info),
            scale,
            zero_point,
        }
    }
}

impl From<DType> for Dtype {
    fn from(dtype: DType) -> Self {
        match dtype {
            DType::F32 => Self::F32,
            DType::U8 => Self::U8,
            DType::I8 => Self::I8,
            DType::I64 => Self::I64,
        }
    }
}

/// The bytes of a tensor.
pub(crate) fn bytes(info: &TensorInfo) -> usize {
    info.shape.elements() * info.dtype.size()
}

impl Compiled {
    fn new(model: CompiledModel) -> Self {
        let (inputs, outputs) = (Ports::new(model.inputs()), Ports::new(model.outputs()));
        let unused_tuning = model.unused_tuning().map(|reason| CString::new(printable(reason)).unwrap_or_default());
        Self { model, inputs, outputs, unused_tuning }
    }
}

/// Makes a network ready for this machine. `options` may be NULL: the defaults. The model may be freed afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sepconv_compile(
    model: Option<&Model>,
    options: Option<&Options>,
    compiled: Option<&mut MaybeUninit<Option<Box<Compiled>>>>,
) -> Status {
    hand_out(compiled, || {
        let model = model.ok_or_else(|| null("model"))?;
        // SAFETY: the caller's options, as the header demands.
        let options = unsafe { self::options(options) }?;
        model.0.compile(&options).map(Compiled::new)
    })
}

/// The inputs, `*count` of them; `count` may be NULL. They belong to `compiled`. NULL for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn sepconv_inputs(compiled: Option<&Compiled>, count: Option<&mut MaybeUninit<usize>>) -> *const Tensor {
    list(compiled.map(|compiled| &compiled.inputs), count)
}

/// The outputs, as sepconv_inputs().
#[unsafe(no_mangle)]
pub extern "C" fn sepconv_outputs(
    compiled: Option<&Compiled>,
    count: Option<&mut MaybeUninit<usize>>,
) -> *const Tensor {
    list(compiled.map(|compiled| &compiled.outputs), count)
}

fn list(ports: Option<&Ports>, count: Option<&mut MaybeUninit<usize>>) -> *const Tensor {
    match ports {
        Some(ports) => ports.list(count),
        None => {
            count.map(|count| count.write(0));
            ptr::null()
        }
    }
}

/// Why `options.tuned` is not used: it was measured on another machine, say. NULL where it is used, or was NULL. The
/// text belongs to `compiled`.
#[unsafe(no_mangle)]
pub extern "C" fn sepconv_unused_tuning(compiled: Option<&Compiled>) -> *const c_char {
    compiled.and_then(|compiled| compiled.unused_tuning.as_deref()).map_or(ptr::null(), |reason| reason.as_ptr())
}

/// Frees a compiled network. Its sessions can still be used.
#[unsafe(no_mangle)]
pub extern "C" fn sepconv_compiled_free(compiled: Option<Box<Compiled>>) {
    free(compiled);
}

const _: () = {
    const fn shared_between_threads<T: Send + Sync>() {}
    shared_between_threads::<Compiled>();
    shared_between_threads::<Model>();
};
