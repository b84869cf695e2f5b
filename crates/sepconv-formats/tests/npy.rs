//! NumPy's files: what is written is read again, what NumPy writes is read, and what is broken is refused.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use sepconv_core::{Data, ErrorKind, Limits, Shape, Tensor};
use sepconv_formats::ElementType;
use sepconv_formats::npy::{self, Array};

/// A folder of its own for a test, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sepconv-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The bytes of a version 1 file with this header.
fn array(header: &str, data: &[u8]) -> Vec<u8> {
    let len = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &len[..], header.as_bytes(), data].concat()
}

fn parse(bytes: &[u8]) -> sepconv_core::Result<Tensor> {
    npy::parse(bytes, "x", &Limits::default()).map(|mut tensors| tensors.remove(0).1)
}

fn header(kind: &str, shape: &str) -> String {
    format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n")
}

#[test]
fn tensors_survive_a_round_trip() {
    let folder = Folder::new("npy-round-trip");
    let tensors = [
        Tensor::f32([2, 3], [1.0, -0.0, f32::INFINITY, f32::MIN_POSITIVE, 3.5, -7.25]).unwrap(),
        Tensor::i64([2], [i64::MIN, i64::MAX]).unwrap(),
        Tensor::f32([], [4.0]).unwrap(),
        Tensor::u8([3], [0, 1, 255]).unwrap(),
        Tensor::i8([3, 1], [-128, 0, 127]).unwrap(),
        Tensor::f32([0, 5], []).unwrap(),
    ];
    for tensor in &tensors {
        let path = folder.0.join("one.npy");
        npy::write(&path, &[Array::new("ignored", tensor)]).unwrap();
        assert_eq!(npy::read(&path, &Limits::default()).unwrap(), [("one".to_owned(), tensor.clone())]);
        let path = folder.0.join("one.npz");
        npy::write(&path, &[Array::new("a/b", tensor)]).unwrap();
        assert_eq!(npy::read(&path, &Limits::default()).unwrap(), [("a/b".to_owned(), tensor.clone())]);
    }
    let named: Vec<(&str, &Tensor)> = ["a", "b", "c", "d", "e", "f"].into_iter().zip(&tensors).collect();
    let path = folder.0.join("several.out");
    let arrays: Vec<Array> = named.iter().map(|(name, tensor)| Array::new(name, tensor)).collect();
    npy::write(&path, &arrays).unwrap();
    let read = npy::read(&path, &Limits::default()).unwrap();
    assert_eq!(read.iter().map(|(name, tensor)| (&**name, tensor)).collect::<Vec<_>>(), named);
    let mut files = folder.files();
    files.sort();
    assert_eq!(files, ["one.npy", "one.npz", "several.out"], "nothing is left beside the files");
}

/// Names as TensorFlow, tf2onnx and PyTorch write them, and what an archive of files would make paths of.
#[test]
fn members_are_called_exactly_as_their_tensors() {
    let folder = Folder::new("npy-names");
    let names = [
        "Identity:0",
        "Identity_1:0",
        "/a/b",
        "a/b",
        "a//b",
        "c\\d",
        "../e",
        "./f",
        "C:g",
        "ä/ö:0",
        "h/",
        "",
        "i.npy",
        "~",
        "\u{1}",
    ];
    let tensors: Vec<Tensor> = (0..names.len()).map(|i| Tensor::f32([1], [i as f32]).unwrap()).collect();
    let arrays: Vec<Array> = names.iter().zip(&tensors).map(|(name, tensor)| Array::new(name, tensor)).collect();
    let path = folder.0.join("x.npz");
    npy::write(&path, &arrays).unwrap();
    let read = npy::read(&path, &Limits::default()).unwrap();
    assert_eq!(read, names.iter().map(|name| (*name).to_owned()).zip(tensors.clone()).collect::<Vec<_>>());
    let long = "x".repeat(65_532);
    assert_eq!(npy::write(&path, &[Array::new(&long, &tensors[0])]).unwrap_err().kind(), ErrorKind::Limit);
    assert_eq!(npy::read(&path, &Limits::default()).unwrap().len(), names.len(), "the old file is still there");
}

