use super::Op;
use crate::{Error, Result, Shape, Tensor};

impl Op {
    /// The definition: the result for known operands, where `out` is the shape that [`infer`](Self::infer) gave.
    pub fn evaluate(&self, _inputs: &[&Tensor], _out: &Shape) -> Result<Tensor> {
        Err(Error::unsupported("evaluation is being written"))
    }
}
