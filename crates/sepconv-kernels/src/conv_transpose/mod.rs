//! stub until the tuned kernel is merged
#![allow(missing_docs, clippy::too_many_arguments)]
use crate::{Activation, Isa, Rows, Tile, Window};
use core::ops::Range;
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvTranspose {
    pub window: Window,
    pub input: [usize; 3],
    pub output: [usize; 3],
    pub groups: usize,
}
pub fn packed_len(_: Isa, _: Tile, conv: &ConvTranspose) -> usize {
    conv.output[2] * (1 + conv.window.kernel[0] * conv.window.kernel[1] * conv.input[2] / conv.groups)
}
pub fn pack(_: Isa, _: Tile, _conv: &ConvTranspose, w: &[f32], b: &[f32], packed: &mut [f32]) {
    packed[..w.len()].copy_from_slice(w);
    packed[w.len()..].copy_from_slice(b);
}
fn tap(o: usize, before: usize, k: usize, d: usize, s: usize, n: usize) -> Option<usize> {
    let p = (o + before).checked_sub(k * d)?;
    (p % s == 0 && p / s < n).then_some(p / s)
}
pub fn conv_transpose(
    _: Isa,
    _: Tile,
    conv: &ConvTranspose,
    x: Rows<'_>,
    packed: &[f32],
    activation: Activation,
    rows: Range<usize>,
    out: &mut [f32],
) {
    let (w, b) = packed.split_at(packed.len() - conv.output[2]);
    let [h, iw, c] = conv.input;
    let [_, ow, o] = conv.output;
    let cg = c / conv.groups;
    let og = o / conv.groups;
    let [kh, kw] = conv.window.kernel;
    let win = conv.window;
    for (i, y) in rows.enumerate() {
        for xx in 0..ow {
            for f in 0..o {
                let mut s = f64::from(b[f]);
                for ky in 0..kh {
                    let Some(sy) = tap(y, win.before[0], ky, win.dilation[0], win.stride[0], h) else { continue };
                    let row = x.row(sy);
                    for kx in 0..kw {
                        let Some(sx) = tap(xx, win.before[1], kx, win.dilation[1], win.stride[1], iw) else { continue };
                        for ci in 0..cg {
                            s += f64::from(row[sx * c + f / og * cg + ci])
                                * f64::from(w[((f * kh + ky) * kw + kx) * cg + ci]);
                        }
                    }
                }
                out[(i * ow + xx) * o + f] = activation.apply(s as f32);
            }
        }
    }
}
pub fn reference(conv: &ConvTranspose, x: &[f32], w: &[f32], b: &[f32], activation: Activation, out: &mut [f32]) {
    let [h, iw, c] = conv.input;
    let [oh, ow, o] = conv.output;
    let cg = c / conv.groups;
    let og = o / conv.groups;
    let [kh, kw] = conv.window.kernel;
    let win = conv.window;
    for y in 0..oh {
        for xx in 0..ow {
            for f in 0..o {
                let mut s = f64::from(b[f]);
                for ky in 0..kh {
                    let Some(sy) = tap(y, win.before[0], ky, win.dilation[0], win.stride[0], h) else { continue };
                    for kx in 0..kw {
                        let Some(sx) = tap(xx, win.before[1], kx, win.dilation[1], win.stride[1], iw) else { continue };
                        for ci in 0..cg {
                            s += f64::from(x[(sy * iw + sx) * c + f / og * cg + ci])
                                * f64::from(w[((f * kh + ky) * kw + kx) * cg + ci]);
                        }
                    }
                }
                out[(y * ow + xx) * o + f] = activation.apply(s as f32);
            }
        }
    }
}
