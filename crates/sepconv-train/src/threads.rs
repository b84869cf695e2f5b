//! Threads that share the shards of a batch.

use rayon_core::{ThreadPool, ThreadPoolBuilder};
use sepconv_core::{Error, Result};

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

/// Adds the parts, each as long as `to`, in order: the sums do not depend on who computed them.
pub(crate) fn join<'a>(parts: impl Iterator<Item = &'a [f32]> + Clone + Sync, to: &mut [f32]) {
    const PIECE: usize = 1 << 12;
    let mut pieces: Vec<_> = to.chunks_mut(PIECE).enumerate().collect();
    each(&mut pieces, &|(i, to)| parts.clone().for_each(|part| add(&part[*i * PIECE..], to)));
}

/// Adds `from` to `to`, as far as that goes.
pub(crate) fn add(from: &[f32], to: &mut [f32]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
}
