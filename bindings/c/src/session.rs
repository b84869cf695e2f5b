use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;
use std::sync::{Mutex, MutexGuard, TryLockError};

use sepconv::{DType, Error, Result, TensorInfo, TensorView, TensorViewMut};

use crate::compiled::{Compiled, bytes};
use crate::pointers::{object, optional_text, slice, slice_mut};
use crate::status::{Status, free, guard, hand_out, null};

/// What one worker runs a network with: memory and threads.
pub struct Session(Mutex<sepconv::Session>);

/// A tensor to be read.
#[repr(C)]
pub struct Input {
    /// The name of the input. NULL: it is the one at the same position.
    pub name: *const c_char,
    /// The elements, without gaps, the last axis the fastest.
    pub data: *const c_void,
    /// Bytes at `data`: as many as sepconv_tensor.size.
    pub size: usize,
}

/// A tensor to be written.
#[repr(C)]
pub struct Output {
    /// The name of the output. NULL: it is the one at the same position.
    pub name: *const c_char,
    /// Where the elements go. They must not overlap with others.
    pub data: *mut c_void,
    /// Bytes at `data`: as many as sepconv_tensor.size.
    pub size: usize,
    /// Set by a run that succeeds: the bytes that were written. Fewer than `size` where the length depends on the data.
    pub written: usize,
}

/// Makes memory and threads for one worker. The weights are shared, not copied.
#[unsafe(no_mangle)]
pub extern "C" fn sepconv_session_new(
    compiled: Option<&Compiled>,
    session: Option<&mut MaybeUninit<Option<Box<Session>>>>,
) -> Status {
    hand_out(session, || {
        let session = compiled.ok_or_else(|| null("compiled"))?.model.session()?;
        Ok(Session(Mutex::new(session)))
    })
}

/// Runs the network: reads all its inputs and writes all its outputs, each given once, in the order of the network or by
/// name. Results are the same, bit for bit, for any number of threads. A network that keeps state goes on from the run
/// before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sepconv_run(
    session: *mut Session,
    inputs: *const Input,
    input_count: usize,
    outputs: *mut Output,
    output_count: usize,
) -> Status {
    guard(|| {
        // SAFETY: the caller's object and arrays, as the header demands.
        unsafe {
            let session = object(session, "session")?;
            session.run(slice(inputs, input_count, "inputs")?, slice_mut(outputs, output_count, "outputs")?)
        }
    })
}

/// Forgets what runs have left in a network that keeps state: the next run starts as the first did.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sepconv_reset(session: *mut Session) -> Status {
    guard(|| {
        // SAFETY: the caller's object, as the header demands.
        lock(&unsafe { object(session, "session") }?.0)?.reset();
        Ok(())
    })
}

/// Frees a session.
#[unsafe(no_mangle)]
pub extern "C" fn sepconv_session_free(session: Option<Box<Session>>) {
    free(session);
}

/// The only use of a worker. A lock that is held elsewhere is an error, not a wait: two threads would take turns.
pub(crate) fn lock<T>(worker: &Mutex<T>) -> Result<MutexGuard<'_, T>> {
    match worker.try_lock() {
        Ok(worker) => Ok(worker),
        Err(TryLockError::Poisoned(worker)) => Ok(worker.into_inner()),
        Err(TryLockError::WouldBlock) => Err(Error::argument("another thread is using this session or classifier")
            .help("make one for each thread: they share the weights")),
    }
}

impl Session {
    /// # Safety
    /// Pointers of `inputs` and `outputs` are NULL or lead to as many bytes as they say.
    unsafe fn run(&self, inputs: &[Input], outputs: &mut [Output]) -> Result<()> {
        let mut session = lock(&self.0)?;
        let model = session.model().clone();
        check_overlap(inputs, outputs)?;
        // SAFETY: what this function demands.
        let (input_order, output_order) = unsafe {
            let (inputs, outputs) = (inputs.iter().map(|input| input.name), outputs.iter().map(|output| output.name));
            (
                order("input", inputs, model.inputs(), |name| model.input_index(name))?,
                order("output", outputs, model.outputs(), |name| model.output_index(name))?,
            )
        };
        // SAFETY: what this function demands.
        let view = |(info, i): (_, usize)| unsafe { view(info, &inputs[i]) };
        let views = model.inputs().iter().zip(input_order).map(view).collect::<Result<Vec<_>>>()?;
        // SAFETY: what this function demands; nothing overlaps.
        let target = |(info, &i): (_, &usize)| unsafe { view_mut(info, &outputs[i]) };
        let mut targets = model.outputs().iter().zip(&output_order).map(target).collect::<Result<Vec<_>>>()?;
        if model.plan().outputs().iter().any(|output| output.is_open()) {
            for (tensor, &i) in session.run(&views)?.iter().zip(&output_order) {
                let bytes = TensorView::from(tensor).bytes();
                // SAFETY: what this function demands; a tensor is no longer than the output, which `view_mut` checked.
                unsafe { slice_mut(outputs[i].data.cast(), bytes.len(), "data") }?.copy_from_slice(bytes);
                outputs[i].written = bytes.len();
            }
        } else {
            session.run_into(&views, &mut targets)?;
            outputs.iter_mut().for_each(|output| output.written = output.size);
        }
        Ok(())
    }
}

