use std::io::{IsTerminal, stderr};
use std::ops::ControlFlow;

use indicatif::{ProgressBar, ProgressStyle};
use sepconv::{ProgressEvent, Stage};

use crate::accuracy::percent;
use crate::failure::{note, tell};

/// Failures of single inputs that are told one by one.
pub(crate) const TOLD: usize = 10;

/// The bars of a long call, a new one for each of its stages.
pub(crate) struct Bars {
    /// What is shown in place of the stage.
    name: Option<&'static str>,
    quiet: bool,
    bar: Option<(Stage, Progress)>,
    failures: usize,
}

impl Bars {
    pub(crate) fn new(quiet: bool) -> Self {
        Self { name: None, quiet, bar: None, failures: 0 }
    }

    /// The same with a name for every stage.
    pub(crate) fn named(name: &'static str, quiet: bool) -> Self {
        Self { name: Some(name), ..Self::new(quiet) }
    }

    /// Shows how far the call is. It always goes on: Ctrl-C ends the process, whose outputs have no name until they are
    /// whole.
    pub(crate) fn show(&mut self, event: ProgressEvent) -> ControlFlow<()> {
        let ProgressEvent { stage, done, total, accuracy, failure, .. } = event;
        if self.bar.as_ref().is_some_and(|(shown, _)| *shown != stage) {
            // The old bar goes before the new one comes.
            self.bar = None;
        }
        let what = || self.name.map_or_else(|| format!("{:10}", stage.name()), str::to_owned);
        let (_, bar) = self.bar.get_or_insert_with(|| (stage, Progress::new(what(), total, self.quiet)));
        if let Some(error) = failure {
            self.failures += 1;
            if self.failures <= TOLD {
                bar.bar.suspend(|| tell(&error));
            }
        }
        let message = accuracy.map(|accuracy| format!("top-1 {}", percent(accuracy.top1, accuracy.images)));
        bar.show(done, message.as_deref().unwrap_or_default());
        ControlFlow::Continue(())
    }
}

/// How far something is: a bar on a terminal, a line for each tenth elsewhere, nothing beside JSON.
pub(crate) struct Progress {
    bar: ProgressBar,
    what: String,
    done: usize,
    total: usize,
    lines: bool,
}

impl Progress {
    pub(crate) fn new(what: impl Into<String>, total: usize, quiet: bool) -> Self {
        let what = what.into();
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new(total as u64) };
        let style = ProgressStyle::with_template("{prefix}{wide_bar} {pos}/{len} {msg} {eta}");
        let bar = match style {
            Ok(style) => bar.with_style(style).with_prefix(what.clone()),
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
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
