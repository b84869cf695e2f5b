//! Convolutions by their kind; standard ones, with any groups.

use alloc::format;

use bytemuck::Pod;
use sepconv_kernels::{ConvGeometry, ConvOperands, F32Output, Isa, Tile, conv2d};
#[cfg(feature = "int8")]
use sepconv_kernels::{Epilogue, Int8Output, ZeroPoints};

use super::conv_layer::{ConvArithmetic, ConvLayer};
#[cfg(feature = "int8")]
use super::quantized_constants::{QuantizedConstants, QuantizedEpilogue};
use super::{Kernel, KernelChoice, Lowering, RowTask, Task, depthwise, for_each_image, padding_waste, pointwise};
use crate::Result;
#[cfg(feature = "int8")]
use crate::cpu::call::KernelCall;
use crate::cpu::weights::Packed;
use crate::op::{Conv2d, ConvKind};
#[cfg(feature = "int8")]
use crate::op::{QConv2d, QuantizedConv, image};

/// A standard convolution with packed weights.
#[derive(Debug)]
pub(crate) struct Standard<X: ConvArithmetic<Y>, Y = X> {
    tile: Tile,
    conv: ConvGeometry,
    packed: Packed<<X as ConvArithmetic<Y>>::Weight>,
    epilogue: <X as ConvArithmetic<Y>>::Epilogue,
    /// Elements of scratch.
    scratch: usize,
}

pub(crate) trait StandardElement<Y = Self>: ConvArithmetic<Y> {
    /// Computes some rows of one image.
    fn conv2d(layer: &Standard<Self, Y>, task: RowTask<'_, Self, Y>);
}

impl StandardElement for f32 {
    fn conv2d(layer: &Standard<Self>, task: RowTask<'_, Self>) {
        let Standard { tile, conv, packed, epilogue, .. } = layer;
        let RowTask { isa, weights, x, residual, rows, out, scratch } = task;
        let operands = ConvOperands { x, packed: packed.of(weights), rows };
        let output = F32Output { residual, activation: *epilogue, out };
        conv2d::conv2d(isa, *tile, conv, operands, output, scratch);
    }
}

#[cfg(feature = "int8")]
impl StandardElement for u8 {
    fn conv2d(layer: &Standard<Self>, task: RowTask<'_, Self>) {
        let Standard { tile, conv, packed, epilogue, .. } = layer;
        let RowTask { isa, weights, x, residual, rows, out, scratch } = task;
        let (zero_points, epilogue) = (epilogue.zero_points, &epilogue.epilogue());
        let operands = ConvOperands { x, packed: packed.of(weights), rows };
        conv2d::conv2d_int8(
            isa,
            *tile,
            conv,
            zero_points,
            operands,
            Int8Output::U8 { epilogue, residual, out },
            scratch,
        );
    }
}

#[cfg(feature = "int8")]
impl StandardElement<f32> for u8 {
    fn conv2d(layer: &Standard<Self, f32>, task: RowTask<'_, Self, f32>) {
        let Standard { tile, conv, packed, epilogue, .. } = layer;
        let RowTask { isa, weights, x, residual: _, rows, out, scratch } = task;
        let operands = ConvOperands { x, packed: packed.of(weights), rows };
        conv2d::conv2d_int8(isa, *tile, conv, *epilogue, operands, Int8Output::F32(out), scratch);
    }
}

/// The kernel for an f32 convolution that is a step of its own.
pub(super) fn select(conv: &Conv2d, lowering: &mut Lowering<'_, '_>) -> Result<KernelChoice> {
    Ok(select_layer(conv, lowering)?.map(ConvLayer::into_step))
}

/// The kernel for an f32 convolution.
pub(super) fn select_layer(conv: &Conv2d, lowering: &mut Lowering<'_, '_>) -> Result<KernelChoice<ConvLayer<f32>>> {
    match conv.kind(lowering.shape(0).last()) {
        ConvKind::Pointwise => Ok(pointwise::select(conv.activation, lowering)?.map(ConvLayer::Pointwise)),
        // Depthwise kernels take no residual.
        ConvKind::Depthwise if lowering.node.inputs.len() == 3 => {
            Ok(depthwise::select(conv, lowering)?.map(ConvLayer::Depthwise))
        }
        kind @ (ConvKind::Depthwise | ConvKind::Stem | ConvKind::Standard | ConvKind::Grouped) => {
            Ok(select_standard(conv, kind, lowering)?.map(ConvLayer::Standard))
        }
    }
}

fn select_standard(
    conv: &Conv2d,
    kind: ConvKind,
    lowering: &mut Lowering<'_, '_>,
) -> Result<KernelChoice<Standard<f32>>> {
    let (isa, epilogue) = (lowering.isa, conv.activation);
    let conv = conv.geometry(lowering.shape(0), lowering.output());
    let (tile, alternatives) = lowering.tile("conv2d", conv.tile(isa), conv.tiles(isa));
    let [weights, bias] = lowering.weights_and_bias()?;
    let pack = move |packed: &mut [f32]| conv2d::pack(isa, tile, &conv, weights, bias, packed);
    let packed = lowering.weights.reserve(conv2d::packed_len(isa, tile, &conv), pack);
    Ok(KernelChoice {
        operands: lowering.unpacked_operands(3),
        name: format!("conv2d {}", tile.name(isa)),
        alternatives,
        reason: reason(kind, &conv, tile.columns(isa)),
        kernel: Standard { tile, conv, packed, epilogue, scratch: conv2d::scratch_len(isa, tile, &conv) },
    })
}

/// The kernel for an int8 convolution that is a step of its own.
#[cfg(feature = "int8")]
pub(super) fn select_int8<'g>(conv: &'g QConv2d, lowering: &mut Lowering<'_, 'g>) -> Result<KernelChoice> {
    match conv.quantized() {
        Some(conv) => Ok(select_layer_int8(&conv, lowering)?.map(ConvLayer::into_step)),
        None => select_int8_to_f32(conv, lowering),
    }
}

