use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use sepconv_serve::Settings;
use serde_json::json;

use crate::client::{PIXELS, Running, colors, little_endian, pixels, request, served};

/// A request waits for company and another is half sent when the server is told to stop.
#[test]
fn what_is_in_flight_is_answered() {
    let settings = Settings { batch_delay: Duration::from_secs(100_000), workers: 1, ..Settings::default() };
    let server = Running::start(vec![served("colors", colors(), 4)], settings);
    let header = json!({"inputs": [{
        "name": "image", "datatype": "FP32", "shape": [1, 3, 33, 33], "parameters": {"binary_data_size": 4 * PIXELS},
    }]});
    let length = header.to_string().len().to_string();
    let body = [header.to_string().as_bytes(), &little_endian(&pixels(0))].concat();
    let bytes = request("POST", "/v2/models/colors/infer", &[("Inference-Header-Content-Length", &length)], &body);
    let (mut waiting, mut half, mut idle) = (server.connect(), server.connect(), server.connect());
    waiting.write_all(&bytes).unwrap();
    half.write_all(&bytes[..bytes.len() / 2]).unwrap();
    idle.write_all(b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut start = [0; 15];
    idle.read_exact(&mut start).unwrap();
    while server.metric("sepconv_queue_length{model=\"colors\"}") < 1.0 {
        thread::yield_now();
    }
    let address = server.address;
    server.stop();
    let answer = |mut stream: TcpStream| {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    };
    assert!(answer(waiting).starts_with(b"HTTP/1.1 200 OK"));
    half.write_all(&bytes[bytes.len() / 2..]).unwrap();
    assert!(answer(half).starts_with(b"HTTP/1.1 200 OK"));
    answer(idle);
    server.ended().unwrap();
    assert!(TcpStream::connect(address).is_err(), "nothing listens any longer");
}
