use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

/// What went wrong, where, what was expected and found, and what to do about it.
///
/// The text reads as a compiler's would:
///
/// ```text
/// depthwise weights do not match the input channels
///   --> node "blocks.3.conv_dw" (Conv) in mobilenet_v2.onnx
///    = expected weights [144,1,3,3], got [96,1,3,3]
///    = help: group=144, but the tensor holds 96 filters
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Box<Diagnostic>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Diagnostic {
    kind: ErrorKind,
    what: String,
    place: Option<String>,
    file: Option<String>,
    expected: Option<String>,
    got: Option<String>,
    help: Option<String>,
}

/// Characters of each part of an error: names come from files, where nothing bounds them.
const LONGEST: usize = 1000;

/// A text as people can read it: not too long, and without what a terminal obeys.
fn readable(text: impl Into<String>) -> String {
    let text = text.into();
    let mut shown = String::with_capacity(text.len().min(LONGEST));
    for (i, c) in text.chars().enumerate() {
        match c {
            _ if i == LONGEST => {
                shown.push('…');
                break;
            }
            c if c.is_control() && c != '\n' => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown
}

/// The kind of an [`Error`], for programs that react to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The bytes are not what their format demands.
    Malformed,
    /// The file is valid and asks for something that sepconv does not do.
    Unsupported,
    /// Shapes, types or counts contradict each other.
    Mismatch,
    /// A caller-set limit would be exceeded.
    Limit,
    /// An argument is not acceptable.
    Argument,
    /// The operating system refused.
    Io,
}

impl Error {
    /// An error of the given kind; `what` is one clause without a full stop.
    pub fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self(Box::new(Diagnostic {
            kind,
            what: readable(what),
            place: None,
            file: None,
            expected: None,
            got: None,
            help: None,
        }))
    }

    /// [`ErrorKind::Malformed`]
    pub fn malformed(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Malformed, what)
    }

    /// [`ErrorKind::Unsupported`]
    pub fn unsupported(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, what)
    }

    /// [`ErrorKind::Mismatch`]
    pub fn mismatch(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Mismatch, what)
    }

    /// [`ErrorKind::Limit`]
    pub fn limit(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Limit, what)
    }

    /// [`ErrorKind::Argument`]
    pub fn argument(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Argument, what)
    }

    /// [`ErrorKind::Io`]
    pub fn io(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Io, what)
    }

    /// Adds what was expected and what was found instead.
    pub fn expected(mut self, expected: impl fmt::Display, got: impl fmt::Display) -> Self {
        self.0.expected = Some(readable(expected.to_string()));
        self.0.got = Some(readable(got.to_string()));
        self
    }

    /// Adds what the reader can do.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// Says which node (its name and its operator in the file) is meant, unless a place is already known.
    pub fn at_node(self, name: &str, operator: &str) -> Self {
        self.at(format!("node {name:?} ({operator})"))
    }

    /// Says where in the file or graph, unless a place is already known.
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.0.place.get_or_insert_with(|| readable(place));
        self
    }

    /// Says which file, unless one is already known.
    pub fn in_file(mut self, file: &str) -> Self {
        self.0.file.get_or_insert(file.to_owned());
        self
    }

    /// The kind.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Diagnostic { what, place, file, expected, got, help, .. } = &*self.0;
        f.write_str(what)?;
        match (place, file) {
            (Some(place), Some(file)) => write!(f, "\n  --> {place} in {file}")?,
            (Some(place), None) | (None, Some(place)) => write!(f, "\n  --> {place}")?,
            (None, None) => {}
        }
        if let (Some(expected), Some(got)) = (expected, got) {
            write!(f, "\n   = expected {expected}, got {got}")?;
        }
        if let Some(help) = help {
            write!(f, "\n   = help: {help}")?;
        }
        Ok(())
    }
}

impl core::error::Error for Error {}
