//! Files that are wrong in one known way each, and what is said about them. Every file is made here; the texts are
//! snapshots, so that a change of words is seen and a text that helps nobody does not slip in. None may panic, and none
//! may make us allocate much.

mod external;
#[allow(dead_code, reason = "it serves the tests of the reader, which write more kinds of fields")]
#[path = "../../../sepconv-formats/tests/tflite/writer.rs"]
mod flatbuffer;
mod images;
mod limits;
mod mutations;
mod onnx;
mod protobuf;
mod tables;
mod tensors;
mod tflite;

use std::fmt::{Display, Write};

use allocation_counter::measure;
use sepconv::{DType, Model, Options, Result, Session, Tensor};

/// What a hostile file may make us allocate at a time, beside a few times its own size: what SECURITY.md says of a
/// small image.
const MOST_BYTES: u64 = 128 << 20;

/// A file: what is wrong with it, and its bytes.
type Case = (&'static str, Vec<u8>);

/// Reads, compiles and runs each network; what is said about it.
fn networks(extension: &str, cases: impl IntoIterator<Item = Case>) -> String {
    texts(cases, |name, bytes| {
        let model = Model::from_bytes(format!("{}.{extension}", name.replace(' ', "_")), bytes)?;
        let mut session = model.compile(&Options::default().threads(1))?.session()?;
        answer(&mut session)
    })
}

/// The first numbers of each output, for an input of ones.
fn answer(session: &mut Session) -> Result<String> {
    let one = |shape: &sepconv::Shape, dtype| match dtype {
        DType::F32 => Tensor::f32(shape.to_vec(), vec![1.0; shape.elements()]),
        _ => Ok(Tensor::zeros(shape.clone(), dtype)),
    };
    let inputs: Vec<Tensor> =
        session.inputs().iter().map(|info| one(&info.shape, info.dtype)).collect::<Result<_>>()?;
    let outputs = session.run(&inputs.iter().collect::<Vec<_>>())?;
    let told = outputs.iter().map(|output| match output.as_f32() {
        Some(list) => format!("answer: f32 {} {:?}", output.shape(), &list[..list.len().min(4)]),
        None => format!("answer: {} {}", output.dtype(), output.shape()),
    });
    Ok(told.collect::<Vec<_>>().join("\n"))
}

/// What `read` says about each case, under its name. Fails where it allocates more than a file of that size should make
/// it.
fn texts<T: Display>(cases: impl IntoIterator<Item = Case>, read: impl Fn(&str, Vec<u8>) -> Result<T>) -> String {
    let mut text = String::new();
    for (name, bytes) in cases {
        // Told where the test fails, above all where it panics.
        println!("{name}");
        let most = MOST_BYTES + 8 * bytes.len() as u64;
        let mut said = String::new();
        let allocated = measure(|| {
            said = match read(name, bytes) {
                Ok(answer) => answer.to_string(),
                Err(error) => format!("{:?}: {error}", error.kind()),
            }
        });
        assert!(allocated.bytes_max <= most, "{name}: allocates {} bytes", allocated.bytes_max);
        writeln!(text, "## {name}\n{said}\n").expect("a string takes all");
    }
    text
}
