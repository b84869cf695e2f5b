use super::{Lanes, pack_map};
use crate::ConvGeometry;
use crate::simd::{Kernel, Simd};

/// Pixels of a tile.
const PIXELS: usize = 6;

/// Vectors of each packed operand.
pub(super) struct Sizes {
    /// Zeros before the first row and column of the output.
    before: [usize; 2],
    /// Rows and columns, zeros among them; the last tile of a row may read beyond what it stores.
    map: [usize; 2],
    taps: usize,
}

impl Sizes {
    pub(super) fn new(dw: &ConvGeometry) -> Self {
        let window = &dw.window;
        let before = [0, 1].map(|axis| {
            let reach = (window.kernel[axis] - 1) * window.dilation[axis];
            reach.saturating_sub(window.before[axis]).div_ceil(window.stride[axis])
        });
        let size = |axis: usize| {
            let last = (dw.input[axis] - 1 + window.before[axis]) / window.stride[axis];
            before[axis] + dw.output[axis].max(last + 1)
        };
        Self { before, map: [size(0), size(1) + PIXELS], taps: dw.taps() }
    }

    pub(super) fn scratch(&self) -> usize {
        self.map[0] * self.map[1] + self.taps
    }
}

pub(super) struct InputGradient<'a> {
    pub(super) dw: &'a ConvGeometry,
    pub(super) weights: &'a [f32],
    pub(super) dy: &'a [f32],
    pub(super) scratch: &'a mut [f32],
    pub(super) out: &'a mut [f32],
}

impl<S: Simd> Kernel<S> for InputGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { dw, weights, dy, scratch, out } = self;
        let sizes = Sizes::new(dw);
        let ([h, w, c], [oh, ow, o], multiplier) = (dw.input, dw.output, dw.multiplier());
        let (map, packed) = scratch.split_at_mut(sizes.map[0] * sizes.map[1] * S::LANES);
        // The border is never written to.
        map.fill(0.0);
        for channel in (0..c).step_by(S::LANES) {
            let count = S::LANES.min(c - channel);
            for filter in 0..multiplier {
                pack_weights::<S>(weights, sizes.taps, [channel, count], [filter, multiplier], packed);
                for (dy, out) in dy.chunks_exact(oh * ow * o).zip(out.chunks_exact_mut(h * w * c)) {
                    let lanes = Lanes { first: channel * multiplier + filter, step: multiplier, count };
                    let to = &mut map[(sizes.before[0] * sizes.map[1] + sizes.before[1]) * S::LANES..];
                    pack_map(simd, [ow, o], dy, lanes, [0..oh, 0..ow], sizes.map[1], to);
                    let sizes = &sizes;
                    simd.vectorize(Image { dw, sizes, map, packed, channels: [channel, count], adds: filter > 0, out });
                }
            }
        }
    }
}

/// The weights of some channels as `[tap]` vectors.
#[inline(always)]
fn pack_weights<S: Simd>(
    weights: &[f32],
    taps: usize,
    [channel, count]: [usize; 2],
    [filter, multiplier]: [usize; 2],
    packed: &mut [f32],
) {
    packed.fill(0.0);
    for lane in 0..count {
        let from = &weights[((channel + lane) * multiplier + filter) * taps..][..taps];
        for (to, weight) in packed.chunks_exact_mut(S::LANES).zip(from) {
            to[lane] = *weight;
        }
    }
}

/// The packed vectors of one image.
struct Image<'a> {
    dw: &'a ConvGeometry,
    sizes: &'a Sizes,
    map: &'a [f32],
    packed: &'a [f32],
    /// The first channel, and how many.
    channels: [usize; 2],
    /// Whether the results of another filter are there already.
    adds: bool,
    out: &'a mut [f32],
}

impl<S: Simd> Kernel<S> for Image<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let ([h, w, _], stride) = (self.dw.input, self.dw.window.stride[1]);
        for y in 0..h {
            let vertical = Meeting::new(self.dw, self.sizes, 0, y);
            // Pixels a stride apart meet the same taps.
            for phase in 0..stride.min(w) {
                let horizontal = Meeting::new(self.dw, self.sizes, 1, phase);
                let pixels = (w - phase).div_ceil(stride);
                for first in (0..pixels).step_by(PIXELS) {
                    let sums = self.tile::<S, PIXELS>(simd, &vertical, &horizontal, first);
                    let [channel, count] = self.channels;
                    for (pixel, sum) in (first..pixels).zip(sums) {
                        let place = (y * w + phase + pixel * stride) * self.dw.input[2] + channel;
                        let to = &mut self.out[place..][..count];
                        let sum = if self.adds { simd.add(sum, simd.load_part(to)) } else { sum };
                        simd.store_part(sum, to);
                    }
                }
            }
        }
    }
}

impl Image<'_> {
    #[inline(always)]
    fn tile<S: Simd, const P: usize>(
        &self,
        simd: S,
        vertical: &Meeting,
        horizontal: &Meeting,
        first: usize,
    ) -> [S::F32; P] {
        let (kw, pitch) = (self.dw.window.kernel[1], self.sizes.map[1]);
        let mut sums = [simd.splat(0.0); P];
        for (ky, y) in vertical.taps() {
            let row = &self.map[y * pitch * S::LANES..][..pitch * S::LANES];
            for (kx, x) in horizontal.taps() {
                let weight = simd.load(&self.packed[(ky * kw + kx) * S::LANES..]);
                let outputs = &row[(x + first) * S::LANES..][..P * S::LANES];
                unroll!(p in 0..P, {
                    sums[p] = simd.mul_add(weight, simd.load(&outputs[p * S::LANES..]), sums[p]);
                });
            }
        }
        sums
    }
}

/// The taps that meet an input position along one axis, and where in the packed map.
struct Meeting {
    first: usize,
    step: usize,
    count: usize,
    at: usize,
    back: usize,
}

impl Meeting {
    /// Output `at` meets input `position` by `tap` where `at·stride + tap·dilation = position + before`.
    #[inline(always)]
    fn new(dw: &ConvGeometry, sizes: &Sizes, axis: usize, position: usize) -> Self {
        let window = &dw.window;
        let (kernel, stride, dilation) = (window.kernel[axis], window.stride[axis], window.dilation[axis]);
        let place = position + window.before[axis];
        let meets = |tap: &usize| (place + tap * dilation * (stride - 1)).is_multiple_of(stride);
        let none = Self { first: 0, step: 1, count: 0, at: 0, back: 0 };
        let Some(first) = (0..kernel.min(stride)).find(meets) else { return none };
        // The tap after `first` that meets again, at most a stride further.
        let step = (1..=stride).find(|step| (step * dilation).is_multiple_of(stride)).unwrap_or(stride);
        let at = (place + sizes.before[axis] * stride - first * dilation) / stride;
        Self { first, step, count: (kernel - first).div_ceil(step), at, back: step * dilation / stride }
    }

    #[inline(always)]
    fn taps(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let Self { first, step, count, at, back } = *self;
        (0..count).map(move |i| (first + i * step, at - i * back))
    }
}
