//! Copies between strided views: transpose, slice, concatenate, pad and expand are all this one loop nest.
//!
//! **Cost.** One read and one write per element. Axes that continue each other are merged first; contiguous runs are
//! then copied whole, and where the input's contiguous axis is not the output's, vectors transpose both in square
//! blocks, so that each cache line is fetched once. Two or four rows that become columns, as in a channel shuffle, and
//! the three planes of an image that become its pixels, are walked side by side.
#[cfg(test)]
mod tests;

use core::array;

use crate::simd::{Shuffle, zip_stages};
use crate::unroll::unrolled_array;

/// The most dimensions that [`copy_strided`] takes.
pub const MAX_RANK: usize = 8;

/// Side of the square blocks in which a transposition runs: a row of 16 elements is a cache line of f32 values.
const BLOCK: usize = 16;

/// Elements that are read, the place of the first, and how far apart neighbors along each axis are.
pub type Source<'a, T> = (&'a [T], usize, &'a [isize]);
/// The same of those that are written.
pub type Target<'a, T> = (&'a mut [T], usize, &'a [usize]);

/// What can be copied. Each type has its own function here: generic ones are compiled where they are called, which may
/// be for size.
pub trait Element: Shuffle {
    /// See [`copy_strided`].
    #[doc(hidden)]
    fn copy(dims: &[usize], x: Source<'_, Self>, out: Target<'_, Self>);
}

macro_rules! elements {
    ($($element:ty),*) => {
        $(impl Element for $element {
            fn copy(dims: &[usize], x: Source<'_, Self>, out: Target<'_, Self>) {
                copy(dims, x, out);
            }
        })*
    };
}
elements!(f32, i64, u8);

/// For every index `i` of `dims`: `out[out_offset + Σ i·out_strides] = x[x_offset + Σ i·x_strides]`.
///
/// Strides count elements. Those of the input may be zero (expand) or negative (reversed slices). Panics above
/// [`MAX_RANK`] dimensions and where an index leaves its slice.
pub fn copy_strided<T: Element>(
    dims: &[usize],
    x: &[T],
    x_offset: usize,
    x_strides: &[isize],
    out: &mut [T],
    out_offset: usize,
    out_strides: &[usize],
) {
    T::copy(dims, (x, x_offset, x_strides), (out, out_offset, out_strides));
}

fn copy<T: Shuffle>(
    dims: &[usize],
    (x, x_offset, x_strides): Source<'_, T>,
    (out, out_offset, out_strides): Target<'_, T>,
) {
    let rank = dims.len();
    assert!(rank <= MAX_RANK && x_strides.len() == rank && out_strides.len() == rank, "a copy of rank {rank}");
    if dims.contains(&0) {
        return;
    }
    let mut axes = Axes { axes: [Axis::UNIT; MAX_RANK + 2], rank: 2 };
    for i in 0..rank {
        axes.push(Axis { size: dims[i], x: x_strides[i], out: out_strides[i] });
    }
    axes.pair_contiguous();
    let (outer, [rows, columns]) = axes.split();
    let mut index = [0; MAX_RANK];
    let (mut read, mut write) = (x_offset as isize, out_offset);
    for _ in 0..outer.iter().map(|axis| axis.size).product() {
        copy_plane(rows, columns, (x, read), (out, write));
        for (index, axis) in index.iter_mut().zip(outer).rev() {
            *index += 1;
            (read, write) = (read + axis.x, write + axis.out);
            if *index < axis.size {
                break;
            }
            (read, write) = (read - axis.size as isize * axis.x, write - axis.size * axis.out);
            *index = 0;
        }
    }
}

/// One axis of a copy: its size, and the strides of its two sides.
#[derive(Clone, Copy)]
struct Axis {
    size: usize,
    x: isize,
    out: usize,
}

impl Axis {
    const UNIT: Self = Self { size: 1, x: 0, out: 0 };
}

/// The axes of a copy, outermost first, led by two of size 1 so that there always is an innermost pair.
struct Axes {
    axes: [Axis; MAX_RANK + 2],
    rank: usize,
}

impl Axes {
    /// Appends an inner axis, or lets the last one continue over it.
    fn push(&mut self, axis: Axis) {
        let last = &mut self.axes[self.rank - 1];
        if axis.size == 1 {
            return;
        }
        if last.size > 1 && last.x == axis.size as isize * axis.x && last.out == axis.size * axis.out {
            *last = Axis { size: last.size * axis.size, ..axis };
        } else {
            self.axes[self.rank] = axis;
            self.rank += 1;
        }
    }

    /// Moves the axis along which the input is contiguous next to the innermost one, unless it is that.
    fn pair_contiguous(&mut self) {
        let axes = &mut self.axes[..self.rank];
        if let Some(place) = axes.iter().rposition(|axis| axis.x.abs() == 1)
            && place + 1 < axes.len()
        {
            let end = axes.len() - 1;
            axes[place..end].rotate_left(1);
        }
    }

    /// The outer axes, and the innermost two.
    fn split(&self) -> (&[Axis], [Axis; 2]) {
        let (outer, inner) = self.axes[..self.rank].split_at(self.rank - 2);
        (outer, [inner[0], inner[1]])
    }
}

