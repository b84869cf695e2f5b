use core::ops::Range;

use crate::{ConvGeometry, Rows};

/// Rows of a window that are found once for a row of results. Windows of more look for the rest each time.
const MOST_ROWS: usize = 8;

/// The taps of a window that lie inside the feature map, as it moves along a row of results.
pub(super) struct InnerTaps<'a, T> {
    pool: &'a ConvGeometry,
    x: Rows<'a, T>,
    /// The first of the rows.
    found: [&'a [T]; MOST_ROWS],
    /// How many rows there are, and the first.
    rows: [usize; 2],
    /// The results whose windows have all columns.
    inside: Range<usize>,
    /// How many there are in each row.
    pub(super) columns: usize,
    /// The number in its row that the first reads.
    start: usize,
    /// Numbers from one to the next.
    pub(super) step: usize,
}

impl<'a, T> InnerTaps<'a, T> {
    /// Those of the windows of row `y`: none before one is [chosen](Self::move_to).
    pub(super) fn of_row(pool: &'a ConvGeometry, x: Rows<'a, T>, y: usize) -> Self {
        let ([h, _, c], window) = (pool.input, &pool.window);
        let taps = window.taps(0, y, h);
        let first = if taps.is_empty() { 0 } else { window.source(0, y, taps.start) };
        let mut found: [&[T]; MOST_ROWS] = [&[]; MOST_ROWS];
        for (i, row) in found[..taps.len().min(MOST_ROWS)].iter_mut().enumerate() {
            *row = x.row(first + i * window.dilation[0]);
        }
        let (rows, inside, step) = ([taps.len(), first], pool.inside(), window.dilation[1] * c);
        Self { pool, x, found, rows, inside, columns: 0, start: 0, step }
    }

    /// Moves to the window at `column`, and says how many columns from there on are pooled as the channels of one:
    /// those that lie one after another in the input as in the output, with the same taps.
    pub(super) fn move_to(&mut self, column: usize) -> usize {
        let ([_, w, c], window) = (self.pool.input, &self.pool.window);
        let taps = window.taps(1, column, w);
        self.columns = taps.len();
        self.start = if taps.is_empty() { 0 } else { window.source(1, column, taps.start) * c };
        if window.stride[1] == 1 && self.inside.contains(&column) { self.inside.end - column } else { 1 }
    }

    pub(super) fn len(&self) -> usize {
        self.rows[0] * self.columns
    }

    /// Rows that have any.
    #[inline(always)]
    pub(super) fn rows(&self) -> usize {
        if self.columns > 0 { self.rows[0] } else { 0 }
    }

    /// What the first tap of row `i` reads, and all after it, from number `first` of the pixel on.
    #[inline(always)]
    pub(super) fn row(&self, i: usize, first: usize) -> &'a [T] {
        let row = match self.found.get(i) {
            Some(row) => row,
            None => self.x.row(self.rows[1] + i * self.pool.window.dilation[0]),
        };
        &row[self.start + first..]
    }

    /// Numbers from the last tap on, to the end of its row.
    pub(super) fn room(&self) -> usize {
        self.columns.checked_sub(1).map_or(0, |last| self.x.length() - (self.start + last * self.step))
    }
}
