use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;
use core::ops::RangeInclusive;

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
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Diagnostic>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Diagnostic {
    kind: ErrorKind,
    what: String,
    place: Option<String>,
    node: Option<String>,
    file: Option<String>,
    expected: Option<String>,
    got: Option<String>,
    help: Option<String>,
}

/// Characters of each part of an error: names come from files, where nothing bounds them.
const LONGEST: usize = 1000;

/// A text from outside as it can be printed: control characters, which a terminal would obey, and invisible ones, which
/// hide text or reverse it, are escaped as in Rust (`\u{1b}`). Line breaks too: the text stays on its line.
///
/// ```
/// assert_eq!(sepconv_core::printable("cat\x1b[2J\n\u{202e}"), "cat\\u{1b}[2J\\n\\u{202e}");
/// assert_eq!(sepconv_core::printable("a \"quoted\" naïve C:\\path"), "a \"quoted\" naïve C:\\path");
/// ```
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    text.chars().for_each(|c| push_printable(&mut shown, c));
    shown
}

fn push_printable(shown: &mut String, c: char) {
    // Marks of direction, separators of lines, what has no width and tags; not the joiners that some scripts need.
    const INVISIBLE: [RangeInclusive<char>; 8] = [
        '\u{ad}'..='\u{ad}',
        '\u{61c}'..='\u{61c}',
        '\u{200b}'..='\u{200b}',
        '\u{200e}'..='\u{200f}',
        '\u{2028}'..='\u{202e}',
        '\u{2060}'..='\u{206f}',
        '\u{feff}'..='\u{feff}',
        '\u{e0000}'..='\u{e007f}',
    ];
    if c.is_control() || INVISIBLE.iter().any(|range| range.contains(&c)) {
        shown.extend(c.escape_default());
    } else {
        shown.push(c);
    }
}

/// A part of an error as it is printed, not too long. Texts that other parsers wrote may have several lines; names may
/// not.
fn bounded(text: impl AsRef<str>, lines: bool) -> String {
    let mut shown = String::new();
    for (i, c) in text.as_ref().chars().enumerate() {
        match c {
            _ if i == LONGEST => {
                shown.push('…');
                break;
            }
            '\n' if lines => shown.push('\n'),
            c => push_printable(&mut shown, c),
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
    /// The caller stopped a long call.
    Cancelled,
}

impl Error {
    /// An error of the given kind; `what` is one clause without a full stop.
    pub fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self(Box::new(Diagnostic {
            kind,
            what: bounded(what.into(), true),
            place: None,
            node: None,
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

    /// The same as another kind.
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// Adds what was expected and what was found instead.
    pub fn expected(mut self, expected: impl fmt::Display, got: impl fmt::Display) -> Self {
        self.0.expected = Some(bounded(expected.to_string(), false));
        self.0.got = Some(bounded(got.to_string(), false));
        self
    }

    /// Adds what the reader can do.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(bounded(help.into(), true));
        self
    }

    /// Says which node (its name and its operator in the file) is meant, unless a place is already known.
    pub fn at_node(mut self, name: &str, operator: &str) -> Self {
        if self.0.place.is_none() {
            self.0.node = Some(name.to_owned());
        }
        self.at(format!("node {name:?} ({operator})"))
    }

    /// Says where in the file or graph, unless a place is already known.
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.0.place.get_or_insert_with(|| bounded(place.into(), false));
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

    /// What went wrong, in one clause.
    pub fn message(&self) -> &str {
        &self.0.what
    }

    /// Where in the file or graph.
    pub fn place(&self) -> Option<&str> {
        self.0.place.as_deref()
    }

    /// The name of the node, where the place is one.
    pub fn node(&self) -> Option<&str> {
        self.0.node.as_deref()
    }

    /// Which file.
    pub fn file(&self) -> Option<&str> {
        self.0.file.as_deref()
    }

    /// What was expected, and what was found instead.
    pub fn expected_got(&self) -> Option<(&str, &str)> {
        self.0.expected.as_deref().zip(self.0.got.as_deref())
    }

    /// What the reader can do.
    pub fn advice(&self) -> Option<&str> {
        self.0.help.as_deref()
    }
}

impl ErrorKind {
    /// Its name for programs: `malformed`, `unsupported`, `mismatch`, `limit`, `argument`, `io` or `cancelled`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unsupported => "unsupported",
            Self::Mismatch => "mismatch",
            Self::Limit => "limit",
            Self::Argument => "argument",
            Self::Io => "io",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The same text as [`Display`](fmt::Display): what a program prints whose `main` returns an error.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Diagnostic { what, place, file, expected, got, help, .. } = &*self.0;
        f.write_str(what)?;
        let file = file.as_deref().map(printable);
        match (place, file) {
            (Some(place), Some(file)) => write!(f, "\n  --> {place} in {file}")?,
            (Some(place), None) => write!(f, "\n  --> {place}")?,
            (None, Some(file)) => write!(f, "\n  --> {file}")?,
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