/// The kernel for an int8 convolution with a u8 result.
#[cfg(feature = "int8")]
pub(super) fn select_layer_int8<'g>(
    quantized: &QuantizedConv<'g>,
    lowering: &mut Lowering<'_, 'g>,
) -> Result<KernelChoice<ConvLayer<u8>>> {
    let conv = quantized.conv;
    let constants = QuantizedConstants::new(conv, lowering)?;
    let epilogue = QuantizedEpilogue::new(quantized, constants.params().zero_points());
    Ok(match conv.kind(lowering.shape(0).last()) {
        ConvKind::Pointwise => pointwise::select_int8(constants, epilogue, lowering).map(ConvLayer::Pointwise),
        // Depthwise kernels take no residual.
        ConvKind::Depthwise if quantized.residual.is_none() => {
            depthwise::select_int8(conv, constants, epilogue, lowering).map(ConvLayer::Depthwise)
        }
        ConvKind::Depthwise | ConvKind::Stem | ConvKind::Standard | ConvKind::Grouped => {
            select_standard_int8(conv, constants, epilogue, lowering).map(ConvLayer::Standard)
        }
    })
}

/// The kernel for an int8 convolution with an f32 result. Depthwise kernels have none.
#[cfg(feature = "int8")]
fn select_int8_to_f32<'g>(conv: &'g QConv2d, lowering: &mut Lowering<'_, 'g>) -> Result<KernelChoice> {
    let constants = QuantizedConstants::new(conv, lowering)?;
    let zero_points = constants.params().zero_points();
    Ok(match conv.kind(lowering.shape(0).last()) {
        ConvKind::Pointwise => {
            pointwise::select_int8::<f32>(constants, zero_points, lowering).map(pointwise::Pointwise::into_step)
        }
        ConvKind::Depthwise | ConvKind::Stem | ConvKind::Standard | ConvKind::Grouped => {
            select_standard_int8::<f32>(conv, constants, zero_points, lowering).map(Into::into)
        }
    })
}

#[cfg(feature = "int8")]
fn select_standard_int8<'g, Y>(
    conv: &QConv2d,
    constants: QuantizedConstants<'g>,
    epilogue: <u8 as ConvArithmetic<Y>>::Epilogue,
    lowering: &mut Lowering<'_, 'g>,
) -> KernelChoice<Standard<u8, Y>>
where
    u8: ConvArithmetic<Y, Weight = i8>,
{
    let (isa, kind) = (lowering.isa, conv.kind(lowering.shape(0).last()));
    let (input, output) = (image(lowering.shape(0)), image(lowering.output()));
    let conv = ConvGeometry { window: conv.window, input, output, groups: conv.groups };
    let (tile, alternatives) = lowering.tile("conv2d_int8", conv.tile_int8(isa), Tile::variants_int8(isa));
    let len = conv2d::packed_len_int8(isa, tile, &conv, &constants.params());
    let pack = move |packed: &mut [i8]| conv2d::pack_int8(isa, tile, &conv, &constants.params(), packed);
    let packed = lowering.weights.reserve(len, pack);
    KernelChoice {
        operands: lowering.unpacked_operands(4),
        name: format!("conv2d_int8 {}", tile.name(isa)),
        alternatives,
        reason: reason(kind, &conv, tile.columns(isa)),
        kernel: Standard { tile, conv, packed, epilogue, scratch: conv2d::scratch_len_int8(isa, tile, &conv) },
    }
}

fn reason(kind: ConvKind, conv: &ConvGeometry, columns: usize) -> alloc::string::String {
    let waste = padding_waste(conv.output[2] / conv.groups, columns);
    format!("{kind}: read in place, {waste} along a row")
}

impl<X: ConvArithmetic<Y>, Y> Standard<X, Y> {
    /// Elements of scratch.
    pub(super) fn scratch_len(&self) -> usize {
        self.scratch
    }
}

#[cfg(feature = "int8")]
impl Standard<u8> {
    pub(crate) fn call(&self) -> KernelCall<'_> {
        self.int8_call(self.epilogue.zero_points, Some(self.epilogue.epilogue()))
    }
}

#[cfg(feature = "int8")]
impl Standard<u8, f32> {
    pub(crate) fn call(&self) -> KernelCall<'_> {
        self.int8_call(self.epilogue, None)
    }
}

#[cfg(feature = "int8")]
impl<Y> Standard<u8, Y>
where
    u8: ConvArithmetic<Y, Weight = i8>,
{
    fn int8_call<'a>(&'a self, zero_points: ZeroPoints, epilogue: Option<Epilogue<'a>>) -> KernelCall<'a> {
        let Self { tile, conv, packed, .. } = self;
        KernelCall::Conv2d { tile: *tile, conv, zero_points, packed: packed.range(), epilogue }
    }
}

impl<X: StandardElement<Y>, Y: Pod> Kernel for Standard<X, Y> {
    fn work_item_len(&self, _: Isa, _: usize) -> usize {
        self.conv.output[1] * self.conv.output[2]
    }

    fn run(&self, task: Task<'_>) {
        for_each_image(task, self.conv.input, self.conv.output, |task, _| X::conv2d(self, task));
    }

    fn scratch_bytes(&self) -> usize {
        self.scratch_len() * size_of::<X>()
    }
}
