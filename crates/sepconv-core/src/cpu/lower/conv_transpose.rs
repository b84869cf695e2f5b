use alloc::format;
use alloc::string::ToString;

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
    let conv = conv.geometry(lowering.shape(0), lowering.output());
    let tile = conv.transposed_tile(isa);
    let [weights, bias] = lowering.weights_and_bias()?;
    let pack = move |packed: &mut [f32]| conv_transpose::pack(isa, tile, &conv, weights, bias, packed);
    let packed = lowering.weights.reserve(conv_transpose::packed_len(isa, tile, &conv), pack);
    Ok(KernelChoice {
        kernel: ConvTranspose { tile, conv, packed, activation }.into(),
        operands: alloc::vec![lowering.node.inputs[0]],
        name: format!("conv_transpose {}", tile.name(isa)),
        reason: "gathers the taps of each output pixel".to_string(),
    })
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
