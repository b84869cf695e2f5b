//! What slides over planes, or resamples them.

use sepconv_core::op::{Conv2d, ConvTranspose, GridPadding, GridSample, Interpolation, Pool, QuantParams, Resize};
use sepconv_core::{DType, Node, Result, Tensor, ValueId};
use sepconv_kernels::Window;
use sepconv_kernels::pool::PoolKind;
use sepconv_kernels::resize::{self, AxisMap, Coordinates, Mode, Rounding, Taps};

use super::elementwise::activation;
use crate::onnx::proto::AttributeProto;
use crate::onnx::write::attribute::{flag, float, int, ints, text};
use crate::onnx::write::writer::{Held, Writer};

/// Axes `[n,h,w,c]` of a plane in `[n,c,h,w]`, and `[o,kh,kw,i]` of weights in `[o,i,kh,kw]`.
const CHANNELS_FIRST: [usize; 4] = [0, 2, 3, 1];

fn channels_first(name: String) -> Held {
    Held { name, order: CHANNELS_FIRST.to_vec() }
}

pub(super) fn conv(writer: &mut Writer<'_>, node: &Node, conv: &Conv2d) -> Result<Held> {
    let x = writer.operand(node.inputs[0], &CHANNELS_FIRST)?;
    let weights = writer.operand(node.inputs[1], &CHANNELS_FIRST)?;
    let bias = bias(writer, node.inputs[2])?;
    let attributes = [window(&conv.window), vec![int("group", conv.groups)]].concat();
    let mut sum = writer.emit("Conv", &[&x, &weights, &bias], attributes);
    if let Some(&residual) = node.inputs.get(3) {
        let residual = writer.operand(residual, &CHANNELS_FIRST)?;
        sum = writer.emit("Add", &[&sum, &residual], vec![]);
    }
    activation(writer, sum, conv.activation).map(channels_first)
}

pub(super) fn conv_transpose(writer: &mut Writer<'_>, node: &Node, conv: &ConvTranspose) -> Result<Held> {
    let x = writer.operand(node.inputs[0], &CHANNELS_FIRST)?;
    let weights = transposed_weights(writer, node.inputs[1], conv.groups)?;
    let bias = bias(writer, node.inputs[2])?;
    let more = vec![int("group", conv.groups), ints("output_padding", &conv.output_padding)];
    let sum = writer.emit("ConvTranspose", &[&x, &weights, &bias], [window(&conv.window), more].concat());
    activation(writer, sum, conv.activation).map(channels_first)
}

/// `[o,kh,kw,i/groups]` as `[i,o/groups,kh,kw]`. Several groups cannot be turned as a whole.
fn transposed_weights(writer: &mut Writer<'_>, weights: ValueId, groups: usize) -> Result<String> {
    if groups == 1 {
        return writer.operand(weights, &[1, 2, 3, 0]);
    }
    let [filters, kh, kw, channels] = writer.shape(weights)[..] else {
        unreachable!("weights of a convolution have four axes")
    };
    let materialized = writer.materialize(weights)?;
    let apart = writer.reshape(&materialized, &[groups, filters / groups, kh, kw, channels])?;
    let turned = writer.emit("Transpose", &[&apart], vec![ints("perm", &[0, 4, 1, 2, 3])]);
    writer.reshape(&turned, &[groups * channels, filters / groups, kh, kw])
}

/// The name of a bias; empty where it is all zero and can be left out.
pub(super) fn bias(writer: &mut Writer<'_>, bias: ValueId) -> Result<String> {
    if writer.is_zero(bias) { Ok(String::new()) } else { writer.materialize(bias) }
}

fn window(window: &Window) -> Vec<AttributeProto> {
    vec![
        ints("kernel_shape", &window.kernel),
        ints("strides", &window.stride),
        ints("dilations", &window.dilation),
        ints("pads", &[window.before, window.after].concat()),
    ]
}

/// Windows that reach beyond the padding are said by more padding, which does not count either, rather than by
/// `ceil_mode`, of which readers differ in their understanding; only where padding counts it has to be that.
pub(super) fn pool(writer: &mut Writer<'_>, node: &Node, pool: &Pool) -> Result<Held> {
    let x = writer.operand(node.inputs[0], &CHANNELS_FIRST)?;
    let (plane, windows) = (&writer.shape(node.inputs[0])[1..3], &writer.shape(node.output)[1..3]);
    let mut whole = pool.window;
    let extent = whole.extent().unwrap_or(whole.kernel);
    for axis in 0..2 {
        let end = (windows[axis] - 1) * whole.stride[axis] + extent[axis];
        whole.after[axis] = whole.after[axis].max(end.saturating_sub(plane[axis] + whole.before[axis]));
    }
    let name = match pool.kind {
        PoolKind::Max => writer.emit("MaxPool", &[&x], window(&whole)),
        PoolKind::Average { count_padding } => {
            let beyond = count_padding && whole != pool.window;
            let mut attributes = window(if beyond { &pool.window } else { &whole });
            attributes.extend([flag("count_include_pad", count_padding), flag("ceil_mode", beyond)]);
            // The attribute is younger than the operator.
            attributes.retain(|attribute| attribute.name != "dilations" || whole.dilation != [1; 2]);
            writer.emit("AveragePool", &[&x], attributes)
        }
    };
    Ok(channels_first(name))
}

