//! Finding the shared data.

use std::path::{Path, PathBuf};

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
