use std::fs;
use std::path::Path;

use sepconv::{Image, ImageInput, Layout, Model, Preprocess};
use sepconv_serve::Settings;
use serde_json::json;

use crate::client::{Running, colors, numbers, options, served};

fn picture(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name)).unwrap()
}

/// The header of a request of images.
fn header(name: &str, shape: &[usize], size: usize) -> serde_json::Value {
    json!({
        "inputs": [{"name": name, "datatype": "BYTES", "shape": shape, "parameters": {"binary_data_size": size}}],
        "parameters": {"binary_data_output": true},
    })
}

/// Each element behind its length.
fn elements(files: &[&[u8]]) -> Vec<u8> {
    files.iter().flat_map(|file| [&(file.len() as u32).to_le_bytes()[..], file].concat()).collect()
}

#[test]
fn images_give_what_their_tensors_give() {
    let server = Running::colors();
    let file = picture("chelsea.png");
    let input = ImageInput::new(&[1, 3, 33, 33], Layout::Nchw).unwrap();
    let tensor = input.tensor(&Image::decode(&file).unwrap(), &Preprocess::torch()).unwrap();
    let mut session = colors().compile(&options()).unwrap().session().unwrap();
    let expected = session.run(&[&tensor]).unwrap()[0].as_f32().unwrap().to_vec();
    let binary = elements(&[&file]);
    for shape in [&[1][..], &[1, 1]] {
        let answer = server.infer("colors", &header("image", shape, binary.len()), &binary);
        assert_eq!(numbers(answer.binary()), expected);
    }
    let answer = server.send("POST", "/v2/models/colors/infer", &[("Content-Type", "image/png")], &file);
    let scores: Vec<f32> = serde_json::from_value(answer.json()["outputs"][0]["data"].clone()).unwrap();
    assert_eq!(scores, expected);
}

/// A network whose input is int8: pixels as they are, and quantized ones.
#[test]
fn images_become_int8_inputs() {
    let graph = || {
        use sepconv::op::{Dequantize, QuantParams};
        let mut builder = sepconv::Builder::new(sepconv::Limits::default());
        let shape = sepconv::Shape::new([1, 3, 2, 2]).unwrap();
        let x = builder.input("x", shape, sepconv::DType::U8).unwrap();
        let params = QuantParams::per_tensor(sepconv::DType::U8, 1.0 / 64.0, 0);
        let y = builder.node("y", Dequantize(params), &[x]).unwrap();
        builder.output("y", y);
        builder.finish()
    };
    let served = |name: &str, preprocess: &str| {
        let model = Model::from_graph("it", graph(), Preprocess::raw());
        served(name, model, 1).with_preprocess(preprocess.parse().unwrap())
    };
    let server = Running::start(vec![served("raw", "raw"), served("half", "128/128")], Settings::default());
    let file = Image::from_rgb(2, 2, [0, 160, 255].repeat(4)).unwrap().to_png();
    for (name, expected) in [("raw", [0.0, 2.5, 3.984_375]), ("half", [0.0, 0.25, 1.0])] {
        let answer = server.send("POST", &format!("/v2/models/{name}/infer"), &[("Content-Type", "image/png")], &file);
        let values: Vec<f32> = serde_json::from_value(answer.json()["outputs"][0]["data"].clone()).unwrap();
        assert_eq!([values[0], values[4], values[8]], expected, "{name}");
    }
}

#[test]
fn classes_have_names() {
    let server = Running::start(vec![served("cifar", Model::default_classifier().unwrap(), 1)], Settings::default());
    let input = server.get("/v2/models/cifar").json()["inputs"][0]["name"].as_str().unwrap().to_owned();
    let output = server.get("/v2/models/cifar").json()["outputs"][0]["name"].as_str().unwrap().to_owned();
    let binary = elements(&[&picture("chelsea.png")]);
    let mut request = header(&input, &[1], binary.len());
    request["outputs"] = json!([{"name": output, "parameters": {"classification": 2, "binary_data": false}}]);
    let answer = server.infer("cifar", &request, &binary).json()["outputs"][0].clone();
    assert_eq!((&answer["datatype"], &answer["shape"]), (&json!("BYTES"), &json!([1, 2])));
    let best = answer["data"][0].as_str().unwrap();
    assert!(best.ends_with(":3:cat"), "{answer}");

    request["outputs"] = json!([{"name": output, "parameters": {"classification": 99, "binary_data": true}}]);
    let answer = server.infer("cifar", &request, &binary);
    assert_eq!(answer.json()["outputs"][0]["shape"], json!([1, 10]));
    let length = u32::from_le_bytes(answer.binary()[..4].try_into().unwrap()) as usize;
    assert_eq!(&answer.binary()[4..4 + length], best.as_bytes());
    request["outputs"] = json!([{"name": output, "parameters": {"classification": 0}}]);
    server.infer("cifar", &request, &binary).error(400);
}

#[test]
fn what_is_no_image_is_told() {
    let server = Running::colors();
    let file = picture("chelsea.png");
    let image = [("Content-Type", "image/jpeg")];
    for (bytes, told) in [
        (&b""[..], "not an image"),
        (b"GIF89a", "GIF"),
        (&file[..file.len() / 2], "damaged"),
        (b"no image", "not an image"),
    ] {
        let message = server.send("POST", "/v2/models/colors/infer", &image, bytes).error(400);
        assert!(message.contains(told), "{message}");
    }
    for (shape, binary, told) in [
        (&[1][..], file.clone(), "elements do not fill"),
        (&[1], elements(&[&file])[..1000].to_vec(), "elements do not fill"),
        (&[1], elements(&[&file, &file]), "elements do not fill"),
        (&[1], vec![1, 0, 0], "elements do not fill"),
        (&[2], elements(&[&file, &file]), "shape must be that of 1 to 1 images"),
        (&[0], vec![0; 4], "shape must be that of 1 to 1 images"),
        (&[usize::MAX, 2], elements(&[&file]), "shape must be that of 1 to 1 images"),
    ] {
        let message = server.infer("colors", &header("image", shape, binary.len()), &binary).error(400);
        assert!(message.contains(told), "{shape:?}: {message}");
    }
    let none = server.infer("colors", &header("image", &[1], 0), b" ").error(400);
    assert!(none.contains("behind the last tensor") || none.contains("announced"), "{none}");
}
