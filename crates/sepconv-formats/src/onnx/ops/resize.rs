//! Resampling of the last two axes.

use sepconv_core::{Error, Result, ValueId, op};
use sepconv_kernels::resize::{AxisMap, Coordinates, Mode, Rounding};

use super::antialias;
use super::constant::{bytes, numbers, truncated};
use crate::dims;
use crate::onnx::attributes::unsupported_value;
use crate::onnx::node::Node;

/// The size of one axis before and after, and the ratio that coordinates use.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Axis {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) scale: f32,
}

impl Axis {
    pub(super) fn changes(&self) -> bool {
        self.to != self.from || self.scale != 1.0
    }
}

/// Scales are operand 1 in opset 10; from 11 on operand 2, and operand 3 may hold sizes in their place.
pub(super) fn resize(node: &mut Node<'_>) -> Result<ValueId> {
    let x = node.input(0)?;
    if node.opset < 11 {
        return upsample(node);
    }
    let mode = mode(node)?;
    let coordinates = coordinates(node)?;
    node.attributes.ignore(&["extrapolation_value"]);
    let antialias = node.attributes.flag("antialias", false)?;
    // The region of interest, which only tf_crop_and_resize reads.
    node.optional(1);
    let shape = node.shape(x);
    let chosen = match node.attributes.ints("axes")? {
        Some(list) => dims::axes(list, shape.len())?,
        None => (0..shape.len()).collect(),
    };
    let scales = node.known_floats(2, "scales")?.filter(|scales| !scales.is_empty());
    let sizes = node.known_ints(3, "sizes")?.filter(|sizes| !sizes.is_empty());
    let policy = node.attributes.string_or("keep_aspect_ratio_policy", "stretch")?;
    let resized = match (scales, sizes) {
        (Some(scales), None) => by_scales(&shape, &chosen, &scales)?,
        (None, Some(sizes)) => by_sizes(&shape, &chosen, &sizes, policy)?,
        _ => {
            return Err(Error::malformed("resize needs either scales or sizes").expected("one of them", "none or both"));
        }
    };
    match antialias && !matches!(mode, Mode::Nearest(_)) {
        true => antialias::resize(node, x, &resized, mode, coordinates),
        false => interpolate(node, x, &resized, mode, coordinates),
    }
}

/// Upsample, and Resize of opset 10: positions are divided by the scale, and the nearest sample is the lower one.
pub(super) fn upsample(node: &mut Node<'_>) -> Result<ValueId> {
    let x = node.input(0)?;
    let mode = match node.attributes.string_or("mode", "nearest")? {
        "nearest" => Mode::Nearest(Rounding::Floor),
        "linear" | "bilinear" => Mode::Linear,
        other => return Err(unsupported_value("mode", other, "nearest or linear")),
    };
    let scales = match (node.attributes.floats("scales")?, node.attributes.float("height_scale")?) {
        (Some(scales), _) => scales.to_vec(),
        (None, Some(height)) => vec![1.0, 1.0, height, node.attributes.float_or("width_scale", 1.0)?],
        (None, None) => node.known_floats(1, "scales")?.unwrap_or_default(),
    };
    let shape = node.shape(x);
    let all: Vec<usize> = (0..shape.len()).collect();
    interpolate(node, x, &by_scales(&shape, &all, &scales)?, mode, Coordinates::Asymmetric)
}

fn mode(node: &Node<'_>) -> Result<Mode> {
    let nearest = node.attributes.string_or("nearest_mode", "round_prefer_floor")?;
    let a = node.attributes.float_or("cubic_coeff_a", -0.75)?;
    let exclude_outside = node.attributes.flag("exclude_outside", false)?;
    Ok(match node.attributes.string_or("mode", "nearest")? {
        "nearest" => Mode::Nearest(match nearest {
            "round_prefer_floor" => Rounding::PreferFloor,
            "round_prefer_ceil" => Rounding::PreferCeil,
            "floor" => Rounding::Floor,
            "ceil" => Rounding::Ceil,
            other => {
                return Err(unsupported_value(
                    "nearest_mode",
                    other,
                    "round_prefer_floor, round_prefer_ceil, floor or ceil",
                ));
            }
        }),
        "linear" => Mode::Linear,
        "cubic" => Mode::Cubic { a, exclude_outside },
        other => return Err(unsupported_value("mode", other, "nearest, linear or cubic")),
    })
}

fn coordinates(node: &Node<'_>) -> Result<Coordinates> {
    Ok(match node.attributes.string_or("coordinate_transformation_mode", "half_pixel")? {
        "half_pixel" => Coordinates::HalfPixel,
        "half_pixel_symmetric" => Coordinates::HalfPixelSymmetric,
        "pytorch_half_pixel" => Coordinates::PytorchHalfPixel,
        "align_corners" => Coordinates::AlignCorners,
        "asymmetric" => Coordinates::Asymmetric,
        other => {
            let supported = "half_pixel, half_pixel_symmetric, pytorch_half_pixel, align_corners or asymmetric";
            return Err(unsupported_value("coordinate_transformation_mode", other, supported));
        }
    })
}

