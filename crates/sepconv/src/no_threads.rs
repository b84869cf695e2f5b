//! In place of threads, where none can be started: the caller's does everything.

use sepconv_core::{Error, Join, Result, Serial};

use crate::Options;

#[derive(Debug)]
pub(crate) struct Threads;

impl Threads {
    pub(crate) fn new(threads: usize) -> Result<Self> {
        match threads {
            1..=Options::MAX_THREADS => Ok(Self),
            _ => Err(Error::argument("number of threads is out of range")
                .expected(format_args!("1 to {}", Options::MAX_THREADS), threads)),
        }
    }

    pub(crate) fn enter<R: Send>(&self, work: impl FnOnce(&dyn Join) -> R + Send) -> R {
        work(&Serial)
    }
}
