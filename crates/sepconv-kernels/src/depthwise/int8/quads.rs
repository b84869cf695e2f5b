//! Which taps of a square window meet in a quad: the one place that packing and the kernels with a fixed window agree
//! in.
//!
//! A quad belongs to a column of the input. Quad 0 is four rows of it, quad 1 the rows that are left; of a kernel of
//! five that is one row, and quad 1 is four columns of it, its own and those to the right. A column meets a window at
//! tap `kx`, and each quad there has a vector of weights with an index.

/// Quads of a column.
pub(super) const fn quads(kernel: usize) -> usize {
    kernel.div_ceil(4)
}

/// Whether quad `q` lies along the last row.
pub(super) const fn is_horizontal(kernel: usize, q: usize) -> bool {
    kernel == 5 && q == 1
}

/// The row that byte `b` of a quad that stands on a column is from. The byte left over of three rows repeats the
/// second: so each pair of bytes can take a part of its weight, and seldom do two weights of a pair saturate.
pub(super) const fn row_of_byte(kernel: usize, q: usize, b: usize) -> usize {
    if 4 * q + b < kernel { 4 * q + b } else { 4 * q + 1 }
}

/// How many columns beyond the first are read for `stride` columns.
pub(super) const fn lookahead(kernel: usize, stride: usize) -> usize {
    if kernel == 5 { 3 } else { stride - 1 }
}

/// Whether the quad of a column is multiplied into the window that meets the column at tap `kx`. One that lies along a
/// row holds four taps of the window that begins there, and the fifth tap of the one before.
pub(super) const fn contributes_to(kernel: usize, stride: usize, q: usize, kx: usize) -> bool {
    kx < kernel && (!is_horizontal(kernel, q) || kx == 0 || kx == stride)
}

/// The index of a quad's weights where [`contributes_to`] holds.
pub(super) const fn weight_index(kernel: usize, stride: usize, q: usize, kx: usize) -> usize {
    q * kernel + if is_horizontal(kernel, q) { kx / stride } else { kx }
}

/// Weight vectors of a kernel.
pub(super) const fn weight_vectors(kernel: usize) -> usize {
    if kernel == 5 { 7 } else { kernel * quads(kernel) }
}

/// The tap `[ky, kx]` whose weight is byte `b` of a weight vector.
pub(super) const fn tap(kernel: usize, q: usize, kx: usize, b: usize) -> Option<[usize; 2]> {
    let last = kernel - 1;
    if is_horizontal(kernel, q) {
        if kx == 0 {
            Some([last, b])
        } else if kx + b == last {
            Some([last, last])
        } else {
            None
        }
    } else {
        Some([row_of_byte(kernel, q, b), kx])
    }
}
