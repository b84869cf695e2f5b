use crate::gemm::split;
use crate::geometry::ConvGeometry;
use crate::simd::{Kernel, Simd};
use crate::unroll::unrolled_array;

/// Pixels that are packed at a time: their panel of inputs stays in the nearest cache, their outputs in the second.
const BLOCK: usize = 128;
/// The widest vector and tile of any instruction set.
const WIDEST: usize = 3;

/// Both packed operands: outputs of a group, and a panel of inputs.
pub(super) fn scratch_len(lanes: usize, conv: &ConvGeometry) -> usize {
    BLOCK * (conv.group_channels()[1] + WIDEST * lanes)
}

pub(super) struct WeightGradient<'a> {
    pub(super) conv: &'a ConvGeometry,
    pub(super) x: &'a [f32],
    pub(super) dy: &'a [f32],
    pub(super) scratch: &'a mut [f32],
    pub(super) out: &'a mut [f32],
}

impl<S: Simd> Kernel<S> for WeightGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        // As many sums as registers hold, beside a row of inputs and an output.
        let [mr, nv] = if S::REGISTERS >= 32 { [8, 3] } else { [6, 2] };
        let Self { conv, x, dy, scratch, out } = self;
        let (depth, group_out, o) = (conv.depth(), conv.group_channels()[1], conv.output[2]);
        let (outputs, inputs) = scratch.split_at_mut(BLOCK * group_out);
        let pixels = dy.len() / o;
        for first in (0..pixels).step_by(BLOCK) {
            let count = BLOCK.min(pixels - first);
            for group in 0..conv.groups {
                let channels = &dy[first * o + group * group_out..];
                simd.vectorize(PackOutputs { dy: channels, o, channels: group_out, mr, count, packed: outputs });
                for column in (0..depth).step_by(nv * S::LANES) {
                    let width = (nv * S::LANES).min(depth - column);
                    let vectors = width.div_ceil(S::LANES);
                    let panel = &mut inputs[..count * vectors * S::LANES];
                    simd.vectorize(PackInputs { conv, x, group, first, columns: [column, width], panel });
                    for (row, rows, tiles) in split(group_out, mr) {
                        for row in (0..tiles).map(|tile| row + tile * rows) {
                            let to = &mut out[(group * group_out + row) * depth + column..];
                            let task = Task {
                                a: &outputs[row * count..][..rows * count],
                                b: panel,
                                width,
                                stride: depth,
                                out: to,
                            };
                            task.run(simd, rows, vectors);
                        }
                    }
                }
            }
        }
    }
}

/// Outputs, tile after tile of `mr` channels or one fewer: `[pixel, channel]` in each.
struct PackOutputs<'a> {
    /// From the first channel of the first pixel on.
    dy: &'a [f32],
    o: usize,
    channels: usize,
    mr: usize,
    count: usize,
    packed: &'a mut [f32],
}

impl<S: Simd> Kernel<S> for PackOutputs<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, _: S) {
        let Self { dy, o, channels, mr, count, packed } = self;
        for (first, rows, tiles) in split(channels, mr) {
            for channel in (0..tiles).map(|tile| first + tile * rows) {
                let tile = &mut packed[channel * count..][..rows * count];
                // Where the length is known a pixel is copied by a move or two.
                match rows {
                    8 => copy_pixels::<8>(&dy[channel..], o, tile),
                    6 => copy_pixels::<6>(&dy[channel..], o, tile),
                    _ => {
                        for (pixel, to) in tile.chunks_exact_mut(rows).enumerate() {
                            to.copy_from_slice(&dy[pixel * o + channel..][..rows]);
                        }
                    }
                }
            }
        }
    }
}

/// Copies the first `ROWS` channels of pixels that are `o` apart.
#[inline(always)]
fn copy_pixels<const ROWS: usize>(dy: &[f32], o: usize, tile: &mut [f32]) {
    for (to, pixel) in tile.as_chunks_mut::<ROWS>().0.iter_mut().zip(dy.chunks(o)) {
        *to = *pixel.first_chunk().expect("a pixel has the rows of a tile");
    }
}

/// A panel of inputs: what `columns` of the flattened window `[kh, kw, c / groups]` read, for each pixel.
struct PackInputs<'a> {
    conv: &'a ConvGeometry,
    x: &'a [f32],
    group: usize,
    /// The first pixel, counted over all images.
    first: usize,
    /// The first column, and how many.
    columns: [usize; 2],
    panel: &'a mut [f32],
}

