use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::{Body as _, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::problem::Problem;
use crate::settings::Settings;

/// The unit in which memory for bodies is counted, in bytes.
const UNIT: usize = 1024;

/// The memory that all bodies may take together.
#[derive(Debug)]
pub(crate) struct BodyMemory {
    left: Arc<Semaphore>,
    units: usize,
}

impl BodyMemory {
    pub(crate) fn new(bytes: usize) -> Self {
        let units = (bytes / UNIT).min(Semaphore::MAX_PERMITS);
        Self { left: Arc::new(Semaphore::new(units)), units }
    }

    /// Bytes that bodies take now.
    pub(crate) fn used(&self) -> usize {
        (self.units - self.left.available_permits()) * UNIT
    }

    /// Takes what bodies of `bytes` more take; `None` where others have it.
    fn acquire(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).ok()?;
        self.left.clone().try_acquire_many_owned(units).ok()
    }
}

/// A request's body, and what it takes of the memory for bodies.
#[derive(Debug)]
pub(crate) struct ReadBody {
    pub(crate) bytes: Bytes,
    pub(crate) memory: Option<OwnedSemaphorePermit>,
}

/// Reads a body within the limits. Memory is counted as bytes arrive, so that a client cannot hold what it only
/// announces.
pub(crate) async fn read(mut body: Incoming, settings: &Settings, memory: &BodyMemory) -> Result<ReadBody, Problem> {
    let too_large = || {
        let most = settings.max_body;
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("body must have at most {most} bytes (--max-body)"))
    };
    let announced = body.size_hint().lower();
    if announced > settings.max_body as u64 {
        return Err(too_large());
    }
    let deadline = Instant::now() + settings.timeout;
    let late = |_| Problem::new(StatusCode::REQUEST_TIMEOUT, "body was not sent in time");
    let mut bytes = BytesMut::with_capacity(announced as usize);
    let mut taken: Option<OwnedSemaphorePermit> = None;
    while let Some(frame) = timeout_at(deadline, body.frame()).await.map_err(late)? {
        let frame = frame.map_err(|error| Problem::bad(format!("body cannot be read: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > settings.max_body - bytes.len() {
            return Err(too_large());
        }
        let more =
            memory.acquire(data.len()).ok_or_else(|| Problem::busy("bodies of requests take too much memory"))?;
        match &mut taken {
            Some(taken) => taken.merge(more),
            None => taken = Some(more),
        }
        bytes.extend_from_slice(&data);
    }
    Ok(ReadBody { bytes: bytes.freeze(), memory: taken })
}