/// An archive may hold two members of one name; which of them is meant nobody can tell.
#[test]
fn an_archive_with_two_arrays_of_one_name_is_refused() {
    let mut bytes = vec![];
    let mut archive = rawzip::ZipArchiveWriter::new(&mut bytes);
    for _ in 0..2 {
        let (mut entry, config) = archive.new_file("x.npy").start().unwrap();
        let mut writer = config.wrap(&mut entry);
        writer.write_all(&array(&header("|u1", "(1,)"), &[7])).unwrap();
        let (_, descriptor) = writer.finish().unwrap();
        entry.finish(descriptor).unwrap();
    }
    archive.finish().unwrap();
    let error = npy::parse(&bytes, "", &Limits::default()).unwrap_err();
    assert!(error.to_string().starts_with("two arrays have one name\n  --> array \"x\""), "{error}");
}

/// Exactly as NumPy would have them, which has no bf16.
#[test]
fn elements_are_written_in_the_type_that_is_asked_for() {
    let folder = Folder::new("npy-elements");
    let path = folder.0.join("x.npy");
    let bytes = |tensor: &Tensor, element| {
        npy::write(&path, &[Array { name: "", tensor, element }]).unwrap();
        let bytes = fs::read(&path).unwrap();
        (String::from_utf8(bytes[21..24].to_vec()).unwrap(), bytes[128..].to_vec())
    };
    let floats = Tensor::f32([2], [1.5, -2.0]).unwrap();
    assert_eq!(bytes(&floats, ElementType::F16), ("<f2".into(), vec![0, 0x3e, 0, 0xc0]));
    assert_eq!(bytes(&floats, ElementType::BF16).0, "<f4");
    assert_eq!(bytes(&floats, ElementType::F64).1, [1.5f64, -2.0].map(f64::to_le_bytes).concat());
    assert_eq!(bytes(&floats, ElementType::I32).0, "<f4", "floats are no integers");
    let integers = Tensor::i64([2], [1, -1]).unwrap();
    assert_eq!(bytes(&integers, ElementType::Bool), ("|b1".into(), vec![1, 1]));
    assert_eq!(bytes(&integers, ElementType::I32), ("<i4".into(), vec![1, 0, 0, 0, 255, 255, 255, 255]));
    assert_eq!(bytes(&integers, ElementType::U16), ("<u2".into(), vec![1, 0, 255, 255]));
    assert_eq!(bytes(&integers, ElementType::I64).0, "<i8");
    assert_eq!(bytes(&Tensor::i8([1], [-1]).unwrap(), ElementType::I8), ("|i1".into(), vec![255]));
}

#[test]
fn headers_are_as_numpy_writes_them() {
    let folder = Folder::new("npy-header");
    let path = folder.0.join("x.npy");
    npy::write(&path, &[Array::new("x", &Tensor::f32([3], [1.0, 2.0, 3.0]).unwrap())]).unwrap();
    let bytes = fs::read(&path).unwrap();
    assert_eq!(bytes.len(), 128 + 12);
    let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }";
    assert_eq!(bytes[..128], array(&format!("{text:<117}\n"), &[]));
}

