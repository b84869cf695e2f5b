use std::thread::available_parallelism;
use std::time::Duration;

/// Limits and times of a [`Server`](crate::Server).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Threads that run networks, each with a session of its own for every network (default: the machine's cores).
    pub workers: usize,
    /// How long a request waits for others to be computed with, where a network has a batch (default: 2 ms).
    pub batch_delay: Duration,
    /// Requests that wait for each network; one more is answered with 503 (default: 64).
    pub queue: usize,
    /// Bytes of a request's body; a larger one is answered with 413 (default: 16 MiB).
    pub max_body: usize,
    /// Bytes of all bodies that are in memory; beyond it requests are answered with 503 (default: 256 MiB).
    pub max_bodies: usize,
    /// Bytes of a request's line and headers, from 8 KiB; more are answered with 431 (default: 64 KiB).
    pub max_headers: usize,
    /// Connections at a time; one more is answered with 503 and closed (default: 1024).
    pub max_connections: usize,
    /// How long each of these may take: a client's sending of headers, its sending of a body, its reading of an answer
    /// without progress, a request's wait for its answer, what is in flight when the server stops (default: 30 s).
    pub timeout: Duration,
    /// What clients must send as `Authorization: Bearer`, but for health (default: none is asked for).
    pub token: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            workers: available_parallelism().map_or(1, usize::from),
            batch_delay: Duration::from_millis(2),
            queue: 64,
            max_body: 16 << 20,
            max_bodies: 256 << 20,
            max_headers: 64 << 10,
            max_connections: 1024,
            timeout: Duration::from_secs(30),
            token: None,
        }
    }
}
