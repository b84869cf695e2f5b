//! The register tile that pointwise, standard and transposed convolution share: some output pixels by some vectors of output
//! channels, summed in registers while the inputs are read in place and the weights from packed panels.

mod kernel;
mod pack;
mod pack_int8;

use kernel::WIDTHS;
pub(crate) use kernel::{Job, Limits, Patch, Taps, split};
pub use pack::{gate_inputs, pack, packed_len};
pub(crate) use pack::{pack_groups, packed_groups_len};
pub(crate) use pack_int8::{HEADER, QUAD, Runs, pack_runs, packed_runs_len};
pub use pack_int8::{pack_int8, packed_len_int8};

use crate::scheme::{F32, Quantized};
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
    /// Whether the vectors are those of [`Isa::narrower`].
    pub narrow: bool,
}

impl Tile {
    /// Every tile that has a kernel of floats on `isa`: for each width, the most rows; then those that are narrow.
    pub fn variants(isa: Isa) -> impl Iterator<Item = Self> + Clone {
        let of = |isa: Isa, narrow| {
            let tiles = Self::highest(isa, F32::limits(isa.row_registers()));
            tiles.map(move |tile| Self { narrow, ..tile })
        };
        of(isa, false).chain(isa.narrower().into_iter().flat_map(move |isa| of(isa, true)))
    }

    /// Every tile that has an int8 kernel on `isa`: for each width, the most rows.
    pub fn variants_int8(isa: Isa) -> impl Iterator<Item = Self> + Clone {
        Self::highest(isa, Quantized::limits(isa.weight_registers()))
    }

    fn highest(isa: Isa, limits: Limits) -> impl Iterator<Item = Self> + Clone {
        let tile = move |&vectors| Self { rows: limits.rows(isa.registers(), vectors), vectors, narrow: false };
        WIDTHS.iter().map(tile).filter(|tile| tile.rows > 0)
    }

    /// The instruction set that runs the tile on a machine of `isa`.
    pub(crate) fn isa(self, isa: Isa) -> Isa {
        if self.narrow { isa.narrower().unwrap_or(isa) } else { isa }
    }

    /// Output channels in the tile.
    pub fn columns(self, isa: Isa) -> usize {
        self.vectors * self.isa(isa).lanes()
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

    /// The tile that suits `m` pixels of `n` output channels, each the sum of `k` products: the one of fewest cycles by a rough
    /// model, fitted to what the bench measures.
    pub fn choose(isa: Isa, m: usize, k: usize, n: usize) -> Self {
        // A vector that the machine takes in halves costs two, and more to store.
        let [multiply, store] = if isa.halves() { [1.0, 10.0] } else { [0.5, 1.0] };
        let cycles = |tile: &Self| {
            let [multiply, store] = if tile.narrow { [0.5, 1.0] } else { [multiply, store] };
            let panels = n.div_ceil(tile.columns(isa)) as f64;
            let blocks = m.div_ceil(tile.rows).max(1) as f64;
            let (rows, vectors) = (m as f64 / blocks, tile.vectors as f64);
            // Fewer than ten sums wait for each other; loads are not quite free.
            let step = (multiply * rows * vectors).max(5.0) + rows / 5.0 + vectors / 10.0;
            // Each result is clipped and stored.
            blocks * panels * (step * k as f64 + store * rows * vectors + 10.0)
        };
        let least = Self::variants(isa).min_by(|a, b| cycles(a).total_cmp(&cycles(b)));
        least.unwrap_or(Self { rows: 1, vectors: 1, narrow: false })
    }

    /// As [`choose`](Self::choose), for int8.
    pub fn choose_int8(isa: Isa, m: usize, k: usize, n: usize) -> Self {
        let cycles = |tile: &Self| {
            let panels = n.div_ceil(tile.columns(isa)) as f64;
            let blocks = m.div_ceil(tile.rows).max(1) as f64;
            let (rows, vectors) = (m as f64 / blocks, tile.vectors as f64);
            let step = (rows * vectors / 2.0).max(4.0) + (rows + vectors) / 5.0;
            blocks * panels * (step * k.div_ceil(4) as f64 + 4.0 * rows * vectors)
        };
        let least = Self::variants_int8(isa).min_by(|a, b| cycles(a).total_cmp(&cycles(b)));
        least.unwrap_or(Self { rows: 1, vectors: 1, narrow: false })
    }

    pub(crate) fn check(self, isa: Isa) {
        assert!(self.fits(Self::variants(isa)), "no {isa} kernel of floats for {self:?}");
    }

    pub(crate) fn check_int8(self, isa: Isa) {
        assert!(self.fits(Self::variants_int8(isa)), "no {isa} kernel of bytes for {self:?}");
    }

    fn fits(self, mut variants: impl Iterator<Item = Self>) -> bool {
        variants.any(|most| Self { rows: most.rows, ..self } == most && (1..=most.rows).contains(&self.rows))
    }
}

/// Bytes of packed weights that stay in the second-level cache while pixels pass by; of more, one panel at a time does.
pub(crate) const RESIDENT: usize = 512 << 10;
