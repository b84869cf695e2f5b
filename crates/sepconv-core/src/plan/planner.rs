use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use sepconv_kernels::Isa;

use super::groups::geometry;
use super::{BufferRef, Layer, Step, aligned::Reserve, arena::Arena, choose::Choice, pack::Pack, work::Work};
use crate::{DType, Error, Graph, Node, Op, Result, ValueId, op::LayerName};

/// What is known while nodes become a step.
pub(super) struct Planner<'a> {
    pub(super) graph: &'a Graph,
    /// The node that a kernel is being chosen for.
    pub(super) node: &'a Node,
    pub(super) isa: Isa,
    pub(super) arena: &'a Arena,
    /// Where the means of the operand's rows are, if the step before leaves them.
    pub(super) rows_means: Option<Range<usize>>,
    pub(super) reserve: &'a mut Reserve,
    pub(super) packs: &'a mut Vec<Pack>,
}

impl Planner<'_> {
    /// The step that runs the nodes of `group`, and what to tell of each.
    pub(super) fn step(&mut self, group: &[usize], out: Range<usize>, threads: usize) -> Result<(Step, Vec<Layer>)> {
        let (mut works, mut layers, mut operands) = (Vec::new(), Vec::new(), Vec::new());
        for &i in group {
            self.node = &self.graph.nodes[i];
            let named = |error: Error| error.at_node(&self.graph.nodes[i].name, self.graph.nodes[i].op.name());
            let choice = self.check().and_then(|()| self.choose(&out)).map_err(named)?;
            layers.push(self.layer(&choice));
            // What the group makes for itself has no place.
            operands.extend(choice.operands.into_iter().filter(|&id| self.has_place(id)));
            works.push(choice.work);
        }
        let work = if works.len() > 1 {
            let nodes = group.iter().map(|&i| &self.graph.nodes[i]);
            Work::join(works, nodes.filter_map(|node| geometry(self.graph, node)).collect())
        } else {
            works.remove(0)
        };
        let dtype = self.graph.value(self.node.output).dtype;
        let elements = out.len() / dtype.size();
        let units = elements.div_ceil(work.unit(self.isa, elements));
        let parts = parts(&layers, &work, units, threads);
        for layer in &mut layers {
            layer.parts = parts;
            if let Some(together) = work.together() {
                layer.why = format!("{}; {together}", layer.why);
            }
        }
        let operands = match &self.rows_means {
            Some(means) => vec![BufferRef::Arena(means.clone())],
            None => operands.iter().map(|&id| self.place(id)).collect(),
        };
        Ok((Step { work, operands, out, means: None, dtype, parts }, layers))
    }

    fn check(&self) -> Result<()> {
        let mut values = self.node.inputs.iter().map(|&id| self.graph.value(id));
        if values.any(|value| value.constant.is_none() && value.dtype == DType::I64) {
            return Err(Error::unsupported("integers are computed while the network runs")
                .help("bind the input that they come from to a constant"));
        }
        Ok(())
    }

    fn layer(&self, choice: &Choice) -> Layer {
        let (graph, node) = (self.graph, self.node);
        let output = graph.value(node.output);
        let values: Vec<_> = node.inputs.iter().map(|&id| graph.value(id)).collect();
        // Scales only say what the integers of a layer mean.
        let scales = matches!(node.op, Op::QConv2d(_)).then(|| node.inputs[3]);
        let weights = node.inputs.iter().filter(|id| !choice.operands.contains(id) && Some(**id) != scales);
        let moved = choice.operands.iter().chain([&node.output]).filter(|&&id| self.has_place(id));
        Layer {
            name: node.name.clone(),
            op: format!("{}", LayerName(&node.op, values[0].shape.last())),
            kernel: choice.kernel.clone(),
            why: choice.why.clone(),
            block: None,
            step: 0,
            inputs: choice.operands.iter().map(|&id| graph.value(id).shape.clone()).collect(),
            takes: values[0].dtype,
            output: output.shape.clone(),
            gives: output.dtype,
            parameters: weights.map(|&id| graph.value(id).shape.elements()).sum(),
            macs: node.op.macs(&values, &output.shape),
            bytes: moved.map(|&id| graph.value(id).bytes()).sum(),
            parts: 1,
        }
    }

    fn has_place(&self, id: ValueId) -> bool {
        self.arena.range(id).is_some() || self.graph.value(id).constant.is_some()
    }

    /// Where an operand is found; a constant gets a place among the weights.
    fn place(&mut self, id: ValueId) -> BufferRef {
        match self.arena.range(id) {
            Some(range) => BufferRef::Arena(range),
            None => {
                let range = self.reserve.take(self.graph.value(id).bytes());
                self.packs.push(Pack::Copy { id, range: range.clone() });
                BufferRef::Weights(range)
            }
        }
    }
}

/// How many threads share a step: no more than it has units, and only where a share outweighs waking a thread, which takes about
/// a microsecond or what a core multiplies in that time.
fn parts(layers: &[Layer], work: &Work, units: usize, threads: usize) -> usize {
    const SHARE: u64 = 50_000;
    // Of bytes a core multiplies about four times as many.
    let rate = if matches!(work, Work::Int8(_)) { 4 } else { 1 };
    let cost = |layer: &Layer| (layer.macs / rate).saturating_add(layer.bytes as u64);
    let work = layers.iter().map(cost).fold(0, u64::saturating_add);
    threads.min(units).min(usize::try_from(work / SHARE).unwrap_or(usize::MAX)).max(1)
}
