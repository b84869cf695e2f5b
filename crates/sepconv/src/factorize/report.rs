use sepconv_core::op::ConvKind;

/// What factorizing did to a network.
#[derive(Clone, Debug)]
pub struct Report {
    /// Convolutions in one group, in order.
    pub layers: Vec<LayerReport>,
    /// Multiply-accumulates of the network, before and after.
    pub macs: [u64; 2],
    /// Bytes of weights, before and after.
    pub weight_bytes: [usize; 2],
    /// Samples that weights were fitted to: none of them for a network that was factorized by its weights alone.
    pub samples: usize,
    /// Signal to noise at the worst output, in decibels, over those samples; `None` without samples.
    pub sqnr: Option<f64>,
}

/// A layer of a [`Report`].
#[derive(Clone, Debug)]
pub struct LayerReport {
    /// Its name in the file.
    pub name: String,
    /// What it was.
    pub kind: ConvKind,
    /// Taps, `[kh, kw]`.
    pub kernel: [usize; 2],
    /// Distance between windows, `[vertical, horizontal]`.
    pub stride: [usize; 2],
    /// Channels in and out.
    pub channels: [usize; 2],
    /// The depth multiplier of the depthwise convolution that it became; `None` where it stays as it was.
    pub terms: Option<usize>,
    /// Multiply-accumulates, before and after.
    pub macs: [u64; 2],
    /// Milliseconds of the layer alone, before and after, where it was [measured](super::Factorizer::measure).
    pub ms: Option<[f64; 2]>,
    /// Signal to noise in decibels: in its result, what it and all before it add up to; without samples of its weights.
    /// Infinite where nothing is lost.
    pub sqnr: f64,
}
