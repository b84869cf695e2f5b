//! What the examples share: a network that is fed from files of the host, by semihosting. A program of its own would
//! read a camera or a microphone here instead.

use semihosting::fs::File;
use semihosting::io::{self, Read, Write};

use crate::network::{Arena, STEPS, output, run_step};

/// Runs the network on each input of `input.bin`, and writes the results to `output.bin`. What `now` counts in each step
/// goes to `steps.bin`, as words.
pub fn run(arena: &mut Arena, now: impl Fn() -> u32) -> io::Result<()> {
    let mut inputs = File::open(c"input.bin")?;
    let (mut outputs, mut steps) = (File::create(c"output.bin")?, File::create(c"steps.bin")?);
    while fill(&mut inputs, bytes_mut(arena.input()))? {
        for step in 0..STEPS {
            let before = now();
            run_step(step, arena);
            steps.write_all(&now().wrapping_sub(before).to_le_bytes())?;
        }
        outputs.write_all(bytes(output(arena)))?;
    }
    Ok(())
}

/// Fills `to`, unless the file ends before.
fn fill(file: &mut File, to: &mut [u8]) -> io::Result<bool> {
    let mut filled = 0;
    while filled < to.len() {
        match file.read(&mut to[filled..])? {
            0 => return Ok(false),
            read => filled += read,
        }
    }
    Ok(true)
}

/// How much of the stack was used.
pub struct Stack {
    top: usize,
    painted: core::ops::Range<usize>,
}

impl Stack {
    const PAINT: u32 = 0x5afe_5afe;
    const MOST: usize = 32 << 10;

    /// Paints the memory below this function's frame, down to 32 kB below `top`. As a part of its caller it would paint
    /// over what that keeps below the address it goes by.
    #[inline(never)]
    pub fn paint(top: usize) -> Self {
        let here = 0u32;
        let end = (&raw const here as usize - 128) & !3;
        let painted = (top - Self::MOST).next_multiple_of(4)..end;
        for address in painted.clone().step_by(4) {
            // SAFETY: the memory between the end of the statics and the stack is nobody's.
            unsafe { core::ptr::write_volatile(address as *mut u32, Self::PAINT) };
        }
        Self { top, painted }
    }

    /// Writes to `stack.bin` how many bytes were used since, as a word.
    pub fn report(&self) -> io::Result<()> {
        // SAFETY: as above.
        let is_used = |&address: &usize| unsafe { core::ptr::read_volatile(address as *const u32) } != Self::PAINT;
        let lowest = self.painted.clone().step_by(4).find(is_used).unwrap_or(self.painted.end);
        File::create(c"stack.bin")?.write_all(&((self.top - lowest) as u32).to_le_bytes())
    }
}

fn bytes<T>(x: &[T]) -> &[u8] {
    // SAFETY: integers and f32 have no padding.
    unsafe { core::slice::from_raw_parts(x.as_ptr().cast(), size_of_val(x)) }
}

fn bytes_mut<T>(x: &mut [T]) -> &mut [u8] {
    // SAFETY: as above, and any bytes are integers or f32.
    unsafe { core::slice::from_raw_parts_mut(x.as_mut_ptr().cast(), size_of_val(x)) }
}
