//! Files changed at random, the same ones for the same seed.

use sepconv::{DType, Model, Options, Result, Tensor};

/// A sequence of random numbers (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators").
pub(crate) struct SplitMix(pub(crate) u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `end`; 0 where there is none.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// Numbers at which careless arithmetic breaks.
const UGLY: [u64; 12] =
    [0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff, i64::MAX as u64, u64::MAX];
/// Where files say what their network is, rather than what its weights are: near the beginning, more often than not.
const OUTLINE: usize = 1 << 16;

/// The file with one to eight changes: bits, bytes and numbers replaced, pieces removed, repeated, moved, and the end
/// cut off.
pub(crate) fn mutated(file: &[u8], random: &mut SplitMix) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for _ in 0..1 + random.below(8) {
        let reach = if random.below(2) == 0 { bytes.len().min(OUTLINE) } else { bytes.len() };
        let at = random.below(reach);
        let piece = at..bytes.len().min(at + 1 + random.below(64));
        match random.below(8) {
            0 => bytes[piece].iter_mut().take(1).for_each(|byte| *byte ^= 1 << random.below(8)),
            1 => bytes[piece].iter_mut().take(1).for_each(|byte| *byte = random.next() as u8),
            2 | 3 => {
                let (number, width) = (UGLY[random.below(UGLY.len())], 1 << random.below(4));
                let places = bytes[at..].iter_mut().take(width);
                places.zip(number.to_le_bytes()).for_each(|(place, byte)| *place = byte);
            }
            4 => drop(bytes.drain(piece)),
            5 => {
                let copy = bytes[piece].to_vec();
                let to = random.below(reach);
                bytes.splice(to..to, copy);
            }
            6 => {
                let copy = bytes[piece].to_vec();
                let to = random.below(reach);
                bytes.iter_mut().skip(to).zip(copy).for_each(|(place, byte)| *place = byte);
            }
            _ if random.below(8) == 0 => bytes.truncate(at),
            _ => bytes[piece].iter_mut().for_each(|byte| *byte = byte.wrapping_add(1)),
        }
    }
    bytes
}

/// The most multiply-accumulates that a network may take to be run.
const CHEAP: u64 = 20_000_000;

/// Reads and compiles a network, and runs it where that is cheap.
pub(crate) fn used(bytes: Vec<u8>) -> Result<()> {
    let model = Model::from_bytes("mutated", bytes)?;
    let mut session = model.compile(&Options::default().threads(1))?.session()?;
    if session.plan().macs() > CHEAP || session.plan().arena_bytes() > CHEAP as usize {
        return Ok(());
    }
    let zeros = |info: &sepconv::TensorInfo| Tensor::zeros(info.shape.clone(), info.dtype);
    let inputs: Vec<Tensor> = session.inputs().iter().map(zeros).collect();
    assert!(inputs.iter().all(|input| input.dtype() != DType::I64), "runners take no wide integers");
    session.run(&inputs.iter().collect::<Vec<_>>()).map(|_| ())
}
