//! A server in this process, and a client that sends what it is told to.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread::{self, JoinHandle};

use sepconv::{Model, Options, Tensor};
use sepconv_serve::{ServedModel, Server, Settings, StopHandle};
use serde_json::Value;

/// A server, which is stopped at the end of a test.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: StopHandle,
    thread: Option<JoinHandle<sepconv::Result<()>>>,
}

impl Running {
    pub(crate) fn start(models: Vec<ServedModel>, settings: Settings) -> Self {
        let server = Server::bind("127.0.0.1:0", models, settings).unwrap();
        let (address, stop) = (server.address(), server.stop_handle());
        Self { address, stop, thread: Some(thread::spawn(move || server.run())) }
    }

    /// The network `colors`, one request at a time.
    pub(crate) fn colors() -> Self {
        Self::start(vec![served("colors", colors(), 1)], Settings::default())
    }

    pub(crate) fn stop(&self) {
        self.stop.stop();
    }

    /// Whether it ended as it should, once it has been stopped.
    pub(crate) fn ended(mut self) -> sepconv::Result<()> {
        self.stop();
        self.thread.take().unwrap().join().unwrap()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).unwrap()
    }

    /// Sends a request on a connection of its own and reads the answer.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        let mut stream = self.connect();
        stream.write_all(&request(method, path, headers, body)).unwrap();
        Response::read(&mut stream).unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.send("GET", path, &[], b"")
    }

    /// Sends an inference request whose header is followed by tensors.
    pub(crate) fn infer(&self, model: &str, header: &Value, binary: &[u8]) -> Response {
        let header = header.to_string();
        let length = header.len().to_string();
        let headers = [("Inference-Header-Content-Length", length.as_str())];
        let headers = if binary.is_empty() { &[][..] } else { &headers };
        self.send("POST", &format!("/v2/models/{model}/infer"), headers, &[header.as_bytes(), binary].concat())
    }

    /// The value of a line of /metrics.
    pub(crate) fn metric(&self, line: &str) -> f64 {
        let text = String::from_utf8(self.get("/metrics").body).unwrap();
        let value = text.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok());
        value.unwrap_or_else(|| panic!("{line} is missing in\n{text}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// A request whose connection is closed after its answer.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n");
    headers.iter().for_each(|(name, value)| text += &format!("{name}: {value}\r\n"));
    text += &format!("content-length: {}\r\n\r\n", body.len());
    [text.as_bytes(), body].concat()
}

/// Where the head of a request or an answer ends.
pub(crate) fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|start| start + 4)
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// Reads an answer as far as its length tells.
    pub(crate) fn read(stream: &mut TcpStream) -> io::Result<Self> {
        let (mut bytes, mut chunk) = (Vec::new(), [0; 65536]);
        loop {
            let read = stream.read(&mut chunk)?;
            bytes.extend_from_slice(&chunk[..read]);
            let Some(end) = head_end(&bytes) else {
                if read == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                continue;
            };
            let head = String::from_utf8(bytes[..end].to_vec()).map_err(io::Error::other)?;
            let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
            let mut response = Self { status, head, body: bytes.split_off(end) };
            let length = response.header("content-length").map_or(Ok(0), str::parse).map_err(io::Error::other)?;
            let missing = usize::saturating_sub(length, response.body.len());
            let start = response.body.len();
            response.body.resize(start + missing, 0);
            stream.read_exact(&mut response.body[start..])?;
            return Ok(response);
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let is_it = |line: &&str| line.split(':').next().is_some_and(|found| found.eq_ignore_ascii_case(name));
        self.head.lines().skip(1).find(is_it).and_then(|line| Some(line.split_once(':')?.1.trim()))
    }

    /// The JSON, whether or not tensors follow it.
    pub(crate) fn json(&self) -> Value {
        let length = self.header("inference-header-content-length").map(|length| length.parse().unwrap());
        serde_json::from_slice(&self.body[..length.unwrap_or(self.body.len())]).unwrap()
    }

    /// The tensors behind the JSON.
    pub(crate) fn binary(&self) -> &[u8] {
        let length: usize = self.header("inference-header-content-length").unwrap().parse().unwrap();
        &self.body[length..]
    }

    /// The message of an error of this status.
    pub(crate) fn error(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self.json()["error"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn options() -> Options {
    Options::default().threads(1)
}

pub(crate) fn served(name: &str, model: Model, batch: usize) -> ServedModel {
    ServedModel::new(name, model, &options(), batch).unwrap()
}

/// The network of the project's examples: an image of 33x33 to scores of six colors.
pub(crate) fn colors() -> Model {
    Model::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/colors.onnx")).unwrap()
}

/// Elements of the input of `colors`.
pub(crate) const PIXELS: usize = 3 * 33 * 33;

/// The input of `colors` with this seed.
pub(crate) fn pixels(seed: usize) -> Vec<f32> {
    (0..PIXELS).map(|i| ((i * 7919 + seed * 31) % 251) as f32 / 125.0 - 1.0).collect()
}

pub(crate) fn little_endian(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

pub(crate) fn numbers(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&chunk| f32::from_le_bytes(chunk)).collect()
}

/// What the engine computes of an input of `colors`.
pub(crate) fn expected(pixels: &[f32]) -> Vec<f32> {
    let mut session = colors().compile(&options()).unwrap().session().unwrap();
    let input = Tensor::f32([1, 3, 33, 33], pixels).unwrap();
    session.run(&[&input]).unwrap()[0].as_f32().unwrap().to_vec()
}