fn by_scales(shape: &[usize], chosen: &[usize], scales: &[f32]) -> Result<Vec<Axis>> {
    let mut axes = unchanged(shape);
    check_count(chosen, scales.len())?;
    for (&axis, &scale) in chosen.iter().zip(scales) {
        let to = (shape[axis] as f32 * scale).floor();
        if !(scale > 0.0 && to.is_finite()) {
            return Err(Error::malformed("scale is not possible").expected("above 0", scale));
        }
        axes[axis] = Axis { from: shape[axis], to: to as usize, scale };
    }
    Ok(axes)
}

/// `policy` says whether the aspect ratio is kept, with the sizes as upper or as lower bounds.
fn by_sizes(shape: &[usize], chosen: &[usize], sizes: &[i64], policy: &str) -> Result<Vec<Axis>> {
    let mut axes = unchanged(shape);
    check_count(chosen, sizes.len())?;
    let sizes = dims::sizes(sizes)?;
    let ratio = |i: usize| sizes[i] as f32 / shape[chosen[i]] as f32;
    let ratios = (0..chosen.len()).map(ratio);
    let common = match policy {
        "stretch" => None,
        "not_larger" => Some(ratios.fold(f32::INFINITY, f32::min)),
        "not_smaller" => Some(ratios.fold(0.0, f32::max)),
        other => {
            return Err(unsupported_value("keep_aspect_ratio_policy", other, "stretch, not_larger or not_smaller"));
        }
    };
    for (i, &axis) in chosen.iter().enumerate() {
        let from = shape[axis];
        axes[axis] = match common {
            None => Axis { from, to: sizes[i], scale: ratio(i) },
            Some(scale) => Axis { from, to: (from as f32 * scale + 0.5).floor() as usize, scale },
        };
    }
    Ok(axes)
}

fn unchanged(shape: &[usize]) -> Vec<Axis> {
    shape.iter().map(|&size| Axis { from: size, to: size, scale: 1.0 }).collect()
}

fn check_count(chosen: &[usize], count: usize) -> Result<()> {
    if chosen.len() == count {
        return Ok(());
    }
    Err(Error::mismatch("scales or sizes do not match the axes").expected(chosen.len(), count))
}

fn interpolate(
    node: &mut Node<'_>,
    x: ValueId,
    axes: &[Axis],
    mode: Mode,
    coordinates: Coordinates,
) -> Result<ValueId> {
    if !axes.iter().any(Axis::changes) {
        return Ok(x);
    }
    let split = axes.len().saturating_sub(2);
    if axes.len() > 4 || axes[..split].iter().any(Axis::changes) {
        return one_by_one(node, x, axes, mode, coordinates);
    }
    // Leading axes of size 1 make any operand a plane.
    let missing = vec![Axis { from: 1, to: 1, scale: 1.0 }; 4 - axes.len()];
    let [n, c, h, w] = [&missing, axes].concat()[..] else { unreachable!("missing axes were added") };
    let dtype = node.dtype(x);
    let x = if dtype.is_int8() { numbers(node, x)? } else { x };
    let plane = node.reshape(x, [n.from, c.from, h.from, w.from])?;
    let plane = node.channels_last(plane)?;
    let map = |axis: Axis| AxisMap { mode, coordinates, scale: axis.scale };
    let resize = op::Resize { maps: [map(h), map(w)], size: [h.to, w.to] };
    let mut y = node.emit(resize, &[plane])?;
    if dtype.is_int8() {
        // Between bytes lie fractions, which onnxruntime drops.
        let between = !matches!(mode, Mode::Nearest(_));
        y = if between { truncated(node, y)? } else { y };
        y = bytes(node, y, dtype)?;
    }
    let y = node.channels_first(y)?;
    node.reshape(y, axes.iter().map(|axis| axis.to).collect::<Vec<_>>())
}

/// Any axes, two neighbors at a time: as the rows and columns of planes whose channels are what lies behind them.
fn one_by_one(
    node: &mut Node<'_>,
    mut x: ValueId,
    axes: &[Axis],
    mode: Mode,
    coordinates: Coordinates,
) -> Result<ValueId> {
    if node.dtype(x).is_int8() {
        return Err(Error::unsupported("bytes can be resized along the last two axes only"));
    }
    let mut dims: Vec<usize> = axes.iter().map(|axis| axis.from).collect();
    let mut first = 0;
    while first < axes.len() {
        let pair = [first, first + 1].map(|i| axes.get(i).copied().filter(Axis::changes));
        if let [Some(rows), columns] = pair {
            let (one, behind) = (Axis { from: 1, to: 1, scale: 1.0 }, first + 1 + usize::from(columns.is_some()));
            let columns = columns.unwrap_or(one);
            let [before, inner] = [&dims[..first], &dims[behind..]].map(|dims| dims.iter().product());
            let plane = node.reshape(x, [before, rows.from, columns.from, inner])?;
            let map = |axis: Axis| AxisMap { mode, coordinates, scale: axis.scale };
            let resize = op::Resize { maps: [map(rows), map(columns)], size: [rows.to, columns.to] };
            let resized = node.emit(resize, &[plane])?;
            dims[first..behind].iter_mut().zip([rows, columns]).for_each(|(size, axis)| *size = axis.to);
            x = node.reshape(resized, &dims[..])?;
            first = behind;
        } else {
            first += 1;
        }
    }
    Ok(x)
}
