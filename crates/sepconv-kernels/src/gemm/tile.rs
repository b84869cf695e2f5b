use super::kernel::{Limits, WIDTHS};
use super::microkernel::{F32MicroKernel, Int8MicroKernel, dot};
use crate::simd::{Isa, Simd};

/// A register tile: `mr` output pixels by `nr` vectors of output channels.
///
/// Where the pixels are no multiple of `mr` they are spread evenly over tiles of at most that many, so only channels
/// are padding waste: those that round up to whole tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    /// Output pixels, at most.
    pub mr: usize,
    /// Vectors of output channels (`4` is what XNNPACK writes as `4v`), or output channels where vectors are of
    /// something else; panels of packed weights are as wide.
    pub nr: usize,
    /// What the lanes of a vector are.
    pub lanes: Lanes,
}

/// What the lanes of a tile's vectors are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lanes {
    /// Output channels.
    Channels,
    /// Output channels, in vectors of [`Isa::half_width_isa`].
    HalfWidth,
    /// Products of one sum, which are added at the end. Where there are few output channels, most lanes would be
    /// padding otherwise.
    Products,
    /// Output pixels, where there are few input channels: only of [convolutions](crate::conv2d).
    Pixels,
}

impl Tile {
    /// The tile whose vectors are of pixels: so many that turning results into pixels of all channels costs little.
    pub(crate) const PIXELS: Self = Self { mr: 64, nr: 4, lanes: Lanes::Pixels };

    /// The vectors of [`PIXELS`](Self::PIXELS) that are computed together, as many as registers hold of each channel.
    pub(crate) const fn pixel_vectors(registers: usize) -> usize {
        if registers >= 32 { 4 } else { 2 }
    }

    /// Every tile of matrix products that has a f32 kernel on `isa`: for each width, the most rows; then those of half
    /// width, and the one of a single channel.
    pub fn variants(isa: Isa) -> impl Iterator<Item = Self> + Clone {
        let of = |isa: Isa, lanes| {
            let tiles = Self::highest(isa, F32MicroKernel::limits(isa.row_registers()));
            tiles.map(move |tile| Self { lanes, ..tile })
        };
        let dot = (dot::COMPILED && isa.lanes() > 1).then_some(Self { mr: dot::ROWS, nr: 1, lanes: Lanes::Products });
        let half = isa.half_width_isa().into_iter().flat_map(move |isa| of(isa, Lanes::HalfWidth));
        of(isa, Lanes::Channels).chain(half).chain(dot)
    }

    /// Every tile that has an int8 kernel on `isa`: for each width, the most rows.
    pub fn variants_int8(isa: Isa) -> impl Iterator<Item = Self> + Clone {
        Self::highest(isa, Int8MicroKernel::limits(isa.weight_registers(), isa.dot_registers(), isa.tile_widths()))
    }

    fn highest(isa: Isa, limits: Limits) -> impl Iterator<Item = Self> + Clone {
        let tile = move |&nr| Self { mr: limits.mr(isa.registers(), nr), nr, lanes: Lanes::Channels };
        WIDTHS.iter().map(tile).filter(|tile| tile.mr > 0)
    }

    /// The instruction set that runs the tile on a machine of `isa`.
    pub(crate) fn isa(self, isa: Isa) -> Isa {
        if self.lanes == Lanes::HalfWidth { isa.half_width_isa().unwrap_or(isa) } else { isa }
    }

    /// Output channels in the tile.
    pub fn columns(self, isa: Isa) -> usize {
        self.columns_of(self.isa(isa).lanes())
    }

    /// The same, with the token of the instruction set that runs it.
    pub(crate) fn token_columns<S: Simd>(self) -> usize {
        self.columns_of(S::LANES)
    }

    fn columns_of(self, lanes: usize) -> usize {
        match self.lanes {
            Lanes::Channels | Lanes::HalfWidth => self.nr * lanes,
            Lanes::Products | Lanes::Pixels => self.nr,
        }
    }

