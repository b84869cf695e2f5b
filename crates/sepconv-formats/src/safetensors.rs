//! Tensors under their names in a `.safetensors` file: how PyTorch's state dicts are passed on without running code.
//!
//! The format is <https://huggingface.co/docs/safetensors>: eight bytes that give the length of a JSON header, the
//! header, and the elements, which the header's byte ranges must cover without gaps or overlaps.

use std::fmt;
use std::path::Path;

use sepconv_core::{DType, Error, Limits, Result, Shape, Tensor};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::element::ElementType;
use crate::file;
use crate::recognize::mistaken;

/// A tensor takes about 100 bytes of header; networks have a few thousand of them.
const MAX_HEADER: usize = 16 << 20;
/// Bytes of the longest name of a tensor.
const LONGEST_NAME: usize = 1000;

/// The reserved name of the file's metadata.
const REMARKS: &str = "__metadata__";

/// Reads a `.safetensors` file: every tensor with its name, in the order of the header.
///
/// Floats of any width become `f32`, bytes stay `u8` or `i8`, wider integers and booleans become `i64`.
///
/// # Errors
/// When the file cannot be read or is not of this format, when it holds other elements, or when it or its tensors take
/// more than `limits.max_memory`.
pub fn read(path: &Path, limits: &Limits) -> Result<Vec<(String, Tensor)>> {
    let bytes = file::read_checked(path, limits.max_memory as u64, check_head)?;
    parse(&bytes, limits).map_err(|error| error.in_file(&path.display().to_string()))
}

/// Fails for what begins as no file of this format does.
fn check_head(head: &[u8]) -> Result<()> {
    let Some((&length, header)) = head.split_first_chunk() else { return split(head).map(|_| ()) };
    // Blanks may stand before the header's first brace.
    let is_header = header.trim_ascii_start().first().is_none_or(|&first| first == b'{');
    if u64::from_le_bytes(length) <= MAX_HEADER as u64 && is_header {
        return Ok(());
    }
    let other = || Error::malformed("not a .safetensors file").help("weights are read from .safetensors files");
    Err(mistaken(head, "a .safetensors file").unwrap_or_else(other))
}

/// The bytes of a `.safetensors` file with these tensors, in this order.
///
/// # Errors
/// When two have one name, or a name is too long to be read again.
pub fn write(tensors: &[(String, Tensor)]) -> Result<Vec<u8>> {
    let mut end = 0;
    let entries = tensors.iter().map(|(name, tensor)| {
        let begin = end;
        end += tensor.bytes().len();
        let dtype = match tensor.dtype() {
            DType::F32 => "F32",
            DType::U8 => "U8",
            DType::I8 => "I8",
            DType::I64 => "I64",
        };
        (name.clone(), Entry { dtype: dtype.to_owned(), shape: tensor.shape().to_vec(), data_offsets: (begin, end) })
    });
    let entries: Vec<(String, Entry)> = entries.collect();
    check_names(&entries)?;
    let fields: Vec<String> = entries.iter().map(|(name, entry)| field(name, entry)).collect();
    let mut header = format!("{{{}}}", fields.join(","));
    // Elements begin where every type may.
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    tensors.iter().for_each(|(_, tensor)| bytes.extend(tensor.bytes()));
    Ok(bytes)
}

/// A tensor's field of the header.
fn field(name: &str, Entry { dtype, shape, data_offsets: (begin, end) }: &Entry) -> String {
    let name = serde_json::Value::from(name);
    format!("{name}:{{\"dtype\":\"{dtype}\",\"shape\":{shape:?},\"data_offsets\":[{begin},{end}]}}")
}

/// Reads the bytes of a `.safetensors` file.
///
/// # Errors
/// As [`read`], but for the file itself.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Vec<(String, Tensor)>> {
    let (header, data) = split(bytes)?;
    let Header(entries) = serde_json::from_slice(header)
        .map_err(|error| Error::malformed(format!("header of a .safetensors file is broken: {error}")))?;
    check_names(&entries)?;
    check_ranges(&entries, data.len())?;
    let mut room = limits.max_memory;
    let tensors = entries.into_iter().map(|(name, entry)| {
        let tensor = tensor(&entry, data, &mut room).map_err(|error| error.at(place(&name)))?;
        Ok((name, tensor))
    });
    tensors.collect()
}

/// The header of a file, entries in its order.
struct Header(Vec<(String, Entry)>);

/// What the header says of a tensor.
#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    /// Where the elements begin and end, counted from the end of the header.
    data_offsets: (usize, usize),
}

