use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use sepconv_kernels::{Activation, ConvGeometry, ConvOperands, Isa, Tile, conv_transpose};

use super::{Kernel, KernelChoice, Lowering, RowTask, Task, for_each_image};
use crate::Result;
use crate::cpu::weights::Packed;
use crate::op;

/// A transposed convolution with packed weights.
#[derive(Debug)]
pub(crate) struct ConvTranspose {
    tile: Tile,
    conv: ConvGeometry,
    packed: Packed<f32>,
    activation: Activation,
}

pub(super) fn select(conv: &op::ConvTranspose, lowering: &mut Lowering<'_, '_>) -> Result<KernelChoice> {
    let (isa, activation) = (lowering.isa, conv.activation);
    let whole = conv.geometry(lowering.shape(0), lowering.output());
    let conv = columns_as_channels(&whole).unwrap_or(whole);
    let (tile, alternatives) = lowering.tile("conv_transpose", conv.transposed_tile(isa), Tile::variants(isa));
    let [weights, bias] = lowering.weights_and_bias()?;
    let pack = move |packed: &mut [f32]| {
        if conv == whole {
            return conv_transpose::pack(isa, tile, &conv, weights, bias, packed);
        }
        let [kw, row] = [whole.window.kernel[1], whole.input[2]];
        // `[o, kh, kw, c]` as `[kw, o, kh, c]`.
        let columns = (0..kw).flat_map(|kx| weights.chunks_exact(row).skip(kx).step_by(kw).flatten().copied());
        conv_transpose::pack(isa, tile, &conv, &columns.collect::<Vec<_>>(), &bias.repeat(kw), packed);
    };
    let packed = lowering.weights.reserve(conv_transpose::packed_len(isa, tile, &conv), pack);
    Ok(KernelChoice {
        kernel: ConvTranspose { tile, conv, packed, activation }.into(),
        operands: alloc::vec![lowering.node.inputs[0]],
        name: format!("conv_transpose {}", tile.name(isa)),
        alternatives,
        reason: match conv == whole {
            true => "gathers the taps of each output pixel".to_string(),
            false => "rows of taps, as windows do not overlap".to_string(),
        },
    })
}

/// The columns that an input pixel spreads to, where no other pixel does, are channels of one pixel at its place: the
/// same memory, and a product with all weights of a row of taps at once.
fn columns_as_channels(conv: &ConvGeometry) -> Option<ConvGeometry> {
    let ConvGeometry { mut window, input: [_, w, _], output: [oh, ow, o], groups } = *conv;
    let kw = window.kernel[1];
    let apart = (window.stride[1], window.dilation[1], window.before[1]) == (kw, 1, 0);
    if !apart || kw == 1 || groups > 1 || ow != w * kw {
        return None;
    }
    (window.kernel[1], window.stride[1]) = (1, 1);
    Some(ConvGeometry { window, output: [oh, w, kw * o], ..*conv })
}

impl Kernel for ConvTranspose {
    fn work_item_len(&self, _: Isa, _: usize) -> usize {
        self.conv.output[1] * self.conv.output[2]
    }

    fn run(&self, task: Task<'_>) {
        let Self { tile, conv, packed, activation } = self;
        for_each_image(task, conv.input, conv.output, |task, _| {
            let RowTask { isa, weights, x, rows, out, .. } = task;
            let operands = ConvOperands { x, packed: packed.of(weights), rows };
            conv_transpose::conv_transpose(isa, *tile, conv, operands, *activation, out);
        });
    }
}
