//! stub until the tuned kernel is merged
#![allow(missing_docs, clippy::too_many_arguments)]
use crate::{Activation, Isa, Rows, Tile, Window};
use core::ops::Range;
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2d {
    pub window: Window,
    pub input: [usize; 3],
    pub output: [usize; 3],
    pub groups: usize,
}
pub fn packed_len(_: Isa, _: Tile, conv: &Conv2d) -> usize {
    conv.output[2] * (1 + conv.window.kernel[0] * conv.window.kernel[1] * conv.input[2] / conv.groups)
}
pub fn pack(_: Isa, _: Tile, _conv: &Conv2d, w: &[f32], b: &[f32], packed: &mut [f32]) {
    packed[..w.len()].copy_from_slice(w);
    packed[w.len()..].copy_from_slice(b);
}
pub fn edge_len(_: Tile, _: &Conv2d) -> usize {
    0
}
pub fn conv2d(
    _: Isa,
    _: Tile,
    conv: &Conv2d,
    x: Rows<'_>,
    packed: &[f32],
    residual: Option<&[f32]>,
    activation: Activation,
    rows: Range<usize>,
    out: &mut [f32],
    _: &mut [f32],
) {
    let (w, b) = packed.split_at(packed.len() - conv.output[2]);
    let [h, iw, c] = conv.input;
    let [_, ow, o] = conv.output;
    let cg = c / conv.groups;
    let og = o / conv.groups;
    let [kh, kw] = conv.window.kernel;
    for (i, y) in rows.enumerate() {
        for xx in 0..ow {
            for f in 0..o {
                let mut s = f64::from(b[f]);
                for ky in conv.window.taps(0, y, h) {
                    let row = x.row(conv.window.source(0, y, ky));
                    for kx in conv.window.taps(1, xx, iw) {
                        let sx = conv.window.source(1, xx, kx);
                        for ci in 0..cg {
                            s += f64::from(row[sx * c + f / og * cg + ci])
                                * f64::from(w[((f * kh + ky) * kw + kx) * cg + ci]);
                        }
                    }
                }
                let at = (i * ow + xx) * o + f;
                out[at] = activation.apply((s + residual.map_or(0.0, |r| f64::from(r[at]))) as f32);
            }
        }
    }
}
pub fn reference(
    conv: &Conv2d,
    x: &[f32],
    w: &[f32],
    b: &[f32],
    residual: Option<&[f32]>,
    activation: Activation,
    out: &mut [f32],
) {
    let [h, iw, c] = conv.input;
    let [oh, ow, o] = conv.output;
    let cg = c / conv.groups;
    let og = o / conv.groups;
    let [kh, kw] = conv.window.kernel;
    for y in 0..oh {
        for xx in 0..ow {
            for f in 0..o {
                let mut s = f64::from(b[f]);
                for ky in conv.window.taps(0, y, h) {
                    let sy = conv.window.source(0, y, ky);
                    for kx in conv.window.taps(1, xx, iw) {
                        let sx = conv.window.source(1, xx, kx);
                        for ci in 0..cg {
                            s += f64::from(x[(sy * iw + sx) * c + f / og * cg + ci])
                                * f64::from(w[((f * kh + ky) * kw + kx) * cg + ci]);
                        }
                    }
                }
                let at = (y * ow + xx) * o + f;
                out[at] = activation.apply((s + residual.map_or(0.0, |r| f64::from(r[at]))) as f32);
            }
        }
    }
}
