use std::io::{Read, Write};

use sepconv::op::Broadcast;
use sepconv::{Builder, DType, Limits, Model, Preprocess, Shape};
use sepconv_serve::{ServedModel, Server, Settings};
use serde_json::json;

use crate::client::{PIXELS, Running, colors, expected, little_endian, numbers, options, pixels, request, served};

#[test]
fn health_and_metadata_are_told() {
    let server = Running::colors();
    for path in ["/v2/health/live", "/v2/health/ready", "/v2/models/colors/ready", "/v2/models/colors/versions/1/ready"]
    {
        assert_eq!((server.get(path).status, server.get(path).body), (200, vec![]), "{path}");
    }
    let about = server.get("/v2").json();
    assert_eq!((&about["name"], &about["version"]), (&json!("sepconv"), &json!(env!("CARGO_PKG_VERSION"))));
    assert!(about["extensions"].as_array().unwrap().contains(&json!("binary_tensor_data")));
    let model = server.get("/v2/models/colors").json();
    assert_eq!(model, server.get("/v2/models/colors/versions/1").json());
    assert_eq!(
        (&model["name"], &model["versions"], &model["platform"]),
        (&json!("colors"), &json!(["1"]), &json!("sepconv_onnx"))
    );
    assert_eq!(model["inputs"], json!([{"name": "image", "datatype": "FP32", "shape": [1, 3, 33, 33]}]));
    assert_eq!(model["outputs"], json!([{"name": "scores", "datatype": "FP32", "shape": [1, 6]}]));
    assert_eq!(model["parameters"]["image_preprocess"], "torch");
    let index = server.send("POST", "/v2/repository/index", &[], b"{}").json();
    assert_eq!(index, json!([{"name": "colors", "version": "1", "state": "READY", "reason": ""}]));
}

#[test]
fn paths_and_methods_that_do_not_exist_are_told() {
    let server = Running::colors();
    for path in ["/", "/v3", "/v2/models/other", "/v2/models/colors/versions/2", "/v2/models/../../etc/passwd"] {
        server.get(path).error(404);
    }
    assert!(server.infer("other", &json!({"inputs": []}), b"").error(404).contains("no network"));
    let refused = server.get("/v2/models/colors/infer");
    refused.error(405);
    assert_eq!(refused.header("allow"), Some("GET, POST"));
    server.send("POST", "/v2", &[], b"").error(405);
    assert_eq!(server.metric("sepconv_requests_total{model=\"\",code=\"404\"}"), 1.0);
}