#[test]
fn every_number_type_is_read_in_both_byte_orders() {
    let float = |kind, data: &[u8]| parse(&array(&header(kind, "(1,)"), data)).unwrap().as_f32().unwrap()[0];
    assert_eq!(float("<f2", &[0, 0xc0]), -2.0);
    assert_eq!(float("<f4", &1.5f32.to_le_bytes()), 1.5);
    assert_eq!(float(">f4", &1.5f32.to_be_bytes()), 1.5);
    assert_eq!(float("<f8", &0.1f64.to_le_bytes()), 0.1);
    let integer = |kind, data: &[u8]| parse(&array(&header(kind, "(1,)"), data)).unwrap().as_i64().unwrap()[0];
    assert_eq!(integer("|b1", &[1]), 1);
    let bytes = |kind| parse(&array(&header(kind, "(2,)"), &[1, 255])).unwrap();
    assert_eq!((bytes("|u1").as_u8(), bytes("|i1").as_i8()), (Some(&[1, 255][..]), Some(&[1, -1][..])));
    assert_eq!((integer("<u2", &[0, 255]), integer(">i2", &[255, 0])), (0xff00, -256));
    assert_eq!((integer("<u4", &[255; 4]), integer("<i4", &[255; 4])), (u32::MAX.into(), -1));
    assert_eq!((integer("<i8", &[255; 8]), integer("<u8", &[1, 0, 0, 0, 0, 0, 0, 0])), (-1, 1));
    for kind in ["<c8", "<U1", "|O", "<f16", "f4", "", "<f", "é4"] {
        assert!(parse(&array(&header(kind, "(1,)"), &[0; 4])).is_err(), "{kind}");
    }
    assert!(parse(&array(&header("<u8", "(1,)"), &[255; 8])).is_err(), "beyond i64");
}

#[test]
fn columns_first_becomes_rows_first() {
    let header = "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }";
    let tensor = parse(&array(header, &[1, 4, 2, 5, 3, 6])).unwrap();
    assert_eq!(tensor, Tensor::u8([2, 3], [1, 2, 3, 4, 5, 6]).unwrap());
}

#[test]
fn broken_arrays_are_refused() {
    let sound = array(&header("<f4", "(2, 1)"), &[0; 8]);
    assert!(parse(&sound).is_ok());
    for len in 0..sound.len() {
        assert_eq!(parse(&sound[..len]).unwrap_err().kind(), ErrorKind::Malformed, "{len} bytes");
    }
    for place in 0..sound.len() - 8 {
        for value in [0, b'(', b'9', b'\'', 0xff] {
            let mut damaged = sound.clone();
            damaged[place] = value;
            let _ = parse(&damaged);
        }
    }
    for shape in [
        "(3,)",
        "2",
        "(-2,)",
        "(2, 1",
        "(2 1)",
        "(99999999999999999999,)",
        "(1,1,1,1,1,1,1,1,2)",
        "(4294967296, 4294967296)",
    ] {
        assert!(parse(&array(&header("<f4", shape), &[0; 8])).is_err(), "{shape}");
    }
    assert!(
        parse(&array("{'descr': '<f4', 'shape': (2,)}", &[0; 8])).unwrap_err().to_string().contains("fortran_order")
    );
    assert!(parse(&array("{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}", &[0; 8])).is_err());
    let mut long = array(&header("<f4", "(2, 1)"), &[0; 8]);
    long[6] = 2;
    long.splice(8..10, u32::MAX.to_le_bytes());
    assert_eq!(parse(&long).unwrap_err().kind(), ErrorKind::Malformed);
    // Two bytes each here, eight once they are read.
    let large = array(&header("<u2", "(2000,)"), &[0; 4000]);
    let limits = Limits { max_memory: 10_000, ..Limits::default() };
    assert_eq!(npy::parse(&large, "x", &limits).unwrap_err().kind(), ErrorKind::Limit);
}

/// A `.npz` file with one array, deflated as NumPy's `savez_compressed` does.
fn deflated(data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![];
    let mut archive = rawzip::ZipArchiveWriter::new(&mut bytes);
    let (mut entry, _) =
        archive.new_file("x.npy").compression_method(rawzip::CompressionMethod::DEFLATE).start().unwrap();
    entry.write_all(&miniz_oxide::deflate::compress_to_vec(data, 6)).unwrap();
    entry.finish(rawzip::DataDescriptorOutput::new(rawzip::crc32(data), data.len() as u64)).unwrap();
    archive.finish().unwrap();
    bytes
}

