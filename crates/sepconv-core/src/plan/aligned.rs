use alloc::vec;
use alloc::vec::Vec;
use core::ops::{Deref, DerefMut, Range};

/// Bytes in a cache line: every buffer starts at a multiple of it, so that no vector load crosses a line.
pub(crate) const LINE: usize = 64;

/// Bytes whose first one starts a cache line.
#[derive(Debug)]
pub(crate) struct Aligned {
    data: Vec<u8>,
    skip: usize,
}

impl Aligned {
    pub(crate) fn zeros(len: usize) -> Self {
        let data = vec![0; len + LINE];
        let skip = data.as_ptr().align_offset(LINE).min(LINE);
        Self { data, skip }
    }
}

impl Deref for Aligned {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.data[self.skip..]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.data[self.skip..]
    }
}

/// Hands out ranges of a buffer that does not exist yet, one after the other. What would not fit in the address space ends at
/// its end, beyond any limit.
#[derive(Debug, Default)]
pub(crate) struct Reserve {
    end: usize,
}

impl Reserve {
    pub(crate) fn take(&mut self, len: usize) -> Range<usize> {
        let start = self.end;
        self.end = start.saturating_add(len.next_multiple_of(LINE));
        start..start.saturating_add(len)
    }

    pub(crate) fn len(&self) -> usize {
        self.end
    }
}
