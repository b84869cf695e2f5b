//! In place of threads, where none can be started: the caller's does everything.

use sepconv_core::{Join, Result, Serial};

use crate::Options;

#[derive(Debug)]
pub(crate) struct Threads;

impl Threads {
    pub(crate) fn new(threads: usize) -> Result<Self> {
        Options::checked_threads(threads).map(|_| Self)
    }

    pub(crate) fn enter<R: Send>(&self, work: impl FnOnce(&dyn Join) -> R + Send) -> R {
        work(&Serial)
    }
}
