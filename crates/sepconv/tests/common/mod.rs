//! Finding the shared data, and reading its arrays.

use std::path::{Path, PathBuf};

use sepconv::Tensor;

/// The folder of models and photographs, or a printed reason why the test that asks does nothing.
pub(crate) fn data() -> Option<PathBuf> {
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("SEPCONV_DATA").map_or(usual, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var_os("SEPCONV_REQUIRE_DATA").is_some();
    assert!(!required, "SEPCONV_REQUIRE_DATA is set, but there is no data in {}", folder.display());
    println!("skipped: no data in {} (SEPCONV_DATA names another place)", folder.display());
    None
}

/// The shape and elements of a .npy file, as floats.
pub(crate) fn read_array(path: &Path) -> (Vec<usize>, Vec<f32>) {
    let (_, tensor): (String, Tensor) = sepconv::npy::read(path, &sepconv::Limits::default()).unwrap().remove(0);
    let elements = match (tensor.as_f32(), tensor.as_i64()) {
        (Some(x), _) => x.to_vec(),
        (_, x) => x.unwrap().iter().map(|&x| x as f32).collect(),
    };
    (tensor.shape().to_vec(), elements)
}
