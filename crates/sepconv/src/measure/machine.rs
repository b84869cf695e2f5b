//! Peak rates of a machine, measured by short loops.

use std::env;
use std::fs;
use std::hint::black_box;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use sepconv_core::{Join, Result, probe_memory};
use sepconv_kernels::{Isa, peak};
use serde::{Deserialize, Serialize};
use web_time::{Duration, Instant};

use crate::threads::Threads;
use crate::{Options, Times};

/// Peak rates of this machine, measured by short loops: the roofline that layers are compared with.
///
/// ```
/// use sepconv::{Machine, Options};
///
/// let machine = Machine::measure(&Options::default().threads(1))?;
/// assert!(machine.single_thread.floats > 0.0 && machine.single_thread.l2 > 0.0);
/// # Ok::<(), sepconv::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The instruction set.
    pub isa: String,
    /// Threads in the pool.
    pub threads: usize,
    /// Peak rates of one thread.
    pub single_thread: Peaks,
    /// Peak rates of all threads.
    pub all_threads: Peaks,
    /// Microseconds to share work between two threads and to wait for both; 0 for one thread.
    pub join_us: f64,
}

/// Peak rates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peaks {
    /// GFLOP/s in f32; a multiply-add is two operations.
    pub floats: f64,
    /// GOP/s in int8; a multiply-add is two operations.
    pub bytes: f64,
    /// GB/s, read and written, from the L2 cache: [`L2_BYTES`] for each thread.
    pub l2: f64,
    /// GB/s from the L3 cache: [`L3_BYTES`] for each thread.
    pub l3: f64,
    /// GB/s from main memory.
    pub dram: f64,
}

/// A working set of at most this many bytes counts as resident in L2.
pub const L2_BYTES: usize = 256 << 10;
/// A working set of at most this many bytes counts as resident in L3.
pub const L3_BYTES: usize = 4 << 20;
/// Bytes that fit no cache.
const DRAM_BYTES: usize = 128 << 20;

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
            probe_memory(DRAM_BYTES)?;
            let single_thread = Peaks::measure(isa, &one, 1);
            let all_threads = if threads > 1 { Peaks::measure(isa, &pool, threads) } else { single_thread };
            let join_us = if threads > 1 { pool.enter(join_us) } else { 0.0 };
            Ok(Self { isa: isa.to_string(), threads, single_thread, all_threads, join_us })
        };
        let mut machine = attempt()?;
        for _ in 1..ATTEMPTS {
            if machine.doubt().is_none() {
                break;
            }
            // Whatever else runs makes rates lower, never higher.
            let Self { single_thread, all_threads, join_us, .. } = attempt()?;
            machine.single_thread = machine.single_thread.max(single_thread);
            machine.all_threads = machine.all_threads.max(all_threads);
            machine.join_us = machine.join_us.min(join_us);
        }
        Ok(machine)
    }

    /// The name of this machine's processor, where the system tells, else its architecture.
    pub fn processor() -> String {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
        };
        let name = field("model name").or_else(|| field("Model")).unwrap_or_else(|| env::consts::ARCH.to_owned());
        // Virtual machines hide the model's name, but not its numbers.
        let numbers: Vec<_> = ["cpu family", "model\t"].into_iter().filter_map(field).collect();
        if numbers.is_empty() { name } else { format!("{name} ({})", numbers.join("-")) }
    }

    /// What cannot be true of what was measured: something else kept the machine busy, and [`peaks`](Self::peaks) takes
    /// the higher rates.
    pub fn doubt(&self) -> Option<String> {
        let Self { threads, single_thread, all_threads, .. } = self;
        let slower = single_thread.rates().into_iter().zip(all_threads.rates()).find(|((_, one), (_, all))| all < one);
        if let Some(((name, one), (_, all))) = slower.filter(|_| *threads > 1) {
            return Some(format!("{threads} threads reach less {name} than one: {all:.1} against {one:.1}"));
        }
        // Copies of one size are as fast as those of another where both fit the same cache, within what one run differs
        // from another.
        let is_slower = |smaller: f64, larger: f64| smaller < 0.8 * larger;
        let [(.., l2), (.., l3), (.., dram)] = [2, 3, 4].map(|i| single_thread.rates()[i]);
        let slow = is_slower(l2, l3) || is_slower(l3, dram);
        slow.then(|| format!("a cache is slower than what lies behind it: {l2:.1}, {l3:.1} and {dram:.1} GB/s"))
    }

    /// What `threads` threads reach, as far as it was measured.
    pub fn peaks(&self, threads: usize) -> Peaks {
        let [one, all] = [self.single_thread, self.single_thread.max(self.all_threads)];
        if threads >= self.threads {
            return all;
        }
        let share = (threads.max(1) - 1) as f64 / (self.threads.max(2) - 1) as f64;
        let between = |one: f64, all: f64| one + (all - one) * share;
        Peaks {
            floats: between(one.floats, all.floats),
            bytes: between(one.bytes, all.bytes),
            l2: between(one.l2, all.l2),
            l3: between(one.l3, all.l3),
            dram: between(one.dram, all.dram),
        }
    }
}

impl Peaks {
    /// Each rate, with its unit.
    fn rates(&self) -> [(&'static str, f64); 5] {
        let Self { floats, bytes, l2, l3, dram } = *self;
        [
            ("GFLOP/s in f32", floats),
            ("GOP/s in int8", bytes),
            ("GB/s from L2", l2),
            ("GB/s from L3", l3),
            ("GB/s from memory", dram),
        ]
    }

    /// The higher of each two rates.
    fn max(self, other: Self) -> Self {
        Self {
            floats: self.floats.max(other.floats),
            bytes: self.bytes.max(other.bytes),
            l2: self.l2.max(other.l2),
            l3: self.l3.max(other.l3),
            dram: self.dram.max(other.dram),
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
            l2: copied(L2_BYTES),
            l3: copied(L3_BYTES),
            dram: copied(DRAM_BYTES / threads.max(1)),
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
        Peaks { floats: rate, bytes: 2.0 * rate, l2: rate, l3: rate, dram: rate }
    }

    #[test]
    fn threads_between_one_and_all_reach_what_is_between() {
        let machine = Machine {
            isa: "scalar".into(),
            threads: 5,
            single_thread: peaks(1.0),
            all_threads: peaks(3.0),
            join_us: 1.0,
        };
        let floats: Vec<_> = [0, 1, 3, 5, 9].map(|threads| machine.peaks(threads).floats).into();
        assert_eq!(floats, [1.0, 1.0, 2.0, 3.0, 3.0]);
    }

    #[test]
    fn what_cannot_be_true_is_doubted() {
        let machine = |single_thread: Peaks, all_threads: Peaks| Machine {
            isa: "scalar".into(),
            threads: 2,
            single_thread,
            all_threads,
            join_us: 1.0,
        };
        assert_eq!(machine(peaks(1.0), peaks(2.0)).doubt(), None);
        let busy = machine(peaks(10.0), Peaks { l2: 6.0, ..peaks(20.0) });
        let doubt = busy.doubt().unwrap();
        assert_eq!(doubt, "2 threads reach less GB/s from L2 than one: 6.0 against 10.0");
        assert_eq!((busy.peaks(2).l2, busy.peaks(2).dram), (10.0, 20.0), "the higher of both");
        let cold = machine(Peaks { l2: 4.0, ..peaks(10.0) }, peaks(20.0));
        assert!(cold.doubt().unwrap().starts_with("a cache is slower"));
        // What one run differs from another.
        assert_eq!(machine(Peaks { l2: 9.0, ..peaks(10.0) }, peaks(20.0)).doubt(), None);
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
