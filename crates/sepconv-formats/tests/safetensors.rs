//! Files of `.safetensors`: what is valid is read, what is forged is refused with an error that names the tensor.

use sepconv_core::{ErrorKind, Limits, Result, Tensor};
use sepconv_formats::safetensors;

/// The bytes of a file with this header.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

fn parse(bytes: &[u8]) -> Result<Vec<(String, Tensor)>> {
    safetensors::parse(bytes, &Limits::default())
}

/// One tensor called "a", and the bytes behind the header.
fn one(dtype: &str, shape: &str, offsets: &str, data: &[u8]) -> Vec<u8> {
    let header = format!(r#"{{"a":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#);
    file(&header, data)
}

fn two(first: (usize, usize), second: (usize, usize), names: [&str; 2]) -> Vec<u8> {
    let entry = |name: &str, (begin, end): (usize, usize)| {
        let elements = end.wrapping_sub(begin) / 4;
        format!(r#""{name}":{{"dtype":"F32","shape":[{elements}],"data_offsets":[{begin},{end}]}}"#)
    };
    file(&format!("{{{},{}}}", entry(names[0], first), entry(names[1], second)), &[0; 8])
}

fn valid() -> Vec<u8> {
    let header = concat!(
        r#"{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2,1],"data_offsets":[8,16]},"#,
        r#""n":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"#,
        r#""none":{"dtype":"F32","shape":[0,3],"data_offsets":[16,16]}} "#
    );
    file(header, &[&(-3i64).to_le_bytes()[..], &1.5f32.to_le_bytes(), &(-2f32).to_le_bytes()].concat())
}

#[test]
fn tensors_come_in_the_order_of_the_header() {
    let expected = [
        ("w".to_owned(), Tensor::f32([2, 1], [1.5, -2.0]).unwrap()),
        ("n".to_owned(), Tensor::i64([], [-3]).unwrap()),
        ("none".to_owned(), Tensor::f32([0, 3], []).unwrap()),
    ];
    assert_eq!(parse(&valid()).unwrap(), expected);
    assert_eq!(parse(&file("{}", &[])).unwrap(), []);
}

#[test]
fn floats_are_widened() {
    for (dtype, bytes, value) in [
        ("F16", &[0x00, 0xc0][..], -2.0),
        ("BF16", &[0x49, 0xc0], -3.140_625),
        ("F32", &0.1f32.to_le_bytes(), 0.1),
        ("F64", &0.5f64.to_le_bytes(), 0.5),
    ] {
        let read = parse(&one(dtype, "[1]", &format!("[0,{}]", bytes.len()), bytes)).unwrap();
        assert_eq!(read[0].1, Tensor::f32([1], [value]).unwrap(), "{dtype}");
    }
}

/// Whatever is missing at the end is noticed, wherever the cut is.
#[test]
fn every_truncation_is_an_error() {
    let whole = valid();
    for len in 0..whole.len() {
        let error = parse(&whole[..len]).expect_err("a part of a file");
        assert_eq!(error.kind(), ErrorKind::Malformed, "cut at {len}: {error}");
    }
}

/// A byte may change the numbers and still be valid; it never causes a panic.
#[test]
fn no_changed_byte_panics() {
    let whole = valid();
    for at in 0..whole.len() {
        for byte in 0..=255 {
            let mut changed = whole.clone();
            changed[at] = byte;
            let _ = parse(&changed);
        }
    }
}

#[test]
fn forged_files_are_refused_with_a_reason() {
    let huge = u64::MAX.to_string();
    let long_header = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
    let over_limit = [&(17u64 << 20).to_le_bytes()[..], b"{}"].concat();
    let deep = format!("{{\"a\":{}", "[".repeat(100_000));
    let remarks = format!("{{\"__metadata__\":{}", "[".repeat(100_000));
    let cases: &[(&str, Vec<u8>, &str)] = &[
        ("a length of everything", long_header, "header of a .safetensors file is too long"),
        ("a length above the limit", over_limit, "at most 16777216 bytes"),
        ("a header beyond the file", [&9u64.to_le_bytes()[..], b"{}"].concat(), "expected 9 bytes, got 2 bytes"),
        ("no JSON", file("pickle", &[]), "header of a .safetensors file is broken"),
        ("no object", file("[]", &[]), "an object with an entry for each tensor"),
        ("no text", file("{\"a\u{0}", &[]), "broken"),
        ("nested deeply", file(&deep, &[]), "broken"),
        ("nested deeply where nobody looks", file(&remarks, &[]), "broken"),
        ("an entry that lacks a field", file(r#"{"a":{"dtype":"F32","shape":[]}}"#, &[]), "data_offsets"),
        ("a negative size", one("F32", "[-1]", "[0,4]", &[0; 4]), "broken"),
        ("a size of 1.5", one("F32", "[1.5]", "[0,4]", &[0; 4]), "broken"),
        ("an unknown type", one("F8_E4M3", "[4]", "[0,4]", &[0; 4]), "tensor \"a\"\n   = expected floats"),
        ("fewer bytes than the shape takes", one("F32", "[2]", "[0,4]", &[0; 4]), "2 elements of 4 bytes for [2]"),
        ("more", one("F32", "[]", "[0,8]", &[0; 8]), "1 elements of 4 bytes for []"),
        ("sizes that overflow", one("F32", &format!("[{huge},2]"), "[0,4]", &[0; 4]), "larger than the address space"),
        ("sizes that overflow beside a zero", one("F32", &format!("[0,{huge},2]"), "[0,0]", &[]), "tensor \"a\""),
        ("a product of 2^64", one("F32", "[4294967296,4294967296]", "[0,0]", &[]), "larger than the address space"),
        ("nine axes", one("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]", &[0; 4]), "too many axes"),
        ("an end before the begin", one("F32", "[1]", "[4,0]", &[0; 4]), "got 4 to 0"),
        ("an end beyond the file", one("F32", "[2]", "[0,8]", &[0; 4]), "at most 4, got 0 to 8"),
        ("an end at the end of numbers", one("F32", "[1]", &format!("[0,{huge}]"), &[0; 4]), "at most 4"),
        ("data behind the last tensor", one("F32", "[1]", "[0,4]", &[0; 5]), "expected 4 bytes behind the header"),
        ("a gap at the begin", one("F32", "[1]", "[4,8]", &[0; 8]), "a range from 0"),
        ("an overlap", two((0, 8), (4, 8), ["a", "b"]), "tensor \"b\"\n   = expected a range from 8"),
        ("one range twice", two((0, 8), (0, 8), ["a", "b"]), "tensor \"b\""),
        ("one name twice", two((0, 4), (4, 8), ["a", "a"]), "two tensors have one name\n  --> tensor \"a\""),
    ];
    for (what, bytes, reason) in cases {
        let error = parse(bytes).expect_err(what).to_string();
        assert!(error.contains(reason), "{what}: {error}");
    }
}

#[test]
fn memory_is_limited() {
    let limits = Limits { max_memory: 15, ..Limits::default() };
    let error = safetensors::parse(&valid(), &limits).expect_err("16 bytes");
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("tensor \"n\""), "{error}");
}

#[test]
fn what_is_written_is_read() {
    let tensors = vec![
        ("b \"quoted\"".to_owned(), Tensor::f32([2, 1], vec![1.5, -2.0]).unwrap()),
        ("a".to_owned(), Tensor::i64([1], vec![-3]).unwrap()),
        ("none".to_owned(), Tensor::f32([0, 3], vec![]).unwrap()),
        ("bytes".to_owned(), Tensor::u8([3], vec![1, 2, 255]).unwrap()),
    ];
    let bytes = safetensors::write(&tensors).unwrap();
    assert_eq!(parse(&bytes).unwrap(), tensors);
    assert_eq!((bytes.len() - 8 - 8 - 3) % 8, 0, "elements begin where every type may");
    assert!(parse(&safetensors::write(&[]).unwrap()).unwrap().is_empty());
    let twice = [tensors[1].clone(), tensors[1].clone()];
    assert!(safetensors::write(&twice).unwrap_err().to_string().contains("one name"));
}
