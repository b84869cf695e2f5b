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