#[test]
fn archives_are_inflated_within_limits() {
    let array = array(&header("|u1", "(40000,)"), &[7; 40_000]);
    let archive = deflated(&array);
    assert!(archive.len() < 1000);
    assert_eq!(parse(&archive).unwrap(), Tensor::u8([40_000], vec![7; 40_000]).unwrap());
    let limits = Limits { max_memory: 30_000, ..Limits::default() };
    assert_eq!(npy::parse(&archive, "", &limits).unwrap_err().kind(), ErrorKind::Limit);
    for len in 0..archive.len() {
        assert!(npy::parse(&archive[..len], "", &limits).is_err(), "{len} bytes");
    }
    for place in 0..archive.len() {
        let mut damaged = archive.clone();
        damaged[place] ^= 0x55;
        let _ = npy::parse(&damaged, "", &limits);
    }
    // One wrong byte of the checksum.
    let crc = rawzip::crc32(&array).to_le_bytes();
    let places = (0..archive.len() - 4).filter(|&i| archive[i..i + 4] == crc);
    let mut wrong = archive.clone();
    places.for_each(|place| wrong[place] ^= 1);
    assert!(parse(&wrong).unwrap_err().to_string().contains("x.npy"));
}

#[test]
fn bare_floats_must_fill_their_shape() {
    let bytes: Vec<u8> = [1f32, 2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    let tensor = npy::read_raw(&bytes, Shape::new([2, 1]).unwrap()).unwrap();
    assert_eq!(tensor.data(), &Data::F32(vec![1.0, 2.0]));
    for dims in [vec![], vec![3], vec![0]] {
        assert_eq!(npy::read_raw(&bytes, Shape::new(dims).unwrap()).unwrap_err().kind(), ErrorKind::Mismatch);
    }
}

#[test]
fn a_failed_write_leaves_what_was_there() {
    let folder = Folder::new("npy-failed-write");
    let (one, other) = (Tensor::f32([1], [1.0]).unwrap(), Tensor::f32([1], [2.0]).unwrap());
    let path = folder.0.join("x.npz");
    npy::write(&path, &[Array::new("x", &one)]).unwrap();
    let error = npy::write(&path, &[Array::new("x", &one), Array::new("x", &other)]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Argument);
    assert_eq!(npy::read(&path, &Limits::default()).unwrap()[0].1, one);
    assert_eq!(folder.files(), ["x.npz"]);
    let nowhere = folder.0.join("absent/x.npy");
    assert_eq!(npy::write(&nowhere, &[Array::new("x", &one)]).unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(npy::write(Path::new("/"), &[Array::new("x", &one)]).unwrap_err().kind(), ErrorKind::Argument);
    assert_eq!(npy::read(&nowhere, &Limits::default()).unwrap_err().kind(), ErrorKind::Io);
}

/// A link keeps pointing where it did, at the new contents; a device is written to, not replaced.
#[cfg(unix)]
#[test]
fn links_are_followed_and_devices_are_not_replaced() {
    use std::os::unix::fs::{FileTypeExt, symlink};

    let folder = std::env::temp_dir().join(format!("sepconv-links-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (target, link) = (folder.join("target.npy"), folder.join("link.npy"));
    std::fs::write(&target, "old").unwrap();
    symlink(&target, &link).unwrap();
    let tensor = Tensor::f32([2], [1.0, 2.0]).unwrap();
    npy::write(&link, &[Array::new("x", &tensor)]).unwrap();
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(npy::read(&target, &Limits::default()).unwrap()[0].1, tensor);
    std::fs::remove_dir_all(&folder).unwrap();

    npy::write(Path::new("/dev/null"), &[Array::new("x", &tensor)]).unwrap();
    assert!(std::fs::metadata("/dev/null").unwrap().file_type().is_char_device());
}

/// A device that never ends is refused, not read.
#[cfg(unix)]
#[test]
fn a_device_is_refused_by_its_first_bytes() {
    let limits = Limits { max_memory: 1 << 20, ..Limits::default() };
    let error = npy::read(Path::new("/dev/zero"), &limits).unwrap_err();
    assert!(error.to_string().contains("neither a .npy nor a .npz file"), "{error}");
}
