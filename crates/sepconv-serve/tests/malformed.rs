//! Ten thousand requests that are wrong in some way, beside right ones: a process of its own, whose memory is that of the
//! server.

#[path = "http/client.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod client;

use std::fs;
use std::io::Write;
use std::net::Shutdown;

use sepconv::Image;
use serde_json::json;

use client::{PIXELS, Response, Running, expected, head_end, little_endian, numbers, pixels, request};

const REQUESTS: u32 = 10_000;
/// What the process may grow by from the first thousand to the last: buffers of allocators and sockets, no more.
const MAX_GROWTH: usize = 24 << 20;

/// Numbers of a seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, most: usize) -> usize {
        (self.next() % most as u64) as usize
    }

    /// Changes some bytes, or removes or repeats a part.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let len = bytes.len();
            if len == 0 {
                return;
            }
            let (from, to) = (self.below(len), self.below(len));
            let range = from.min(to)..from.max(to).min(from.min(to) + 64);
            match self.below(5) {
                0 => bytes[from] = self.next() as u8,
                1 => bytes[from] ^= 1 << self.below(8),
                2 => drop(bytes.drain(range)),
                3 => bytes.extend_from_within(range),
                _ => bytes.truncate(from),
            }
        }
    }
}

/// Bytes of memory that this process has, where the system tells.
fn resident() -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()? * 1024)
}

/// Values that a field of a header may wrongly have.
const STRANGE: [&str; 16] = [
    "null",
    "true",
    "-1",
    "0",
    "1e400",
    "18446744073709551616",
    "9223372036854775807",
    "\"\"",
    "\"\\ud800\"",
    "[]",
    "{}",
    "[[[[[[[[[[]]]]]]]]]]",
    "[1,3,33,33,1,1,1,1,1,1]",
    "\"BYTES\"",
    "[4294967296,4294967296]",
    "0.5",
];

struct Requests {
    random: Random,
    images: Vec<Vec<u8>>,
    pixels: Vec<u8>,
}

impl Requests {
    /// A header in JSON, of which perhaps some fields are strange.
    fn header(&mut self, datatype: &str, shape: &str, size: usize) -> String {
        let mut fields = [
            ("name", "\"image\"".to_owned()),
            ("datatype", format!("\"{datatype}\"")),
            ("shape", shape.to_owned()),
            ("parameters", format!("{{\"binary_data_size\":{size}}}")),
        ];
        for _ in 0..self.random.below(3) {
            let (field, strange) = (self.random.below(fields.len()), self.random.below(STRANGE.len()));
            fields[field].1 = STRANGE[strange].to_owned();
        }
        let fields: Vec<_> = fields.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        format!("{{\"inputs\":[{{{}}}]}}", fields.join(","))
    }

