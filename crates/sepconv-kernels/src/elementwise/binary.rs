/// A function of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binary {
    /// `a + b`
    Add,
    /// `a - b`
    Sub,
    /// `a · b`
    Mul,
    /// `a / b`
    Div,
    /// The smaller; `b` when either is NaN.
    Min,
    /// The larger; `b` when either is NaN.
    Max,
    /// `a` to the power `b`.
    Pow,
    /// `a` where it is not negative, else `b·a`; NaN where it is not negative and `b` not finite, as `0·b` is added.
    PRelu,
}

impl Binary {
    /// The definition.
    #[inline]
    pub fn apply(self, a: f32, b: f32) -> f32 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
            Self::Min => {
                if a < b {
                    a
                } else {
                    b
                }
            }
            Self::Max => {
                if a > b {
                    a
                } else {
                    b
                }
            }
            Self::Pow => libm::powf(a, b),
            Self::PRelu => {
                if a < 0.0 {
                    b * a
                } else {
                    a + 0.0 * b
                }
            }
        }
    }
}
