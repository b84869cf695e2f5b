use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use sepconv_core::{Error, Result, probe_memory};

use super::proto::TensorProto;

/// `TensorProto.data_location` of tensors that are stored outside the model file.
pub(super) const EXTERNAL: i32 = 1;

/// Where tensors that are stored beside the model file may be read from: a directory that the caller named, or nowhere.
#[derive(Clone, Copy)]
pub(super) struct External<'a> {
    pub(super) directory: Option<&'a Path>,
    pub(super) max_bytes: usize,
}

impl External<'_> {
    /// The `expected` bytes of a tensor. Nothing outside the directory is opened, whatever the file says, and nothing
    /// is allocated before the data is known to be there.
    pub(super) fn read(&self, proto: &TensorProto, expected: usize) -> Result<Vec<u8>> {
        let Some(directory) = self.directory else {
            return Err(Error::unsupported("tensor is stored outside the model file").help(
                "allow the directory that it is in: Model::with_external_data (--external-data DIR); no other is read",
            ));
        };
        let entry = |key: &str| proto.external_data.iter().find(|entry| entry.key == key).map(|entry| &*entry.value);
        let location = entry("location").ok_or_else(|| Error::malformed("external tensor has no location"))?;
        let number = |key: &str| entry(key).map(|text| parse(key, text)).transpose();
        let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
        let mut file = open(directory, location)?;
        let available = file.metadata().map_err(|e| io(location, &e))?.len().saturating_sub(offset);
        let length = length.unwrap_or(available);
        if length != expected as u64 || length > available {
            return Err(Error::malformed("external data does not fill the tensor").expected(
                format_args!("{expected} bytes"),
                format_args!("{length} of {available} bytes from {offset} in {location:?}"),
            ));
        }
        if expected > self.max_bytes {
            return Err(Error::limit("external data takes too much memory")
                .expected(format_args!("at most {} bytes", self.max_bytes), expected));
        }
        probe_memory(expected)?;
        let mut bytes = vec![0; expected];
        file.seek(SeekFrom::Start(offset)).and_then(|_| file.read_exact(&mut bytes)).map_err(|e| io(location, &e))?;
        Ok(bytes)
    }
}

/// The file that holds a tensor's data, where it is stored outside the model file in `directory`, whether or not it may
/// be read.
pub(super) fn path(directory: &Path, proto: &TensorProto) -> Option<PathBuf> {
    let is_external = proto.data_location == EXTERNAL;
    let location = proto.external_data.iter().find(|entry| is_external && entry.key == "location")?;
    Some(directory.join(&location.value))
}

/// Opens a regular file below `directory`, checking the path as written and, with links followed, as it is.
fn open(directory: &Path, location: &str) -> Result<File> {
    let outside = || {
        Error::malformed("external data lies outside the directory it may be read from")
            .expected("a relative path without \"..\" or links that lead out", format_args!("{location:?}"))
    };
    let plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    if location.is_empty() || location.contains(['\\', ':', '\0']) || !Path::new(location).components().all(plain) {
        return Err(outside());
    }
    let directory = directory.canonicalize().map_err(|e| io(&directory.to_string_lossy(), &e))?;
    let path = directory.join(location).canonicalize().map_err(|e| io(location, &e))?;
    if !path.starts_with(&directory) {
        return Err(outside());
    }
    // A pipe or device would block or never end.
    if !path.metadata().map_err(|e| io(location, &e))?.is_file() {
        return Err(Error::malformed("external data is not a regular file").at(format!("{location:?}")));
    }
    File::open(&path).map_err(|e| io(location, &e))
}

fn parse(key: &str, text: &str) -> Result<u64> {
    text.parse().map_err(|_| {
        Error::malformed(format!("external tensor has an unreadable {key}"))
            .expected("a number of bytes", format_args!("{text:?}"))
    })
}