/// Copies two axes. Where one is contiguous in the input and the other in the result, vectors transpose them.
fn copy_plane<T: Shuffle>(rows: Axis, columns: Axis, (x, read): (&[T], isize), (out, write): (&mut [T], usize)) {
    let from = |row: usize, column: usize| (read + row as isize * rows.x + column as isize * columns.x) as usize;
    let to = |row: usize, column: usize| write + row * rows.out + column * columns.out;
    if columns.x == 1 && columns.out == 1 {
        for row in 0..rows.size {
            out[to(row, 0)..][..columns.size].copy_from_slice(&x[from(row, 0)..][..columns.size]);
        }
        return;
    }
    if columns.x == 2 && columns.out == 1 && rows.x != 1 {
        for row in 0..rows.size {
            every_second(&x[from(row, 0)..], &mut out[to(row, 0)..][..columns.size]);
        }
        return;
    }
    if rows.x == 1 && columns.out == 1 && columns.x >= 0 {
        let (x, x_step, out) = (&x[from(0, 0)..], columns.x as usize, &mut out[write..]);
        match [rows.size, columns.size] {
            [n, 2] if rows.out == 2 => return interleave::<T, 2>(n, x, x_step, out),
            [n, 3] if rows.out == 3 => return interleave_three(n, x, x_step, out),
            [n, 4] if rows.out == 4 => return interleave::<T, 4>(n, x, x_step, out),
            [2, n] if x_step == 2 => return deinterleave::<T, 2>(n, x, out, rows.out),
            [3, n] if x_step == 3 => return deinterleave_three(n, x, out, rows.out),
            [4, n] if x_step == 4 => return deinterleave::<T, 4>(n, x, out, rows.out),
            [n, m] if n >= T::LANES && m >= T::LANES => return transpose([n, m], (x, x_step), (out, rows.out)),
            _ => (),
        }
    }
    for row in 0..rows.size {
        for column in 0..columns.size {
            out[to(row, column)] = x[from(row, column)];
        }
    }
}

/// `R` rows of `n` elements become columns: `out[i·R + r] = x[r·x_step + i]`.
fn interleave<T: Shuffle, const R: usize>(n: usize, x: &[T], x_step: usize, out: &mut [T]) {
    let rows: [&[T]; R] = array::from_fn(|r| &x[r * x_step..][..n]);
    let out = &mut out[..n * R];
    let whole = n - n % T::LANES;
    for i in (0..whole).step_by(T::LANES) {
        let vectors = zip_stages::<T, R>(unrolled_array(|r| T::load(&rows[r][i..])), R.ilog2());
        unroll!(v in 0..R, { T::store(vectors[v], &mut out[i * R + v * T::LANES..]) });
    }
    for i in whole..n {
        for r in 0..R {
            out[i * R + r] = rows[r][i];
        }
    }
}

/// `R` columns of `n` elements become rows: `out[r·out_step + i] = x[i·R + r]`.
fn deinterleave<T: Shuffle, const R: usize>(n: usize, x: &[T], out: &mut [T], out_step: usize) {
    let x = &x[..n * R];
    let whole = n - n % T::LANES;
    for i in (0..whole).step_by(T::LANES) {
        let vectors = zip_stages::<T, R>(unrolled_array(|v| T::load(&x[i * R + v * T::LANES..])), T::LANES.ilog2());
        unroll!(r in 0..R, { T::store(vectors[r], &mut out[r * out_step + i..]) });
    }
    for r in 0..R {
        for i in whole..n {
            out[r * out_step + i] = x[i * R + r];
        }
    }
}

/// `out[i] = x[2·i]`
fn every_second<T: Shuffle>(x: &[T], out: &mut [T]) {
    // After the last element, `x` may end.
    let whole = out.len().saturating_sub(1) / T::LANES * T::LANES;
    for i in (0..whole).step_by(T::LANES) {
        let vectors = unrolled_array(|v| T::load(&x[2 * i + v * T::LANES..]));
        T::store(zip_stages::<T, 2>(vectors, T::LANES.ilog2())[0], &mut out[i..]);
    }
    for i in whole..out.len() {
        out[i] = x[2 * i];
    }
}

/// Transposes `n` by `m` elements, at least a vector each: `out[i·out_step + j] = x[j·x_step + i]`. The last tile of
/// a row or column is moved back to where it is whole.
fn transpose<T: Shuffle>([n, m]: [usize; 2], (x, x_step): (&[T], usize), (out, out_step): (&mut [T], usize)) {
    let lanes = T::LANES;
    for block in (0..n).step_by(BLOCK) {
        for column in (0..m).step_by(BLOCK) {
            for i in (block..n.min(block + BLOCK)).step_by(lanes).map(|i| i.min(n - lanes)) {
                for j in (column..m.min(column + BLOCK)).step_by(lanes).map(|j| j.min(m - lanes)) {
                    T::transpose_tile((&x[j * x_step + i..], x_step), (&mut out[i * out_step + j..], out_step));
                }
            }
        }
    }
}

/// The three channel planes of an image become its pixels.
fn interleave_three<T: Copy>(n: usize, x: &[T], x_step: usize, out: &mut [T]) {
    let [r, g, b] = [0, 1, 2].map(|plane| &x[plane * x_step..][..n]);
    let pixels = out[..3 * n].as_chunks_mut().0;
    for (((pixel, r), g), b) in pixels.iter_mut().zip(r).zip(g).zip(b) {
        *pixel = [*r, *g, *b];
    }
}

/// The pixels of an image become its three channel planes.
fn deinterleave_three<T: Copy>(n: usize, x: &[T], out: &mut [T], out_step: usize) {
    let (r, rest) = out.split_at_mut(out_step);
    let (g, b) = rest.split_at_mut(out_step);
    let planes = r[..n].iter_mut().zip(&mut g[..n]).zip(&mut b[..n]);
    for (pixel, ((r, g), b)) in x[..3 * n].as_chunks::<3>().0.iter().zip(planes) {
        [*r, *g, *b] = *pixel;
    }
}
