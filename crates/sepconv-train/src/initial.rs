use sepconv::Error;
use sepconv::zoo::{Layer, ParamId, ParamKind, Parameters};
use sepconv_core::{Data, Result, Shape, Tensor};

use crate::random::Random;

/// Parameters before training: normal weights with variance `2 / fan_out` (He et al. 2015, arXiv:1502.01852), those of
/// the classifier with variance `1 / fan_in`; normalizations are the identity, biases zero.
#[derive(Clone, Copy, Debug)]
pub struct Initial {
    /// Chooses the weights.
    pub seed: u64,
}

impl Parameters for Initial {
    fn tensor(&mut self, id: &ParamId, shape: &Shape) -> Result<Tensor> {
        let fill = match id.kind {
            ParamKind::Weight => return weights(self.seed, id, shape),
            ParamKind::Bias | ParamKind::NormShift | ParamKind::NormMean => 0.0,
            ParamKind::NormScale | ParamKind::NormVariance => 1.0,
        };
        Tensor::new(shape.clone(), Data::F32(vec![fill; shape.elements()]))
    }
}

fn weights(seed: u64, id: &ParamId, shape: &Shape) -> Result<Tensor> {
    let variance = match (&shape[..], id.layer) {
        (&[_, inputs], Layer::Classifier) => 1.0 / inputs as f64,
        (&[outputs, _], _) => 2.0 / outputs as f64,
        // A depthwise filter spreads to one channel.
        (&[_, rows, columns, 1], Layer::Block { .. }) => 2.0 / (rows * columns) as f64,
        (&[outputs, rows, columns, _], _) => 2.0 / (outputs * rows * columns) as f64,
        _ => return Err(Error::mismatch("weights have the wrong rank").at(id.to_string())),
    };
    let stream =
        id.to_string().bytes().fold(0, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let mut random = Random::new(seed, [stream, 0]);
    let values = (0..shape.elements()).map(|_| (random.normal() * variance.sqrt()) as f32).collect();
    Tensor::new(shape.clone(), Data::F32(values))
}
