use std::thread;
use std::time::Duration;

use sepconv::op::Reshape;
use sepconv::{Builder, DType, Image, Limits, Model, Preprocess, Shape};
use sepconv_serve::{ServedModel, Settings};
use serde_json::{Value, json};

use crate::client::{PIXELS, Response, Running, colors, expected, little_endian, numbers, options, pixels, served};

/// So long that no test would end if anything waited for it.
const FOREVER: Duration = Duration::from_secs(100_000);

fn batching(batch: usize) -> Running {
    let settings = Settings { batch_delay: FOREVER, workers: 1, ..Settings::default() };
    Running::start(vec![served("colors", colors(), batch)], settings)
}

fn header(rows: usize) -> Value {
    json!({
        "inputs": [{
            "name": "image",
            "datatype": "FP32",
            "shape": [rows, 3, 33, 33],
            "parameters": {"binary_data_size": 4 * PIXELS * rows},
        }],
        "parameters": {"binary_data_output": true},
    })
}

/// Sends images of these seeds as one request.
fn infer(server: &Running, seeds: &[usize]) -> Response {
    let images: Vec<f32> = seeds.iter().flat_map(|&seed| pixels(seed)).collect();
    server.infer("colors", &header(seeds.len()), &little_endian(&images))
}

fn assert_close(found: &[f32], seeds: &[usize]) {
    let expected: Vec<f32> = seeds.iter().flat_map(|&seed| expected(&pixels(seed))).collect();
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(&expected) {
        assert!((a - b).abs() < 1e-5, "{found:?} {expected:?}");
    }
}

#[test]
fn requests_are_computed_together() {
    let server = batching(4);
    thread::scope(|scope| {
        for seeds in [&[1][..], &[2, 3], &[4]] {
            let server = &server;
            scope.spawn(move || assert_close(&numbers(infer(server, seeds).binary()), seeds));
        }
    });
    assert_eq!(server.metric("sepconv_batch_size_count{model=\"colors\"}"), 1.0);
    assert_eq!(server.metric("sepconv_batch_size_sum{model=\"colors\"}"), 4.0);
    let whole = infer(&server, &[5, 6, 7, 8]);
    assert_eq!(whole.json()["outputs"][0]["shape"], json!([4, 6]));
    assert_close(&numbers(whole.binary()), &[5, 6, 7, 8]);
    let metadata = server.get("/v2/models/colors").json();
    assert_eq!(metadata["inputs"][0]["shape"], json!([-1, 3, 33, 33]));
    assert_eq!(metadata["parameters"]["max_batch_size"], 4);
    let message = infer(&server, &[1, 2, 3, 4, 5]).error(400);
    assert!(message.contains("up to 4 first"), "{message}");
}

/// Batches of 7 are compiled for 1, 2, 4 and 7; 6 images are 4 and 2.
#[test]
fn a_batch_that_is_not_full_is_divided() {
    let settings = Settings { batch_delay: Duration::ZERO, workers: 1, ..Settings::default() };
    let server = Running::start(vec![served("colors", colors(), 7)], settings);
    for count in 1..=7 {
        let seeds: Vec<usize> = (0..count).collect();
        assert_close(&numbers(infer(&server, &seeds).binary()), &seeds);
    }
}

#[test]
fn a_request_at_fault_does_not_harm_the_others_of_its_batch() {
    let server = batching(3);
    let red = Image::from_rgb(40, 40, [220, 30, 20].repeat(1600)).unwrap().to_png();
    let send = |file: &[u8]| server.send("POST", "/v2/models/colors/infer", &[("Content-Type", "image/png")], file);
    thread::scope(|scope| {
        let good = [scope.spawn(|| send(&red)), scope.spawn(|| send(&red))];
        let bad = scope.spawn(|| send(&red[..red.len() - 30]));
        for answer in good {
            let answer = answer.join().unwrap();
            let scores: Vec<f32> = serde_json::from_value(answer.json()["outputs"][0]["data"].clone()).unwrap();
            // The class of red.
            assert!(scores[2] > 0.5, "{scores:?}");
        }
        assert!(bad.join().unwrap().error(400).contains("damaged"));
    });
}

#[test]
fn a_network_that_forbids_batches_is_served_one_by_one() {
    let mut builder = Builder::new(Limits::default());
    let x = builder.input("x", Shape::new([1, 4]).unwrap(), DType::F32).unwrap();
    let y = builder.node("flat", Reshape { shape: Shape::new([4]).unwrap() }, &[x]).unwrap();
    builder.output("y", y);
    let model = Model::from_graph("it", builder.finish(), Preprocess::raw());
    let served = ServedModel::new("it", model, &options(), 8).unwrap();
    assert_eq!(served.batch(), 1);
    assert!(served.without_batch().unwrap().to_string().contains("node \"flat\""));
    let server = Running::start(vec![served], Settings { batch_delay: FOREVER, ..Settings::default() });
    let input = json!({"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]});
    let output = server.infer("it", &json!({"inputs": [input]}), b"").json()["outputs"][0].clone();
    assert_eq!((&output["shape"], &output["data"]), (&json!([4]), &json!([1.0, 2.0, 3.0, 4.0])));
}
