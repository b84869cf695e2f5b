use std::path::PathBuf;
use std::{env, fs};

/// Compiles the network that `MODEL` names, within the budgets `RAM` and `FLASH` where they are set.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    for variable in ["MODEL", "RAM", "FLASH"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let model = env::var("MODEL").map_err(|_| "MODEL is not set: the path of a network (.tflite, .onnx)")?;
    let mut network = sepconv_build::compile(model)?.named("network").target("riscv32".parse()?);
    if let Ok(ram) = env::var("RAM") {
        network = network.ram(ram);
    }
    if let Ok(flash) = env::var("FLASH") {
        network = network.flash(flash);
    }
    network.emit()?;

    // Where the linker finds the memory of the device.
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("memory.x"), include_str!("memory.x"))?;
    println!("cargo::rustc-link-search={}", out.display());
    println!("cargo::rerun-if-changed=memory.x");
    Ok(())
}
