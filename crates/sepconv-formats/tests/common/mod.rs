//! Finding the data that tests share.

use std::path::{Path, PathBuf};

/// The folder that an environment variable names, or where it usually is: `SEPCONV_DATA` models and images,
/// `SEPCONV_ONNX_VECTORS` the folder `onnx/backend/test/data` of the Python package `onnx` 1.20.1. Where it is absent
/// the reason is printed, unless `SEPCONV_REQUIRE_DATA` demands that it is there.
pub(crate) fn folder(variable: &str) -> Option<PathBuf> {
    let usual = match variable {
        "SEPCONV_ONNX_VECTORS" => "../../target/onnx-vectors",
        _ => "../../../shared/data",
    };
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join(usual);
    let folder = std::env::var_os(variable).map_or(usual, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var_os("SEPCONV_REQUIRE_DATA").is_some();
    assert!(!required, "SEPCONV_REQUIRE_DATA is set, but {} is absent", folder.display());
    println!("skipped: {} is absent; {variable} names another folder", folder.display());
    None
}
