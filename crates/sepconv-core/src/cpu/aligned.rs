use alloc::vec;
use alloc::vec::Vec;
use core::ops::{Deref, DerefMut, Range};

/// Bytes in a cache line: every buffer starts at a multiple of it, so that no vector load crosses a line.
pub(crate) const LINE: usize = 64;

/// Bytes whose first one starts a cache line.
///
/// Large ones ask for huge pages, where an operating system has them on request: streams of weights pass twice as fast
/// where no prefetch ends with a page of 4 kB.
#[derive(Debug)]
pub(crate) struct Aligned {
    memory: Memory,
    range: Range<usize>,
}

#[derive(Debug)]
enum Memory {
    Vec(Vec<u8>),
    #[cfg(all(feature = "std", target_os = "linux"))]
    Pages(memmap2::MmapMut),
}

/// The size of a huge page.
const PAGE: usize = 2 << 20;

impl Aligned {
    /// Bytes beside its own that a buffer takes at most.
    pub(crate) const MARGIN: usize = 2 * PAGE;

    pub(crate) fn zeros(len: usize) -> Self {
        #[cfg(all(feature = "std", target_os = "linux"))]
        if let Some(huge) = Self::huge(len) {
            return huge;
        }
        Self::within(Memory::Vec(vec![0; len + LINE]), len, LINE)
    }

    /// On huge pages, where that is worth it and the system has any.
    #[cfg(all(feature = "std", target_os = "linux"))]
    fn huge(len: usize) -> Option<Self> {
        if len < PAGE / 2 {
            return None;
        }
        // Whole pages wherever the first begins. What is never touched takes no memory.
        let pages = memmap2::MmapMut::map_anon(len.next_multiple_of(PAGE) + PAGE).ok()?;
        pages.advise(memmap2::Advice::HugePage).ok()?;
        Some(Self::within(Memory::Pages(pages), len, PAGE))
    }

    fn within(memory: Memory, len: usize, alignment: usize) -> Self {
        let skip = memory.as_ptr().align_offset(alignment).min(alignment);
        Self { memory, range: skip..skip + len }
    }
}

impl Deref for Memory {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Self::Vec(vec) => vec,
            #[cfg(all(feature = "std", target_os = "linux"))]
            Self::Pages(pages) => pages,
        }
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Vec(vec) => vec,
            #[cfg(all(feature = "std", target_os = "linux"))]
            Self::Pages(pages) => pages,
        }
    }
}

impl Deref for Aligned {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.memory[self.range.clone()]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.range.clone()]
    }
}
