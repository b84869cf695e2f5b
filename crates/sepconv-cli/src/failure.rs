use std::fmt::Display;
use std::io::{self, Write};

use sepconv::{Error, ErrorKind, printable};

/// Why a command ends early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The arguments cannot be parsed, or ask for help.
    Usage(clap::Error),
    /// Something to tell the user.
    Error(Error),
    /// Standard output cannot be written.
    Output(io::Error),
    /// It was told already; the exit code is that of the error.
    Told(u8),
    /// The result is not as good as was asked for.
    Refused { code: u8, reason: String },
}

impl From<clap::Error> for Failure {
    fn from(error: clap::Error) -> Self {
        Self::Usage(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Output(error.into())
    }
}

impl Failure {
    /// Tells it on standard error, where it is not told yet; returns 2 for arguments that are not acceptable, a
    /// refusal's own code, else 1.
    pub(crate) fn report(self) -> u8 {
        match self {
            Self::Usage(error) => {
                note(usage(&error));
                2
            }
            Self::Error(error) => {
                tell(&error);
                code(&error)
            }
            // The reader has seen enough (`| head`).
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Output(error) => {
                note(format_args!("error: standard output cannot be written: {error}"));
                1
            }
            Self::Told(code) => code,
            Self::Refused { code, reason } => {
                note(format_args!("refused: {reason}"));
                code
            }
        }
    }

    /// The failure as an error, for JSON; `None` where the answer holds it.
    pub(crate) fn error(&self) -> Option<Error> {
        match self {
            Self::Usage(error) => {
                let text = usage(error);
                let message = text.split("\n\n").next().unwrap_or_default();
                Some(Error::argument(message.strip_prefix("error: ").unwrap_or(message)))
            }
            Self::Error(error) => Some(error.clone()),
            Self::Output(_) | Self::Told(_) | Self::Refused { .. } => None,
        }
    }
}

/// What is wrong with the arguments, without what a terminal would obey.
fn usage(error: &clap::Error) -> String {
    let text = error.render().to_string();
    text.trim_end().lines().map(printable).collect::<Vec<_>>().join("\n")
}

/// The exit code for an error: 2 for arguments that are not acceptable, else 1.
pub(crate) fn code(error: &Error) -> u8 {
    if error.kind() == ErrorKind::Argument { 2 } else { 1 }
}

/// Prints a line on standard error. Where that cannot be written there is no place left to tell.
pub(crate) fn note(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Prints a warning as every command does: the result is there, and may not be what the user expects.
pub(crate) fn warn(message: impl Display) {
    note(format_args!("warning: {message}"));
}

/// Prints an error as every command does.
pub(crate) fn tell(error: &Error) {
    note(format_args!("error: {error}"));
}
