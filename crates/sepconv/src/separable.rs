use sepconv_core::op::Conv2d;
use sepconv_core::{Builder, DType, Error, Graph, Limits, Result, Shape, Tensor, ValueId};
use sepconv_formats::Padding;
use sepconv_kernels::{Activation, Window};

use crate::{CompiledModel, Options};

/// The operator alone: a depthwise separable convolution of `x[n,h,w,c]` to `y[n,oh,ow,out]`.
///
/// # What it computes
///
/// A **depthwise** convolution gives every input channel `m` filters of its own (`m` is the depth multiplier, 1 unless
/// set), then a **pointwise** one mixes the channels of each pixel:
///
/// ```text
/// d[n,i,j,q] = between(depthwise_bias[q] + Σ_{u,v} x[n, i·sy + u·dy - top, j·sx + v·dx - left, q / m] · depthwise[q,0,u,v])
/// y[n,i,j,o] = after(pointwise_bias[o] + Σ_q d[n,i,j,q] · pointwise[o,q,0,0])
/// ```
///
/// with `q` from 0 to `c·m - 1`. What lies outside the plane counts as zero. As in PyTorch, channel `q` of the
/// depthwise result reads input channel `q / m` (rounded down): the `m` filters of one channel follow each other.
///
/// # Shapes
///
/// | | shape | is in PyTorch |
/// |---|---|---|
/// | depthwise weights | `[c·m, 1, kh, kw]` | `Conv2d(c, c·m, (kh, kw), groups=c).weight` |
/// | depthwise bias | `[c·m]` | its `.bias` |
/// | pointwise weights | `[out, c·m, 1, 1]` | `Conv2d(c·m, out, 1).weight` |
/// | pointwise bias | `[out]` | its `.bias` |
/// | input | `[n, h, w, c]` | channels last |
/// | output | `[n, oh, ow, out]` | channels last |
///
/// Along each axis `oh = (h + top + bottom - ((kh - 1)·dilation + 1)) / stride + 1`, rounded down. With
/// [`same_padding`](Self::same_padding) it is `h / stride`, rounded up.
///
/// # Cost
///
/// In multiply-accumulates: `n·oh·ow·c·m·(kh·kw + out)`. A standard convolution of the same shape costs
/// `n·oh·ow·c·kh·kw·out`, so with `m = 1` and a k×k window the ratio is `1/out + 1/k²`, an eighth to a ninth for 3×3
/// (Howard et al., "MobileNets", 2017, section 3.1). The weights shrink by the same ratio.
///
/// # Example
///
/// ```
/// use sepconv::{Activation, Options, SeparableConv2d, Tensor};
///
/// // The mean of 3x3 pixels for each of three channels, then their sum and their difference from the first, no less than 0.
/// let blur = Tensor::f32([3, 1, 3, 3], vec![1.0 / 9.0; 27])?;
/// let mix = Tensor::f32([2, 3, 1, 1], vec![1.0, 1.0, 1.0, 1.0, -0.5, -0.5])?;
/// let block = SeparableConv2d::new(blur, mix).same_padding().activation(Activation::Relu);
///
/// let mut session = block.compile([1, 8, 8, 3], &Options::default())?.session()?;
/// let x = Tensor::f32([1, 8, 8, 3], vec![1.0; 8 * 8 * 3])?;
/// let y = &session.run(&[&x])?[0];
/// assert_eq!(&y.shape()[..], [1, 8, 8, 2]);
/// let center = &y.as_f32().unwrap()[(4 * 8 + 4) * 2..][..2];
/// assert!((center[0] - 3.0).abs() < 1e-6 && center[1].abs() < 1e-6);
///
/// // 8·8 pixels of 3 channels: 9 taps and 2 outputs each.
/// assert_eq!(session.plan().macs(), 8 * 8 * 3 * (9 + 2));
/// # Ok::<(), sepconv::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SeparableConv2d {
    depthwise: Tensor,
    pointwise: Tensor,
    depthwise_bias: Option<Vec<f32>>,
    pointwise_bias: Option<Vec<f32>>,
    depth_multiplier: usize,
    stride: [usize; 2],
    dilation: [usize; 2],
    /// What [`Padding::Explicit`] is: before and after.
    sides: [[usize; 2]; 2],
    padding: Padding,
    between: Activation,
    after: Activation,
}

impl SeparableConv2d {
    /// The operator with depthwise weights `[c·m, 1, kh, kw]` and pointwise weights `[out, c·m, 1, 1]`, of stride 1,
    /// without padding, dilation, biases or activations. Weights and settings are checked when it meets an input's
    /// shape, in [`graph`](Self::graph).
    pub fn new(depthwise: Tensor, pointwise: Tensor) -> Self {
        Self {
            depthwise,
            pointwise,
            depthwise_bias: None,
            pointwise_bias: None,
            depth_multiplier: 1,
            stride: [1; 2],
            dilation: [1; 2],
            sides: [[0; 2]; 2],
            padding: Padding::Explicit,
            between: Activation::Identity,
            after: Activation::Identity,
        }
    }

    /// How many filters each input channel has, `m`; the depthwise result has `c·m` channels.
    pub fn depth_multiplier(mut self, filters: usize) -> Self {
        self.depth_multiplier = filters;
        self
    }

    /// The distance between neighboring windows, `[down, across]`; from 1.
    pub fn stride(mut self, stride: [usize; 2]) -> Self {
        self.stride = stride;
        self
    }

    /// The distance between neighboring taps of a window, `[down, across]`; 1 is an ordinary window.
    pub fn dilation(mut self, dilation: [usize; 2]) -> Self {
        self.dilation = dilation;
        self
    }

