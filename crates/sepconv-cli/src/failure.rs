use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use sepconv::{Error, ErrorKind};

/// Why a command ends early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something to tell the user.
    Error(Error),
    /// Standard output cannot be written.
    Output(io::Error),
    /// It was told already; the exit code is that of the error.
    Told(u8),
    /// The result is not as good as was asked for.
    Refused { code: u8, reason: String },
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
    /// Tells it on standard error, where it is not told yet; gives 2 for arguments that are not acceptable, a refusal's own
    /// code, else 1.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Self::Error(error) => {
                tell(&error);
                ExitCode::from(code(&error))
            }
            // The reader has seen enough (`| head`).
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Self::Output(error) => {
                eprintln!("error: standard output cannot be written: {error}");
                ExitCode::FAILURE
            }
            Self::Told(code) => ExitCode::from(code),
            Self::Refused { code, reason } => {
                eprintln!("refused: {reason}");
                ExitCode::from(code)
            }
        }
    }
}

/// The exit code for an error: 2 for arguments that are not acceptable, else 1.
pub(crate) fn code(error: &Error) -> u8 {
    if error.kind() == ErrorKind::Argument { 2 } else { 1 }
}

/// Prints a warning as every command does: the result is there, and may not be what the user expects.
pub(crate) fn warn(message: impl Display) {
    eprintln!("warning: {message}");
}

/// Prints an error as every command does.
pub(crate) fn tell(error: &Error) {
    eprintln!("error: {error}");
}
