use std::ffi::c_char;

use sepconv::tune::Tuned;
use sepconv::{Limits, Result};

use crate::pointers::{optional_path, optional_text, slice, text};

/// How a network is compiled. Zero or NULL stands for the default, so start from `sepconv_options options = {0};` (in C++
/// `{}`) and set what differs.
#[repr(C)]
pub struct Options {
    /// Threads that share the work of one run, up to 256. Default: the cores of the machine, at most four.
    pub threads: usize,
    /// Images that are computed at a time: the first axis of every input. Default: 1.
    pub batch: usize,
    /// The shapes of inputs whose sizes the file leaves open.
    pub shapes: *const InputShape,
    /// The number of `shapes`.
    pub shape_count: usize,
    /// The instruction set: "scalar", "avx2", "avx512", "neon", … Default: that of the environment variable
    /// SEPCONV_ISA, else the widest of the machine.
    pub isa: *const c_char,
    /// The path of what `sepconv tune` measured for this network. It decides the number of threads, too.
    pub tuned: *const c_char,
    /// Bytes that constants and activations may take. Default: 700 MB.
    pub max_memory: usize,
    /// Multiply-accumulates that a run may cost. Default: 10^12.
    pub max_macs: u64,
}

/// The shape of an input.
#[repr(C)]
pub struct InputShape {
    /// The name of the input.
    pub name: *const c_char,
    /// The number of axes, up to 8.
    pub rank: usize,
    /// The size along each axis, in the file's order.
    pub shape: [usize; 8],
}

/// The options at a pointer of C, or the defaults.
///
/// # Safety
/// The pointers of `given` are NULL or valid, as the header demands.
pub(crate) unsafe fn options(given: Option<&Options>) -> Result<sepconv::Options> {
    let mut options = sepconv::Options::default();
    let Some(given) = given else { return Ok(options) };
    if given.threads != 0 {
        options = options.threads(given.threads);
    }
    if given.batch != 0 {
        options = options.batch(given.batch);
    }
    // SAFETY: what this function demands.
    for input in unsafe { slice(given.shapes, given.shape_count, "options.shapes") }? {
        // SAFETY: what this function demands.
        let name = unsafe { text(input.name, "name of an input in options.shapes") }?;
        let shape = input.shape.get(..input.rank).ok_or_else(|| {
            sepconv::Error::argument("input has too many axes")
                .at(format!("options.shapes, input {name:?}"))
                .expected(format_args!("at most {}", input.shape.len()), input.rank)
        })?;
        options = options.shape(name, shape);
    }
    // SAFETY: what this function demands.
    let (isa, tuned) =
        unsafe { (optional_text(given.isa, "options.isa")?, optional_path(given.tuned, "options.tuned")?) };
    if let Some(isa) = isa {
        options = options.isa(isa);
    }
    if let Some(path) = tuned {
        options = options.tuned(Tuned::open(path)?);
    }
    let mut limits = Limits::default();
    if given.max_memory != 0 {
        limits.max_memory = given.max_memory;
    }
    if given.max_macs != 0 {
        limits.max_macs = given.max_macs;
    }
    Ok(options.limits(limits))
}
