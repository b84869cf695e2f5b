//! x
/// How a nearest neighbour is picked.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rounding {
    RoundPreferFloor,
    RoundPreferCeil,
    Floor,
    Ceil,
}
/// How values between samples are made.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Interpolation {
    Nearest(Rounding),
    Linear,
    Cubic { a: f32, exclude_outside: bool },
}
/// Coordinates.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Coordinates {
    HalfPixel,
    HalfPixelSymmetric,
    PytorchHalfPixel,
    AlignCorners,
    Asymmetric,
}
/// Axis map.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AxisMap {
    pub interpolation: Interpolation,
    pub coordinates: Coordinates,
    pub scale: f32,
}
