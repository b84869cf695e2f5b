//! The steps of a plan that can be printed.

use std::collections::BTreeMap;
use std::ops::Range;

use sepconv::{CompiledModel, DType, Error, Plan, Result};
use sepconv_core::{BufferRef, ChainCall, KernelCall, Layer, Step};
use sepconv_kernels::depthwise::padding_len;

/// A step with what it calls.
#[derive(Debug)]
pub(crate) struct PrintedStep<'p> {
    pub(crate) step: &'p Step,
    pub(crate) layers: Vec<PrintedLayer<'p>>,
    /// How several layers run together.
    pub(crate) chain: Option<ChainCall<'p>>,
}

impl PrintedStep<'_> {
    /// Bytes of the constants among the operands.
    pub(crate) fn operand_bytes(&self) -> usize {
        let operands = self.step.operands().iter().map(|operand| match operand {
            BufferRef::Weights(range) => range.len(),
            BufferRef::Arena(_) => 0,
        });
        operands.sum()
    }
}

/// A layer with what it calls.
#[derive(Debug)]
pub(crate) struct PrintedLayer<'p> {
    /// Its place among the plan's.
    pub(crate) number: usize,
    pub(crate) layer: &'p Layer,
    pub(crate) call: KernelCall<'p>,
}

impl PrintedLayer<'_> {
    /// Bytes of weights and tables.
    pub(crate) fn constant_bytes(&self) -> usize {
        self.packed().map_or(0, |packed| packed.len()) + self.lut().map_or(0, |lut| lut.len())
    }

    /// Where among the plan's the packed weights are.
    pub(crate) fn packed(&self) -> Option<Range<usize>> {
        match &self.call {
            KernelCall::Pointwise { packed, .. }
            | KernelCall::Conv2d { packed, .. }
            | KernelCall::Depthwise { packed, .. } => Some(packed.clone()),
            KernelCall::Pool { .. }
            | KernelCall::Binary(_)
            | KernelCall::Softmax { .. }
            | KernelCall::Quantize { .. }
            | KernelCall::Dequantize { .. }
            | KernelCall::Lut(_)
            | KernelCall::FlipSigns
            | KernelCall::Copies { .. } => None,
        }
    }

    /// The table of all bytes that the layer looks results up in.
    pub(crate) fn lut(&self) -> Option<&[u8; 256]> {
        match &self.call {
            KernelCall::Pointwise { epilogue, .. } | KernelCall::Conv2d { epilogue, .. } => epilogue.as_ref()?.lut,
            KernelCall::Depthwise { epilogue, .. } => epilogue.lut,
            KernelCall::Lut(lut) => Some(lut),
            KernelCall::Pool { .. }
            | KernelCall::Binary(_)
            | KernelCall::Softmax { .. }
            | KernelCall::Quantize { .. }
            | KernelCall::Dequantize { .. }
            | KernelCall::FlipSigns
            | KernelCall::Copies { .. } => None,
        }
    }

    /// The sizes of the image that the kernel makes, where it makes one at a time.
    fn image(&self) -> Option<[usize; 3]> {
        match &self.call {
            KernelCall::Conv2d { conv, .. } | KernelCall::Depthwise { conv, .. } => Some(conv.output),
            KernelCall::Pool { geometry, .. } => Some(geometry.output),
            KernelCall::Pointwise { .. }
            | KernelCall::Binary(_)
            | KernelCall::Softmax { .. }
            | KernelCall::Quantize { .. }
            | KernelCall::Dequantize { .. }
            | KernelCall::Lut(_)
            | KernelCall::FlipSigns
            | KernelCall::Copies { .. } => None,
        }
    }
}

/// The steps of a network.
///
/// # Errors
/// If the network, or one of its layers, cannot be printed.
pub(crate) fn steps(model: &CompiledModel) -> Result<Vec<PrintedStep<'_>>> {
    let plan = model.plan();
    check_ports(plan)?;
    plan.steps().iter().map(|step| printed_step(plan, step)).collect()
}

