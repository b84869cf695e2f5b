/// The zero points of an int8 layer's operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ZeroPoints {
    /// Of the input.
    pub x: u8,
    /// Of the weights taken as `i8`, which [`QuantizedWeights::zero_point`] gives. Zero is fastest: otherwise each
    /// pixel's inputs are summed too.
    pub w: i8,
}

/// int8 weights and their zero point.
#[derive(Clone, Copy, Debug)]
pub enum QuantizedWeights<'a> {
    /// Signed, as most files have them; the zero point is 0 in these.
    I8(&'a [i8], i8),
    /// Unsigned, as early TensorFlow Lite files have them. They are taken as `i8` by subtracting 128, as is their zero
    /// point.
    U8(&'a [u8], u8),
}

impl QuantizedWeights<'_> {
    /// How many weights there are.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        match self {
            Self::I8(weights, _) => weights.len(),
            Self::U8(weights, _) => weights.len(),
        }
    }

    /// Weight `i` as `i8`.
    pub fn get(&self, i: usize) -> i8 {
        match self {
            Self::I8(weights, _) => weights[i],
            Self::U8(weights, _) => signed(weights[i]),
        }
    }

    /// The zero point as `i8`.
    pub fn zero_point(&self) -> i8 {
        match *self {
            Self::I8(_, zero_point) => zero_point,
            Self::U8(_, zero_point) => signed(zero_point),
        }
    }
}

/// `x - 128`
fn signed(x: u8) -> i8 {
    (x ^ 0x80) as i8
}

/// The parameters of an int8 layer: sums are `bias[o] + Σ (x - x_zero_point)·(w - w_zero_point)`.
///
/// A product is at most 255² in magnitude, so that any 2¹⁵ of them fit in 32 bits; sums with the bias wrap where they
/// do not.
#[derive(Clone, Copy, Debug)]
pub struct QuantizedConvParams<'a> {
    /// Output channel after output channel.
    pub weights: QuantizedWeights<'a>,
    /// The zero point of the input.
    pub x_zero_point: u8,
    /// One for each output channel, in units of the product of both scales.
    pub bias: &'a [i32],
    /// For each output channel, what a sum is multiplied by before it is rounded.
    pub scale: &'a [f32],
}

impl QuantizedConvParams<'_> {
    /// The most products in a sum.
    pub const MAX_PRODUCTS: usize = 1 << 15;

    /// What a kernel has to know of the zero points.
    pub fn zero_points(&self) -> ZeroPoints {
        ZeroPoints { x: self.x_zero_point, w: self.weights.zero_point() }
    }

    /// The term `(x - x_zero_point)·(w - w_zero_point)`, by definition.
    pub(crate) fn product(&self, x: u8, weight: usize) -> i64 {
        let w = i64::from(self.weights.get(weight)) - i64::from(self.weights.zero_point());
        (i64::from(x) - i64::from(self.x_zero_point)) * w
    }
}
