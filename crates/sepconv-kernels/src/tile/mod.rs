//! The register tile that pointwise, standard and transposed convolution share: some output pixels by some vectors of output
//! channels, summed in registers while the inputs are read in place and the weights from packed panels.

mod kernel;
mod pack;
#[cfg(test)]
pub(crate) mod testing;

pub(crate) use kernel::{Job, Patch, split, variants};
pub use pack::{pack, packed_len};

use crate::simd::Isa;

/// A register tile: `rows` output pixels by `vectors` vectors of output channels.
///
/// Where the pixels are no multiple of `rows` they are spread evenly over tiles of at most that many, so only channels are
/// ever computed in vain: those that round up to whole tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    /// The most output pixels.
    pub rows: usize,
    /// Vectors of output channels; the panels that weights are packed in are as wide.
    pub vectors: usize,
}

impl Tile {
    /// Every tile that has a kernel on `isa`: for each width, as many rows as fit in registers.
    pub fn variants(isa: Isa) -> impl Iterator<Item = Self> + Clone {
        WIDTHS.iter().map(move |&vectors| Self { rows: most_rows(isa.registers(), vectors), vectors })
    }

    /// Output channels in the tile.
    pub fn columns(self, isa: Isa) -> usize {
        self.vectors * isa.lanes()
    }

    /// The name of the tile in numbers of pixels and channels: `14x32`.
    pub fn name(self, isa: Isa) -> impl core::fmt::Display {
        struct Name(usize, usize);
        impl core::fmt::Display for Name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, "{}x{}", self.0, self.1)
            }
        }
        Name(self.rows, self.columns(isa))
    }

    /// The tile that suits `m` pixels of `n` output channels: least arithmetic in vain, then fewest loads.
    pub fn choose(isa: Isa, m: usize, n: usize) -> Self {
        let cost = |tile: &Self| {
            let vectors = n.div_ceil(tile.columns(isa)).saturating_mul(tile.vectors);
            let blocks = m.div_ceil(tile.rows);
            let panels = vectors / tile.vectors;
            // A tile with few sums waits for the latency of each: eight are in flight.
            let sums = m.div_ceil(blocks.max(1)) * tile.vectors;
            let arithmetic = vectors.saturating_mul(m).saturating_mul(8) / sums.clamp(1, 8);
            (arithmetic, m.saturating_mul(panels).saturating_add(blocks * vectors))
        };
        Self::variants(isa).min_by_key(cost).unwrap_or(Self { rows: 1, vectors: 1 })
    }

    pub(crate) fn check(self, isa: Isa) {
        let known =
            WIDTHS.contains(&self.vectors) && (1..=most_rows(isa.registers(), self.vectors)).contains(&self.rows);
        assert!(known, "no {isa} kernel for {self:?}");
    }
}

/// The most rows of a tile `vectors` wide: the sums, a vector of weights for each column and one input fit in registers.
const fn most_rows(registers: usize, vectors: usize) -> usize {
    let rows = (registers - 1) / vectors - 1;
    if rows == 0 {
        1
    } else if rows > MOST_ROWS {
        MOST_ROWS
    } else {
        rows
    }
}

/// The most rows of any tile: wider ones would only lengthen the code.
const MOST_ROWS: usize = 14;

variants!(1, 2, 3, 4, 5, 8);
