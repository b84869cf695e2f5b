//! Copies between strided views: transpose, slice, concatenate, pad and expand are all this one loop nest.
//!
//! **Cost.** One read and one write per element. Axes that continue each other are merged first; contiguous runs are
//! then copied whole, and where the input's contiguous axis is not the output's, both are walked in square blocks, so
//! that each cache line is fetched once, four elements by four where there are as many. Three planes that become
//! pixels, as the image at the entrance of most networks, are walked side by side.
#[cfg(test)]
mod tests;

use core::array;

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
pub trait Element: Copy {
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

fn copy<T: Copy>(
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

/// Copies two axes, in blocks where they are transposed.
fn copy_plane<T: Copy>(rows: Axis, columns: Axis, (x, read): (&[T], isize), (out, write): (&mut [T], usize)) {
    let from = |row: usize, column: usize| (read + row as isize * rows.x + column as isize * columns.x) as usize;
    let to = |row: usize, column: usize| write + row * rows.out + column * columns.out;
    if columns.x == 1 && columns.out == 1 {
        for row in 0..rows.size {
            out[to(row, 0)..][..columns.size].copy_from_slice(&x[from(row, 0)..][..columns.size]);
        }
        return;
    }
    if rows.x == 1 && (rows.out, columns.size, columns.out) == (3, 3, 1) {
        let planes = [0, 1, 2].map(|plane| &x[from(0, plane)..][..rows.size]);
        return interleave(planes, &mut out[write..][..3 * rows.size]);
    }
    for row_block in (0..rows.size).step_by(BLOCK) {
        for column_block in (0..columns.size).step_by(BLOCK) {
            let whole = rows.size - row_block >= BLOCK && columns.size - column_block >= BLOCK;
            if whole && rows.x == 1 && columns.out == 1 && columns.x > 0 {
                let (x, out) = (&x[from(row_block, column_block)..], &mut out[to(row_block, column_block)..]);
                transpose(x, columns.x as usize, out, rows.out);
                continue;
            }
            for row in row_block..rows.size.min(row_block + BLOCK) {
                for column in column_block..columns.size.min(column_block + BLOCK) {
                    out[to(row, column)] = x[from(row, column)];
                }
            }
        }
    }
}

/// Transposes a square block whose rows lie `x_step` apart, to where they lie `out_step` apart.
fn transpose<T: Copy>(x: &[T], x_step: usize, out: &mut [T], out_step: usize) {
    const FOUR: usize = 4;
    for row in (0..BLOCK).step_by(FOUR) {
        for column in (0..BLOCK).step_by(FOUR) {
            let x = &x[column * x_step + row..];
            let block: [[T; FOUR]; FOUR] = array::from_fn(|i| *x[i * x_step..].first_chunk().expect("a whole block"));
            for i in 0..FOUR {
                let to = &mut out[(row + i) * out_step + column..];
                *to.first_chunk_mut().expect("a whole block") = block.map(|row| row[i]);
            }
        }
    }
}

/// The three channel planes of an image become its pixels.
fn interleave<T: Copy>([r, g, b]: [&[T]; 3], out: &mut [T]) {
    let pixels = out.as_chunks_mut().0;
    for (((pixel, r), g), b) in pixels.iter_mut().zip(r).zip(g).zip(b) {
        *pixel = [*r, *g, *b];
    }
}
