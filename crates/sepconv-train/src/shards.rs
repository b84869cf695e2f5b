//! Shards of a batch, and the threads that share them.

use rayon_core::{ThreadPool, ThreadPoolBuilder};
use sepconv_core::{Error, Result};

/// Images in a shard, whatever the number of threads: sums over a shard are joined in order, so results do not depend
/// on who computed them.
pub(crate) const SHARD: usize = 16;

/// Threads that share the shards of a batch.
#[derive(Debug)]
pub struct Threads(ThreadPool);

impl Threads {
    /// So many threads.
    ///
    /// # Errors
    /// When there are none, or they cannot be started.
    pub fn new(threads: usize) -> Result<Self> {
        if threads == 0 {
            return Err(Error::argument("training needs a thread").expected("at least 1", threads));
        }
        let pool = ThreadPoolBuilder::new().num_threads(threads).build();
        pool.map(Self).map_err(|error| Error::io(format!("threads cannot be started: {error}")))
    }

    /// Runs `work` on these threads: what it shares is run by all of them.
    pub(crate) fn enter<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.0.install(work)
    }
}

/// Calls `work` with each item, on the threads that the caller has [entered](Threads::enter).
pub(crate) fn each<T: Send>(items: &mut [T], work: &(impl Fn(&mut T) + Sync)) {
    match items {
        [] => {}
        [one] => work(one),
        _ => {
            let (a, b) = items.split_at_mut(items.len() / 2);
            rayon_core::join(|| each(a, work), || each(b, work));
        }
    }
}

/// Adds `from` to `to`.
pub(crate) fn add(from: &[f32], to: &mut [f32]) {
    const PIECE: usize = 1 << 14;
    let mut pieces: Vec<_> = to.chunks_mut(PIECE).zip(from.chunks(PIECE)).collect();
    each(&mut pieces, &|(to, from)| to.iter_mut().zip(*from).for_each(|(to, from)| *to += from));
}

/// The sums of the parts, `to.len()` numbers each, added to `to` in order.
pub(crate) fn join(parts: &[f32], to: &mut [f32]) {
    for part in parts.chunks_exact(to.len().max(1)) {
        add(part, to);
    }
}
