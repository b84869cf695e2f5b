use alloc::vec::Vec;
use core::ops::Range;

/// What a step is to the memory that weights come from.
pub(super) struct Demand {
    /// Where its weights end among those of all steps, which lie in the order of the steps.
    pub(super) end: usize,
    /// Bytes that memory delivers while the step multiplies.
    pub(super) meanwhile: usize,
}

impl Demand {
    /// Products that take a core as long as memory takes to deliver a byte: a core does 50 in a nanosecond, and even a busy machine's memory
    /// delivers 8 bytes.
    const PRODUCTS: u64 = 6;

    /// Of a step of `macs` products, whose kernels fetch ahead or do not.
    pub(super) fn new(end: usize, macs: u64, fetches: bool) -> Self {
        let meanwhile = usize::try_from(macs / Self::PRODUCTS).unwrap_or(usize::MAX);
        Self { end, meanwhile: if fetches { meanwhile } else { 0 } }
    }
}

/// Which weights each step fetches for the steps after it: all of them before they are read, no earlier than has to be, and no faster than
/// memory delivers. Small layers early in a network thereby fetch for the large ones at its end.
pub(super) fn schedule(demands: &[Demand]) -> Vec<Range<usize>> {
    let mut fetched = demands.last().map_or(0, |last| last.end);
    let mut ranges = Vec::with_capacity(demands.len());
    for demand in demands.iter().rev() {
        // By the end of this step all up to `fetched` is near; by its beginning its own weights are.
        let before = demand.end.max(fetched.saturating_sub(demand.meanwhile)).min(fetched);
        ranges.push(before..fetched);
        fetched = before;
    }
    ranges.reverse();
    ranges
}

/// The part of `bytes` that belongs to `part` of `whole` equal pieces of a step.
pub(super) fn share(bytes: &[u8], part: Range<usize>, whole: usize) -> &[u8] {
    let place = |piece: usize| (bytes.len() as u64 * piece as u64 / whole.max(1) as u64) as usize;
    &bytes[place(part.start)..place(part.end)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(end: usize, meanwhile: usize) -> Demand {
        Demand { end, meanwhile }
    }

    #[test]
    fn weights_are_fetched_as_late_as_memory_allows() {
        // The last step's 90 bytes are more than the step before it can fetch.
        let demands = [demand(10, 100), demand(20, 50), demand(30, 60), demand(120, 40)];
        assert_eq!(schedule(&demands), [10..20, 20..60, 60..120, 120..120]);
    }

    #[test]
    fn steps_that_cannot_fetch_leave_it_to_those_before() {
        let demands = [demand(10, 1000), demand(10, 0), demand(50, 0), demand(70, 0)];
        assert_eq!(schedule(&demands), [10..70, 70..70, 70..70, 70..70]);
    }

    #[test]
    fn nothing_is_fetched_twice_or_left_out_between_the_first_and_the_last() {
        let demands: Vec<_> = (1..40).map(|i| demand(i * i, (i * 37) % 90)).collect();
        let ranges = schedule(&demands);
        assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert_eq!(ranges.last().map(|range| range.end), Some(39 * 39));
    }
}
