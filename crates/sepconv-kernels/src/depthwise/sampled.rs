//! Layers that the tests of both dtypes go through.

use std::vec::Vec;

use crate::{ConvGeometry, Window};

/// Windows of up to 15 taps in either direction with every kind of stride, dilation, padding and multiplier: a sample,
/// since all would take hours. Feature maps are from one pixel to several tiles, in one dimension and in two.
pub(super) fn layers() -> Vec<ConvGeometry> {
    let mut layers = Vec::new();
    let maps = [[1, 40], [33, 1], [9, 17], [1, 1], [20, 5], [2, 31]];
    let pick = |i: usize, from: [usize; 4]| from[i % 4];
    let mut i = 0;
    for kh in 1..=15 {
        for kw in 1..=15 {
            for [h, w] in [maps[i % 6], maps[i / 6 % 6], [kh * 2, kw + 9]] {
                i = (i * 7 + kh + kw) % 9973;
                let (stride, dilation) = (
                    [pick(i, [1, 1, 2, 3]), pick(i / 4, [1, 1, 2, 3])],
                    [pick(i / 16, [1, 2, 1, 5]), pick(i / 64, [1, 3, 2, 1])],
                );
                let extent = [(kh - 1) * dilation[0] + 1, (kw - 1) * dilation[1] + 1];
                let before = [
                    pick(i / 3, [0, extent[0] / 2, 1, extent[0] + 1]),
                    pick(i / 5, [0, extent[1] / 2, extent[1] / 2, 2]),
                ];
                // As much as one window needs.
                let after = [0, 1].map(|axis| extent[axis].saturating_sub([h, w][axis] + before[axis]));
                let window = Window { stride, dilation, before, after, ..Window::new(kh, kw) };
                let (channels, multiplier) = ([1, 5, 19, 37, 70, 133][i % 6], [1, 1, 1, 2, 3, 8][i / 7 % 6]);
                let [oh, ow] = window.output([h, w]).expect("a window that fits");
                layers.push(ConvGeometry::depthwise(window, [h, w, channels], [oh, ow, channels * multiplier]));
            }
        }
    }
    // Square kernels, dilated, on either side of the change of their tiles.
    for (kernel, dilation) in [(3, [2, 2]), (3, [1, 4]), (3, [7, 40]), (5, [2, 3]), (7, [3, 2])] {
        for (w, channels) in [(1, 70), (6, 3), (13, 130), (29, 16), (64, 21)] {
            for before in [[0, 0], [1, 3], [dilation[0] * (kernel / 2), dilation[1] * (kernel / 2)]] {
                let after = [dilation[0] * kernel, dilation[1] * kernel];
                let window = Window { dilation, before, after, ..Window::new(kernel, kernel) };
                let [oh, ow] = window.output([9, w]).expect("a window that fits");
                layers.push(ConvGeometry::depthwise(window, [9, w, channels], [oh, ow, channels]));
            }
        }
    }
    layers
}
