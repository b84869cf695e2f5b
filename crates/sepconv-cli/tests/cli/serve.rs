//! The server's command: where it listens, what it warns of, how it ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::program::{ASSUMED, example, program, sepconv};

/// Starts the server; the line that tells where it listens.
fn start(args: &[&str]) -> (Child, String) {
    let mut command = program();
    command.arg("serve").args(args).args(["--address", "127.0.0.1:0"]);
    let mut server = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    (server, line)
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Ends the server by a signal; its exit code and what it told.
fn end(mut server: Child, signal: &str) -> (Option<i32>, String) {
    assert!(Command::new("kill").args([signal, &server.id().to_string()]).status().unwrap().success());
    let mut told = String::new();
    server.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    (server.wait().unwrap().code(), told)
}

#[test]
fn a_script_learns_where_it_listens_and_a_signal_ends_it() {
    let colors = example("colors.onnx");
    for signal in ["-TERM", "-INT"] {
        let (server, line) = start(&[&colors, &format!("again={colors}"), "--batch", "2", "--json"]);
        let told: Value = serde_json::from_str(&line).unwrap();
        let address = told["address"].as_str().unwrap();
        assert_eq!(
            told["models"],
            json!([
                {"name": "colors", "batch": 2, "preprocess": "torch"},
                {"name": "again", "batch": 2, "preprocess": "torch"},
            ])
        );
        assert!(get(address, "/v2/health/ready").starts_with("HTTP/1.1 200 OK"));
        assert!(get(address, "/v2/models/again").contains("\"sepconv_onnx\""));
        let (code, told) = end(server, signal);
        assert_eq!(code, Some(0), "{told}");
        assert!(told.starts_with(ASSUMED) && told.contains("\nstopping: "), "{told}");
    }
}

#[test]
fn people_learn_it_too() {
    let (server, line) = start(&["tiny=mobilenet_v1@32x0.25", "--token", "secret"]);
    let address = line.strip_prefix("http://").and_then(|rest| rest.split_once('/')).unwrap().0.to_owned();
    assert!(line.contains("/v2/models/tiny  tensors, or images"), "{line}");
    assert!(get(&address, "/metrics").starts_with("HTTP/1.1 401 Unauthorized"));
    let (code, told) = end(server, "-TERM");
    assert_eq!(code, Some(0));
    assert!(told.contains("warning: mobilenet_v1@32x0.25: network has random weights"), "{told}");
}

#[test]
fn what_cannot_be_served_is_told() {
    let colors = example("colors.onnx");
    for (args, told) in [
        (&["mobilenet_v1@32x0.25"][..], "name of a network cannot be part of a path"),
        (&[&colors, &colors], "two networks have one name"),
        (&["gone.onnx"], "gone.onnx"),
        (&[&colors, "--address", "nowhere"], "address cannot be listened at"),
        (&[&colors, "--token", "a b"], "token cannot be sent in a header"),
        (&[&colors, "--workers", "0"], "--workers"),
        (&[], "required"),
    ] {
        let outcome = sepconv(["serve"].into_iter().chain(args.iter().copied()));
        assert!(matches!(outcome.code, Some(1 | 2)) && outcome.err.contains(told), "{args:?}: {}", outcome.err);
    }
    let help = sepconv(["serve", "--help"]).out;
    assert!(help.contains("Requests that may be computed together"), "{help}");
}