    /// A request of this kind, wrong or right.
    fn next(&mut self, kind: u32) -> Vec<u8> {
        const INFER: &str = "/v2/models/colors/infer";
        match kind % 6 {
            // Bytes that may not even be HTTP.
            0 => {
                let mut bytes = request("GET", "/v2/models/colors", &[("Accept", "*/*")], b"");
                self.random.mutate(&mut bytes);
                bytes
            }
            // Headers of HTTP that do not fit the body.
            1 => {
                let header = self.header("FP32", "[1,3,33,33]", 4 * PIXELS);
                let body = [header.as_bytes(), &self.pixels].concat();
                let length = match self.random.below(4) {
                    0 => self.random.next().to_string(),
                    1 => self.random.below(body.len() + 10).to_string(),
                    2 => "-1".to_owned(),
                    _ => header.len().to_string(),
                };
                let mut bytes = request("POST", INFER, &[("Inference-Header-Content-Length", &length)], &body);
                let head = bytes.len() - body.len();
                let mut start: Vec<u8> = bytes.drain(..head).collect();
                self.random.mutate(&mut start);
                [start, bytes].concat()
            }
            // JSON that is cut, changed or strange.
            2 => {
                let numbers: Vec<String> = (0..self.random.below(60)).map(|i| format!("{i}e{}", i * 7)).collect();
                let data = format!("[{}]", numbers.join(","));
                let input =
                    format!("{{\"name\":\"image\",\"datatype\":\"FP32\",\"shape\":[1,3,33,33],\"data\":{data}}}");
                let mut body = format!("{{\"inputs\":[{input}]}}").into_bytes();
                self.random.mutate(&mut body);
                request("POST", INFER, &[], &body)
            }
            // Tensors in binary whose sizes do not agree.
            3 => {
                let size = match self.random.below(3) {
                    0 => 4 * PIXELS,
                    1 => self.random.below(8 * PIXELS),
                    _ => self.random.next() as usize,
                };
                let header = self.header("FP32", "[1,3,33,33]", size);
                let len = self.random.below(self.pixels.len() + 1);
                let body = [header.as_bytes(), &self.pixels[..len]].concat();
                request("POST", INFER, &[("Inference-Header-Content-Length", &header.len().to_string())], &body)
            }
            // Files of images that are damaged.
            4 => {
                let which = self.random.below(self.images.len());
                let mut image = self.images[which].clone();
                self.random.mutate(&mut image);
                request("POST", INFER, &[("Content-Type", "image/png")], &image)
            }
            // The same in binary, behind wrong lengths.
            _ => {
                let which = self.random.below(self.images.len());
                let image = self.images[which].clone();
                let mut binary = [&(image.len() as u32).to_le_bytes()[..], &image].concat();
                self.random.mutate(&mut binary);
                let header = self.header("BYTES", "[1]", binary.len());
                let body = [header.as_bytes(), &binary].concat();
                request("POST", INFER, &[("Inference-Header-Content-Length", &header.len().to_string())], &body)
            }
        }
    }
}

/// Whether a server has nothing more to wait for.
fn is_whole(bytes: &[u8]) -> bool {
    let Some(end) = head_end(bytes) else { return false };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let lengths = head.lines().filter_map(|line| line.strip_prefix("content-length:"));
    lengths.map(|length| length.trim().parse().unwrap_or(usize::MAX)).all(|length: usize| length <= bytes.len() - end)
}

#[test]
fn malformed_requests_do_no_harm() {
    let server = Running::colors();
    let (pixels, expected) = (pixels(1), expected(&pixels(1)));
    let jpeg = include_bytes!("../../sepconv/tests/data/drawn_37x21_420.jpg").to_vec();
    let png = Image::from_rgb(40, 30, (0..3600).map(|i| (i * 7) as u8).collect()).unwrap().to_png();
    let mut requests =
        Requests { random: Random(0x9e37_79b9_7f4a_7c15), images: vec![jpeg, png], pixels: little_endian(&pixels) };
    let header = json!({
        "inputs": [{
            "name": "image", "datatype": "FP32", "shape": [1, 3, 33, 33], "parameters": {"binary_data_size": 4 * PIXELS},
        }],
        "parameters": {"binary_data_output": true},
    });
    let (mut before, mut answered) = (None, 0);
    for i in 0..REQUESTS {
        let mut stream = server.connect();
        // The server may refuse the rest of what it does not understand.
        let bytes = requests.next(i);
        let _ = stream.write_all(&bytes);
        if !is_whole(&bytes) {
            let _ = stream.shutdown(Shutdown::Write);
        }
        if let Ok(answer) = Response::read(&mut stream) {
            assert!(matches!(answer.status, 200 | 400..=431), "{}: {answer:?}", answer.status);
            answered += 1;
        }
        if i % 1000 == 999 {
            let answer = server.infer("colors", &header, &little_endian(&pixels));
            assert_eq!(numbers(answer.binary()), expected);
            before = before.or_else(resident);
        }
    }
    assert!(answered > REQUESTS / 2, "{answered} of {REQUESTS} were answered");
    match (before, resident()) {
        (Some(before), Some(after)) => {
            let growth = after.saturating_sub(before);
            println!("{answered} of {REQUESTS} requests were answered; memory grew by {growth} bytes from {before}");
            assert!(growth <= MAX_GROWTH, "memory grew from {before} to {after} bytes");
        }
        (_, _) => println!("skipped: whether memory grows, for the system does not tell"),
    }
    server.ended().unwrap();
}