#[test]
fn json_and_binary_tensors_give_what_the_engine_computes() {
    let server = Running::colors();
    let pixels = pixels(1);
    let expected = expected(&pixels);
    let nested: Vec<_> = pixels.chunks(33).collect();
    for data in [json!(pixels), json!([nested])] {
        let input = json!({"name": "image", "datatype": "FP32", "shape": [1, 3, 33, 33], "data": data});
        let answer = server.infer("colors", &json!({"id": "a7", "inputs": [input]}), b"");
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
        let json = answer.json();
        assert_eq!(
            (&json["id"], &json["model_name"], &json["model_version"]),
            (&json!("a7"), &json!("colors"), &json!("1"))
        );
        let output = &json["outputs"][0];
        assert_eq!(
            (&output["name"], &output["datatype"], &output["shape"]),
            (&json!("scores"), &json!("FP32"), &json!([1, 6]))
        );
        let scores: Vec<f32> = output["data"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect();
        assert_eq!(scores, expected);
    }
    let size = 4 * PIXELS;
    let input =
        json!({"name": "image", "datatype": "FP32", "shape": [1, 3, 33, 33], "parameters": {"binary_data_size": size}});
    for header in [
        json!({"inputs": [input], "parameters": {"binary_data_output": true}}),
        json!({"inputs": [input], "outputs": [{"name": "scores", "parameters": {"binary_data": true}}]}),
    ] {
        let answer = server.infer("colors", &header, &little_endian(&pixels));
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/octet-stream")));
        assert_eq!(answer.json()["outputs"][0]["parameters"], json!({"binary_data_size": 24}));
        assert_eq!(numbers(answer.binary()), expected);
    }
    let length = [("Inference-Header-Content-Length", "0")];
    let raw = server.send("POST", "/v2/models/colors/versions/1/infer", &length, &little_endian(&pixels));
    assert_eq!(raw.json()["outputs"][0]["shape"], json!([1, 6]));
    assert_eq!(server.metric("sepconv_requests_total{model=\"colors\",code=\"200\"}"), 5.0);
    assert_eq!(server.metric("sepconv_compute_time_seconds_count{model=\"colors\"}"), 5.0);
    assert_eq!(server.metric("sepconv_queue_time_seconds_count{model=\"colors\"}"), 5.0);
    assert_eq!(server.metric("sepconv_queue_length{model=\"colors\"}"), 0.0);
}

#[test]
fn requests_that_do_not_fit_the_network_say_why() {
    let server = Running::colors();
    let input = |key: &str, value: serde_json::Value| {
        let mut input = json!({"name": "image", "datatype": "FP32", "shape": [1, 3, 33, 33], "data": [0.5]});
        input[key] = value;
        json!({"inputs": [input]})
    };
    for (request, told) in [
        (json!([]), "the protocol's JSON"),
        (json!({}), "missing field `inputs`"),
        (json!({"inputs": []}), "\"image\": input is missing"),
        (json!({"inputs": vec![json!({"name": "x", "datatype": "FP32", "shape": [1], "data": []}); 65]}), "at most 64"),
        (input("name", json!("picture")), "no input \"picture\": expected \"image\""),
        (input("datatype", json!("FP64")), "datatype must be FP32 or BYTES, got \"FP64\""),
        (input("datatype", json!("BYTES")), "images are sent in binary"),
        (input("shape", json!([1, 3, 32, 33])), "shape must be [1,3,33,33], got [1, 3, 32, 33]"),
        (input("shape", json!([2, 3, 33, 33])), "shape must be [1,3,33,33]"),
        (input("shape", json!([1, 3, 33, 33, 1, 1, 1, 1, 1])), "at most 8"),
        (input("shape", json!([-1, 3, 33, 33])), "invalid value"),
        (input("data", json!([0.5])), "do not fill the shape"),
        (input("data", json!(null)), "either data or binary_data_size"),
        (input("parameters", json!({"binary_data_size": 4})), "either data or binary_data_size"),
    ] {
        let message = server.infer("colors", &request, b"").error(400);
        assert!(message.contains(told), "{request}: {message}");
    }
    let binary = |size: u64| {
        let parameters = json!({"binary_data_size": size});
        json!({"inputs": [{"name": "image", "datatype": "FP32", "shape": [1, 3, 33, 33], "parameters": parameters}]})
    };
    let pixels = little_endian(&pixels(0));
    for (size, bytes, told) in [
        (u64::MAX, &pixels[..], "are announced"),
        (4 * PIXELS as u64, &pixels[1..], "are announced"),
        (4 * PIXELS as u64 - 4, &pixels[4..], "binary_data_size must be 13068"),
        (4 * PIXELS as u64, &[&pixels[..], b"more"].concat(), "4 bytes behind the last tensor"),
    ] {
        let message = server.infer("colors", &binary(size), bytes).error(400);
        assert!(message.contains(told), "{size}: {message}");
    }
    let outputs = json!({"inputs": [], "outputs": [{"name": "logits"}]});
    server.infer("colors", &outputs, b"").error(400);
    let whole = json!({"name": "image", "datatype": "FP32", "shape": [1, 3, 33, 33], "data": vec![0.0; PIXELS]});
    for (names, told) in [(["scores", "logits"], "no output \"logits\""), (["scores", "scores"], "output occurs twice")]
    {
        let outputs = names.map(|name| json!({"name": name}));
        let message = server.infer("colors", &json!({"inputs": [whole], "outputs": outputs}), b"").error(400);
        assert!(message.contains(told), "{message}");
    }
    let message = server.infer("colors", &json!({"inputs": [whole, whole]}), b"").error(400);
    assert!(message.contains("input occurs twice"), "{message}");
}

#[test]
fn a_connection_carries_many_requests() {
    let server = Running::colors();
    let mut stream = server.connect();
    let one = b"GET /v2/health/live HTTP/1.1\r\nhost: test\r\n\r\n";
    for _ in 0..3 {
        stream.write_all(one).unwrap();
        let mut start = [0; 15];
        stream.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HTTP/1.1 200 OK");
        let mut rest = Vec::new();
        while !rest.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            rest.extend(byte);
        }
    }
    // Two at once, the second of which is the last.
    stream.write_all(&[&one[..], &request("GET", "/v2/health/live", &[], b"")].concat()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 2, "{text}");
}

