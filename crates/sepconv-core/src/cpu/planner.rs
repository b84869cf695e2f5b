use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use sepconv_kernels::Isa;

use super::arena::Arena;
use super::chain::FusedChain;
use super::kernel_choices::KernelChoices;
use super::lower::{ChainElement, KernelChoice, Lowering, StepKernel, select_gated};
use super::plan::{BufferRef, Layer, Step};
use super::schedule::{Chain, ChainNode, Gated, Group};
use super::weights::WeightLayout;
use crate::op::LayerName;
use crate::{Error, Graph, Op, Result, ValueId};

/// Turns groups of nodes into steps.
pub(super) struct Planner<'a, 'g> {
    pub(super) graph: &'g Graph,
    pub(super) isa: Isa,
    pub(super) threads: usize,
    pub(super) choices: &'a KernelChoices,
    pub(super) arena: &'a Arena,
    pub(super) weights: WeightLayout<'g>,
}

/// Where a step finds and leaves its data in the arena.
pub(super) struct StepBuffers {
    pub(super) out: Range<usize>,
    /// The means of the operand's rows, where the step before leaves them.
    pub(super) row_means: Option<Range<usize>>,
    /// Where the means of the result's rows go.
    pub(super) means: Option<Range<usize>>,
}

/// The nodes of a group with their kernel.
struct Fused {
    kernel: StepKernel,
    name: String,
    layers: Vec<Layer>,
    operands: Vec<ValueId>,
    row_block: Option<usize>,
}

const GATED: &str = "the gate scales the weights, which are fewer than the pixels";

