use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressStyle};

use crate::failure::note;

/// How far something is: a bar on a terminal, a line for each tenth elsewhere, nothing beside JSON.
pub(crate) struct Progress {
    bar: ProgressBar,
    what: &'static str,
    done: usize,
    total: usize,
    lines: bool,
}

impl Progress {
    pub(crate) fn new(what: &'static str, total: usize, quiet: bool) -> Self {
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new(total as u64) };
        let style = ProgressStyle::with_template("{prefix}{wide_bar} {pos}/{len} {msg} {eta}");
        let bar = match style {
            Ok(style) => bar.with_style(style).with_prefix(what),
            Err(_) => bar,
        };
        Self { bar, what, done: 0, total, lines: !quiet && !stderr().is_terminal() }
    }

    /// Says how much is done.
    pub(crate) fn show(&mut self, done: usize, message: &str) {
        let tenths = |done: usize| done * 10 / self.total.max(1);
        if self.lines && tenths(done) != tenths(self.done) {
            note(format!("{}{done:>7}/{} {message}", self.what, self.total).trim_end());
        }
        self.done = done;
        // Each of these may draw: a message is never beside an older count.
        self.bar.set_position(done as u64);
        if self.bar.message() != message {
            self.bar.set_message(message.to_owned());
        }
    }

    /// Prints something else on standard error.
    pub(crate) fn suspend(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
