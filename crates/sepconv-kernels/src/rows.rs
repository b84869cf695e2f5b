use core::ops::Range;

/// Rows of a feature map held in a buffer that may keep only some of them.
///
/// A whole feature map keeps all; a fused block keeps the last few in a ring, where row `y` lives at slot `y %
/// capacity`. Kernels that slide a window over rows read through this view, so the same kernel serves both.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a, T = f32> {
    data: &'a [T],
    length: usize,
    capacity: usize,
}

impl<'a, T> Rows<'a, T> {
    /// Views `data` as slots of `length` numbers each. Panics when `data` is not a whole number of them.
    pub fn new(data: &'a [T], length: usize) -> Self {
        assert!(length > 0 && data.len().is_multiple_of(length), "{} numbers are no rows of {length}", data.len());
        Self { data, length, capacity: data.len() / length }
    }

    /// The numbers in a row.
    #[inline]
    pub fn length(&self) -> usize {
        self.length
    }

    /// Row `y` of the feature map. In a ring the caller keeps the rows it will ask for.
    #[inline]
    pub fn row(&self, y: usize) -> &'a [T] {
        let slot = if y < self.capacity { y } else { y % self.capacity };
        &self.data[slot * self.length..][..self.length]
    }

    /// The first `count` rows as one, where the buffer keeps them all.
    pub(crate) fn joined(&self, count: usize) -> Option<Self> {
        (count <= self.capacity).then(|| Self::new(&self.data[..count * self.length], count * self.length))
    }

    /// The rows `rows` in runs that lie together, each with its place in a result of `n` numbers for every `k` of
    /// these.
    pub fn runs(self, rows: Range<usize>, k: usize, n: usize) -> impl Iterator<Item = (&'a [T], Range<usize>)> {
        let (mut y, place) = (rows.start, move |y: usize| (y - rows.start) * self.length / k * n);
        core::iter::from_fn(move || {
            let slot = y % self.capacity;
            let end = rows.end.min(y + self.capacity - slot);
            let run = (y < end).then(|| &self.data[slot * self.length..(slot + end - y) * self.length]);
            let places = place(y)..place(end.max(y));
            y = end;
            run.map(|run| (run, places))
        })
    }
}

/// The last rows of a feature map that is made and read a few rows at a time: row `y` lives at slot `y % capacity`.
#[derive(Debug)]
pub struct Ring<'a, T = u8> {
    data: &'a mut [T],
    length: usize,
    /// The rows before this one were made.
    made: usize,
}

impl<'a, T> Ring<'a, T> {
    /// Views `data` as slots of `length` numbers each, of which none has a row yet. Panics when it is not a whole
    /// number of them.
    pub fn new(data: &'a mut [T], length: usize) -> Self {
        assert!(length > 0 && data.len().is_multiple_of(length));
        Self { data, length, made: 0 }
    }

    /// Calls `make` with those of the rows `needed` that were not made yet, in runs that lie together. Rows are made in
    /// order, and no more are needed at a time than there are slots.
    pub fn make(&mut self, needed: Range<usize>, mut make: impl FnMut(Range<usize>, &mut [T])) {
        let slots = self.data.len() / self.length;
        let mut y = needed.start.max(self.made);
        while y < needed.end {
            let slot = y % slots;
            let rows = y..needed.end.min(y + slots - slot);
            y = rows.end;
            make(rows.clone(), &mut self.data[slot * self.length..][..rows.len() * self.length]);
        }
        self.made = self.made.max(needed.end);
    }

    /// The rows that are there.
    pub fn rows(&self) -> Rows<'_, T> {
        Rows::new(self.data, self.length)
    }
}
