use super::{F32MicroKernel, OutputTile};
use crate::activation::ApplyRows;
use crate::gemm::TileTask;
use crate::simd::{Kernel, Simd, strided};
use crate::unroll::unrolled_array;

/// Whether there is such a tile: a module that is downloaded does without.
pub(crate) const COMPILED: bool = cfg!(not(target_family = "wasm"));

/// Pixels at a time.
pub(crate) const ROWS: usize = 8;

/// A task whose panels are one channel wide: each sum is kept as a vector of partial sums of every
/// [`LANES`](Simd::LANES)-th product, which are added at the end. Where there are few channels, most lanes of a panel
/// that is a vector wide would be padding.
pub(super) struct DotTask<'a, 'b> {
    pub(super) task: TileTask<'a, F32MicroKernel<'b>>,
    /// Pixels of a block, [`ROWS`] at most.
    pub(super) rows: usize,
}

impl<S: Simd> Kernel<S> for DotTask<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { task: TileTask { micro_kernel, mut patch, blocks, panels, panel, output }, rows } = self;
        for block in 0..blocks {
            let first = output.start + block * rows * output.stride;
            for (column, panel) in panels.chunks_exact(panel).enumerate() {
                let (bias, weights) = panel.split_at(1);
                let mut acc = [simd.load_part(bias); ROWS];
                for (tap, y) in patch.vertical {
                    let row = patch.rows.row(y);
                    for (run, start) in patch.horizontal {
                        let weights = &weights[(tap * patch.runs + run) * patch.length..][..patch.length];
                        add_products(simd, &mut acc, &row[start..], [patch.step, rows], weights);
                    }
                }
                micro_kernel.store(first + column, output.stride, &simd.sums(acc)[..rows]);
            }
            micro_kernel.activate(rows, OutputTile { start: first, columns: panels.len() / panel, ..output });
            patch.horizontal.at += rows * patch.step;
        }
    }
}

/// Adds the products of weights with a run of inputs of each pixel; those beyond the last pixel are the first's again.
#[inline(always)]
fn add_products<S: Simd>(simd: S, acc: &mut [S::F32; ROWS], inputs: &[f32], [step, rows]: [usize; 2], weights: &[f32]) {
    let x: [&[f32]; ROWS] = if rows == ROWS {
        strided(inputs, step, weights.len())
    } else {
        let first = &inputs[..weights.len()];
        unrolled_array(|r| if r < rows { &inputs[r * step..][..weights.len()] } else { first })
    };
    let mut k = 0;
    while k + S::LANES <= weights.len() {
        let weights = simd.load(&weights[k..]);
        unroll!(r in 0..ROWS, {
            acc[r] = simd.optimization_barrier(simd.mul_add(simd.load(&x[r][k..]), weights, acc[r]));
        });
        k += S::LANES;
    }
    if k < weights.len() {
        let weights = simd.load_part(&weights[k..]);
        unroll!(r in 0..ROWS, {
            acc[r] = simd.mul_add(simd.load_part(&x[r][k..]), weights, acc[r]);
        });
    }
}

impl F32MicroKernel<'_> {
    /// Adds the residual, clips, and writes results that are `stride` apart.
    #[inline(always)]
    fn store(&mut self, start: usize, stride: usize, sums: &[f32]) {
        let (low, high) = self.output.activation.bounds().unwrap_or((f32::NEG_INFINITY, f32::INFINITY));
        // Not a number stays that.
        let clip = |sum: f32| {
            let raised = if sum < low { low } else { sum };
            if raised > high { high } else { raised }
        };
        let out = &mut self.output.out[start..][..(sums.len() - 1) * stride + 1];
        match self.output.residual {
            Some(residual) => {
                let residual = &residual[start..][..out.len()];
                for (i, sum) in sums.iter().enumerate() {
                    out[i * stride] = clip(sum + residual[i * stride]);
                }
            }
            None => {
                for (i, sum) in sums.iter().enumerate() {
                    out[i * stride] = clip(*sum);
                }
            }
        }
    }

    /// Applies activations that are no clip to whole rows.
    #[inline(always)]
    pub(super) fn activate(&mut self, rows: usize, OutputTile { start, stride, columns }: OutputTile) {
        let activation = self.output.activation;
        if activation.bounds().is_none() {
            self.isa.run(ApplyRows { activation, data: &mut self.output.out[start..], rows, stride, columns });
        }
    }
}
