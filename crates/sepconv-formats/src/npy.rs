//! Tensors in NumPy's files: `.npy` for one, `.npz` (a ZIP archive of `.npy`) for several, or the bare bytes of floats.
//!
//! The format is <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>. Ours because the crates that
//! read it bring a parser of Python literals and C libraries for compression along.

use std::collections::HashSet;
use std::path::Path;

use sepconv_core::op::Transpose;
use sepconv_core::{Data, Error, Limits, Op, Result, Shape, Tensor, probe_memory};

use crate::recognize::mistaken;
use crate::{ElementType, file, zip};

const MAGIC: &[u8] = b"\x93NUMPY";
const ZIP_MAGIC: &[u8] = b"PK";
/// A header holds a dozen words; longer ones are not ours to read.
const MAX_HEADER: usize = 1 << 16;

/// Reads a `.npy` or `.npz` file. The one tensor of a `.npy` file is named after the file.
///
/// Floats of any width become `f32`, bytes stay `u8` or `i8`, wider integers and booleans become `i64`.
///
/// # Errors
/// When the file cannot be read or is neither, when it holds other elements, or when it takes more than
/// `limits.max_memory`.
pub fn read(path: &Path, limits: &Limits) -> Result<Vec<(String, Tensor)>> {
    let bytes = file::read_checked(path, limits.max_memory as u64, |head| {
        let is_numpy = head.starts_with(MAGIC) || head.starts_with(ZIP_MAGIC);
        if is_numpy { Ok(()) } else { Err(unknown(head)) }
    })?;
    let name = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    parse(&bytes, &name, limits).map_err(|error| error.in_file(&path.display().to_string()))
}

/// Reads the bytes of a `.npy` file, whose one tensor is called `name`, or of a `.npz` file.
///
/// # Errors
/// As [`read`], but for the file itself.
pub fn parse(bytes: &[u8], name: &str, limits: &Limits) -> Result<Vec<(String, Tensor)>> {
    if bytes.starts_with(MAGIC) {
        return Ok(vec![(name.to_owned(), tensor(bytes, limits.max_memory)?)]);
    }
    if !bytes.starts_with(ZIP_MAGIC) {
        return Err(unknown(bytes));
    }
    let mut room = limits.max_memory;
    let files = zip::read(bytes, room, |name| name.ends_with(".npy"))?;
    let tensors = files.into_iter().map(|(name, data)| {
        let name = name.strip_suffix(".npy").unwrap_or(&name).to_owned();
        let tensor = tensor(&data, room).map_err(|error| error.at(format!("array {name:?}")))?;
        room = room.saturating_sub(memory(&tensor));
        Ok((name, tensor))
    });
    let tensors = tensors.collect::<Result<Vec<_>>>()?;
    match twice(tensors.iter().map(|(name, _)| name.as_str())) {
        Some(name) => Err(Error::malformed("two arrays have one name").at(format!("array {name:?}"))),
        None => Ok(tensors),
    }
}

/// The error for bytes that begin otherwise.
fn unknown(head: &[u8]) -> Error {
    mistaken(head, "a .npy or .npz file").unwrap_or_else(|| Error::malformed("neither a .npy nor a .npz file"))
}

/// Little-endian `f32` elements and nothing else.
///
/// # Errors
/// When there are more or fewer bytes than the shape takes.
pub fn read_raw(bytes: &[u8], shape: Shape) -> Result<Tensor> {
    let expected = shape.elements() * size_of::<f32>();
    if bytes.len() != expected {
        return Err(Error::mismatch("bytes do not fill the shape")
            .expected(format_args!("{expected} bytes for {shape}"), bytes.len()));
    }
    let data = bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    Tensor::new(shape, Data::F32(data))
}

/// A tensor to be written.
#[derive(Clone, Copy, Debug)]
pub struct Array<'a> {
    /// Its name in an archive.
    pub name: &'a str,
    /// Its elements.
    pub tensor: &'a Tensor,
    /// The type that they are written as: one that is [held](ElementType::dtype) as the tensor's own, else that.
    pub element: ElementType,
}

impl<'a> Array<'a> {
    /// A tensor whose elements are written as they are.
    pub fn new(name: &'a str, tensor: &'a Tensor) -> Self {
        Self { name, tensor, element: tensor.dtype().into() }
    }
}

