use std::path::PathBuf;
use std::{env, fs};

/// Compiles the network that `MODEL` names for the target of the build, within the budgets `RAM` and `FLASH` where they
/// are set.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    for variable in ["MODEL", "RAM", "FLASH"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let model = env::var("MODEL").map_err(|_| "MODEL is not set: the path of a network (.tflite, .onnx)")?;
    let target = match env::var("TARGET")?.split('-').next() {
        Some("thumbv7em") => "cortex-m4",
        Some("thumbv6m") => "cortex-m0plus",
        Some("riscv32imac") => "riscv32",
        _ => "generic",
    };
    let mut network = sepconv_build::compile(model)?.named("network").target(target.parse()?);
    if let Ok(ram) = env::var("RAM") {
        network = network.ram(ram);
    }
    if let Ok(flash) = env::var("FLASH") {
        network = network.flash(flash);
    }
    network.emit()?;

    // Where the linker finds the memory of the device.
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::copy("memory.x", out.join("memory.x"))?;
    println!("cargo::rustc-link-search={}", out.display());
    println!("cargo::rerun-if-changed=memory.x");
    Ok(())
}
