use std::io::{Read, Write};
use std::thread;
use std::time::Duration;

use sepconv_serve::Settings;
use serde_json::json;

use crate::client::{PIXELS, Response, Running, colors, little_endian, pixels, request, served};

const INFER: &str = "/v2/models/colors/infer";

#[test]
fn bodies_that_are_too_large_are_refused() {
    let settings = Settings { max_body: 100_000, ..Settings::default() };
    let server = Running::start(vec![served("colors", colors(), 1)], settings);
    let mut stream = server.connect();
    stream.write_all(b"POST /v2/models/colors/infer HTTP/1.1\r\nhost: x\r\ncontent-length: 100001\r\n\r\n").unwrap();
    assert!(Response::read(&mut stream).unwrap().error(413).contains("at most 100000 bytes"));
    // Not announced: a chunk of 65536 bytes, and another.
    let mut stream = server.connect();
    stream
        .write_all(b"POST /v2/models/colors/infer HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        .unwrap();
    for _ in 0..2 {
        stream.write_all(&[b"10000\r\n", &[b' '; 65536][..], b"\r\n"].concat()).unwrap();
    }
    Response::read(&mut stream).unwrap().error(413);
    assert_eq!(server.metric("sepconv_requests_total{model=\"colors\",code=\"413\"}"), 2.0);
}

#[test]
fn headers_that_are_too_large_are_refused() {
    let server = Running::colors();
    let send = |bytes: &[u8]| {
        let mut stream = server.connect();
        stream.write_all(bytes).unwrap();
        Response::read(&mut stream).unwrap().status
    };
    let long = "x".repeat(70_000);
    assert_eq!(send(format!("GET /v2 HTTP/1.1\r\nhost: x\r\nlong: {long}\r\n\r\n").as_bytes()), 431);
    let many = "a: b\r\n".repeat(65);
    assert_eq!(send(format!("GET /v2 HTTP/1.1\r\nhost: x\r\n{many}\r\n").as_bytes()), 431);
    assert_eq!(send(b"nonsense\r\n\r\n"), 400);
}

#[test]
fn compressed_bodies_are_refused() {
    let server = Running::colors();
    server.send("POST", INFER, &[("Content-Encoding", "gzip")], b"").error(415);
    server.send("POST", INFER, &[("Content-Encoding", "identity")], b"").error(400);
    server.send("POST", INFER, &[("Inference-Header-Content-Length", "ten")], b"{}").error(400);
    let told = server.send("POST", INFER, &[("Inference-Header-Content-Length", "10")], b"{}").error(400);
    assert!(told.contains("header of 10 bytes is longer than the body of 2"), "{told}");
}

/// Two requests wait for a batch that takes its time to fill; there is no place for a third.
#[test]
fn overload_is_told_and_recovers() {
    let settings = Settings { batch_delay: Duration::from_millis(300), queue: 2, workers: 1, ..Settings::default() };
    let server = Running::start(vec![served("colors", colors(), 8)], settings);
    let header = json!({"inputs": [{
        "name": "image", "datatype": "FP32", "shape": [1, 3, 33, 33], "parameters": {"binary_data_size": 4 * PIXELS},
    }]});
    let infer = || server.infer("colors", &header, &little_endian(&pixels(0)));
    let refused = loop {
        let answers: Vec<Response> = thread::scope(|scope| {
            let clients: Vec<_> = (0..8).map(|_| scope.spawn(infer)).collect();
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });
        assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 503)), "{answers:?}");
        assert!(answers.iter().any(|answer| answer.status == 200), "{answers:?}");
        if let Some(refused) = answers.into_iter().find(|answer| answer.status == 503) {
            break refused;
        }
    };
    assert!(refused.error(503).contains("queue"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(infer().status, 200);
}

#[test]
fn memory_for_bodies_is_bounded() {
    let settings = Settings { max_body: 1 << 20, max_bodies: 1 << 20, ..Settings::default() };
    let server = Running::start(vec![served("colors", colors(), 1)], settings);
    let start =
        b"POST /v2/models/colors/infer HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 800000\r\n\r\n";
    let mut slow = server.connect();
    slow.write_all(&[&start[..], &[b' '; 700_000]].concat()).unwrap();
    while server.metric("sepconv_body_size_bytes") < 700_000.0 {
        thread::yield_now();
    }
    let mut other = server.connect();
    // What it has no memory for is not read to the end.
    other.write_all(&[&start[..], &[b' '; 400_000]].concat()).unwrap();
    let refused = Response::read(&mut other).unwrap();
    assert!(refused.error(503).contains("memory"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    slow.write_all(&[b' '; 100_000]).unwrap();
    Response::read(&mut slow).unwrap().error(400);
    server.send("POST", INFER, &[], &[b' '; 500_000]).error(400);
}

#[test]
fn one_connection_too_many_is_told() {
    let settings = Settings { max_connections: 2, ..Settings::default() };
    let server = Running::start(vec![served("colors", colors(), 1)], settings);
    let held: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = server.connect();
            stream.write_all(b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
            let mut start = [0; 15];
            stream.read_exact(&mut start).unwrap();
            stream
        })
        .collect();
    let refused = Response::read(&mut server.connect()).unwrap();
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    drop(held);
    // Until their end has been noticed.
    let accepted = || {
        let mut stream = server.connect();
        let _ = stream.write_all(&request("GET", "/v2/health/live", &[], b""));
        Response::read(&mut stream).is_ok_and(|answer| answer.status == 200)
    };
    while !accepted() {
        thread::yield_now();
    }
}
