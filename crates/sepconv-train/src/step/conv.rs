//! Convolutions and fully connected layers.

use sepconv_core::op::Activation;
use sepconv_kernels::conv_transpose::{self, conv_transpose};
use sepconv_kernels::conv2d::{self, conv2d, gradient};
use sepconv_kernels::depthwise::{self, Variant};
use sepconv_kernels::pointwise::{self, pointwise};
use sepconv_kernels::{ConvGeometry, ConvOperands, F32Output, Isa, Rows, Tile};

/// A convolution that maps images to images, its weights packed.
pub(crate) struct Layer {
    isa: Isa,
    geometry: ConvGeometry,
    kernel: Kernel,
    packed: Vec<f32>,
}

/// What computes it.
enum Kernel {
    Pointwise(Tile),
    Depthwise(Variant),
    Standard(Tile),
    Transposed(Tile),
    /// The gradient of a depthwise convolution by its input, which takes weights as they are.
    DepthwiseGradient,
}

/// The kinds of convolution that have kernels of their own.
enum Kind {
    Pointwise,
    Depthwise,
    Standard,
}

impl Kind {
    fn of(geometry: &ConvGeometry) -> Self {
        if geometry.groups == 1 && geometry.window.is_pointwise() {
            Self::Pointwise
        } else if geometry.groups == geometry.input[2] && geometry.groups > 1 {
            Self::Depthwise
        } else {
            Self::Standard
        }
    }
}

impl Layer {
    /// The layer itself.
    pub(crate) fn forward(isa: Isa, geometry: ConvGeometry, weights: &[f32], bias: Option<&[f32]>) -> Self {
        let no_bias = vec![0.0; geometry.output[2]];
        let bias = bias.unwrap_or(&no_bias);
        match Kind::of(&geometry) {
            Kind::Pointwise => Self::pointwise(isa, geometry, weights, bias),
            Kind::Depthwise => {
                let mut packed = vec![0.0; depthwise::packed_len(isa, &geometry)];
                depthwise::pack(isa, &geometry, weights, Some(bias), &mut packed);
                Self { isa, geometry, kernel: Kernel::Depthwise(Variant::choose(&geometry)), packed }
            }
            Kind::Standard => {
                let tile = geometry.tile(isa);
                let mut packed = vec![0.0; conv2d::packed_len(isa, tile, &geometry)];
                conv2d::pack(isa, tile, &geometry, weights, bias, &mut packed);
                Self { isa, geometry, kernel: Kernel::Standard(tile), packed }
            }
        }
    }

    /// The gradient by its input, which maps gradients by the output.
    pub(crate) fn input_gradient(isa: Isa, geometry: ConvGeometry, weights: &[f32]) -> Self {
        let transposed = || {
            let mut transposed = vec![0.0; weights.len()];
            gradient::transpose_weights(&geometry, weights, &mut transposed);
            transposed
        };
        let spread = ConvGeometry { input: geometry.output, output: geometry.input, ..geometry };
        let bias = vec![0.0; geometry.input[2]];
        match Kind::of(&geometry) {
            Kind::Pointwise => Self::pointwise(isa, spread, &transposed(), &bias),
            Kind::Depthwise => Self { isa, geometry, kernel: Kernel::DepthwiseGradient, packed: weights.to_vec() },
            Kind::Standard => {
                let tile = spread.transposed_tile(isa);
                let mut packed = vec![0.0; conv_transpose::packed_len(isa, tile, &spread)];
                conv_transpose::pack(isa, tile, &spread, &transposed(), &bias, &mut packed);
                Self { isa, geometry: spread, kernel: Kernel::Transposed(tile), packed }
            }
        }
    }

    fn pointwise(isa: Isa, geometry: ConvGeometry, weights: &[f32], bias: &[f32]) -> Self {
        /// So many pixels that a few more would change no choice.
        const MANY: usize = 1024;
        let ConvGeometry { input: [h, w, k], output: [_, _, n], .. } = geometry;
        let tile = Tile::choose(isa, (h * w).max(MANY), k, n);
        let mut packed = vec![0.0; pointwise::packed_len(isa, tile, k, n)];
        pointwise::pack(isa, tile, k, weights, bias, &mut packed);
        Self { isa, geometry, kernel: Kernel::Pointwise(tile), packed }
    }

    /// Maps some images.
    pub(crate) fn run(&self, x: &[f32], y: &mut [f32], scratch: &mut Scratch) {
        let Self { isa, ref geometry, ref kernel, ref packed } = *self;
        let operands = |x| ConvOperands {
            x: Rows::new(x, geometry.input[1] * geometry.input[2]),
            packed,
            rows: 0..geometry.output[0],
        };
        let (from, to) = (geometry.input.iter().product(), geometry.output.iter().product());
        let images = x.chunks_exact(from).zip(y.chunks_exact_mut(to));
        match *kernel {
            Kernel::Pointwise(tile) => {
                pointwise(isa, tile, [geometry.input[2], geometry.output[2]], x, packed, plain(y))
            }
            Kernel::Depthwise(variant) => images.for_each(|(x, y)| {
                depthwise::depthwise(isa, variant, geometry, operands(x), Activation::Identity, y);
            }),
            Kernel::Standard(tile) => {
                let scratch = scratch.of(conv2d::scratch_len(isa, tile, geometry));
                images.for_each(|(x, y)| conv2d(isa, tile, geometry, operands(x), plain(y), scratch));
            }
            Kernel::Transposed(tile) => {
                images.for_each(|(x, y)| conv_transpose(isa, tile, geometry, operands(x), Activation::Identity, y));
            }
            Kernel::DepthwiseGradient => {
                let scratch = scratch.of(depthwise::gradient::input_gradient_scratch_len(isa, geometry));
                depthwise::gradient::input_gradient(isa, geometry, packed, x, scratch, y);
            }
        }
    }
}

/// Adds the gradient by the weights of some images.
pub(crate) fn weight_gradient(
    isa: Isa,
    geometry: &ConvGeometry,
    [x, dy]: [&[f32]; 2],
    scratch: &mut Scratch,
    gradient: &mut [f32],
) {
    match Kind::of(geometry) {
        Kind::Depthwise => {
            let scratch = scratch.of(depthwise::gradient::weight_gradient_scratch_len(isa, geometry));
            depthwise::gradient::weight_gradient(isa, geometry, x, dy, scratch, gradient);
        }
        Kind::Pointwise | Kind::Standard => {
            let scratch = scratch.of(gradient::weight_gradient_scratch_len(isa, geometry));
            gradient::weight_gradient(isa, geometry, x, dy, scratch, gradient);
        }
    }
}

/// Memory that kernels work in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scratch(Vec<f32>);

impl Scratch {
    pub(crate) fn of(&mut self, len: usize) -> &mut [f32] {
        if self.0.len() < len {
            self.0.resize(len, 0.0);
        }
        &mut self.0[..len]
    }
}

fn plain(out: &mut [f32]) -> F32Output<'_> {
    F32Output { residual: None, activation: Activation::Identity, out }
}
