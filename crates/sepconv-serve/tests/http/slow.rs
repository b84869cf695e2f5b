//! Clients that take their time do not keep others from their answers, and are not waited for without end.

use std::io::{Read, Write};
use std::time::Duration;

use sepconv::op::Broadcast;
use sepconv::{Builder, DType, Limits, Model, Preprocess, Shape};
use sepconv_serve::Settings;
use serde_json::json;

use crate::client::{PIXELS, Response, Running, colors, little_endian, pixels, request, served};

fn served_within(timeout: Duration) -> Running {
    Running::start(vec![served("colors", colors(), 1)], Settings { timeout, ..Settings::default() })
}

fn infer(server: &Running) -> Response {
    let header = json!({"inputs": [{
        "name": "image", "datatype": "FP32", "shape": [1, 3, 33, 33], "parameters": {"binary_data_size": 4 * PIXELS},
    }]});
    server.infer("colors", &header, &little_endian(&pixels(0)))
}

#[test]
fn slow_senders_do_not_keep_others_waiting() {
    // No time at which they would be cut off comes in this test.
    let server = served_within(Duration::from_secs(100_000));
    let starts: [&[u8]; 4] = [
        b"",
        b"POST /v2/mod",
        b"POST /v2/models/colors/infer HTTP/1.1\r\nhost: x\r\ncontent-length: 90000\r\n\r\n",
        b"POST /v2/models/colors/infer HTTP/1.1\r\nhost: x\r\ncontent-length: 90000\r\n\r\n{\"inputs\": [",
    ];
    let mut slow: Vec<_> = (0..200).map(|i| (server.connect(), starts[i % starts.len()])).collect();
    slow.iter_mut().for_each(|(stream, start)| stream.write_all(start).unwrap());
    for _ in 0..20 {
        assert_eq!(infer(&server).status, 200);
    }
    // They are still there.
    for (stream, start) in slow.iter_mut().filter(|(_, start)| start.len() < 20) {
        let whole = request("GET", "/v2/health/live", &[], b"");
        if start.is_empty() {
            stream.write_all(&whole).unwrap();
            assert_eq!(Response::read(stream).unwrap().status, 200);
        }
    }
    drop(slow);
}

#[test]
fn slow_senders_are_cut_off() {
    let server = served_within(Duration::from_millis(300));
    let mut headers = server.connect();
    headers.write_all(b"GET /v2 HTT").unwrap();
    let mut nothing = server.connect();
    let mut body = server.connect();
    body.write_all(b"POST /v2/models/colors/infer HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{").unwrap();
    for stream in [&mut headers, &mut nothing] {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&rest));
    }
    assert!(Response::read(&mut body).unwrap().error(408).contains("not sent in time"));
    assert_eq!(infer(&server).status, 200);
}

/// An answer of many megabytes that nobody reads.
#[test]
fn slow_readers_are_cut_off() {
    let mut builder = Builder::new(Limits::default());
    let x = builder.input("x", Shape::new([1]).unwrap(), DType::F32).unwrap();
    let y = builder.node("y", Broadcast { shape: Shape::new([8_000_000]).unwrap() }, &[x]).unwrap();
    builder.output("y", y);
    let large = served("large", Model::from_graph("it", builder.finish(), Preprocess::raw()), 1);
    let settings = Settings { timeout: Duration::from_secs(2), ..Settings::default() };
    let server = Running::start(vec![large, served("colors", colors(), 1)], settings);
    let header = json!({
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [1]}],
        "parameters": {"binary_data_output": true},
    });
    let bytes = request("POST", "/v2/models/large/infer", &[], header.to_string().as_bytes());
    let mut slow = server.connect();
    slow.write_all(&bytes).unwrap();
    let mut reader = server.connect();
    reader.write_all(&bytes).unwrap();
    assert_eq!(infer(&server).status, 200);
    assert_eq!(Response::read(&mut reader).unwrap().binary().len(), 32_000_000);
    // It ends without the slow one's having read anything; what it reads then is not the whole.
    server.ended().unwrap();
    let mut rest = Vec::new();
    let read = slow.read_to_end(&mut rest);
    assert!(read.is_err() || rest.len() < 32_000_000, "{}", rest.len());
}
