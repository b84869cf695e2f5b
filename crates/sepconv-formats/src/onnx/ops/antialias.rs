//! Resampling that weighs every sample under a filter as wide as results lie apart, so that no detail is left over that
//! the result cannot hold.

use sepconv_core::op::MatMul;
use sepconv_core::{Error, Result, Tensor, ValueId};
use sepconv_kernels::resize::{AxisMap, Coordinates, Mode};

use super::resize::Axis;
use crate::onnx::node::Node;

/// One axis after the other, each a product with the matrix of its weights.
pub(super) fn resize(
    node: &mut Node<'_>,
    mut x: ValueId,
    axes: &[Axis],
    mode: Mode,
    coordinates: Coordinates,
) -> Result<ValueId> {
    if node.dtype(x).is_int8() {
        return Err(Error::unsupported("bytes cannot be resized with antialiasing"));
    }
    let mut dims: Vec<usize> = axes.iter().map(|axis| axis.from).collect();
    for (i, axis) in axes.iter().enumerate().filter(|(_, axis)| axis.changes()) {
        if axis.from == 0 || axis.to == 0 {
            return Err(Error::mismatch("an empty axis cannot be resized").expected("sizes from 1", node.shape(x)));
        }
        node.check_memory(axis.from.saturating_mul(axis.to).saturating_mul(size_of::<f32>()))?;
        let weights = weights(axis, mode, coordinates);
        let weights = node.constant(Tensor::f32([axis.to, axis.from], weights)?)?;
        let [before, behind] = [&dims[..i], &dims[i + 1..]].map(|dims| dims.iter().product());
        let matrices = node.reshape(x, [before, axis.from, behind])?;
        let product = node.emit(MatMul, &[weights, matrices])?;
        dims[i] = axis.to;
        x = node.reshape(product, &dims[..])?;
    }
    Ok(x)
}

/// A row for each result: the filter around its position, which adds up to one. Samples beyond the last repeat it,
/// unless they are left out. A filter is at most some four times as wide as the axis: there is a result.
fn weights(axis: &Axis, mode: Mode, coordinates: Coordinates) -> Vec<f32> {
    let map = AxisMap { mode, coordinates, scale: axis.scale };
    let scale = f64::from(axis.scale).min(1.0);
    let (reach, drops) = match mode {
        Mode::Cubic { exclude_outside, .. } => (2.0, exclude_outside),
        Mode::Nearest(_) | Mode::Linear => (1.0, false),
    };
    let last = axis.from.saturating_sub(1) as f64;
    let mut weights = vec![0.0; axis.to * axis.from];
    for (o, row) in weights.chunks_exact_mut(axis.from).enumerate() {
        let position = map.position(o, axis.from, axis.to);
        let (mut sample, end, mut sum) = ((position - reach / scale).ceil(), position + reach / scale, 0.0);
        while sample <= end {
            let weight = filter(mode, (sample - position) * scale);
            if !drops || (0.0..=last).contains(&sample) {
                row[sample.clamp(0.0, last) as usize] += weight as f32;
                sum += weight;
            }
            sample += 1.0;
        }
        row.iter_mut().for_each(|weight| *weight /= sum as f32);
    }
    weights
}

/// The filter at a distance from its middle.
fn filter(mode: Mode, distance: f64) -> f64 {
    let d = distance.abs();
    match mode {
        Mode::Nearest(_) | Mode::Linear => (1.0 - d).max(0.0),
        Mode::Cubic { a, .. } => {
            let a = f64::from(a);
            match d {
                ..1.0 => ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0,
                1.0..2.0 => ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a,
                _ => 0.0,
            }
        }
    }
}