/// For each tensor of the network, the position among the caller's of the one that is for it.
///
/// # Safety
/// `names` are NULL or texts.
unsafe fn order(
    what: &str,
    names: impl ExactSizeIterator<Item = *const c_char>,
    infos: &[TensorInfo],
    index: impl Fn(&str) -> Result<usize>,
) -> Result<Vec<usize>> {
    if names.len() != infos.len() {
        return Err(
            Error::argument(format!("network has another number of {what}s")).expected(infos.len(), names.len())
        );
    }
    let mut order = vec![None; infos.len()];
    for (i, name) in names.enumerate() {
        // SAFETY: what this function demands.
        let position = unsafe { optional_text(name, "name") }?.map_or(Ok(i), &index)?;
        if order[position].replace(i).is_some() {
            let error = Error::argument(format!("{what} occurs twice"));
            return Err(error.at(format!("{what} {:?}", infos[position].name)));
        }
    }
    // As many as the network has, and none twice: all are there.
    Ok(order.into_iter().flatten().collect())
}

/// Fails where an output shares memory with another tensor.
fn check_overlap(inputs: &[Input], outputs: &[Output]) -> Result<()> {
    let range = |start: usize, size: usize| start..start.saturating_add(size);
    let mut others: Vec<_> = inputs.iter().map(|input| range(input.data.addr(), input.size)).collect();
    for (i, output) in outputs.iter().enumerate() {
        let range = range(output.data.addr(), output.size);
        if others.iter().any(|other| other.start < range.end && range.start < other.end) {
            return Err(Error::argument("output overlaps another tensor").at(format!("output {i}")));
        }
        others.push(range);
    }
    Ok(())
}

fn check_size(info: &TensorInfo, size: usize) -> Result<()> {
    let TensorInfo { name, shape, dtype, .. } = info;
    if size == bytes(info) {
        return Ok(());
    }
    Err(Error::argument("tensor has another size")
        .at(format!("{name:?}"))
        .expected(format_args!("{} bytes ({dtype} {shape})", bytes(info)), format_args!("{size} bytes")))
}

/// # Safety
/// The data of `input` is NULL or as many bytes as it says.
unsafe fn view<'a>(info: &'a TensorInfo, input: &Input) -> Result<TensorView<'a>> {
    check_size(info, input.size)?;
    let (shape, len, data) = (&info.shape[..], info.shape.elements(), input.data);
    // SAFETY: what this function demands; the size is right.
    unsafe {
        match info.dtype {
            DType::F32 => TensorView::f32(shape, slice(data.cast(), len, "data")?),
            DType::U8 => TensorView::u8(shape, slice(data.cast(), len, "data")?),
            DType::I8 => TensorView::i8(shape, slice(data.cast(), len, "data")?),
            DType::I64 => TensorView::i64(shape, slice(data.cast(), len, "data")?),
        }
    }
}

/// # Safety
/// The data of `output` is NULL or as many bytes as it says, which nothing else reads or writes.
unsafe fn view_mut<'a>(info: &'a TensorInfo, output: &Output) -> Result<TensorViewMut<'a>> {
    check_size(info, output.size)?;
    let (shape, len, data) = (&info.shape[..], info.shape.elements(), output.data);
    // SAFETY: what this function demands; the size is right.
    unsafe {
        match info.dtype {
            DType::F32 => TensorViewMut::f32(shape, slice_mut(data.cast(), len, "data")?),
            DType::U8 => TensorViewMut::u8(shape, slice_mut(data.cast(), len, "data")?),
            DType::I8 => TensorViewMut::i8(shape, slice_mut(data.cast(), len, "data")?),
            DType::I64 => TensorViewMut::i64(shape, slice_mut(data.cast(), len, "data")?),
        }
    }
}