/// Writes arrays under exactly their names: as `.npz` when there are several or `path` ends so, else as `.npy`. Readers
/// of `path` see the old file or the new one, never a part. NumPy has no bf16: it becomes f32.
///
/// # Errors
/// When two names are equal, or the operating system refuses.
pub fn write(path: &Path, arrays: &[Array<'_>]) -> Result<()> {
    let is_archive = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz"));
    let bytes = match arrays {
        [array] if !is_archive => npy(array)?,
        arrays => npz(arrays)?,
    };
    file::write(path, &bytes)
}

fn memory(tensor: &Tensor) -> usize {
    tensor.shape().elements() * tensor.dtype().size()
}

/// One array.
fn tensor(bytes: &[u8], limit: usize) -> Result<Tensor> {
    let (header, data) = split(bytes).ok_or_else(|| Error::malformed("array has no complete header"))?;
    let field = |key: &str| {
        header.split_once(key).map(|(_, rest)| rest.trim_start()).ok_or_else(|| {
            Error::malformed("header of an array is incomplete").expected(key, format_args!("{:?}", excerpt(header)))
        })
    };
    let bad = |key: &str, rest: &str| {
        Error::unsupported(format!("header of an array has an unknown {key}"))
            .expected("a type like '<f4', True or False, sizes in parentheses", format_args!("{:?}", excerpt(rest)))
    };
    let descr = field("'descr':")?;
    let kind = descr.strip_prefix('\'').and_then(|rest| rest.split_once('\'')).map(|(kind, _)| kind);
    let (big, element) = kind.and_then(element).ok_or_else(|| bad("descr", descr))?;
    let order = field("'fortran_order':")?;
    let fortran = order.starts_with("True");
    if !fortran && !order.starts_with("False") {
        return Err(bad("fortran_order", order));
    }
    let sizes = field("'shape':")?;
    let mut dims = sizes.strip_prefix('(').and_then(|rest| rest.split_once(')')).and_then(|(sizes, _)| numbers(sizes));
    let dims = dims.take().ok_or_else(|| bad("shape", sizes))?;
    let shape = Shape::new(dims)?;
    let bytes = shape.elements() * element.dtype().size();
    if bytes > limit {
        return Err(Error::limit("array takes too much memory").expected(format_args!("at most {limit} bytes"), bytes));
    }
    if big {
        probe_memory(data.len())?;
    }
    let tensor = match big {
        true => element.tensor(&little_endian(data, element.size()), shape)?,
        false => element.tensor(data, shape)?,
    };
    if !fortran {
        return Ok(tensor);
    }
    probe_memory(bytes)?;
    let shape = tensor.shape().clone();
    let reversed = Shape::new(shape.iter().rev().copied().collect::<Vec<_>>())?;
    Op::Transpose(Transpose { order: (0..shape.len()).rev().collect() }).evaluate(&[&tensor.reshape(reversed)?], &shape)
}

/// The header's text, and the data behind it.
fn split(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (version, rest) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<2>()?;
    let (len, rest) = match version[0] {
        1 => rest.split_first_chunk().map(|(len, rest)| (u16::from_le_bytes(*len).into(), rest))?,
        2 | 3 => rest.split_first_chunk().map(|(len, rest)| (u32::from_le_bytes(*len) as usize, rest))?,
        _ => return None,
    };
    let (header, data) = rest.split_at_checked(len).filter(|_| len <= MAX_HEADER)?;
    Some((std::str::from_utf8(header).ok()?, data))
}

/// Sizes with commas between them and perhaps behind.
fn numbers(text: &str) -> Option<Vec<usize>> {
    let text = text.trim();
    let text = text.strip_suffix(',').unwrap_or(text);
    if text.is_empty() {
        return Some(vec![]);
    }
    text.split(',').take(Shape::MAX_RANK + 1).map(|size| size.trim().parse().ok()).collect()
}

fn excerpt(text: &str) -> String {
    text.chars().take(40).collect()
}

/// The types that NumPy has, as headers name them behind the byte order.
const KINDS: [(&str, ElementType); 12] = [
    ("f2", ElementType::F16),
    ("f4", ElementType::F32),
    ("f8", ElementType::F64),
    ("b1", ElementType::Bool),
    ("i1", ElementType::I8),
    ("u1", ElementType::U8),
    ("i2", ElementType::I16),
    ("u2", ElementType::U16),
    ("i4", ElementType::I32),
    ("u4", ElementType::U32),
    ("i8", ElementType::I64),
    ("u8", ElementType::U64),
];

/// A type like `<f4`: whether its elements are big-endian, and what they are.
fn element(kind: &str) -> Option<(bool, ElementType)> {
    let (order, kind) = kind.split_at_checked(1)?;
    let big = match order {
        "<" | "|" | "=" => false,
        ">" => true,
        _ => return None,
    };
    let (_, element) = KINDS.iter().find(|(name, _)| *name == kind)?;
    Some((big, *element))
}

/// What [`element`] reads as these little-endian elements.
fn descr(element: ElementType) -> String {
    let order = if element.size() == 1 { '|' } else { '<' };
    let kind = KINDS.iter().find(|(_, known)| *known == element).map_or("f4", |(name, _)| name);
    format!("{order}{kind}")
}

/// The bytes of each element in the other order.
fn little_endian(data: &[u8], size: usize) -> Vec<u8> {
    let mut bytes = data.to_vec();
    bytes.chunks_mut(size).for_each(<[u8]>::reverse);
    bytes
}

/// The bytes of a `.npy` file.
fn npy(array: &Array<'_>) -> Result<Vec<u8>> {
    let element = match array.element {
        ElementType::BF16 => ElementType::F32,
        element => element,
    };
    // The elements once as bytes and once behind a header.
    let (held, written) = (array.tensor.dtype().size(), element.size());
    probe_memory(2 * array.tensor.shape().elements() * held.max(written))?;
    let (element, data) = element.encode(array.tensor);
    let sizes: String = array.tensor.shape().iter().map(|size| format!("{size}, ")).collect();
    let kind = descr(element);
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({}), }}", sizes.trim_end());
    // The data begin at a multiple of 64, behind ten bytes and a line end.
    let padding = (10 + header.len() + 1).next_multiple_of(64) - (10 + header.len() + 1);
    header.extend(std::iter::repeat_n(' ', padding));
    header.push('\n');
    // At most eight sizes of twenty digits: far below 2^16.
    let length = (header.len() as u16).to_le_bytes();
    Ok([MAGIC, &[1, 0], &length, header.as_bytes(), &data].concat())
}

/// The bytes of a `.npz` file, nothing compressed.
fn npz(arrays: &[Array<'_>]) -> Result<Vec<u8>> {
    if let Some(name) = twice(arrays.iter().map(|array| array.name)) {
        return Err(Error::argument("two arrays have one name").at(format!("array {name:?}")));
    }
    let file = |array: &Array<'_>| Ok((format!("{}.npy", array.name), npy(array)?));
    zip::write(&arrays.iter().map(file).collect::<Result<Vec<_>>>()?)
}

/// A name that comes a second time.
fn twice<'a>(names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = HashSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}
