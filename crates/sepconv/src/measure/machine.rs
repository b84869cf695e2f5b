//! What a machine reaches at most, measured by short loops.

use std::hint::black_box;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sepconv_core::{Join, Result, probe_memory};
use sepconv_kernels::{Isa, peak};
use serde::{Deserialize, Serialize};

use crate::threads::Threads;
use crate::{Options, Times};

/// What this machine reaches at most, as short loops measured it: what the time of a layer is compared with.
///
/// ```
/// use sepconv::{Machine, Options};
///
/// let machine = Machine::measure(&Options::default().threads(1))?;
/// assert!(machine.alone.floats > 0.0 && machine.alone.near > 0.0);
/// # Ok::<(), sepconv::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The instruction set.
    pub isa: String,
    /// Threads that share work.
    pub threads: usize,
    /// What one thread reaches.
    pub alone: Peaks,
    /// What all threads reach together.
    pub together: Peaks,
    /// Microseconds that it takes to share work between two threads and to wait for both; 0 for one thread.
    pub join_us: f64,
}

/// Rates that are reached at most.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peaks {
    /// Billions of operations on floats in a second; a multiply-add is two.
    pub floats: f64,
    /// Billions of operations on bytes in a second; a product that is summed is two.
    pub bytes: f64,
    /// Billions of bytes in a second, read and written, that are at hand in the second cache: [`NEAR`] for each thread.
    pub near: f64,
    /// The same in the cache that cores share: [`MIDDLE`] for each thread.
    pub middle: f64,
    /// The same in main memory.
    pub far: f64,
}

/// Bytes of what counts as near: it fits the second cache of a core.
pub const NEAR: usize = 256 << 10;
/// Bytes of what counts as in the middle: it fits the cache that cores share.
pub const MIDDLE: usize = 4 << 20;
/// Bytes that fit no cache.
const FAR: usize = 128 << 20;

impl Machine {
    /// Measures with the threads and the instruction set of `options`: about half a second, up to four times as long
    /// while the result is [implausible](Self::doubt).
    ///
    /// # Errors
    /// When the machine lacks the instruction set asked for, threads cannot be started, or there is not memory enough.
    pub fn measure(options: &Options) -> Result<Self> {
        const ATTEMPTS: usize = 4;
        let isa = options.resolve_isa()?;
        let (one, pool) = (Threads::new(1)?, Threads::new(options.threads)?);
        let threads = pool.enter(|join| join.threads());
        let attempt = || {
            // Buffers of every size fit where the largest does.
            probe_memory(FAR)?;
            let alone = Peaks::measure(isa, &one, 1);
            let together = if threads > 1 { Peaks::measure(isa, &pool, threads) } else { alone };
            let join_us = if threads > 1 { pool.enter(join_us) } else { 0.0 };
            Ok(Self { isa: isa.to_string(), threads, alone, together, join_us })
        };
        let mut machine = attempt()?;
        for _ in 1..ATTEMPTS {
            if machine.doubt().is_none() {
                break;
            }
            // Whatever else runs makes rates lower, never higher.
            let Self { alone, together, join_us, .. } = attempt()?;
            machine.alone = machine.alone.max(alone);
            machine.together = machine.together.max(together);
            machine.join_us = machine.join_us.min(join_us);
        }
        Ok(machine)
    }

    /// What cannot be true of what was measured: something else kept the machine busy, and [`peaks`](Self::peaks) takes
    /// the higher rates.
    pub fn doubt(&self) -> Option<String> {
        let Self { threads, alone, together, .. } = self;
        let slower = alone.rates().into_iter().zip(together.rates()).find(|((_, one), (_, all))| all < one);
        if let Some(((name, one), (_, all))) = slower.filter(|_| *threads > 1) {
            return Some(format!("{threads} threads reach less {name} than one: {all:.1} against {one:.1}"));
        }
        // Copies of one size are as fast as those of another where both fit the same cache, within what one run differs
        // from another.
        let is_slower = |smaller: f64, larger: f64| smaller < 0.8 * larger;
        let [(.., near), (.., middle), (.., far)] = [2, 3, 4].map(|i| alone.rates()[i]);
        let slow = is_slower(near, middle) || is_slower(middle, far);
        slow.then(|| format!("a cache is slower than what lies behind it: {near:.1}, {middle:.1} and {far:.1} GB/s"))
    }

    /// What `threads` threads reach, as far as it was measured.
    pub fn peaks(&self, threads: usize) -> Peaks {
        let [one, all] = [self.alone, self.alone.max(self.together)];
        if threads >= self.threads {
            return all;
        }
        let share = (threads.max(1) - 1) as f64 / (self.threads.max(2) - 1) as f64;
        let between = |one: f64, all: f64| one + (all - one) * share;
        Peaks {
            floats: between(one.floats, all.floats),
            bytes: between(one.bytes, all.bytes),
            near: between(one.near, all.near),
            middle: between(one.middle, all.middle),
            far: between(one.far, all.far),
        }
    }
}

