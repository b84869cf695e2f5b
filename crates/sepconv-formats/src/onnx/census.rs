//! What decoding a file would allocate, before it does.
//!
//! A message takes two bytes in a file and a hundred times that in memory, so a file of a few megabytes could ask for gigabytes.
//! Numbers and raw data grow at most eightfold and need no counting.

use bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use sepconv_core::{Error, Result};

/// The most messages and strings that a file may hold: twenty for each node of the largest graph.
const MOST: usize = 400_000;

/// The fields of a message that hold further messages or strings, with theirs.
struct Fields(&'static [(u32, Fields)]);

const LEAF: Fields = Fields(&[]);
const TENSOR: Fields = Fields(&[(13, LEAF)]);
const ATTRIBUTE: Fields = Fields(&[(5, TENSOR)]);
const NODE: Fields = Fields(&[(1, LEAF), (2, LEAF), (5, ATTRIBUTE)]);
const SHAPE: Fields = Fields(&[(1, LEAF)]);
const VALUE: Fields = Fields(&[(2, Fields(&[(1, Fields(&[(2, SHAPE)]))]))]);
const GRAPH: Fields = Fields(&[(1, NODE), (5, TENSOR), (11, VALUE), (12, VALUE)]);
const MODEL: Fields = Fields(&[(7, GRAPH), (8, LEAF), (14, LEAF)]);

/// Fails where the file holds more messages and strings than any sensible network. What is damaged is left to the decoder, which
/// stops at the same place.
pub(super) fn check(file: &[u8]) -> Result<()> {
    let mut count = 0;
    let _ = take(file, &MODEL, &mut count);
    if count > MOST {
        return Err(Error::limit("file has too many parts")
            .expected(format_args!("at most {MOST} nodes, tensors, attributes and names"), "more"));
    }
    Ok(())
}

/// Counts to the end of a message; `None` where it is damaged or there are too many.
fn take(mut message: &[u8], fields: &Fields, count: &mut usize) -> Option<()> {
    while message.has_remaining() {
        let (tag, wire) = decode_key(&mut message).ok()?;
        match fields.0.iter().find(|(field, _)| *field == tag) {
            Some((_, inner)) if wire == WireType::LengthDelimited => {
                let length = usize::try_from(decode_varint(&mut message).ok()?).ok()?;
                let (part, rest) = message.split_at_checked(length)?;
                *count += 1;
                if *count > MOST {
                    return None;
                }
                if !inner.0.is_empty() {
                    take(part, inner, count)?;
                }
                message = rest;
            }
            _ => skip_field(wire, tag, &mut message, DecodeContext::default()).ok()?,
        }
    }
    Some(())
}
