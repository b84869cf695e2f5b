use alloc::format;

use bytemuck::cast_slice_mut;
use sepconv_kernels::recurrent::{Layer, recurrent};
use sepconv_kernels::{Isa, Tile};

use super::{Kernel, KernelChoice, Lowering, Task};
use crate::cpu::weights::Packed;
use crate::{Result, op};

/// An LSTM or GRU. Each step reads what the one before made, so all are one work item.
#[derive(Debug)]
pub(crate) struct Recurrent {
    layer: Layer,
    tiles: [Tile; 2],
    /// Input weights and recurrent ones.
    packed: [Packed<f32>; 2],
}

pub(super) fn select(op: &op::Recurrent, lowering: &mut Lowering<'_, '_>) -> Result<KernelChoice> {
    let (layer, isa) = (op.layer(|i| lowering.shape(i))?, lowering.isa);
    let [weights, recurrent] = [lowering.f32_constant(1)?, lowering.f32_constant(2)?];
    let biases = lowering.f32_constant(3)?;
    let (bias, recurrent_bias) = biases.split_at(biases.len() / 2);
    let tiles = layer.tiles(isa);
    let [len, recurrent_len] = layer.packed_lens(isa, tiles);
    let reserve = &mut *lowering.weights;
    let packed = [
        reserve.reserve(len, move |packed| layer.pack_input(isa, tiles, weights, bias, packed)),
        reserve
            .reserve(recurrent_len, move |packed| layer.pack_recurrent(isa, tiles, recurrent, recurrent_bias, packed)),
    ];
    let Layer { steps, batch, input, hidden, .. } = layer;
    let [tile, step_tile] = tiles.map(|tile| format!("{}", tile.name(isa)));
    let mut operands = lowering.node.inputs.clone();
    operands.drain(1..4);
    Ok(KernelChoice {
        kernel: Recurrent { layer, tiles, packed }.into(),
        operands,
        name: format!("recurrent {tile}"),
        alternatives: alloc::vec![],
        reason: format!("{steps} steps of {batch} x ({input} + {hidden}), each a product of its own ({step_tile})"),
    })
}

impl Kernel for Recurrent {
    fn work_item_len(&self, _: Isa, len: usize) -> usize {
        len
    }

    fn run(&self, task: Task<'_>) {
        let Task { isa, operands, out, scratch, .. } = task;
        let weights = self.packed.each_ref().map(|packed| packed.of(operands.weights));
        let initial = [operands.get(1), operands.get(2)];
        let scratch = cast_slice_mut(scratch);
        recurrent(isa, self.layer, self.tiles, operands.get(0), initial, weights, scratch, cast_slice_mut(out));
    }

    fn scratch_bytes(&self) -> usize {
        self.layer.scratch_rows() * self.layer.cell.gates() * self.layer.hidden * size_of::<f32>()
    }
}