    /// The name of the tile in numbers of pixels and channels: `14x32`.
    pub fn name(self, isa: Isa) -> impl core::fmt::Display {
        struct Name(usize, usize);
        impl core::fmt::Display for Name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, "{}x{}", self.0, self.1)
            }
        }
        Name(self.mr, self.columns(isa))
    }

    /// The tile that suits `m` pixels of `n` output channels, each the sum of `k` products: the one of fewest cycles by
    /// a rough model, fitted to what the bench measures.
    pub fn choose(isa: Isa, m: usize, k: usize, n: usize) -> Self {
        let cycles = |tile: &Self| tile.cycles(isa, m, k, n);
        let least = Self::variants(isa).min_by(|a, b| cycles(a).total_cmp(&cycles(b)));
        least.unwrap_or(Self { mr: 1, nr: 1, lanes: Lanes::Channels })
    }

    /// The cycles that `m` pixels of `n` output channels take, each the sum of `k` products, by the model of
    /// [`choose`](Self::choose).
    pub(crate) fn cycles(&self, isa: Isa, m: usize, k: usize, n: usize) -> f64 {
        let blocks = m.div_ceil(self.mr).max(1) as f64;
        let panels = n.div_ceil(self.columns(isa)) as f64;
        // A vector that the machine takes in halves costs two, and more to store.
        let halves = self.lanes != Lanes::HalfWidth && isa.is_double_pumped();
        let [multiply, store] = if halves { [1.0, 10.0] } else { [0.5, 1.0] };
        match self.lanes {
            Lanes::Channels | Lanes::HalfWidth => {
                let (rows, vectors) = (m as f64 / blocks, self.nr as f64);
                // Fewer than ten sums wait for each other; loads are not quite free.
                let step = (multiply * rows * vectors).max(5.0) + rows / 5.0 + vectors / 10.0;
                // Each result is clipped and stored.
                blocks * panels * (step * k as f64 + store * rows * vectors + 10.0)
            }
            Lanes::Products => {
                // A load with each multiplication; then sums are added up, and stored one by one.
                let vectors = k.div_ceil(isa.lanes()) as f64;
                blocks * panels * self.mr as f64 * ((multiply + 0.5) * vectors + 5.0)
            }
            Lanes::Pixels => {
                let (registers, channels) = (Self::pixel_vectors(isa.registers()), n.min(self.nr) as f64);
                let [at_once, passes] = [registers, self.mr.div_ceil(registers * isa.lanes())].map(|x| x as f64);
                let step = (multiply * at_once * channels).max(4.0) + (at_once + channels) / 4.0;
                // Results are transposed.
                blocks * panels * (passes * (step * k as f64 + 40.0) + 1.25 * self.mr as f64 * channels)
            }
        }
    }

    /// As [`choose`](Self::choose), for int8.
    pub fn choose_int8(isa: Isa, m: usize, k: usize, n: usize) -> Self {
        let cycles = |tile: &Self| {
            let panels = n.div_ceil(tile.columns(isa)) as f64;
            let blocks = m.div_ceil(tile.mr).max(1) as f64;
            let (rows, vectors) = (m as f64 / blocks, tile.nr as f64);
            let (step, rest) = if isa.parts_weights() {
                // Two multiplications for each sum, an index to read, and four vectors that are requantized together.
                let stores = if tile.nr < 3 { libm::ceil(rows * vectors / 4.0) } else { rows };
                (rows * vectors + vectors / 2.0, 20.0 * stores + 25.0)
            } else {
                ((rows * vectors / 2.0).max(4.0) + (rows + vectors) / 5.0, 4.0 * rows * vectors)
            };
            blocks * panels * (step * k.div_ceil(4) as f64 + rest)
        };
        let least = Self::variants_int8(isa).min_by(|a, b| cycles(a).total_cmp(&cycles(b)));
        least.unwrap_or(Self { mr: 1, nr: 1, lanes: Lanes::Channels })
    }

    pub(crate) fn check(self, isa: Isa) {
        assert!(self.fits(Self::variants(isa)), "no {isa} f32 kernel for {self:?}");
    }

    pub(crate) fn check_int8(self, isa: Isa) {
        assert!(self.fits(Self::variants_int8(isa)), "no {isa} int8 kernel for {self:?}");
    }

    fn fits(self, mut variants: impl Iterator<Item = Self>) -> bool {
        variants.any(|most| Self { mr: most.mr, ..self } == most && (1..=most.mr).contains(&self.mr))
    }
}