impl<'g> Planner<'_, 'g> {
    /// The step that runs the nodes of a group, and a description of each.
    pub(super) fn step(&mut self, group: &Group<'g>, buffers: StepBuffers) -> Result<(Step, Vec<Layer>)> {
        let Fused { kernel, name, mut layers, operands, row_block } = match group {
            Group::Single(node) => self.single(*node, &buffers)?,
            Group::Chain(chain) => self.chain(chain, &buffers)?,
            #[cfg(feature = "int8")]
            Group::ChainInt8(chain) => self.chain(chain, &buffers)?,
            Group::Gated(gated) => self.gated(gated, &buffers)?,
        };
        let StepBuffers { out, row_means, means } = buffers;
        let dtype = self.graph.value(self.graph.nodes[group.last()].output).dtype;
        let elements = out.len() / dtype.size();
        let item_len = kernel.kernel().work_item_len(self.isa, elements).max(1);
        let threads = useful_threads(&layers, elements.div_ceil(item_len), self.threads);
        layers.iter_mut().for_each(|layer| layer.threads = threads);
        let operands = match row_means {
            Some(means) => vec![BufferRef::Arena(means)],
            // Results within the group have no place.
            None => operands.into_iter().filter_map(|id| self.buffer(id)).collect(),
        };
        // Where the scratch is, the arena says at the end.
        let (places, scratch) = (0..0, 0..0);
        let step =
            Step { kernel, name, layers: places, operands, out, means, dtype, item_len, threads, scratch, row_block };
        Ok((step, layers))
    }

    fn single(&mut self, node: usize, buffers: &StepBuffers) -> Result<Fused> {
        let (choice, weights) = self.lower(node, buffers, |lowering| lowering.select_kernel())?;
        let layers = vec![self.layer(node, &choice, weights)];
        let KernelChoice { kernel, operands, name, .. } = choice;
        Ok(Fused { kernel, name, layers, operands, row_block: None })
    }

    fn chain<T: ChainElement>(&mut self, chain: &Chain<'g, T>, buffers: &StepBuffers) -> Result<Fused>
    where
        StepKernel: From<FusedChain<T>>,
    {
        let (Chain { nodes, row_block }, mut kernels) = (chain, Vec::new());
        let (mut layers, mut operands) = (Vec::new(), Vec::new());
        for ChainNode { index, operator, .. } in nodes {
            let (choice, weights) = self.lower(*index, buffers, |lowering| operator.select(lowering))?;
            layers.push(self.layer(*index, &choice, weights));
            operands.extend(choice.operands);
            kernels.push(choice.kernel);
        }
        let geometries = nodes.iter().map(|node| node.geometry.clone()).collect();
        let chain = FusedChain::new(kernels, geometries, *row_block);
        layers.iter_mut().for_each(|layer| layer.reason = format!("{}; {chain}", layer.reason));
        let name = "fused_chain".to_owned();
        Ok(Fused { kernel: chain.into(), name, layers, operands, row_block: Some(*row_block) })
    }

    fn gated(&mut self, gated: &Gated<'g>, buffers: &StepBuffers) -> Result<Fused> {
        let Gated { product, gate, projection, conv } = *gated;
        let (scale, none) = self.lower(product, buffers, |lowering| Ok(lowering.choice((), "gate", GATED)))?;
        let (project, weights) = self.lower(projection, buffers, |lowering| select_gated(conv, gate, lowering))?;
        let layers = vec![self.layer(product, &scale, none), self.layer(projection, &project, weights)];
        let operands = [scale.operands, project.operands].concat();
        let name = format!("gated {}", project.name);
        Ok(Fused { kernel: project.kernel.into(), name, layers, operands, row_block: None })
    }

    /// The kernel that `select` gives for a node, and where among the plan's its packed weights are.
    fn lower<K>(
        &mut self,
        node: usize,
        buffers: &StepBuffers,
        select: impl FnOnce(&mut Lowering<'_, 'g>) -> Result<KernelChoice<K>>,
    ) -> Result<(KernelChoice<K>, Range<usize>)> {
        let (graph, node) = (self.graph, &self.graph.nodes[node]);
        let (chosen, start) = (self.choices.get(&node.name), self.weights.len());
        let mut lowering = Lowering {
            graph,
            node,
            chosen,
            isa: self.isa,
            in_place: self.arena.range(node.inputs[0]).as_ref() == Some(&buffers.out),
            has_row_means: buffers.row_means.is_some(),
            weights: &mut self.weights,
        };
        let choice = select(&mut lowering).and_then(|choice| match chosen {
            Some(chosen) if chosen != choice.name => {
                Err(Error::argument("layer cannot run with the kernel chosen for it")
                    .expected(format_args!("a kernel such as {:?}", choice.name), format_args!("{chosen:?}"))
                    .help("kernels and their parameters depend on the layer and on the instruction set"))
            }
            Some(_) | None => Ok(choice),
        });
        let choice = choice.map_err(|error| error.at_node(&node.name, node.op.name()))?;
        Ok((choice, start..self.weights.len()))
    }

    fn layer<K>(&self, node: usize, choice: &KernelChoice<K>, packed: Range<usize>) -> Layer {
        let (graph, node) = (self.graph, &self.graph.nodes[node]);
        let output = graph.value(node.output);
        let values: Vec<_> = node.inputs.iter().map(|&id| graph.value(id)).collect();
        // Scales only give the integers of a layer their meaning.
        let scales = matches!(node.op, Op::QConv2d(_)).then(|| node.inputs[3]);
        let weights = node.inputs.iter().filter(|id| !choice.operands.contains(id) && Some(**id) != scales);
        let moved = choice.operands.iter().chain([&node.output]).filter(|&&id| self.has_place(id));
        Layer {
            name: node.name.clone(),
            op: LayerName(&node.op, values[0].shape.last()).to_string(),
            kernel: choice.name.clone(),
            alternatives: choice.alternatives.clone(),
            reason: choice.reason.clone(),
            predecessor: None,
            block: None,
            step: 0,
            inputs: choice.operands.iter().map(|&id| graph.value(id).shape.clone()).collect(),
            input_dtype: values[0].dtype,
            output: output.shape.clone(),
            output_dtype: output.dtype,
            parameters: weights.map(|&id| graph.value(id).shape.elements()).sum(),
            weights: packed,
            macs: node.op.macs(&values, &output.shape),
            bytes: moved.map(|&id| graph.value(id).bytes()).sum(),
            threads: 1,
        }
    }

    fn has_place(&self, id: ValueId) -> bool {
        self.arena.range(id).is_some() || self.graph.value(id).constant.is_some()
    }

    /// Where an operand is found; a constant gets a place among the weights.
    fn buffer(&mut self, id: ValueId) -> Option<BufferRef> {
        let value = self.graph.value(id);
        match (self.arena.range(id), &value.constant) {
            (Some(range), _) => Some(BufferRef::Arena(range)),
            (None, Some(tensor)) => {
                let copy = |bytes: &mut [u8]| bytes.copy_from_slice(tensor.bytes());
                Some(BufferRef::Weights(self.weights.reserve(value.bytes(), copy).range()))
            }
            (None, None) => None,
        }
    }
}

/// How many threads share a step: no more than it has work items, and only where a share outweighs waking a thread,
/// which takes about a microsecond or what a core multiplies in that time.
fn useful_threads(layers: &[Layer], items: usize, threads: usize) -> usize {
    const SHARE: u64 = 50_000;
    // A core multiplies about four times as many u8.
    let rate = |layer: &Layer| if layer.input_dtype.is_int8() { 4 } else { 1 };
    let cost = |layer: &Layer| (layer.macs / rate(layer)).saturating_add(layer.bytes as u64);
    let work = layers.iter().map(cost).fold(0, u64::saturating_add);
    threads.min(items).min(usize::try_from(work / SHARE).unwrap_or(usize::MAX)).max(1)
}
