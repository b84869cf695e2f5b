//! The name that programs find the shared library by: one for each version that may break them.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if matches!(env::var("CARGO_CFG_TARGET_OS").as_deref(), Ok("linux" | "android")) {
        let version = format!("{}.{}", env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"));
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libsepconv.so.{version}");
    }
}
