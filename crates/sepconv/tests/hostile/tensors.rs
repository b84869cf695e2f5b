//! Tensors: `.safetensors` and NumPy's files.

use sepconv::safetensors;
use sepconv::{Limits, npy};

use crate::texts;

/// The bytes of a `.safetensors` file with this header.
fn headed(header: &str, data: usize) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; data]].concat()
}

/// A file of two floats, of which the entry is given.
fn entry(dtype: &str, shape: &str, offsets: &str) -> Vec<u8> {
    headed(&format!(r#"{{"w":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#), 8)
}

#[test]
fn safe_tensors() {
    let length = |length: u64| [&length.to_le_bytes()[..], b"{}"].concat();
    let pair = |a: &str, b: &str, data: usize| {
        let entry =
            |name: &str, offsets: &str| format!(r#""{name}":{{"dtype":"U8","shape":[4],"data_offsets":{offsets}}}"#);
        headed(&format!("{{{},{}}}", entry("a", a), entry("b", b)), data)
    };
    let deep = format!("{}{}", r#"{"__metadata__":"#, "[".repeat(100_000));
    let named = |name: &str| headed(&format!(r#"{{"{name}":{{"dtype":"U8","shape":[9],"data_offsets":[0,8]}}}}"#), 8);
    let cases = [
        ("sound", entry("F32", "[2]", "[0,8]")),
        ("empty", vec![]),
        ("seven bytes", vec![0; 7]),
        ("no tensors", headed("{}", 0)),
        ("header longer than the file", length(1 << 20)),
        ("header of gigabytes", length(1 << 40)),
        ("header 2^64 - 1", length(u64::MAX)),
        ("header that is no object", headed("[]", 0)),
        ("header that is no JSON", headed("{\"w\"", 0)),
        ("header that is no text", [&2u64.to_le_bytes()[..], &[0xff, 0xfe]].concat()),
        ("lists in lists", headed(&deep, 0)),
        ("entry without a shape", headed(r#"{"w":{"dtype":"F32","data_offsets":[0,8]}}"#, 8)),
        (
            "entry twice",
            headed(
                r#"{"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#,
                0,
            ),
        ),
        ("type unknown", entry("F4", "[2]", "[0,8]")),
        ("type for a terminal to obey", entry(r"\u001b[31m", "[2]", "[0,8]")),
        ("size negative", entry("F32", "[-2]", "[0,8]")),
        ("size 2^64", entry("F32", "[18446744073709551616]", "[0,8]")),
        ("size 2^63", entry("F32", "[9223372036854775808]", "[0,8]")),
        ("size a fraction", entry("F32", "[2.5]", "[0,8]")),
        ("product wraps to 2", entry("F32", "[4294967296,4294967296,2]", "[0,8]")),
        ("product wraps beside a zero", entry("F32", "[0,4294967296,4294967296]", "[0,8]")),
        ("nine axes", entry("F32", "[1,1,1,1,1,1,1,1,2]", "[0,8]")),
        ("axes by the hundred thousand", entry("F32", &format!("[1{}]", ",1".repeat(100_000)), "[0,8]")),
        ("size larger than the data", entry("F32", "[3]", "[0,8]")),
        ("range backwards", entry("F32", "[2]", "[8,0]")),
        ("range beyond the end", entry("F32", "[4]", "[0,16]")),
        ("range 2^64 - 1", entry("F32", "[2]", "[18446744073709551607,18446744073709551615]")),
        ("range of three", entry("F32", "[2]", "[0,4,8]")),
        ("range with a gap", pair("[0,4]", "[5,9]", 9)),
        ("ranges that overlap", pair("[0,4]", "[2,6]", 6)),
        ("bytes left over", pair("[0,4]", "[4,8]", 9)),
        ("name of 10,000 bytes", named(&"n".repeat(10_000))),
        ("name for a terminal to obey", named(r"\u001b[31m\u0007")),
    ];
    insta::assert_snapshot!(texts(cases, |_, bytes| {
        let tensors = safetensors::parse(&bytes, &Limits::default())?;
        Ok(format!("answer: {} tensors", tensors.len()))
    }));
}

/// A `.npy` file with this header.
fn array(header: &str, data: usize) -> Vec<u8> {
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), &vec![0; data]].concat()
}

#[test]
fn numpy() {
    let shaped = |shape: &str| array(&format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n"), 8);
    let typed = |descr: &str| array(&format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (2,), }}\n"), 8);
    let cases = [
        ("sound", shaped("(2,)")),
        ("empty", vec![]),
        ("magic and nothing", b"\x93NUMPY".to_vec()),
        ("version 9", b"\x93NUMPY\x09\x00\x02\x00{}".to_vec()),
        ("header longer than the file", b"\x93NUMPY\x01\x00\xff\xff{".to_vec()),
        ("header of gigabytes", b"\x93NUMPY\x02\x00\xff\xff\xff\xff{".to_vec()),
        ("header without a shape", array("{'descr': '<f4', 'fortran_order': False}", 8)),
        ("header that is none", array("os.system('true')", 8)),
        ("tuples in tuples", shaped(&"(".repeat(20_000))),
        ("size negative", shaped("(-2,)")),
        ("size 2^64", shaped("(18446744073709551616,)")),
        ("product wraps", shaped("(4294967296, 4294967296, 2)")),
        ("product wraps beside a zero", shaped("(0, 4294967296, 4294967296)")),
        ("size larger than the data", shaped("(3,)")),
        ("size smaller than the data", shaped("(1,)")),
        ("nine axes", shaped("(1, 1, 1, 1, 1, 1, 1, 1, 2)")),
        ("objects", typed("|O")),
        ("big endian", typed(">f4")),
        ("type unknown", typed("<f3")),
        ("archive that is none", b"PK\x03\x04nonsense".to_vec()),
        ("archive cut off", b"PK\x05\x06".to_vec()),
        ("archive of nothing", [&b"PK\x05\x06"[..], &[0; 18]].concat()),
        ("archive with a directory outside", [&b"PK\x05\x06\0\0\0\0\x01\0\x01\0"[..], &[0xff; 8], &[0; 2]].concat()),
    ];
    insta::assert_snapshot!(texts(cases, |_, bytes| {
        let arrays = npy::parse(&bytes, "a", &Limits::default())?;
        Ok(format!("answer: {} arrays", arrays.len()))
    }));
}
