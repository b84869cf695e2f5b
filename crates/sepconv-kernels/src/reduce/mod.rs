//! Reductions over a set of axes.
//!
//! [`reference()`] is the definition, for any set of axes: plain loops in double precision. [`reduce`] is the vector
//! code for the reductions that networks have much of, over axes that are neighbors; a mean over the feature map is
//! [`global_average`](crate::pool::global_average).
//!
//! **Cost.** One operation and one read per input value; `LogSumExp` reads twice and takes an exponential.
//!
//! **Numerics.** The definition forms sums and products in double precision and rounds once. [`reduce`] adds in single
//! precision, in blocks of 64 additions, so that the error is at most `(64 + n/64)·2⁻²⁴` times the sum of magnitudes.
//! Maxima and minima pass over NaN.
mod kernel;
#[cfg(test)]
mod tests;

use crate::Isa;

/// The most dimensions that [`reference()`] takes.
pub const MAX_RANK: usize = 8;

/// What is made of the values that are reduced to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// The mean; NaN of nothing.
    Mean,
    /// The sum; 0 of nothing.
    Sum,
    /// The greatest; -∞ of nothing.
    Max,
    /// The smallest; +∞ of nothing.
    Min,
    /// The product; 1 of nothing.
    Prod,
    /// The sum of magnitudes; 0 of nothing.
    L1,
    /// The root of the sum of squares; 0 of nothing.
    L2,
    /// The sum of squares; 0 of nothing.
    SumSquare,
    /// The logarithm of the sum; -∞ of nothing.
    LogSum,
    /// The logarithm of the sum of exponentials, the greatest taken out so that none overflows; -∞ of nothing.
    LogSumExp,
}

impl Reduction {
    /// Whether [`reduce`] takes this reduction.
    pub fn has_vectors(self) -> bool {
        matches!(self, Self::Mean | Self::Sum | Self::Max | Self::Min | Self::L2 | Self::SumSquare)
    }

    /// Reduces what `values` yields; it may be asked for them twice.
    fn of<I: Iterator<Item = f64>>(self, values: impl Fn() -> I) -> f64 {
        let sum = |f: fn(f64) -> f64| values().map(f).sum::<f64>();
        let greatest = || values().fold(f64::NEG_INFINITY, f64::max);
        match self {
            Self::Mean => sum(|x| x) / values().count() as f64,
            Self::Sum => sum(|x| x) + 0.0,
            Self::Max => greatest(),
            Self::Min => values().fold(f64::INFINITY, f64::min),
            Self::Prod => values().product(),
            Self::L1 => sum(f64::abs) + 0.0,
            Self::L2 => libm::sqrt(sum(|x| x * x)) + 0.0,
            Self::SumSquare => sum(|x| x * x) + 0.0,
            Self::LogSum => libm::log(sum(|x| x)),
            Self::LogSumExp => {
                let greatest = greatest();
                if greatest.is_infinite() {
                    return greatest;
                }
                greatest + libm::log(values().map(|x| libm::exp(x - greatest)).sum())
            }
        }
    }
}

/// The sizes `[outer, n, inner]` of which [`reduce`] reduces the middle one, where the reduced axes of `dims` are
/// neighbors but for axes of one place.
pub fn as_middle_axis(dims: &[usize], reduced: &[bool]) -> Option<[usize; 3]> {
    let mut sizes = [1; 3];
    let mut part = 0;
    for (&size, &reduced) in dims.iter().zip(reduced).filter(|(size, _)| **size != 1) {
        match (part, reduced) {
            (0, true) => part = 1,
            (1, false) => part = 2,
            (2, true) => return None,
            _ => {}
        }
        sizes[part] *= size;
    }
    Some(sizes)
}

/// Reduces the middle axis of `x`, `[outer, n, inner]`, into `out`, `[outer, inner]`.
///
/// Panics where lengths contradict each other, where a length is zero, and for reductions that are not
/// [`has_vectors`](Reduction::has_vectors).
pub fn reduce(isa: Isa, reduction: Reduction, [outer, n, inner]: [usize; 3], x: &[f32], out: &mut [f32]) {
    assert!(reduction.has_vectors() && !x.is_empty(), "{reduction:?} of {} f32 values on vectors", x.len());
    assert_eq!([x.len(), out.len()], [outer * n * inner, outer * inner], "f32 values of [{outer}, {n}, {inner}]");
    isa.run(kernel::Middle { reduction, n, inner, x, out });
    match reduction {
        Reduction::Mean => out.iter_mut().for_each(|out| *out /= n as f32),
        Reduction::L2 => out.iter_mut().for_each(|out| *out = libm::sqrtf(*out)),
        _ => {}
    }
}

/// The definition: reduces `x`, of shape `dims`, over the axes whose flag in `reduced` is set; `out` holds the axes left, in
/// order.
///
/// Panics above [`MAX_RANK`] dimensions and where lengths contradict each other.
pub fn reference(reduction: Reduction, dims: &[usize], reduced: &[bool], x: &[f32], out: &mut [f32]) {
    let rank = dims.len();
    assert!(rank <= MAX_RANK && reduced.len() == rank, "{} axis flags for {rank} axes", reduced.len());
    assert_eq!(x.len(), dims.iter().product(), "f32 values of shape {dims:?}");
    let (mut kept, mut gone) = (Axes::default(), Axes::default());
    let mut stride = 1;
    for (&size, &reduced) in dims.iter().zip(reduced).rev() {
        let axes = if reduced { &mut gone } else { &mut kept };
        axes.push(size, stride);
        stride *= size;
    }
    assert_eq!(out.len(), kept.len(), "f32 values of the reduction of {dims:?}");
    for (out, start) in out.iter_mut().zip(kept.offsets()) {
        *out = reduction.of(|| gone.offsets().map(|offset| f64::from(x[start + offset]))) as f32;
    }
}

/// Some axes of a tensor, the innermost first.
#[derive(Default)]
struct Axes {
    axes: [(usize, usize); MAX_RANK],
    rank: usize,
}

impl Axes {
    fn push(&mut self, size: usize, stride: usize) {
        self.axes[self.rank] = (size, stride);
        self.rank += 1;
    }

    fn axes(&self) -> &[(usize, usize)] {
        &self.axes[..self.rank]
    }

    /// How many places the axes span.
    fn len(&self) -> usize {
        self.axes().iter().map(|(size, _)| size).product()
    }

    /// The offset of each place, in row-major order.
    fn offsets(&self) -> impl Iterator<Item = usize> {
        let mut index = [0; MAX_RANK];
        let mut offset = 0;
        (0..self.len()).map(move |_| {
            let here = offset;
            for (index, (size, stride)) in index.iter_mut().zip(self.axes()) {
                *index += 1;
                offset += stride;
                if *index < *size {
                    break;
                }
                offset -= *index * stride;
                *index = 0;
            }
            here
        })
    }
}