fn io(path: &str, error: &std::io::Error) -> Error {
    Error::io(format!("external data {path:?} cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use sepconv_core::{ErrorKind, Tensor};

    use super::*;
    use crate::onnx::proto::StringStringEntryProto;
    use crate::onnx::tensor::tensor;

    /// `secret.bin` beside a directory `models` that holds `weights.bin`: two floats after four bytes of something
    /// else.
    fn directory(name: &str) -> PathBuf {
        let root = std::env::temp_dir().join(format!("sepconv-{name}-{}", std::process::id()));
        fs::create_dir_all(root.join("models/part")).expect("a directory for the test");
        let bytes: Vec<u8> = [0.0f32, 1.5, -2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        for file in ["secret.bin", "models/weights.bin", "models/part/weights.bin"] {
            fs::write(root.join(file), &bytes).expect("a file for the test");
        }
        root
    }

    fn read(directory: Option<&Path>, entries: &[(&str, &str)]) -> Result<Tensor> {
        let entry = |&(key, value): &(&str, &str)| StringStringEntryProto { key: key.into(), value: value.into() };
        let external_data = entries.iter().map(entry).collect();
        let proto = TensorProto { dims: vec![2], data_type: 1, data_location: 1, external_data, ..Default::default() };
        tensor(&proto, External { directory, max_bytes: 8 })
    }

    #[test]
    fn tensors_are_read_from_the_named_directory_only() {
        let root = directory("named");
        let models = root.join("models");
        for location in ["weights.bin", "./weights.bin", "part/weights.bin"] {
            let tensor = read(Some(&models), &[("location", location), ("offset", "4"), ("length", "8")]);
            assert_eq!(tensor.expect(location).as_f32(), Some(&[1.5, -2.0][..]));
        }
        let error = read(None, &[("location", "weights.bin"), ("offset", "4")]).expect_err("nothing was named");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("--external-data DIR"), "{error}");
        fs::remove_dir_all(root).expect("the test's own directory");
    }

    #[test]
    fn paths_that_lead_out_are_refused() {
        let root = directory("outside");
        let models = root.join("models");
        let absolute = models.join("weights.bin").to_string_lossy().into_owned();
        for location in [
            "../secret.bin",
            "part/../../secret.bin",
            "part/../weights.bin",
            "C:secret",
            "..\\secret.bin",
            "",
            &absolute,
        ] {
            refused(&models, location);
        }
        fs::remove_dir_all(root).expect("the test's own directory");
    }

    #[cfg(unix)]
    #[test]
    fn links_that_lead_out_are_refused() {
        let root = directory("links");
        let models = root.join("models");
        for (target, link, location) in [("../secret.bin", "link.bin", "link.bin"), ("..", "up", "up/secret.bin")] {
            std::os::unix::fs::symlink(target, models.join(link)).expect("a link for the test");
            refused(&models, location);
        }
        fs::remove_dir_all(root).expect("the test's own directory");
    }

    fn refused(directory: &Path, location: &str) {
        let error = read(Some(directory), &[("location", location), ("offset", "4")]).expect_err(location);
        assert!(error.to_string().starts_with("external data lies outside"), "{location}: {error}");
    }

    #[test]
    fn lengths_are_checked_before_anything_is_allocated() {
        let root = directory("lengths");
        let models = root.join("models");
        let cases: [&[(&str, &str)]; 6] = [
            &[("location", "weights.bin")],
            &[("location", "weights.bin"), ("offset", "8")],
            &[("location", "weights.bin"), ("offset", "18446744073709551615"), ("length", "8")],
            &[("location", "weights.bin"), ("offset", "4"), ("length", "4")],
            &[("location", "weights.bin"), ("offset", "-4")],
            &[("location", "part")],
        ];
        for entries in cases {
            let error = read(Some(&models), entries).expect_err("the data does not fit");
            assert_eq!(error.kind(), ErrorKind::Malformed, "{entries:?}: {error}");
        }
        let missing = read(Some(&models), &[("location", "none.bin")]).expect_err("no such file");
        assert_eq!(missing.kind(), ErrorKind::Io);
        fs::remove_dir_all(root).expect("the test's own directory");
    }
}
