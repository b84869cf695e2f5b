use std::hint::spin_loop;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rayon_core::{ThreadPool, ThreadPoolBuilder, Yield};
use sepconv_core::{Error, Join, Result, Serial};

use crate::Options;

/// The threads of a session: none beside the caller's for one thread.
#[derive(Debug)]
pub(crate) struct Threads(Option<ThreadPool>);

impl Threads {
    pub(crate) fn new(threads: usize) -> Result<Self> {
        if Options::checked_threads(threads)? == 1 {
            return Ok(Self(None));
        }
        let pool = ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("sepconv-{i}")).build();
        pool.map(|pool| Self(Some(pool))).map_err(|error| Error::io(format!("threads cannot be started: {error}")))
    }

    /// Calls `work` with what it needs to fork. The pool's own threads do all of it: entering the pool once per run
    /// makes every join inside cheap.
    pub(crate) fn enter<R: Send>(&self, work: impl FnOnce(&dyn Join) -> R + Send) -> R {
        let Some(pool) = &self.0 else { return work(&Serial) };
        let is_foreign_worker = rayon_core::current_thread_index().is_some() && pool.current_thread_index().is_none();
        if is_foreign_worker { from_foreign_worker(pool, work) } else { install(pool, work) }
    }
}

fn install<R: Send>(pool: &ThreadPool, work: impl FnOnce(&dyn Join) -> R + Send) -> R {
    pool.install(|| work(&Forked::new(pool.current_num_threads())))
}

/// Enters `pool` from a worker of another one. Such a worker waits by running other jobs of its own pool, which may
/// want what its caller has locked or borrowed. So a thread that belongs to no pool enters instead, and the worker only
/// waits for it, which costs some 30 µs. Where no thread can be started the worker does the work alone.
fn from_foreign_worker<R: Send>(pool: &ThreadPool, work: impl FnOnce(&dyn Join) -> R + Send) -> R {
    let (mut work, mut result) = (Some(work), None);
    let joined = thread::scope(|scope| {
        let enter = || result = work.take().map(|work| install(pool, work));
        thread::Builder::new().spawn_scoped(scope, enter).map(thread::ScopedJoinHandle::join)
    });
    if let Ok(Err(panic)) = joined {
        resume_unwind(panic);
    }
    match (result, work) {
        (Some(result), _) => result,
        (None, Some(work)) => work(&Serial),
        (None, None) => unreachable!("work that was taken ended with a result or a panic"),
    }
}

/// Both pieces at once, on the pool that the caller is in, whose workers stay awake from the first join to the end of the
/// run: a worker that rayon lets sleep between two layers takes up to 50 µs to wake. CONTRIBUTING.md has the figures.
struct Forked {
    threads: usize,
    /// Set when the workers were asked to stay awake.
    is_awake: AtomicBool,
    /// Set when the run has ended.
    is_over: Arc<AtomicBool>,
}

impl Forked {
    fn new(threads: usize) -> Self {
        Self { threads, is_awake: AtomicBool::new(false), is_over: Arc::default() }
    }

    /// Asks all workers but the caller to wait for pieces until the run is over. Nobody waits for them to notice.
    fn keep_awake(&self) {
        if self.is_awake.swap(true, Ordering::Relaxed) {
            return;
        }
        let (caller, is_over) = (rayon_core::current_thread_index(), self.is_over.clone());
        rayon_core::spawn_broadcast(move |worker| {
            if caller != Some(worker.index()) {
                work_until(&is_over);
            }
        });
    }
}

impl Drop for Forked {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
    }
}

impl Join for Forked {
    fn threads(&self) -> usize {
        self.threads
    }

    fn join(&self, a: &mut (dyn FnMut() + Send), b: &mut (dyn FnMut() + Send)) {
        self.keep_awake();
        let b_is_done = AtomicBool::new(false);
        let first = || {
            a();
            work_until(&b_is_done);
        };
        rayon_core::join(first, || {
            let _done = SetOnDrop(&b_is_done);
            b();
        });
    }
}

/// Sets the flag however its scope is left.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Runs pieces that wait in the pool until the flag is set. A worker without any looks for them for some 50 µs, then lets
/// other threads of the machine run in between.
fn work_until(flag: &AtomicBool) {
    const PATIENCE: usize = 500;
    let mut idle = 0;
    while !flag.load(Ordering::Acquire) {
        match rayon_core::yield_now() {
            Some(Yield::Executed) => idle = 0,
            Some(Yield::Idle) | None if idle < PATIENCE => {
                idle += 1;
                spin_loop();
            }
            Some(Yield::Idle) | None => thread::yield_now(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn count(join: &dyn Join, depth: usize, leaves: &AtomicUsize) {
        if depth == 0 {
            leaves.fetch_add(1, Ordering::Relaxed);
        } else {
            join.join(&mut || count(join, depth - 1, leaves), &mut || count(join, depth - 1, leaves));
        }
    }

    #[test]
    fn halves_of_halves_all_run() {
        for threads in [1, 2, 3, 8] {
            let leaves = AtomicUsize::new(0);
            Threads::new(threads).unwrap().enter(|join| {
                assert_eq!(join.threads(), threads);
                count(join, 6, &leaves);
            });
            assert_eq!(leaves.into_inner(), 64, "{threads} threads");
        }
    }

    /// Each level waits on a thread that belongs to the pool of the one above.
    #[test]
    fn pools_are_entered_from_workers_of_others() {
        let [a, b, c] = [2, 3, 2].map(|threads| Threads::new(threads).unwrap());
        let leaves = AtomicUsize::new(0);
        a.enter(|outer| {
            outer
                .join(&mut || b.enter(|join| count(join, 4, &leaves)), &mut || b.enter(|join| count(join, 4, &leaves)));
            b.enter(|_| c.enter(|join| a.enter(|again| [join, again].map(|join| count(join, 4, &leaves)))));
        });
        assert_eq!(leaves.into_inner(), 4 * 16);
    }

    #[test]
    #[should_panic(expected = "seen by the worker")]
    fn panics_come_back_to_workers_of_others() {
        let [a, b] = [2, 2].map(|threads| Threads::new(threads).unwrap());
        a.enter(|_| b.enter(|_| panic!("seen by the worker")));
    }

    #[test]
    fn impossible_numbers_of_threads_are_refused() {
        for threads in [0, Options::MAX_THREADS + 1, usize::MAX] {
            assert!(Threads::new(threads).is_err(), "{threads}");
        }
    }
}
