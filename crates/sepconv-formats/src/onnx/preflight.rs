//! What decoding a file would allocate, before it does.
//!
//! A message takes two bytes in a file and a hundred times that in memory, so a file of a few megabytes could ask for
//! gigabytes. Numbers grow at most eightfold, which only has to fit memory; raw data does not grow.

use bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use sepconv_core::{Error, Result, probe_memory};

/// The most messages and strings that a file may hold: twenty for each node of the largest graph.
const MOST: usize = 400_000;

/// What a field of a message holds.
enum Field {
    /// A string, or a message of which the decoder keeps nothing but numbers.
    Leaf,
    /// Packed numbers: a byte of the file becomes this many in memory at most, twice as many while their list grows.
    Numbers(usize),
    /// A message with fields that count.
    Message(&'static [(u32, Field)]),
}

use Field::{Leaf, Message, Numbers};

const TENSOR: Field =
    Message(&[(4, Numbers(2)), (5, Numbers(8)), (7, Numbers(16)), (10, Numbers(2)), (11, Numbers(16)), (13, Leaf)]);
// A node may hold graphs.
static NODE_FIELDS: [(u32, Field); 3] = [(1, Leaf), (2, Leaf), (5, Message(&ATTRIBUTE_FIELDS))];
static ATTRIBUTE_FIELDS: [(u32, Field); 5] =
    [(5, TENSOR), (6, Message(&GRAPH_FIELDS)), (7, Numbers(2)), (8, Numbers(16)), (9, Leaf)];
const SHAPE: Field = Message(&[(1, Leaf)]);
const VALUE: Field = Message(&[(2, Message(&[(1, Message(&[(2, SHAPE)]))]))]);
static GRAPH_FIELDS: [(u32, Field); 4] = [(1, Message(&NODE_FIELDS)), (5, TENSOR), (11, VALUE), (12, VALUE)];
static FUNCTION_FIELDS: [(u32, Field); 4] =
    [(4, Leaf), (5, Leaf), (7, Message(&NODE_FIELDS)), (11, Message(&ATTRIBUTE_FIELDS))];
static MODEL: [(u32, Field); 4] = [(7, Message(&GRAPH_FIELDS)), (8, Leaf), (14, Leaf), (25, Message(&FUNCTION_FIELDS))];

/// Messages inside each other that the decoder follows at most.
const MAX_DEPTH: usize = 100;

/// What was counted so far.
#[derive(Default)]
struct Preflight {
    /// Messages and strings.
    parts: usize,
    /// Bytes in memory that numbers take.
    numbers: usize,
}

/// Fails where the file holds more messages and strings than any sensible network, or more numbers than fit memory.
/// What is damaged is left to the decoder, which stops at the same place.
pub(super) fn check(file: &[u8]) -> Result<()> {
    let mut preflight = Preflight::default();
    let _ = preflight.take(file, &MODEL, MAX_DEPTH);
    if preflight.parts > MOST {
        return Err(Error::limit("file has too many parts")
            .expected(format_args!("at most {MOST} nodes, tensors, attributes and names"), "more"));
    }
    probe_memory(preflight.numbers)
}

impl Preflight {
    /// Counts to the end of a message; `None` where it is damaged or there are too many parts.
    fn take(&mut self, mut message: &[u8], fields: &[(u32, Field)], depth: usize) -> Option<()> {
        while message.has_remaining() {
            let (tag, wire) = decode_key(&mut message).ok()?;
            let field = fields.iter().find(|(field, _)| *field == tag).filter(|_| wire == WireType::LengthDelimited);
            let Some((_, field)) = field else {
                skip_field(wire, tag, &mut message, DecodeContext::default()).ok()?;
                continue;
            };
            let length = usize::try_from(decode_varint(&mut message).ok()?).ok()?;
            let (part, rest) = message.split_at_checked(length)?;
            message = rest;
            if let Numbers(growth) = field {
                self.numbers = self.numbers.saturating_add(growth.saturating_mul(length));
                continue;
            }
            self.parts += 1;
            if self.parts > MOST {
                return None;
            }
            if let Message(fields) = field {
                self.take(part, fields, depth.checked_sub(1)?)?;
            }
        }
        Some(())
    }
}
