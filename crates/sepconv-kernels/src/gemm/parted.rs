//! Weights for instructions that saturate: `vpmaddubsw` adds two products of u8 and i8 up in 16 bits, which is exact
//! unless both weights have one sign and add up to more than 128 in magnitude.
//!
//! Such weights are never multiplied together. A vector of output channels has its own quads of inputs, which may begin
//! at any input: where two neighbors must be parted, the next quad begins early, and a weight is zero in all quads but
//! one that have its input. Real weights need up to a few percent more quads, bell-shaped ones of 512 inputs a tenth.
//!
//! In memory a run is an [`Index`], then `[steps, columns, 4]` of weights: a step is a quad for each vector.

use super::Tile;
use super::pack_int8::{K_GROUP, Panel, Runs};
use crate::quantized_params::QuantizedConvParams;
use crate::simd::Isa;

/// Bytes that an index is rounded up to, so that weights begin where vectors do.
pub(crate) const INDEX_ALIGN: usize = 32;
/// Numbers of an index before the first quad.
const BEFORE: usize = 2;

/// Bytes of a run of so many steps.
pub(super) fn run_len(steps: usize, nr: usize, columns: usize) -> usize {
    index_len(steps, nr) + steps * K_GROUP * columns
}

fn index_len(steps: usize, nr: usize) -> usize {
    (2 * (BEFORE + steps * nr)).next_multiple_of(INDEX_ALIGN)
}

/// Where the quads of a run begin, step by step and vector by vector.
///
/// In memory it is numbers of 16 bits: how many steps there are, how many times 32 bytes it takes, and the first inputs
/// of the quads.
pub(crate) struct Index<'a> {
    /// The first input of each quad.
    pub(crate) begins: &'a [[i8; 2]],
    /// The weights that follow the index.
    pub(crate) weights: &'a [i8],
}

impl<'a> Index<'a> {
    /// Reads the index of a run of weights that are `nr` vectors wide.
    #[inline(always)]
    pub(crate) fn read(run: &'a [i8], nr: usize) -> Self {
        let (numbers, _) = run.as_chunks();
        let (steps, len) = (Self::number(numbers[0]), Self::number(numbers[1]));
        Self { begins: &numbers[BEFORE..][..steps * nr], weights: &run[len * INDEX_ALIGN..] }
    }

    /// A number of the index.
    #[inline(always)]
    pub(crate) fn number(bytes: [i8; 2]) -> usize {
        usize::from(u16::from_ne_bytes([bytes[0] as u8, bytes[1] as u8]))
    }
}

/// Some inputs of a run that are multiplied in one step: those from `first` to `end`, read by the quad at `begin`.
#[derive(Clone, Copy)]
struct Quad {
    begin: usize,
    first: usize,
    end: usize,
}

/// A run of the weights of a panel.
pub(super) struct Run<'a> {
    pub(super) isa: Isa,
    pub(super) tile: Tile,
    pub(super) runs: Runs,
    pub(super) run: usize,
    pub(super) panel: Panel,
    pub(super) params: &'a QuantizedConvParams<'a>,
}

impl Run<'_> {
    /// Steps that all its vectors need.
    pub(super) fn steps(&self) -> usize {
        (0..self.tile.nr).map(|v| self.quads(v).count()).max().unwrap_or(0)
    }

    /// Writes its index and its weights; what follows the steps is zero.
    pub(super) fn pack(&self, packed: &mut [i8]) {
        let (nr, lanes) = (self.tile.nr, self.isa.lanes());
        let steps = self.steps();
        let index_len = index_len(steps, nr);
        packed.fill(0);
        let (index, weights) = packed.split_at_mut(index_len);
        let (numbers, _) = index.as_chunks_mut();
        // No number is beyond 16 bits: a run has less than 2^15 inputs, and its index 2 bytes for each quad.
        let number = |x: usize| (x as u16).to_ne_bytes().map(|byte| byte as i8);
        (numbers[0], numbers[1]) = (number(steps), number(index_len / INDEX_ALIGN));
        for v in 0..nr {
            for (step, quad) in self.quads(v).enumerate() {
                numbers[BEFORE + step * nr + v] = number(quad.begin);
                let row = &mut weights[(step * nr + v) * lanes * K_GROUP..][..lanes * K_GROUP];
                for (lane, packed) in row.as_chunks_mut::<K_GROUP>().0.iter_mut().enumerate() {
                    for input in quad.first..quad.end {
                        packed[input - quad.begin] = self.weight(v * lanes + lane, input);
                    }
                }
            }
        }
    }

    /// The quads of vector `v`: each takes as many further inputs as it can, so there are as few as can be.
    fn quads(&self, v: usize) -> impl Iterator<Item = Quad> {
        let mut next = 0;
        core::iter::from_fn(move || {
            let quad = (next < self.runs.length).then(|| self.quad(v, next))?;
            next = quad.end;
            Some(quad)
        })
    }

    /// The quad that takes the most inputs from `first` on.
    fn quad(&self, v: usize, first: usize) -> Quad {
        let last = first.min(self.runs.length.saturating_sub(K_GROUP));
        let quad = |begin: usize| {
            let end = self.runs.length.min(begin + K_GROUP);
            // The second of two that are multiplied together, if both are taken, must go with the first.
            let parted = |&input: &usize| (input - begin) % 2 == 1 && input > first && !self.go_together(v, input);
            Quad { begin, first, end: (first..end).find(parted).unwrap_or(end) }
        };
        let mut most = quad(last);
        // Quads that begin earlier have fewer inputs to take.
        for begin in (first.saturating_sub(K_GROUP - 1)..last).rev() {
            if most.end < begin + K_GROUP {
                let other = quad(begin);
                most = if other.end > most.end { other } else { most };
            }
        }
        most
    }

    /// Whether the weights of `input` and of the one before it never saturate, in all lanes of vector `v`.
    fn go_together(&self, v: usize, input: usize) -> bool {
        let lanes = self.isa.lanes();
        (v * lanes..(v + 1) * lanes).all(|column| {
            let sum = i32::from(self.weight(column, input - 1)) + i32::from(self.weight(column, input));
            // 128·255 fits in 16 bits, 129·255 does not.
            sum.abs() <= 128
        })
    }

    /// The weight of an input of the run in a column of the panel.
    fn weight(&self, column: usize, input: usize) -> i8 {
        let (Runs { count, length }, (first, left)) = (self.runs, self.panel);
        if column < left {
            self.params.weights.get((first + column) * count * length + self.run * length + input)
        } else {
            0
        }
    }
}
