//! Means, pooling, and what only moves numbers; `forward` and its gradient, image by image.

use sepconv_core::op::PoolKind;
use sepconv_kernels::pool::{global_average, pool, pool_gradient};
use sepconv_kernels::{ConvGeometry, Isa, Rows};

pub(crate) fn mean(isa: Isa, pixels: usize, channels: usize, x: &[f32], y: &mut [f32]) {
    for (x, y) in x.chunks_exact(pixels * channels).zip(y.chunks_exact_mut(channels)) {
        global_average(isa, channels, x, y);
    }
}

pub(crate) fn mean_gradient(pixels: usize, channels: usize, dy: &[f32], dx: &mut [f32]) {
    for (dy, dx) in dy.chunks_exact(channels).zip(dx.chunks_exact_mut(pixels * channels)) {
        for pixel in dx.chunks_exact_mut(channels) {
            pixel.iter_mut().zip(dy).for_each(|(dx, dy)| *dx = dy / pixels as f32);
        }
    }
}

fn sizes(geometry: &ConvGeometry) -> [usize; 2] {
    [geometry.input, geometry.output].map(|map| map.into_iter().product())
}

pub(crate) fn pooled(isa: Isa, kind: PoolKind, geometry: &ConvGeometry, x: &[f32], y: &mut [f32]) {
    let [from, to] = sizes(geometry);
    for (x, y) in x.chunks_exact(from).zip(y.chunks_exact_mut(to)) {
        let rows = Rows::new(x, geometry.input[1] * geometry.input[2]);
        pool(isa, kind, geometry, rows, 0..geometry.output[0], y);
    }
}

pub(crate) fn pooled_gradient(kind: PoolKind, geometry: &ConvGeometry, [x, dy]: [&[f32]; 2], dx: &mut [f32]) {
    let [from, to] = sizes(geometry);
    dx.fill(0.0);
    for ((x, dy), dx) in x.chunks_exact(from).zip(dy.chunks_exact(to)).zip(dx.chunks_exact_mut(from)) {
        pool_gradient(kind, geometry, x, dy, dx);
    }
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
    y.fill(0.0);
    let [x_size, y_size] = [from, to].map(|map| map.into_iter().product());
    for (x, y) in x.chunks_exact(x_size).zip(y.chunks_exact_mut(y_size)) {
        runs(before, from, to).for_each(|(x_at, y_at, count)| y[y_at..][..count].copy_from_slice(&x[x_at..][..count]));
    }
}

pub(crate) fn pad_gradient(before: [usize; 3], [from, to]: [[usize; 3]; 2], dy: &[f32], dx: &mut [f32]) {
    let [dx_size, dy_size] = [from, to].map(|map| map.into_iter().product());
    for (dy, dx) in dy.chunks_exact(dy_size).zip(dx.chunks_exact_mut(dx_size)) {
        runs(before, from, to)
            .for_each(|(x_at, y_at, count)| dx[x_at..][..count].copy_from_slice(&dy[y_at..][..count]));
    }
}