#[test]
fn a_token_is_asked_for() {
    let settings = Settings { token: Some("secret-1".to_owned()), ..Settings::default() };
    let server = Running::start(vec![served("colors", colors(), 1)], settings);
    assert_eq!(server.get("/v2/health/live").status, 200);
    assert_eq!(server.get("/v2/health/ready").status, 200);
    let refused = server.get("/v2/models/colors");
    refused.error(401);
    assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    for (value, status) in [
        ("Bearer secret-1", 200),
        ("bearer secret-1", 200),
        ("Bearer secret-2", 401),
        ("Bearer secret-11", 401),
        ("Bearer secret-", 401),
        ("Bearer ", 401),
        ("Basic secret-1", 401),
        ("", 401),
    ] {
        for path in ["/v2", "/metrics", "/v2/models/colors"] {
            assert_eq!(server.send("GET", path, &[("Authorization", value)], b"").status, status, "{path} {value:?}");
        }
    }
    server.send("POST", "/v2/models/colors/infer", &[], b"{}").error(401);
}

#[test]
fn several_networks_are_served() {
    let models = vec![served("colors", colors(), 1), served("cifar", Model::default_classifier().unwrap(), 1)];
    let server = Running::start(models, Settings::default());
    assert_eq!(server.get("/v2/models/cifar").json()["outputs"][0]["shape"], json!([1, 10]));
    let input = json!({"name": "image", "datatype": "FP32", "shape": [1, 3, 33, 33], "data": pixels(0)});
    assert_eq!(server.infer("colors", &json!({"inputs": [input]}), b"").status, 200);
    server.infer("cifar", &json!({"inputs": [input]}), b"").error(400);
}

/// An input of a few integers, an output of another type.
#[test]
fn types_of_the_protocol_are_those_of_the_network() {
    let mut builder = Builder::new(Limits::default());
    let x = builder.input("x", Shape::new([3]).unwrap(), DType::I64).unwrap();
    let y = builder.node("y", Broadcast { shape: Shape::new([2, 3]).unwrap() }, &[x]).unwrap();
    builder.output("y", y);
    let model = Model::from_graph("it", builder.finish(), Preprocess::raw());
    let server = Running::start(vec![served("it", model, 1)], Settings::default());
    let input = json!({"name": "x", "datatype": "INT64", "shape": [3], "data": [1, -2, 9_007_199_254_740_993_i64]});
    let output = server.infer("it", &json!({"inputs": [input]}), b"").json()["outputs"][0].clone();
    assert_eq!((&output["datatype"], &output["shape"]), (&json!("INT64"), &json!([2, 3])));
    assert_eq!(output["data"], json!([1, -2, 9_007_199_254_740_993_i64, 1, -2, 9_007_199_254_740_993_i64]));
    let told = server.send("POST", "/v2/models/it/infer", &[("Content-Type", "image/png")], b"").error(400);
    assert!(told.contains("does not take one image"), "{told}");
}

#[test]
fn what_cannot_be_served_is_refused_at_the_start() {
    for name in ["", "a/b", "..", "a b", "ä", "a%20b", &"a".repeat(129)] {
        assert!(ServedModel::new(name, colors(), &options(), 1).is_err(), "{name:?}");
    }
    let bind = |models, settings| Server::bind("127.0.0.1:0", models, settings).map(drop);
    let twice = || vec![served("colors", colors(), 1), served("colors", colors(), 1)];
    assert!(bind(twice(), Settings::default()).unwrap_err().to_string().contains("two networks have one name"));
    assert!(bind(vec![], Settings::default()).is_err());
    for settings in [
        Settings { workers: 0, ..Settings::default() },
        Settings { queue: 0, ..Settings::default() },
        Settings { max_connections: 0, ..Settings::default() },
        Settings { max_headers: 100, ..Settings::default() },
    ] {
        assert!(bind(vec![served("colors", colors(), 1)], settings.clone()).is_err(), "{settings:?}");
    }
    assert!(Server::bind("256.0.0.1:0", vec![served("colors", colors(), 1)], Settings::default()).is_err());
}
