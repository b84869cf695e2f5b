/// Two pieces of work at a time: all that running a plan asks of threads.
///
/// Work is split in halves again and again, so a pool for any number of threads needs no more. Implementations neither
/// allocate nor lock on the way, and return when both pieces are done.
pub trait Join: Send + Sync {
    /// How many pieces may run at the same time.
    fn threads(&self) -> usize;
    /// Runs both.
    fn join(&self, a: &mut (dyn FnMut() + Send), b: &mut (dyn FnMut() + Send));
}

/// One after the other, on the calling thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Serial;

impl Join for Serial {
    fn threads(&self) -> usize {
        1
    }

    fn join(&self, a: &mut (dyn FnMut() + Send), b: &mut (dyn FnMut() + Send)) {
        a();
        b();
    }
}