/// A map of the standard library would lose the order, and all but the last of equal names.
impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with an entry for each tensor")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> std::result::Result<Header, M::Error> {
                let mut entries = vec![];
                while let Some(name) = map.next_key::<String>()? {
                    if name == REMARKS {
                        map.next_value::<IgnoredAny>()?;
                    } else {
                        entries.push((name, map.next_value()?));
                    }
                }
                Ok(Header(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// The header and the data behind it.
fn split(bytes: &[u8]) -> Result<(&[u8], &[u8])> {
    let short = |what, expected: String, got| Error::malformed(what).expected(expected, format_args!("{got} bytes"));
    let (len, rest) = bytes.split_first_chunk().ok_or_else(|| {
        short("file is too short for a .safetensors file", "8 bytes and a header".to_owned(), bytes.len())
    })?;
    let len = u64::from_le_bytes(*len);
    let known = usize::try_from(len).ok().filter(|&len| len <= MAX_HEADER);
    let known = known.ok_or_else(|| {
        Error::limit("header of a .safetensors file is too long")
            .expected(format_args!("at most {MAX_HEADER} bytes"), len)
            .help("its first eight bytes are the length of the header: is this a .safetensors file?")
    })?;
    rest.split_at_checked(known)
        .ok_or_else(|| short("header of a .safetensors file is cut off", format!("{known} bytes"), rest.len()))
}

fn check_names(entries: &[(String, Entry)]) -> Result<()> {
    let mut names: Vec<&String> = entries.iter().map(|(name, _)| name).collect();
    // Errors tell names: they stay readable.
    if let Some(name) = names.iter().find(|name| name.len() > LONGEST_NAME) {
        return Err(Error::malformed("name of a tensor is too long")
            .expected(format_args!("at most {LONGEST_NAME} bytes"), name.len()));
    }
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Error::malformed("two tensors have one name").at(place(pair[0]))),
        None => Ok(()),
    }
}

/// Ranges cover the data, one behind the other: bytes that belong to two tensors or to none have no meaning.
fn check_ranges(entries: &[(String, Entry)], len: usize) -> Result<()> {
    let mut sorted: Vec<(&String, (usize, usize))> =
        entries.iter().map(|(name, entry)| (name, entry.data_offsets)).collect();
    sorted.sort_unstable_by_key(|&(_, range)| range);
    let mut covered = 0;
    for (name, (begin, end)) in sorted {
        if begin != covered || end < begin || end > len {
            return Err(Error::malformed("bytes of a tensor are not where they can be")
                .at(place(name))
                .expected(format_args!("a range from {covered} to at most {len}"), format_args!("{begin} to {end}")));
        }
        covered = end;
    }
    if covered != len {
        return Err(Error::malformed("tensors do not cover the data").expected(
            format_args!("{covered} bytes behind the header, where the last tensor ends"),
            format_args!("{len} bytes"),
        ));
    }
    Ok(())
}

/// A tensor whose range is known to lie in `data`. It is taken from the `room` that memory has left.
fn tensor(entry: &Entry, data: &[u8], room: &mut usize) -> Result<Tensor> {
    let element = element(&entry.dtype).ok_or_else(|| ElementType::unknown(format_args!("{:?}", entry.dtype)))?;
    let shape = Shape::new(entry.shape.as_slice())?;
    let memory = shape.elements() * element.dtype().size();
    *room = room.checked_sub(memory).ok_or_else(|| {
        Error::limit("tensors take too much memory")
            .expected(format_args!("at most {room} bytes more"), memory)
            .help("raise Limits::max_memory (--max-memory) if the file is trusted")
    })?;
    let (begin, end) = entry.data_offsets;
    element.tensor(&data[begin..end], shape)
}

fn element(dtype: &str) -> Option<ElementType> {
    Some(match dtype {
        "F16" => ElementType::F16,
        "BF16" => ElementType::BF16,
        "F32" => ElementType::F32,
        "F64" => ElementType::F64,
        "BOOL" => ElementType::Bool,
        "I8" => ElementType::I8,
        "U8" => ElementType::U8,
        "I16" => ElementType::I16,
        "U16" => ElementType::U16,
        "I32" => ElementType::I32,
        "U32" => ElementType::U32,
        "I64" => ElementType::I64,
        "U64" => ElementType::U64,
        _ => return None,
    })
}

fn place(name: &str) -> String {
    format!("tensor {name:?}")
}
