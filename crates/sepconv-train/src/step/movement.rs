//! Means, pooling, and what only moves numbers; `forward` and its gradient, image by image.

use sepconv_core::op::PoolKind;
use sepconv_kernels::pool::{global_average, pool, pool_gradient};
use sepconv_kernels::{ConvGeometry, Isa, Rows};

use crate::shards::each;

/// Calls `work` with each image of both.
fn images(x: &[f32], y: &mut [f32], [from, to]: [usize; 2], work: impl Fn(&[f32], &mut [f32]) + Sync) {
    let mut images: Vec<_> = x.chunks_exact(from).zip(y.chunks_exact_mut(to)).collect();
    each(&mut images, &|(x, y)| work(x, y));
}

pub(crate) fn mean(isa: Isa, pixels: usize, channels: usize, x: &[f32], y: &mut [f32]) {
    images(x, y, [pixels * channels, channels], |x, y| global_average(isa, channels, x, y));
}

pub(crate) fn mean_gradient(pixels: usize, channels: usize, dy: &[f32], dx: &mut [f32]) {
    images(dy, dx, [channels, pixels * channels], |dy, dx| {
        for pixel in dx.chunks_exact_mut(channels) {
            pixel.iter_mut().zip(dy).for_each(|(dx, dy)| *dx = dy / pixels as f32);
        }
    });
}

fn sizes(geometry: &ConvGeometry) -> [usize; 2] {
    [geometry.input, geometry.output].map(|map| map.into_iter().product())
}

pub(crate) fn pooled(isa: Isa, kind: PoolKind, geometry: &ConvGeometry, x: &[f32], y: &mut [f32]) {
    images(x, y, sizes(geometry), |x, y| {
        let rows = Rows::new(x, geometry.input[1] * geometry.input[2]);
        pool(isa, kind, geometry, rows, 0..geometry.output[0], y);
    });
}

pub(crate) fn pooled_gradient(kind: PoolKind, geometry: &ConvGeometry, [x, dy]: [&[f32]; 2], dx: &mut [f32]) {
    let [from, to] = sizes(geometry);
    let mut images: Vec<_> = x.chunks_exact(from).zip(dy.chunks_exact(to)).zip(dx.chunks_exact_mut(from)).collect();
    each(&mut images, &|((x, dy), dx)| {
        dx.fill(0.0);
        pool_gradient(kind, geometry, x, dy, dx);
    });
}

/// Copies the channels of one operand of a concatenation to their place in each pixel, `[first, count, all]`.
pub(crate) fn concat([first, count, all]: [usize; 3], x: &[f32], y: &mut [f32]) {
    for (x, y) in x.chunks_exact(count).zip(y.chunks_exact_mut(all)) {
        y[first..][..count].copy_from_slice(x);
    }
}

pub(crate) fn concat_gradient([first, count, all]: [usize; 3], dy: &[f32], dx: &mut [f32]) {
    for (dy, dx) in dy.chunks_exact(all).zip(dx.chunks_exact_mut(count)) {
        dx.copy_from_slice(&dy[first..][..count]);
    }
}

/// Where a padded map `to` `[h, w, c]` holds each run of channels of the map `from`: `(from, to, count)`.
fn runs(before: [usize; 3], from: [usize; 3], to: [usize; 3]) -> impl Iterator<Item = (usize, usize, usize)> {
    let [h, w, c] = from;
    (0..h * w).map(move |pixel| {
        let place = (pixel / w + before[0]) * to[1] + pixel % w + before[1];
        (pixel * c, place * to[2] + before[2], c)
    })
}

pub(crate) fn pad(before: [usize; 3], [from, to]: [[usize; 3]; 2], x: &[f32], y: &mut [f32]) {
    images(x, y, [from, to].map(|map| map.into_iter().product()), |x, y| {
        y.fill(0.0);
        runs(before, from, to).for_each(|(x_at, y_at, count)| y[y_at..][..count].copy_from_slice(&x[x_at..][..count]));
    });
}

pub(crate) fn pad_gradient(before: [usize; 3], [from, to]: [[usize; 3]; 2], dy: &[f32], dx: &mut [f32]) {
    images(dy, dx, [to, from].map(|map| map.into_iter().product()), |dy, dx| {
        runs(before, from, to)
            .for_each(|(x_at, y_at, count)| dx[x_at..][..count].copy_from_slice(&dy[y_at..][..count]));
    });
}