impl Peaks {
    /// Each rate, with its unit.
    fn rates(&self) -> [(&'static str, f64); 5] {
        let Self { floats, bytes, near, middle, far } = *self;
        [
            ("GFLOP/s in f32", floats),
            ("GOP/s in int8", bytes),
            ("GB/s from L2", near),
            ("GB/s from L3", middle),
            ("GB/s from memory", far),
        ]
    }

    /// The higher of each two rates.
    fn max(self, other: Self) -> Self {
        Self {
            floats: self.floats.max(other.floats),
            bytes: self.bytes.max(other.bytes),
            near: self.near.max(other.near),
            middle: self.middle.max(other.middle),
            far: self.far.max(other.far),
        }
    }

    fn measure(isa: Isa, pool: &Threads, threads: usize) -> Self {
        let operations = |run: fn(Isa) -> u64| {
            let done = run(isa) * threads as u64;
            let seconds = fastest(pool, threads, &|_| {
                black_box(run(isa));
            });
            done as f64 / seconds * 1e-9
        };
        let copied = |bytes: usize| {
            // Half of it is read, half written.
            let floats = bytes / 2 / size_of::<f32>();
            let halves = || (vec![1_f32; floats], vec![0_f32; floats]);
            let halves: Vec<_> = (0..threads).map(|_| Mutex::new(halves())).collect();
            let seconds = fastest(pool, threads, &|thread| {
                // Nobody else takes this one.
                let mut halves = halves[thread].lock().unwrap_or_else(PoisonError::into_inner);
                let (from, to) = &mut *halves;
                peak::copy(isa, black_box(from), to);
                black_box(to);
            });
            (bytes * threads) as f64 / seconds * 1e-9
        };
        Self {
            floats: operations(peak::f32),
            bytes: operations(peak::int8),
            near: copied(NEAR),
            middle: copied(MIDDLE),
            far: copied(FAR / threads.max(1)),
        }
    }
}

/// The fewest seconds in which each thread does `work` once, which is told its number.
fn fastest(pool: &Threads, threads: usize, work: &(dyn Fn(usize) + Sync)) -> f64 {
    const BATCHES: usize = 12;
    pool.enter(|join| {
        let batch = |times: u32| {
            let start = Instant::now();
            each(join, 0..threads, &|thread| (0..times).for_each(|_| work(thread)));
            start.elapsed()
        };
        // Long enough that sharing costs nothing beside it. A batch that something else held up is no measure of that:
        // the fastest counts.
        let mut times = 1;
        while (0..3).map(|_| batch(times)).min() < Some(Duration::from_millis(2)) {
            times *= 2;
        }
        (0..BATCHES).map(|_| batch(times).as_secs_f64() / f64::from(times)).fold(f64::INFINITY, f64::min)
    })
}

fn each(join: &dyn Join, threads: Range<usize>, work: &(dyn Fn(usize) + Sync)) {
    if threads.len() <= 1 {
        return threads.for_each(work);
    }
    let middle = threads.start + threads.len() / 2;
    join.join(&mut || each(join, threads.start..middle, work), &mut || each(join, middle..threads.end, work));
}

/// The median of how much longer two threads take for twice the work of one.
fn join_us(join: &dyn Join) -> f64 {
    const WORK: Duration = Duration::from_micros(5);
    let work = || {
        let start = Instant::now();
        while start.elapsed() < WORK {
            std::hint::spin_loop();
        }
    };
    let fork = |_| {
        let start = Instant::now();
        join.join(&mut { work }, &mut { work });
        start.elapsed().saturating_sub(WORK).as_secs_f64() * 1e6
    };
    (0..500).map(fork).collect::<Times>().median()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peaks(rate: f64) -> Peaks {
        Peaks { floats: rate, bytes: 2.0 * rate, near: rate, middle: rate, far: rate }
    }

    #[test]
    fn threads_between_one_and_all_reach_what_is_between() {
        let machine =
            Machine { isa: "scalar".into(), threads: 5, alone: peaks(1.0), together: peaks(3.0), join_us: 1.0 };
        let floats: Vec<_> = [0, 1, 3, 5, 9].map(|threads| machine.peaks(threads).floats).into();
        assert_eq!(floats, [1.0, 1.0, 2.0, 3.0, 3.0]);
    }

    #[test]
    fn what_cannot_be_true_is_doubted() {
        let machine =
            |alone: Peaks, together: Peaks| Machine { isa: "scalar".into(), threads: 2, alone, together, join_us: 1.0 };
        assert_eq!(machine(peaks(1.0), peaks(2.0)).doubt(), None);
        let busy = machine(peaks(10.0), Peaks { near: 6.0, ..peaks(20.0) });
        let doubt = busy.doubt().unwrap();
        assert_eq!(doubt, "2 threads reach less GB/s from L2 than one: 6.0 against 10.0");
        assert_eq!((busy.peaks(2).near, busy.peaks(2).far), (10.0, 20.0), "the higher of both");
        let cold = machine(Peaks { near: 4.0, ..peaks(10.0) }, peaks(20.0));
        assert!(cold.doubt().unwrap().starts_with("a cache is slower"));
        // What one run differs from another.
        assert_eq!(machine(Peaks { near: 9.0, ..peaks(10.0) }, peaks(20.0)).doubt(), None);
    }

    #[test]
    fn every_thread_works_once() {
        let counts: Vec<_> = (0..7).map(|_| std::sync::atomic::AtomicUsize::new(0)).collect();
        Threads::new(3).unwrap().enter(|join| {
            each(join, 0..counts.len(), &|i| _ = counts[i].fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        });
        assert!(counts.into_iter().all(|count| count.into_inner() == 1));
    }
}