impl<S: Simd> Kernel<S> for PackInputs<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { conv, x, group, first, columns: [column, width], panel } = self;
        let (group_in, pitch) = (conv.group_channels()[0], width.next_multiple_of(S::LANES));
        if width < pitch {
            panel.fill(0.0);
        }
        let mut done = 0;
        while done < width {
            // A run of channels of one tap.
            let (tap, channel) = ((column + done) / group_in, (column + done) % group_in);
            let length = (group_in - channel).min(width - done);
            let mut place = PatchCursor::new(conv, first, tap);
            let (c, start) = (conv.input[2], group * group_in + channel);
            let from = |pixel: usize| &x[pixel * c + start..][..length];
            for (i, to) in panel.chunks_exact_mut(pitch).enumerate() {
                let to = &mut to[done..][..length];
                let pixel = if conv.window.is_pointwise() { Some(first + i) } else { place.next() };
                match pixel {
                    Some(pixel) => copy_vectors(simd, from(pixel), to),
                    None => to.fill(0.0),
                }
            }
            done += length;
        }
    }
}

#[inline(always)]
fn copy_vectors<S: Simd>(simd: S, from: &[f32], to: &mut [f32]) {
    let mut at = 0;
    while at + S::LANES <= to.len() {
        simd.store(simd.load(&from[at..]), &mut to[at..]);
        at += S::LANES;
    }
    if at < to.len() {
        simd.store_part(simd.load_part(&from[at..]), &mut to[at..]);
    }
}

/// Which input pixel a tap reads, output pixel after output pixel.
struct PatchCursor<'a> {
    conv: &'a ConvGeometry,
    tap: [usize; 2],
    image: usize,
    at: [usize; 2],
}

impl<'a> PatchCursor<'a> {
    #[inline(always)]
    fn new(conv: &'a ConvGeometry, pixel: usize, tap: usize) -> Self {
        let ([oh, ow, _], kw) = (conv.output, conv.window.kernel[1]);
        let (row, column) = (pixel / ow, pixel % ow);
        Self { conv, tap: [tap / kw, tap % kw], image: row / oh, at: [row % oh, column] }
    }

    /// The pixel, counted over all images; none in the padding.
    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        let ConvGeometry { window, input: [h, w, _], output: [oh, ow, _], .. } = self.conv;
        let read = |axis: usize| {
            let at = self.at[axis] * window.stride[axis] + self.tap[axis] * window.dilation[axis];
            at.wrapping_sub(window.before[axis])
        };
        let ([y, x], image) = ([read(0), read(1)], self.image);
        self.at[1] += 1;
        if self.at[1] == *ow {
            self.at = [self.at[0] + 1, 0];
        }
        if self.at[0] == *oh {
            (self.at[0], self.image) = (0, image + 1);
        }
        (y < *h && x < *w).then(|| (image * h + y) * w + x)
    }
}

/// A tile of the result: some rows of outputs by some vectors of the window.
struct Task<'a> {
    /// `[pixel, row]`
    a: &'a [f32],
    /// `[pixel, column]`
    b: &'a [f32],
    width: usize,
    stride: usize,
    out: &'a mut [f32],
}

struct Tile<'a, const MR: usize, const NV: usize>(Task<'a>);

impl<S: Simd, const MR: usize, const NV: usize> Kernel<S> for Tile<'_, MR, NV> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Task { a, b, width, stride, out } = self.0;
        let mut acc = [[simd.splat(0.0); NV]; MR];
        for (a, b) in a.as_chunks::<MR>().0.iter().zip(b.chunks_exact(NV * S::LANES)) {
            let b: [S::F32; NV] = unrolled_array(|v| simd.load(&b[v * S::LANES..]));
            unroll!(r in 0..MR, {
                let a = simd.splat(a[r]);
                unroll!(v in 0..NV, {
                    acc[r][v] = simd.optimization_barrier(simd.mul_add(a, b[v], acc[r][v]));
                });
            });
        }
        unroll!(r in 0..MR, {
            let row = &mut out[r * stride..][..width];
            unroll!(v in 0..NV, {
                let to = &mut row[v * S::LANES..];
                simd.store_part(simd.add(simd.load_part(to), acc[r][v]), to);
            });
        });
    }
}

/// The choice of the tile. More rows and vectors than registers hold are not compiled.
macro_rules! tiles {
    ($($rows:literal),*) => {
        impl Task<'_> {
            #[inline(always)]
            fn run<S: Simd>(self, simd: S, rows: usize, vectors: usize) {
                match (rows, vectors) {
                    $(
                        ($rows, 1) if const { $rows <= 6 || S::REGISTERS >= 32 } => simd.vectorize(Tile::<$rows, 1>(self)),
                        ($rows, 2) if const { $rows <= 6 || S::REGISTERS >= 32 } => simd.vectorize(Tile::<$rows, 2>(self)),
                        ($rows, 3) if const { S::REGISTERS >= 32 } => simd.vectorize(Tile::<$rows, 3>(self)),
                    )*
                    _ => unreachable!("no tile of {rows} outputs has {vectors} vectors"),
                }
            }
        }
    };
}
tiles!(1, 2, 3, 4, 5, 6, 7, 8);
