use alloc::boxed::Box;
use alloc::vec::Vec;
use core::marker::PhantomData;
use core::ops::Range;

use bytemuck::{Pod, cast_slice, cast_slice_mut};

use super::aligned::{Aligned, LINE};

/// Hands out ranges of the weights one after the other, each with a function that fills it once the size of all is
/// known. Ranges that do not fit in the address space end at its end, beyond any limit.
#[derive(Default)]
pub(crate) struct WeightLayout<'g> {
    len: usize,
    packs: Vec<(Range<usize>, Pack<'g>)>,
}

type Pack<'g> = Box<dyn FnOnce(&mut [u8]) + 'g>;

/// The packed weights of a layer: where they are among the plan's.
#[derive(Debug)]
pub(crate) struct Packed<T> {
    range: Range<usize>,
    element: PhantomData<T>,
}

impl<'g> WeightLayout<'g> {
    /// Reserves a range of `len` elements that `pack` fills.
    pub(crate) fn reserve<T: Pod>(&mut self, len: usize, pack: impl FnOnce(&mut [T]) + 'g) -> Packed<T> {
        let (start, bytes) = (self.len, len.saturating_mul(size_of::<T>()));
        self.len = start.saturating_add(bytes.next_multiple_of(LINE));
        let range = start..start.saturating_add(bytes);
        self.packs.push((range.clone(), Box::new(|bytes| pack(cast_slice_mut(bytes)))));
        Packed { range, element: PhantomData }
    }

    /// Bytes of all ranges.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Fills all ranges.
    pub(super) fn pack(self) -> Aligned {
        let mut buffer = Aligned::zeros(self.len);
        for (range, pack) in self.packs {
            pack(&mut buffer[range]);
        }
        buffer
    }
}

impl<T: Pod> Packed<T> {
    /// The elements, where `weights` are all of the plan.
    pub(crate) fn of<'a>(&self, weights: &'a [u8]) -> &'a [T] {
        cast_slice(&weights[self.range.clone()])
    }

    /// The number of elements.
    pub(crate) fn len(&self) -> usize {
        self.range.len() / size_of::<T>()
    }

    /// The range in bytes.
    pub(crate) fn range(&self) -> Range<usize> {
        self.range.clone()
    }
}
