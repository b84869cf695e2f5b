use core::mem;
use core::ops::Range;

use bytemuck::{Pod, cast_slice_mut};
use sepconv_kernels::{Isa, Rows};

use super::Task;

/// Rows of a feature map to compute. `X` is the element type of the input, `Y` that of the result.
pub(crate) struct RowTask<'a, X, Y = X> {
    pub(crate) isa: Isa,
    /// All packed weights of the plan.
    pub(crate) weights: &'a [u8],
    /// The rows of the input.
    pub(crate) x: Rows<'a, X>,
    /// Laid out as `out`.
    pub(crate) residual: Option<&'a [Y]>,
    pub(crate) rows: Range<usize>,
    pub(crate) out: &'a mut [Y],
    pub(crate) scratch: &'a mut [X],
}

/// Runs a task of a kernel that slides over feature maps of sizes `[h, w, c]`, image by image; `run` also gets the
/// means of the rows to write, none where they are not needed. Work items are output rows, counted through all images
/// of the batch.
pub(crate) fn for_each_image<X: Pod, Y: Pod>(
    task: Task<'_>,
    input: [usize; 3],
    output: [usize; 3],
    mut run: impl FnMut(RowTask<'_, X, Y>, &mut [f32]),
) {
    let Task { isa, operands, items, out, means, scratch, .. } = task;
    let ([h, w, c], [oh, ow, o]) = (input, output);
    let (mut out, mut means) = (cast_slice_mut::<_, Y>(out), cast_slice_mut::<_, f32>(means));
    let scratch = cast_slice_mut::<_, X>(scratch);
    for (image, rows) in images(items, oh) {
        let here = take_front(&mut out, rows.len() * ow * o);
        let means = means.split_off_mut(..rows.len() * o).unwrap_or_default();
        let x = Rows::new(&operands.get::<X>(0)[image * h * w * c..][..h * w * c], w * c);
        let residual = operands.residual(1, (image * oh + rows.start) * ow * o, here.len());
        let weights = operands.weights;
        run(RowTask { isa, weights, x, residual, rows, out: here, scratch: &mut *scratch }, means);
    }
}

/// Work items that are rows of images of height `height`, counted through all images: each image and its rows.
fn images(items: Range<usize>, height: usize) -> impl Iterator<Item = (usize, Range<usize>)> {
    (items.start / height..items.end.div_ceil(height)).map(move |image| {
        let row = |item: usize| item.clamp(image * height, (image + 1) * height) - image * height;
        (image, row(items.start)..row(items.end))
    })
}

/// The first `len` elements, which `rest` loses.
pub(super) fn take_front<'a, T>(rest: &mut &'a mut [T], len: usize) -> &'a mut [T] {
    let (front, back) = mem::take(rest).split_at_mut(len);
    *rest = back;
    front
}
