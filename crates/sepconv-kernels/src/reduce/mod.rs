//! Reductions over a set of axes.
//!
//! There is one implementation, which is its own definition: plain loops in double precision. Networks reduce little;
//! the common case, a mean over the feature map, is [`global_average`](crate::pool::global_average).
//!
//! **Cost.** One operation and one strided read per input value; `LogSumExp` reads twice and takes an exponential.
//!
//! **Numerics.** Sums and products are formed in double precision and rounded once. Maxima and minima pass over NaN.
#[cfg(test)]
mod tests;

/// The most dimensions that [`reduce`] takes.
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

/// Reduces `x`, of shape `dims`, over the axes whose flag in `reduced` is set; `out` holds the axes that are left, in
/// order.
///
/// Panics above [`MAX_RANK`] dimensions and where lengths contradict each other.
pub fn reduce(reduction: Reduction, dims: &[usize], reduced: &[bool], x: &[f32], out: &mut [f32]) {
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
