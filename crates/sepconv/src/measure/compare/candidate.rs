use sepconv_core::{DType, Data, Graph, Limits, Plan, Result, Session, Tensor};

use super::Machine;
use crate::{Times, threads::Threads};

/// What one way of computing something costs, before it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Multiply-accumulates.
    pub macs: u64,
    /// Weights, biases, scales and shifts of batch normalizations, as papers count them.
    pub parameters: usize,
    /// Bytes of packed weights.
    pub weight_bytes: usize,
    /// Bytes of activations read from memory and written to it; what passes between layers that run together is not
    /// counted.
    pub activation_bytes: usize,
}

/// One way of computing something: what it costs, and the times of its runs.
#[derive(Debug)]
pub struct Candidate {
    session: Session,
    inputs: Vec<Tensor>,
    parameters: usize,
    times: Times,
}

impl Candidate {
    pub(super) fn new(parameters: usize, graph: &Graph, machine: &Machine, limits: &Limits) -> Result<Self> {
        let session = Session::new(Plan::new(graph, machine.isa, machine.count, limits)?)?;
        let shapes = session.inputs().zip(graph.inputs());
        let inputs = shapes.map(|((_, shape), port)| match graph.value(port.value).dtype {
            DType::F32 => Tensor::new(shape.clone(), Data::F32((0..shape.elements()).map(number).collect())),
            dtype => Ok(Tensor::zeros(shape.clone(), dtype)),
        });
        Ok(Self { inputs: inputs.collect::<Result<_>>()?, session, parameters, times: Times::default() })
    }

    /// What it costs.
    pub fn cost(&self) -> Cost {
        let plan = self.session.plan();
        Cost {
            macs: plan.macs(),
            parameters: self.parameters,
            weight_bytes: plan.weight_bytes(),
            activation_bytes: plan.layers().iter().map(|layer| layer.bytes).sum(),
        }
    }

    /// The times of its runs, one for each round.
    pub fn times(&self) -> &Times {
        &self.times
    }

    /// Bytes that it keeps.
    pub(super) fn memory(&self) -> usize {
        self.session.plan().weight_bytes().saturating_add(self.session.plan().arena_bytes())
    }

    /// Runs twice and times the second, which neither takes nor gives tensors: in the network a pair does not, either.
    pub(super) fn time(&mut self, threads: &Threads) -> Result<()> {
        let Self { session, inputs, times, .. } = self;
        let inputs: Vec<&Tensor> = inputs.iter().collect();
        threads.enter(|join| {
            session.run(&inputs, join)?;
            times.add(|| session.run_without_io(join));
            Ok(())
        })
    }
}

/// From -1 to 1, the same every time.
fn number(i: usize) -> f32 {
    (i * 37 % 255) as f32 / 127.0 - 1.0
}