    /// Zeros around the plane: as many rows above as below and as many columns left as right, `[rows, columns]`, as in
    /// PyTorch.
    pub fn padding(self, both: [usize; 2]) -> Self {
        self.padding_sides(both, both)
    }

    /// Zeros around the plane, for each side: `[top, left]` and `[bottom, right]`.
    pub fn padding_sides(mut self, before: [usize; 2], after: [usize; 2]) -> Self {
        self.sides = [before, after];
        self.padding = Padding::Explicit;
        self
    }

    /// TensorFlow's SAME: as few zeros as give `h / stride` rows, rounded up. Where their number is odd the odd one is
    /// at the bottom (or right), so at stride 2 a 3×3 window on an even plane has none at the top, which is not what
    /// PyTorch's symmetric padding gives.
    pub fn same_padding(mut self) -> Self {
        self.padding = Padding::SameUpper;
        self
    }

    /// Added to each channel of the depthwise result, `[c·m]`.
    pub fn depthwise_bias(mut self, bias: impl Into<Vec<f32>>) -> Self {
        self.depthwise_bias = Some(bias.into());
        self
    }

    /// Added to each channel of the result, `[out]`.
    pub fn pointwise_bias(mut self, bias: impl Into<Vec<f32>>) -> Self {
        self.pointwise_bias = Some(bias.into());
        self
    }

    /// Applied to the depthwise result, after its bias. None is Xception's choice, ReLU MobileNet's.
    pub fn activation_between(mut self, activation: Activation) -> Self {
        self.between = activation;
        self
    }

    /// Applied to the result, after its bias.
    pub fn activation(mut self, activation: Activation) -> Self {
        self.after = activation;
        self
    }

    /// The operator as a network of two layers for inputs of one shape, `[n, h, w, c]`: to count with, to compile, or
    /// to write as ONNX.
    ///
    /// # Errors
    /// When weights and biases are not floats of the shapes [above](Self#shapes), the window does not fit on the padded
    /// plane, or a stride, dilation, multiplier or size is zero; limit for more memory or arithmetic than `limits`
    /// allow.
    pub fn graph(&self, input: [usize; 4], limits: Limits) -> Result<Graph> {
        let [kh, kw] = self.check(input[3])?;
        let ([before, after], [_, h, w, _]) = (self.sides, input);
        let window = Window { stride: self.stride, dilation: self.dilation, before, after, ..Window::new(kh, kw) };
        if window.extent().is_none() || input.contains(&0) {
            return Err(Error::argument("separable convolution is empty or too large").expected(
                "an input, a kernel, strides and dilations from 1",
                format_args!(
                    "input {input:?}, kernel {:?}, stride {:?}, dilation {:?}",
                    window.kernel, self.stride, self.dilation
                ),
            ));
        }
        let window = self.padding.apply(window, [h, w])?;

        let mut builder = Builder::new(limits);
        let x = builder.input("x", Shape::new(input)?, DType::F32)?;
        let depthwise = Conv2d { window, groups: input[3], activation: self.between };
        let x = layer(&mut builder, "depthwise", depthwise, x, &self.depthwise, self.depthwise_bias.as_deref())?;
        let pointwise = Conv2d { window: Window::new(1, 1), groups: 1, activation: self.after };
        let x = layer(&mut builder, "pointwise", pointwise, x, &self.pointwise, self.pointwise_bias.as_deref())?;
        builder.output("y", x);
        Ok(builder.finish())
    }

    /// The operator made ready to run on inputs of one shape, `[n, h, w, c]`, on this machine: weights packed, both
    /// layers fused where that pays, work shared between threads.
    ///
    /// # Errors
    /// Those of [`graph`](Self::graph) and of [`CompiledModel::from_graph`].
    pub fn compile(&self, input: [usize; 4], options: &Options) -> Result<CompiledModel> {
        CompiledModel::from_graph(self.graph(input, options.limits)?, options)
    }

    /// The kernel's size, if the weights belong together and to `channels`.
    fn check(&self, channels: usize) -> Result<[usize; 2]> {
        let &[filters, 1, kh, kw] = &self.depthwise.shape()[..] else {
            return Err(Error::argument("depthwise weights have another shape")
                .expected("[channels * depth multiplier, 1, kh, kw]", self.depthwise.shape()));
        };
        if channels.checked_mul(self.depth_multiplier) != Some(filters) || filters == 0 {
            return Err(Error::argument("depthwise weights do not match the input channels").expected(
                format_args!("{channels} channels times the depth multiplier {} filters", self.depth_multiplier),
                filters,
            ));
        }
        match self.pointwise.shape()[..] {
            [outputs, mixed, 1, 1] if mixed == filters && outputs > 0 => Ok([kh, kw]),
            _ => Err(Error::argument("pointwise weights do not match the depthwise ones")
                .expected(format_args!("[outputs, {filters}, 1, 1]"), self.pointwise.shape())),
        }
    }
}

/// A convolution with PyTorch's weights `[o, c/groups, kh, kw]`, of which either the second or the last two are 1:
/// core's `[o, kh, kw, c/groups]` has the same elements in the same order.
fn layer(
    builder: &mut Builder,
    name: &str,
    conv: Conv2d,
    x: ValueId,
    weights: &Tensor,
    bias: Option<&[f32]>,
) -> Result<ValueId> {
    let [filters, per_group, kh, kw] = [0, 1, 2, 3].map(|axis| weights.shape()[axis]);
    let bias = bias.map_or_else(|| vec![0.0; filters], <[f32]>::to_vec);
    let weights = weights.clone().reshape(Shape::new([filters, kh, kw, per_group])?)?;
    let weights = builder.constant(&format!("{name}.weight"), weights)?;
    let bias = builder.constant(&format!("{name}.bias"), Tensor::f32([bias.len()], bias)?)?;
    builder.node(name, conv, &[x, weights, bias])
}
