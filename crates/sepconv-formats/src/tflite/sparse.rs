//! Tensors of which a file holds only the elements that are not zero.
//!
//! They are a tree: each level is an axis, and below each of its indices lies the next. A dense level has all indices,
//! a sparse one lists them; the elements are the leaves in order. Axes may be cut into blocks, whose axes are levels of
//! their own.

use sepconv_core::{Error, Result, Shape, probe_memory};

use super::flatbuffer::Table;
use super::schema::{LevelList, Sparsity};
use crate::dims;

/// One level of the tree.
struct Level<'a> {
    /// What a step along it is worth in the tensor's elements.
    stride: usize,
    size: usize,
    /// Where the list for each node above starts, and the lists; `None` where all indices are there.
    listed: Option<(LevelList<'a>, LevelList<'a>)>,
}

/// All elements of a tensor, `width` bytes each.
pub(super) fn dense(sparsity: &Sparsity, stored: &[u8], shape: &Shape, width: usize) -> Result<Vec<u8>> {
    let levels = levels(sparsity, shape)?;
    // Not sooner: what there is of a hostile file must look right first.
    let bytes = shape.elements() * width;
    probe_memory(bytes)?;
    let left = shape.elements().saturating_mul(levels.len() + 1);
    let mut tree = Tree { levels, stored, width, elements: vec![0; bytes], left };
    tree.fill(0, 0, 0)?;
    Ok(tree.elements)
}

struct Tree<'a> {
    levels: Vec<Level<'a>>,
    stored: &'a [u8],
    width: usize,
    elements: Vec<u8>,
    /// Nodes of the tree that may still be visited: lists of a hostile file may overlap.
    left: usize,
}

impl Tree<'_> {
    /// The elements below node `node` of the level above `depth`, which lies at `place`. As deep as a tensor has axes.
    fn fill(&mut self, depth: usize, node: usize, place: usize) -> Result<()> {
        let broken = || Error::malformed("sparse tensor contradicts itself");
        self.left = self.left.checked_sub(1).ok_or_else(broken)?;
        let Some(level) = self.levels.get(depth) else {
            let from = self.stored.chunks_exact(self.width).nth(node).ok_or_else(broken)?;
            self.elements[place * self.width..][..self.width].copy_from_slice(from);
            return Ok(());
        };
        let (size, stride) = (level.size, level.stride);
        let range = match &level.listed {
            None => node.checked_mul(size).and_then(|start| Some(start..start.checked_add(size)?)),
            Some((starts, _)) => starts.get(node).zip(starts.get(node + 1)).map(|(start, end)| start..end),
        };
        let range = range.ok_or_else(broken)?;
        let first = range.start;
        for child in range {
            let index = match &self.levels[depth].listed {
                None => child - first,
                Some((_, indices)) => indices.get(child).filter(|&index| index < size).ok_or_else(broken)?,
            };
            self.fill(depth + 1, child, place + index * stride)?;
        }
        Ok(())
    }
}

/// The levels in order. Together they must have as many places as the tensor has elements.
fn levels<'a>(sparsity: &Sparsity<'a>, shape: &Shape) -> Result<Vec<Level<'a>>> {
    let wrong = |got: String| Error::malformed("sparse tensor does not fit its shape").expected(shape, got);
    let (order, blocked, tables) = (sparsity.order()?, sparsity.blocked_axes()?, sparsity.levels()?);
    let (rank, count) = (shape.len(), order.len());
    if blocked.len() > rank || count != rank + blocked.len() || tables.len() != count || shape.elements() == 0 {
        return Err(wrong(format!("{count} levels")));
    }
    let axes: Vec<usize> = order.iter().map(|axis| dims::size(axis.into())).collect::<Result<_>>()?;
    let blocked: Vec<usize> = blocked.iter().map(|axis| dims::axis(axis.into(), rank)).collect::<Result<_>>()?;
    let tables: Vec<_> = tables.iter().collect::<Result<_>>()?;
    // Sizes of blocks along each axis: what one step of the axis itself skips.
    let (mut block, mut seen) = (vec![1usize; rank], vec![false; count]);
    for (&axis, table) in axes.iter().zip(&tables) {
        let place = seen.get_mut(axis).filter(|seen| !**seen).ok_or_else(|| wrong(format!("levels {axes:?}")))?;
        *place = true;
        if let Some(inside) = axis.checked_sub(rank) {
            let size = dims::size(table.scalar(1, 0i32)?.into())?;
            let axis = blocked[inside];
            if block[axis] != 1 || size == 0 || !shape[axis].is_multiple_of(size) {
                return Err(wrong(format!("blocks of {size} along axis {axis}")));
            }
            block[axis] = size;
        }
    }
    let strides = shape.strides();
    let level = |(&axis, table): (&usize, &Table<'a>)| {
        let (stride, size) = match axis.checked_sub(rank) {
            None => (strides[axis] * block[axis], shape[axis] / block[axis]),
            Some(inside) => (strides[blocked[inside]], block[blocked[inside]]),
        };
        let listed = match table.scalar(0, 0i8)? {
            0 => None,
            1 => Some((LevelList::read(table, 2)?, LevelList::read(table, 4)?)),
            other => return Err(wrong(format!("format {other}"))),
        };
        Ok(Level { stride, size, listed })
    };
    axes.iter().zip(&tables).map(level).collect()
}
