//! Files that are often given by mistake, told by their first bytes.

use sepconv_core::Error;

/// What a file is, and what its owner can do.
struct Known {
    what: &'static str,
    advice: &'static str,
    is_such: fn(&[u8]) -> bool,
}

const CONVERT: &str = "export the network as .onnx or .tflite";
const UNPACK: &str = "unpack it first";
const PYTORCH: &str = "a PyTorch checkpoint holds weights without a network, and code: export the network with torch.onnx.export, or its \
                       state dict with safetensors.torch.save_file";

/// In the order in which they are tried: the special before the general.
const KNOWN: &[Known] = &[
    Known {
        what: "a Git LFS pointer, not the file itself",
        advice: "fetch the file with `git lfs pull`",
        is_such: |head| head.starts_with(b"version https://git-lfs"),
    },
    Known {
        what: "an HTML page",
        advice: "the download led to a page about the file; look for its direct link",
        is_such: |head| has_tag(head, b"<!doctype html") || has_tag(head, b"<html"),
    },
    Known {
        what: "XML, perhaps a network of OpenVINO",
        advice: CONVERT,
        is_such: |head| has_tag(head, b"<?xml") || has_tag(head, b"<net "),
    },
    Known {
        what: "a .safetensors file",
        advice: "it holds weights without a network: give the network by name and the file with --weights",
        is_such: is_safetensors,
    },
    Known {
        what: "a PyTorch checkpoint (a ZIP archive with a pickle)",
        advice: PYTORCH,
        is_such: |head| is_zip(head) && contains(head, b"data.pkl"),
    },
    Known {
        what: "a .npz archive of arrays",
        advice: "`run --input` takes arrays; the network is another file",
        is_such: |head| is_zip(head) && contains(head, b".npy"),
    },
    Known { what: "a Keras model", advice: CONVERT, is_such: |head| is_zip(head) && contains(head, b"config.json") },
    Known { what: "a ZIP archive", advice: "unpack it, and give the model file in it", is_such: is_zip },
    Known {
        what: "a pickle, perhaps a PyTorch checkpoint",
        advice: PYTORCH,
        is_such: |head| matches!(head, [0x80, 2..=5, ..]),
    },
    Known {
        what: "a .npy array",
        advice: "the network is another file",
        is_such: |head| head.starts_with(b"\x93NUMPY"),
    },
    Known {
        what: "an HDF5 file, perhaps a Keras model",
        advice: CONVERT,
        is_such: |head| head.starts_with(b"\x89HDF\r\n"),
    },
    Known { what: "a gzip archive", advice: UNPACK, is_such: |head| head.starts_with(b"\x1f\x8b") },
    Known { what: "an xz archive", advice: UNPACK, is_such: |head| head.starts_with(b"\xfd7zXZ\0") },
    Known { what: "a tar archive", advice: UNPACK, is_such: |head| head.get(257..262) == Some(b"ustar") },
    Known { what: "a GGUF language model", advice: CONVERT, is_such: |head| head.starts_with(b"GGUF") },
    Known { what: "an ncnn network", advice: CONVERT, is_such: |head| head.starts_with(b"7767517") },
    Known {
        what: "an image",
        advice: "images stand before the network: sepconv classify IMAGE --model MODEL",
        is_such: |head| head.starts_with(b"\x89PNG") || head.starts_with(b"\xff\xd8\xff"),
    },
    Known { what: "JSON", advice: CONVERT, is_such: |head| text_start(head).starts_with(b"{") },
];

/// The error for a file that should be `expected` and is, by its first bytes, one of those that are often given in its
/// place.
pub fn mistaken(head: &[u8], expected: &str) -> Option<Error> {
    let known = KNOWN.iter().find(|known| (known.is_such)(head))?;
    Some(Error::malformed("file is of another kind").expected(expected, known.what).help(known.advice))
}

/// What follows a byte order mark and blanks.
fn text_start(head: &[u8]) -> &[u8] {
    head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start()
}

fn has_tag(head: &[u8], tag: &[u8]) -> bool {
    text_start(head).get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag))
}

fn is_zip(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04")
}

fn contains(head: &[u8], part: &[u8]) -> bool {
    head.windows(part.len()).any(|window| window == part)
}

/// A length that a header can have, and the beginning of its JSON.
fn is_safetensors(head: &[u8]) -> bool {
    let Some((length, header)) = head.split_first_chunk() else { return false };
    u64::from_le_bytes(*length) < 1 << 30 && header.starts_with(b"{\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_by_their_first_bytes() {
        let tar = [&[0; 257][..], b"ustar"].concat();
        let cases: &[(&[u8], &str)] = &[
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "Git LFS"),
            (b"\xef\xbb\xbf\n <!DOCTYPE HTML><title>", "HTML"),
            (b"<?xml version=\"1.0\"?><net name=\"a\">", "OpenVINO"),
            (b"\x40\0\0\0\0\0\0\0{\"weight\":", "safetensors"),
            (b"PK\x03\x04....archive/data.pkl", "PyTorch checkpoint (a ZIP"),
            (b"PK\x03\x04....x.npy", "npz"),
            (b"PK\x03\x04....metadata.json..config.json", "Keras"),
            (b"PK\x03\x04....readme", "a ZIP archive"),
            (b"\x80\x02}q\0", "pickle"),
            (b"\x1f\x8b\x08", "gzip"),
            (&tar, "tar"),
            (b"7767517\n75 83\n", "ncnn"),
            (b"\xff\xd8\xff\xe0", "image"),
            (b" {\"format\": 1}", "JSON"),
        ];
        for (head, name) in cases {
            let text = mistaken(head, "a model").expect(name).to_string();
            let start = "file is of another kind\n   = expected a model, got ";
            assert!(text.starts_with(start) && text.contains(name), "{text}");
        }
    }

    #[test]
    fn models_are_none_of_them() {
        // ONNX by two exporters, TensorFlow Lite, and nothing at all.
        let models: [&[u8]; 4] = [b"\x08\x08\x12\x07pytorch", b"\x08\x04\x12\x08tf2onnx", b"\x1c\0\0\0TFL3", b""];
        assert!(models.iter().all(|head| mistaken(head, "a model").is_none()));
    }
}
