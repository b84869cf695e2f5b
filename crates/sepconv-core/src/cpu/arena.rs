use alloc::vec;
use alloc::vec::Vec;
use core::ops::{Range, RangeInclusive};

use super::{aligned::LINE, schedule::Scheduled};
use crate::analysis::OpenAxis;
use crate::op::{Aliasing, image};
use crate::{Graph, Node, ValueId};

/// Where every value lives while a plan runs: a range of bytes in one arena. Values that are not alive at the same time
/// share memory; a reshape shares its operand's, and so does a function in place of an operand that dies with it. An
/// arena that would not fit in the address space ends at its end, beyond any limit.
pub(super) struct Arena {
    ranges: Vec<Option<Range<usize>>>,
    /// The buffers in the order of their places, and from which step to which each is needed.
    placed: Vec<Placed>,
    /// Where each step leaves the means of its rows, for those that do.
    means: Vec<Option<Range<usize>>>,
    pub(super) len: usize,
}

impl Arena {
    /// `open` has the open axis of each value.
    pub(super) fn new(graph: &Graph, schedule: &[Scheduled<'_>], open: &[Option<OpenAxis>]) -> Self {
        let lives = LiveRanges::new(graph, schedule, open);
        let mut placed: Vec<Placed> = vec![];
        let mut starts = vec![0usize; lives.buffers.len()];
        let mut order: Vec<usize> = (0..lives.buffers.len()).collect();
        // Large buffers first, each at the lowest place that is free for its whole life.
        order.sort_by_key(|&buffer| core::cmp::Reverse(lives.buffers[buffer].0));
        for buffer in order {
            let (len, life) = &lives.buffers[buffer];
            let range = free(&placed, *len, life);
            starts[buffer] = range.start;
            let at = placed.partition_point(|(other, _)| other.start < range.start);
            placed.insert(at, (range, life.clone()));
        }
        let len = placed.iter().map(|(range, _)| range.end).max().unwrap_or(0);
        let range = |(value, buffer): (usize, &Option<usize>)| {
            let start = starts[(*buffer)?];
            Some(start..start.saturating_add(graph.values[value].bytes()))
        };
        let ranges = lives.buffer_of.iter().enumerate().map(range).collect();
        let means = |&buffer: &Option<usize>| {
            let (buffer, start) = (&lives.buffers[buffer?], starts[buffer?]);
            Some(start..start.saturating_add(buffer.0))
        };
        Self { ranges, means: lives.means.iter().map(means).collect(), placed, len }
    }

    /// A place for the scratch of a group of the schedule, `len` bytes: what is free while it runs, or the end of the
    /// arena, which is longer afterwards.
    pub(super) fn scratch(&mut self, group: usize, len: usize) -> Range<usize> {
        let range = free(&self.placed, len, &(group + 1..=group + 1));
        self.len = self.len.max(range.end);
        range
    }

    /// Where a group of the schedule leaves the means of its rows.
    pub(super) fn means(&self, group: usize) -> Option<Range<usize>> {
        self.means[group].clone()
    }

    /// Where a value lives; `None` for constants.
    pub(super) fn range(&self, id: ValueId) -> Option<Range<usize>> {
        self.ranges[id.0].clone()
    }
}

/// The range of a buffer, and from which step to which it is needed.
type Placed = (Range<usize>, RangeInclusive<usize>);

/// The lowest place of `len` bytes that is free for a whole life.
fn free(placed: &[Placed], len: usize, life: &RangeInclusive<usize>) -> Range<usize> {
    let mut start = 0usize;
    for (range, other) in placed {
        let overlaps = other.start() <= life.end() && life.start() <= other.end();
        if overlaps && range.start < start.saturating_add(len) {
            start = start.max(range.end);
        }
    }
    start..start.saturating_add(len)
}

/// Which values share a buffer, and from which step to which each buffer is needed. Step 0 copies the inputs in, group
/// `i` is step `i + 1`, and the step after the last copies the outputs out.
pub(super) struct LiveRanges {
    pub(super) buffer_of: Vec<Option<usize>>,
    /// The buffer that each group leaves means in.
    means: Vec<Option<usize>>,
    /// The bytes of each, and its life.
    pub(super) buffers: Vec<(usize, RangeInclusive<usize>)>,
}

impl LiveRanges {
    pub(super) fn new(graph: &Graph, schedule: &[Scheduled<'_>], open: &[Option<OpenAxis>]) -> Self {
        let mut last_use = vec![0; graph.values.len()];
        let mut step_of = vec![0; graph.nodes.len()];
        for (i, scheduled) in schedule.iter().enumerate() {
            for node in scheduled.group.nodes() {
                step_of[node] = i + 1;
                graph.nodes[node].inputs.iter().for_each(|id| last_use[id.0] = i + 1);
            }
        }
        graph.outputs.iter().for_each(|port| last_use[port.value.0] = schedule.len() + 1);
        // Outputs are as long as these indices say.
        let counted = graph.outputs.iter().filter_map(|port| open[port.value.0]);
        counted.for_each(|open| last_use[open.indices.0.0] = schedule.len() + 1);

        let mut lives = Self { buffer_of: vec![None; graph.values.len()], means: vec![], buffers: vec![] };
        for port in &graph.inputs {
            lives.allocate(graph, port.value, 0, &last_use);
        }
        for (i, scheduled) in schedule.iter().enumerate() {
            let node = &graph.nodes[scheduled.group.last()];
            match lives.aliased(graph, node, i + 1) {
                Some(buffer) => {
                    lives.buffer_of[node.output.0] = Some(buffer);
                    let life = &mut lives.buffers[buffer].1;
                    *life = *life.start()..=last_use[node.output.0].max(*life.end());
                }
                None => lives.allocate(graph, node.output, i + 1, &last_use),
            }
            let means = scheduled.mean.map(|mean| {
                let shape = &graph.value(node.output).shape;
                let [rows, _, channels] = image(shape);
                lives.buffers.push((shape[0] * rows * channels * size_of::<f32>(), i + 1..=step_of[mean]));
                lives.buffers.len() - 1
            });
            lives.means.push(means);
        }
        lives
    }

    fn allocate(&mut self, graph: &Graph, id: ValueId, step: usize, last_use: &[usize]) {
        let len = graph.value(id).bytes().next_multiple_of(LINE);
        self.buffer_of[id.0] = Some(self.buffers.len());
        self.buffers.push((len, step..=last_use[id.0].max(step)));
    }

    /// The operand's buffer, where the result may have it.
    fn aliased(&self, graph: &Graph, node: &Node, step: usize) -> Option<usize> {
        let buffer = self.buffer_of[node.inputs[0].0]?;
        match node.op.operator().aliasing() {
            Aliasing::Always => Some(buffer),
            Aliasing::InPlace => {
                // The buffer outlives the operand where another value shares it.
                let dies =
                    *self.buffers[buffer].1.end() == step && graph.outputs.iter().all(|p| p.value != node.inputs[0]);
                dies.then_some(buffer)
            }
            Aliasing::Never => None,
        }
    }
}
