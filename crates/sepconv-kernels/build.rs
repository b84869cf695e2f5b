//! Tells the code whether the processor has Arm's DSP extension and hardware for f32, which no stable `cfg` says.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(arm_dsp, arm_fpu)");
    let target = std::env::var("TARGET").unwrap_or_default();
    if target.starts_with("thumbv7em-") {
        println!("cargo::rustc-cfg=arm_dsp");
        if target.ends_with("hf") {
            println!("cargo::rustc-cfg=arm_fpu");
        }
    }
}