/// Samples at computed positions.
pub(super) fn grid_sample(writer: &mut Writer<'_>, node: &Node, op: GridSample) -> Result<Held> {
    let x = writer.operand(node.inputs[0], &CHANNELS_FIRST)?;
    let grid = writer.operand(node.inputs[1], &[0, 1, 2, 3])?;
    let mode = match op.interpolation {
        Interpolation::Nearest => "nearest",
        Interpolation::Linear => "bilinear",
        Interpolation::Cubic => "bicubic",
    };
    let padding = match op.padding {
        GridPadding::Zeros => "zeros",
        GridPadding::Border => "border",
        GridPadding::Reflection => "reflection",
    };
    let attributes = vec![text("mode", mode), text("padding_mode", padding), flag("align_corners", op.align_corners)];
    Ok(channels_first(writer.emit("GridSample", &[&x, &grid], attributes)))
}

/// By sizes where the scales stand for their quotient, else by scales. What neither says is a product with known
/// matrices. Readers differ in how they round integers: those are resized as real numbers.
pub(super) fn resize(writer: &mut Writer<'_>, node: &Node, resize: &Resize) -> Result<Held> {
    let mut x = writer.operand(node.inputs[0], &CHANNELS_FIRST)?;
    let integers = (writer.dtype(node.inputs[0]) == DType::U8).then(|| QuantParams::per_tensor(DType::U8, 1.0, 0));
    if let Some(integers) = &integers {
        x = writer.dequantize(&x, integers)?;
    }
    let Resize { maps: [rows, columns], size: plane } = resize;
    let [n, h, w, c] = writer.shape(node.inputs[0])[..] else { unreachable!("planes have four axes") };
    let same_mode = (rows.mode, rows.coordinates) == (columns.mode, columns.coordinates);
    let axes = [(rows.scale, h, plane[0]), (columns.scale, w, plane[1])];
    let name = if same_mode && axes.iter().all(|&(scale, from, to)| scale == (to as f64 / from as f64) as f32) {
        let sizes = writer.sizes("sizes", &[n, c, plane[0], plane[1]])?;
        writer.emit("Resize", &[&x, "", "", &sizes], interpolation(rows))
    } else if same_mode && axes.iter().all(|&(scale, from, to)| (from as f32 * scale).floor() == to as f32) {
        let scales = writer.parameter("scales", &Tensor::f32([4], [1.0, 1.0, rows.scale, columns.scale])?);
        writer.emit("Resize", &[&x, "", &scales], interpolation(rows))
    } else {
        let down = writer.parameter("rows", &Tensor::f32([plane[0], h], weights(rows, h, plane[0]))?);
        let across = writer.parameter("columns", &Tensor::f32([plane[1], w], weights(columns, w, plane[1]))?);
        let across = writer.emit("Transpose", &[&across], vec![ints("perm", &[1, 0])]);
        let stretched = writer.emit("MatMul", &[&down, &x], vec![]);
        writer.emit("MatMul", &[&stretched, &across], vec![])
    };
    match &integers {
        Some(integers) => writer.quantize(&name, integers).map(channels_first),
        None => Ok(channels_first(name)),
    }
}

/// The weight of each input sample in each output sample.
fn weights(map: &AxisMap, from: usize, to: usize) -> Vec<f32> {
    let mut taps = vec![Taps::default(); to];
    resize::taps(map, from, to, &mut taps);
    let mut weights = vec![0.0; to * from];
    for (row, taps) in weights.chunks_exact_mut(from).zip(&taps) {
        row[taps.first..][..taps.count].copy_from_slice(&taps.weights[..taps.count]);
    }
    weights
}

fn interpolation(map: &AxisMap) -> Vec<AttributeProto> {
    let coordinates = match map.coordinates {
        Coordinates::HalfPixel => "half_pixel",
        Coordinates::HalfPixelSymmetric => "half_pixel_symmetric",
        Coordinates::PytorchHalfPixel => "pytorch_half_pixel",
        Coordinates::AlignCorners => "align_corners",
        Coordinates::Asymmetric => "asymmetric",
    };
    let coordinates = text("coordinate_transformation_mode", coordinates);
    match map.mode {
        Mode::Nearest(rounding) => {
            let nearest = match rounding {
                Rounding::PreferFloor => "round_prefer_floor",
                Rounding::PreferCeil => "round_prefer_ceil",
                Rounding::Floor => "floor",
                Rounding::Ceil => "ceil",
            };
            vec![text("mode", "nearest"), text("nearest_mode", nearest), coordinates]
        }
        Mode::Linear => vec![text("mode", "linear"), coordinates],
        Mode::Cubic { a, exclude_outside } => vec![
            text("mode", "cubic"),
            float("cubic_coeff_a", a),
            flag("exclude_outside", exclude_outside),
            coordinates,
        ],
    }
}