fn printed_step<'p>(plan: &'p Plan, step: &'p Step) -> Result<PrintedStep<'p>> {
    let chain = step.chain_call();
    let calls = match &chain {
        Some(chain) => chain.layers.iter().map(|chained| Some(chained.call.clone())).collect(),
        None => vec![step.call()],
    };
    let layers = step.layers().zip(calls).map(|(number, call)| printed_layer(plan, number, call));
    let layers: Vec<_> = layers.collect::<Result<_>>()?;
    for (chained, PrintedLayer { layer, .. }) in chain.iter().flat_map(|chain| &chain.layers).zip(&layers) {
        check_image(layer, chained.output)?;
    }
    Ok(PrintedStep { step, layers, chain })
}

fn printed_layer<'p>(plan: &'p Plan, number: usize, call: Option<KernelCall<'p>>) -> Result<PrintedLayer<'p>> {
    let layer = &plan.layers()[number];
    let with_node = |error: Error| error.at_node(&layer.name, &layer.op);
    let call = call.ok_or_else(|| {
        with_node(unsupported(&format!("kernel {:?}", layer.kernel))).help(match layer.output_dtype {
            DType::F32 => "only int8 layers can, and a softmax at the end: quantize the network (`sepconv quantize`)",
            DType::U8 | DType::I8 | DType::I64 => "leave the layer out of the network, or run it on the host",
        })
    })?;
    let printed = PrintedLayer { number, layer, call };
    if let Some(image) = printed.image() {
        check_image(layer, image)?;
    }
    Ok(printed)
}

/// Fails where the result of a layer is not the one image that its kernel makes.
fn check_image(layer: &Layer, image: [usize; 3]) -> Result<()> {
    match image.iter().product::<usize>() == layer.output.elements() {
        true => Ok(()),
        false => Err(unsupported("a batch of several images").at_node(&layer.name, &layer.op)),
    }
}

fn unsupported(what: &str) -> Error {
    Error::unsupported(format!("{what} cannot be compiled for microcontrollers yet"))
}

fn check_ports(plan: &Plan) -> Result<()> {
    if !plan.initial_states().is_empty() {
        return Err(unsupported("a network that keeps state between runs"));
    }
    for input in plan.inputs() {
        if input.dtype() == DType::I64 {
            return Err(unsupported("an i64 input").at(format!("input {:?}", input.name())));
        }
    }
    for output in plan.outputs() {
        let error = |what: &str| Err(unsupported(what).at(format!("output {:?}", output.name())));
        match (output.strided_copy(), output.dtype()) {
            (None, _) => return error("a constant output"),
            (_, DType::I64) => return error("an i64 output"),
            _ if output.is_open() => return error("an output that is as long as the data says"),
            (Some(copy), _) if !copy.is_contiguous() => return error("an output in an order of axes that is not NHWC"),
            (Some(_), DType::F32 | DType::U8 | DType::I8) => {}
        }
    }
    Ok(())
}

/// The rows of padding that depthwise layers read above and below a feature map: for each zero point one, as long as the
/// longest that a layer reads.
#[derive(Debug, Default)]
pub(crate) struct PaddingRows(BTreeMap<u8, usize>);

impl PaddingRows {
    pub(crate) fn of(steps: &[PrintedStep<'_>]) -> Self {
        let mut rows = Self::default();
        for printed in steps.iter().flat_map(|step| &step.layers) {
            if let KernelCall::Depthwise { conv, x_zero_point, .. } = &printed.call {
                let len = rows.0.entry(*x_zero_point).or_default();
                *len = padding_len(conv).max(*len);
            }
        }
        rows
    }

    /// Each zero point, and the length of its row.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u8, usize)> {
        self.0.iter().map(|(&zero_point, &len)| (zero_point, len))
    }

    /// Bytes of all rows.
    pub(crate) fn bytes(&self) -> usize {
        self.0.values().sum()
    }
}
