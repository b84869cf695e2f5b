//! Starting the program, and a folder to do it in.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The warning for a file without pre-processing.
pub(crate) const ASSUMED: &str = "warning: assuming --preprocess torch: the model file does not say how images are normalized, and a wrong \
                                  guess costs accuracy\n";

/// What a run of the program left behind.
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Outcome {
    /// Standard output as JSON: one document on one line.
    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.out.matches('\n').count(), 1, "{}", self.out);
        serde_json::from_str(&self.out).unwrap()
    }
}

/// The program, with no instruction set asked for.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sepconv"));
    command.env_remove("SEPCONV_ISA");
    command
}

/// Runs the program to its end.
pub(crate) fn sepconv<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Outcome {
    finish(program().args(args))
}

/// Runs a prepared program to its end.
pub(crate) fn finish(command: &mut Command) -> Outcome {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Outcome { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// A file that is part of the project, under `examples/`.
pub(crate) fn example(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name).display().to_string()
}

/// An empty folder for one test.
pub(crate) fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Writes an image of one color and of this width and height.
pub(crate) fn paint_large(path: &Path, [width, height]: [usize; 2], color: [u8; 3]) {
    let image = sepconv::Image::from_rgb(width, height, color.repeat(width * height)).unwrap();
    std::fs::write(path, image.to_png()).unwrap();
}

/// Writes an image of one color.
pub(crate) fn paint(path: &Path, color: [u8; 3]) {
    paint_large(path, [50, 40], color);
}
