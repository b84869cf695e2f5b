//! Which layers run together on a machine of little memory: a chain keeps a few rows of the results between its layers
//! in place of all, and on one thread computes none of them twice.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::{Range, RangeInclusive};

use super::arena::LiveRanges;
use super::chain::{Geometry, MOST_LAYERS, MOST_ROWS, kept_len};
use super::schedule::{Chain, ChainNode, Group, Scheduled, following, unfused};
use crate::analysis::OpenAxis;
use crate::{Graph, Uses, ValueId};

/// The nodes of a graph in groups, of which the one that needs most memory needs as little as can be: chains where they
/// make it less, with no more layers than that takes, and with as many rows at a time as it leaves room for.
pub(super) fn least_memory<'g>(graph: &'g Graph, open: &[Option<OpenAxis>]) -> Vec<Scheduled<'g>> {
    let uses = Uses::new(graph);
    let memory = Memory { graph, lives: LiveRanges::new(graph, &unfused(graph), open) };
    let lines = lines(graph, &uses);
    let mut alone = vec![true; graph.nodes.len()];
    lines.iter().flatten().for_each(|node| alone[node.index] = false);
    let alone = (0..graph.nodes.len()).filter(|&node| alone[node]).map(|node| memory.of_node(node));
    let bound = lines.iter().map(|line| memory.least(line)).chain(alone).max().unwrap_or(0);

    let mut groups: Vec<Option<Group<'_>>> = (0..graph.nodes.len()).map(|node| Some(Group::Single(node))).collect();
    for mut line in lines {
        for part in memory.parts(&line, bound).into_iter().rev().filter(|part| part.len() > 1) {
            let row_block = (1..=MOST_ROWS).rev().find(|&rows| memory.of_chain(&line[part.clone()], rows) <= bound);
            line.truncate(part.end);
            let nodes = line.split_off(part.start);
            nodes.iter().for_each(|node| groups[node.index] = None);
            let last = nodes[nodes.len() - 1].index;
            groups[last] = Some(Group::ChainInt8(Chain { nodes, row_block: row_block.unwrap_or(1) }));
        }
    }
    groups.into_iter().flatten().map(|group| Scheduled { group, mean: None }).collect()
}

/// Layers that each read only the one before.
type Line<'g> = Vec<ChainNode<'g, u8>>;

/// All of them, each as long as can be.
fn lines<'g>(graph: &'g Graph, uses: &Uses) -> Vec<Line<'g>> {
    let (mut lines, mut follows) = (vec![], vec![false; graph.nodes.len()]);
    for first in 0..graph.nodes.len() {
        let Some(node) = ChainNode::new(graph, first).filter(|_| !follows[first]) else { continue };
        let mut line = vec![node];
        while let Some(next) = following(graph, uses, &line[line.len() - 1]) {
            follows[next.index] = true;
            line.push(next);
        }
        lines.push(line);
    }
    lines
}

/// What steps need, if all others are single nodes.
struct Memory<'g> {
    graph: &'g Graph,
    lives: LiveRanges,
}

impl Memory<'_> {
    /// Bytes of the buffers that are needed while a node runs.
    fn of_node(&self, node: usize) -> usize {
        let needed = self.lives.buffers.iter().filter(|(_, life)| life.contains(&(node + 1)));
        needed.map(|(len, _)| len).sum()
    }

    /// Bytes that are needed while some layers run together, in the place of the last.
    fn of_chain(&self, nodes: &[ChainNode<'_, u8>], rows: usize) -> usize {
        let [first, .., last] = nodes else { return nodes.iter().map(|node| self.of_node(node.index)).sum() };
        let buffer = |value: ValueId| self.lives.buffer_of[value.0].map(|buffer| &self.lives.buffers[buffer]);
        let outlives = |life: &RangeInclusive<usize>| *life.end() > last.index;
        // The operand of the first is needed to the end; of results between the layers only rows are.
        let x = buffer(self.graph.nodes[first.index].inputs[0]).filter(|(_, life)| !outlives(life));
        let whole = nodes[..nodes.len() - 1].iter().filter_map(|node| buffer(self.graph.nodes[node.index].output));
        let whole = whole.filter(|(_, life)| outlives(life)).map(|(len, _)| len).sum::<usize>();
        let geometries: Vec<Geometry> = nodes.iter().map(|node| node.geometry.clone()).collect();
        self.of_node(last.index) + x.map_or(0, |(len, _)| *len) + kept_len(&geometries, rows) - whole
    }

    /// The parts of a line that can be a chain and end where `end` says.
    fn candidates(end: usize) -> impl Iterator<Item = Range<usize>> {
        (end.saturating_sub(MOST_LAYERS)..end).map(move |start| start..end)
    }

    /// The least memory that suffices for a line, however it is cut.
    fn least(&self, line: &Line<'_>) -> usize {
        let mut least = vec![0];
        for end in 1..=line.len() {
            let needed = Self::candidates(end).map(|part| least[part.start].max(self.of_chain(&line[part], 1)));
            least.push(needed.min().unwrap_or(0));
        }
        least[line.len()]
    }

    /// A line cut into parts that each need no more than `bound`, with as few layers in chains as can be.
    fn parts(&self, line: &Line<'_>, bound: usize) -> Vec<Range<usize>> {
        // How many layers run together with the one before them, up to each end, and the last part.
        let mut best = vec![Some((0, 0..0))];
        for end in 1..=line.len() {
            let fits = Self::candidates(end).filter(|part| self.of_chain(&line[part.clone()], 1) <= bound);
            let joined = fits.filter_map(|part| Some((best[part.start].as_ref()?.0 + part.len() - 1, part)));
            best.push(joined.min_by_key(|(joined, _)| *joined));
        }
        let (mut parts, mut end) = (vec![], line.len());
        while let Some((_, part)) = best[end].take().filter(|_| end > 0) {
            end = part.start;
            parts.push(part);
        }
        parts.reverse();
        parts
    }
}
