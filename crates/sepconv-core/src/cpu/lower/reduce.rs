use alloc::vec::Vec;

use bytemuck::cast_slice_mut;
use sepconv_kernels::{Isa, pool, reduce};

use super::{BLOCK, Kernel, KernelChoice, Lowering, Task};
use crate::op::{self, Operator};

/// The mean over the pixels of each image.
#[derive(Debug)]
pub(crate) struct GlobalAverage {
    channels: usize,
    pixels: usize,
}

/// A reduction over axes that are neighbors: the middle one of `[outer, n, inner]`.
#[derive(Debug)]
pub(crate) struct ReduceMiddle {
    reduction: reduce::Reduction,
    n: usize,
    inner: usize,
}

/// A reduction over any axes.
#[derive(Debug)]
pub(crate) struct Reduce {
    reduction: reduce::Reduction,
    dims: Vec<usize>,
    reduced: Vec<bool>,
}

pub(super) fn select(op: &op::Reduce, lowering: &Lowering<'_, '_>) -> KernelChoice {
    let x = lowering.shape(0);
    match x[..] {
        [_, h, w, channels] if op.is_global_mean() && x.elements() > 0 => {
            let (pixels, reason) = match lowering.has_row_means {
                true => (h, "of the means of rows, left by the step that made them"),
                false => (h * w, "vectors of channels"),
            };
            lowering.choice(GlobalAverage { channels, pixels }.into(), "global_average", reason)
        }
        ref dims => {
            let (reduction, reduced) = (op.reduction, op.reduced_axes(dims.len()));
            let middle = reduce::as_middle_axis(dims, &reduced).filter(|_| reduction.has_vectors() && x.elements() > 0);
            if let Some([_, n, inner]) = middle {
                let reason = if inner == 1 { "vectors along the axis" } else { "vectors of neighbors" };
                return lowering.choice(ReduceMiddle { reduction, n, inner }.into(), "reduce", reason);
            }
            let kernel = Reduce { reduction, dims: dims.to_vec(), reduced };
            lowering.choice(kernel.into(), "reduce", "any axes")
        }
    }
}

impl Kernel for GlobalAverage {
    fn work_item_len(&self, _: Isa, _: usize) -> usize {
        self.channels
    }

    fn run(&self, task: Task<'_>) {
        let Self { channels, pixels } = *self;
        let (x, out) = (task.operands.get::<f32>(0), cast_slice_mut::<_, f32>(task.out));
        let images = x.chunks_exact(pixels * channels).skip(task.items.start);
        for (image, out) in images.zip(out.chunks_exact_mut(channels)) {
            pool::global_average(task.isa, channels, image, out);
        }
    }
}

impl Kernel for ReduceMiddle {
    fn work_item_len(&self, _: Isa, _: usize) -> usize {
        self.inner * BLOCK.div_ceil(self.n * self.inner)
    }

    fn run(&self, task: Task<'_>) {
        let Self { reduction, n, inner } = *self;
        let out = cast_slice_mut::<_, f32>(task.out);
        let x = &task.operands.get(0)[task.first * n..][..out.len() * n];
        reduce::reduce(task.isa, reduction, [out.len() / inner, n, inner], x, out);
    }
}

impl Kernel for Reduce {
    fn work_item_len(&self, _: Isa, len: usize) -> usize {
        len
    }

    fn run(&self, task: Task<'_>) {
        let (x, out) = (task.operands.get(0), cast_slice_mut(task.out));
        reduce::reference(self.reduction, &self.dims, &self.reduced, x, out);
    }
}
