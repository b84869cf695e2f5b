use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use sepconv_kernels::{ConvGeometry, ConvOperands, Isa, depthwise, pool};

use super::conv_layer::ConvArithmetic;
#[cfg(feature = "int8")]
use super::quantized_constants::{QuantizedConstants, QuantizedEpilogue};
use super::{Kernel, KernelChoice, Lowering, RowTask, Task, for_each_image};
use crate::Result;
#[cfg(feature = "int8")]
use crate::cpu::call::KernelCall;
use crate::cpu::weights::Packed;
#[cfg(feature = "int8")]
use crate::op::QConv2d;
use crate::op::{Conv2d, image};

/// A depthwise convolution with packed weights.
#[derive(Debug)]
pub(crate) struct Depthwise<T: ConvArithmetic> {
    variant: depthwise::Variant,
    conv: ConvGeometry,
    packed: Packed<T::Weight>,
    epilogue: T::Epilogue,
}

pub(crate) trait DepthwiseElement: ConvArithmetic {
    /// Computes some rows of one image.
    fn depthwise(layer: &Depthwise<Self>, task: RowTask<'_, Self>);
}

impl DepthwiseElement for f32 {
    fn depthwise(layer: &Depthwise<Self>, task: RowTask<'_, Self>) {
        let RowTask { isa, weights, x, rows, out, .. } = task;
        let Depthwise { variant, conv, packed, epilogue } = layer;
        let operands = ConvOperands { x, packed: packed.of(weights), rows };
        depthwise::depthwise(isa, *variant, conv, operands, *epilogue, out);
    }
}

#[cfg(feature = "int8")]
impl DepthwiseElement for u8 {
    fn depthwise(layer: &Depthwise<Self>, task: RowTask<'_, Self>) {
        let RowTask { isa, weights, x, rows, out, .. } = task;
        let Depthwise { variant, conv, packed, epilogue } = layer;
        let operands = ConvOperands { x, packed: packed.of(weights), rows };
        depthwise::depthwise_int8(isa, *variant, conv, operands, &epilogue.epilogue(), out);
    }
}

/// The kernel for a depthwise convolution without a residual.
pub(super) fn select(conv: &Conv2d, lowering: &mut Lowering<'_, '_>) -> Result<KernelChoice<Depthwise<f32>>> {
    let (isa, epilogue) = (lowering.isa, conv.activation);
    let conv = ConvGeometry::depthwise(conv.window, image(lowering.shape(0)), image(lowering.output()));
    let (variant, alternatives) = variant("depthwise", &conv, lowering.chosen);
    let [weights, bias] = lowering.weights_and_bias()?;
    let pack = move |packed: &mut [f32]| depthwise::pack(isa, &conv, weights, Some(bias), packed);
    let packed = lowering.weights.reserve(depthwise::packed_len(isa, &conv), pack);
    Ok(KernelChoice {
        operands: lowering.unpacked_operands(3),
        name: format!("depthwise {}", variant.name()),
        alternatives,
        reason: reason(variant, &conv, "weights of a vector stay in registers"),
        kernel: Depthwise { variant, conv, packed, epilogue },
    })
}

#[cfg(feature = "int8")]
pub(super) fn select_int8<'g>(
    conv: &QConv2d,
    constants: QuantizedConstants<'g>,
    epilogue: QuantizedEpilogue,
    lowering: &mut Lowering<'_, 'g>,
) -> KernelChoice<Depthwise<u8>> {
    let isa = lowering.isa;
    let conv = ConvGeometry::depthwise(conv.window, image(lowering.shape(0)), image(lowering.output()));
    let (variant, alternatives) = variant("depthwise_int8", &conv, lowering.chosen);
    let len = depthwise::packed_len_int8(isa, variant, &conv, &constants.params());
    let pack = move |packed: &mut [i8]| depthwise::pack_int8(isa, variant, &conv, &constants.params(), packed);
    let packed = lowering.weights.reserve(len, pack);
    KernelChoice {
        operands: lowering.unpacked_operands(4),
        name: format!("depthwise_int8 {}", variant.name()),
        alternatives,
        reason: reason(variant, &conv, "windows share the bytes of a column"),
        kernel: Depthwise { variant, conv, packed, epilogue },
    }
}

/// The reason for a variant; `shared` names what its windows share.
fn reason(variant: depthwise::Variant, conv: &ConvGeometry, shared: &str) -> String {
    let (channels, [dy, dx]) = (conv.output[2], conv.window.dilation);
    if variant == depthwise::Variant::General {
        format!("{channels} channels, any window: tap by tap for a tile of pixels")
    } else if [dy, dx] == [1; 2] {
        format!("{channels} channels, {shared}")
    } else {
        format!("{channels} channels, columns {dx} apart as one undilated row: {shared}")
    }
}

/// The variant of the kernel that the caller chose, where there is one of that name for such windows, else the usual;
/// and the names of the kernel with each that is.
fn variant(kernel: &str, conv: &ConvGeometry, chosen: Option<&str>) -> (depthwise::Variant, Vec<String>) {
    let name = |variant: depthwise::Variant| format!("{kernel} {}", variant.name());
    let fitting = || depthwise::VARIANTS.iter().copied().filter(|variant| variant.fits(conv));
    let variant = fitting().find(|&variant| chosen == Some(&*name(variant)));
    (variant.unwrap_or_else(|| depthwise::Variant::choose(conv)), fitting().map(name).collect())
}

impl<T: ConvArithmetic> Depthwise<T> {
    fn row_len(&self) -> usize {
        self.conv.output[1] * self.conv.output[2]
    }
}

#[cfg(feature = "int8")]
impl Depthwise<u8> {
    pub(crate) fn call(&self) -> KernelCall<'_> {
        let Self { variant, conv, packed, epilogue } = self;
        let (x_zero_point, packed) = (epilogue.zero_points.x, packed.range());
        KernelCall::Depthwise { variant: *variant, conv, x_zero_point, packed, epilogue: epilogue.epilogue() }
    }
}

impl Kernel for Depthwise<f32> {
    fn work_item_len(&self, _: Isa, _: usize) -> usize {
        self.row_len()
    }

    fn run(&self, task: Task<'_>) {
        for_each_image(task, self.conv.input, self.conv.output, |task, means| {
            if means.is_empty() {
                return f32::depthwise(self, task);
            }
            // The mean of a row is taken while it is in cache.
            const ROWS: usize = 2;
            let RowTask { isa, weights, x, rows, out, .. } = task;
            let channels = self.conv.output[2];
            let blocks = out.chunks_mut(ROWS * self.row_len()).zip(means.chunks_mut(ROWS * channels));
            for (first, (out, means)) in rows.step_by(ROWS).zip(blocks) {
                let rows = first..first + means.len() / channels;
                f32::depthwise(self, RowTask { isa, weights, x, residual: None, rows, out, scratch: &mut [] });
                row_means(isa, channels, out, means);
            }
        });
    }
}

#[cfg(feature = "int8")]
impl Kernel for Depthwise<u8> {
    fn work_item_len(&self, _: Isa, _: usize) -> usize {
        self.row_len()
    }

    fn run(&self, task: Task<'_>) {
        for_each_image(task, self.conv.input, self.conv.output, |task, _| u8::depthwise(self, task));
    }
}

/// The mean of each row of pixels of `channels` elements.
pub(crate) fn row_means(isa: Isa, channels: usize, rows: &[f32], means: &mut [f32]) {
    let row = rows.len() / (means.len() / channels);
    for (row, mean) in rows.chunks_exact(row).zip(means.chunks_exact_mut(channels)) {
        pool::global_average(isa, channels, row, mean);
    }
}
