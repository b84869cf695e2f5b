//! Errors as statuses and text.

use std::any::Any;
use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};

use sepconv::{Error, ErrorKind, Result};

/// Whether a function succeeded: zero, or the kind of its failure.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It succeeded.
    Ok = 0,
    /// The bytes are not what their format demands.
    Malformed = 1,
    /// The file is valid and asks for something that sepconv does not do.
    Unsupported = 2,
    /// Shapes, types or counts contradict each other.
    Mismatch = 3,
    /// A limit would be exceeded.
    Limit = 4,
    /// An argument is not acceptable.
    Argument = 5,
    /// The operating system refused.
    Io = 6,
    /// A bug of sepconv. The process can go on, and so can every object.
    Internal = 7,
}

thread_local! {
    static LAST_ERROR: RefCell<CString> = RefCell::default();
}

/// The text of the last failure on the calling thread: what, where, expected, got, and what to do, on several lines.
/// Never NULL; empty before the first failure. Valid until the next failure on this thread.
#[unsafe(no_mangle)]
pub extern "C" fn sepconv_error() -> *const c_char {
    LAST_ERROR.try_with(|last| last.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}

/// Does what a function is called for. Neither an error nor a panic leaves.
pub(crate) fn guard(work: impl FnOnce() -> Result<()>) -> Status {
    let (status, text) = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => return Status::Ok,
        Ok(Err(error)) => (Status::of(error.kind()), error.to_string()),
        Err(panic) => (Status::Internal, format!("sepconv has a bug, please report it: {}", message(&*panic))),
    };
    // Texts from files are escaped: they hold no zero.
    let text = CString::new(text).unwrap_or_default();
    // A thread that is ending keeps no text.
    let _ = LAST_ERROR.try_with(|last| *last.borrow_mut() = text);
    status
}

/// Hands what `make` makes to C, or NULL.
pub(crate) fn hand_out<T>(out: Option<&mut MaybeUninit<Option<Box<T>>>>, make: impl FnOnce() -> Result<T>) -> Status {
    guard(|| {
        let out = out.ok_or_else(|| null("pointer for the result"))?.write(None);
        *out = Some(Box::new(make()?));
        Ok(())
    })
}

/// Frees an object, or nothing.
pub(crate) fn free<T>(object: Option<Box<T>>) {
    guard(|| {
        drop(object);
        Ok(())
    });
}

pub(crate) fn null(what: &str) -> Error {
    Error::argument(format!("{what} is NULL"))
}

impl Status {
    fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Malformed => Self::Malformed,
            ErrorKind::Unsupported => Self::Unsupported,
            ErrorKind::Mismatch => Self::Mismatch,
            ErrorKind::Limit => Self::Limit,
            ErrorKind::Argument => Self::Argument,
            ErrorKind::Io => Self::Io,
            // Nothing here can be cancelled, and there is no other kind yet.
            _ => Self::Internal,
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "a panic without a message",
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    #[test]
    fn panics_become_a_status_with_their_message() {
        assert_eq!(guard(|| panic!("index {}", 7)), Status::Internal);
        // SAFETY: the text is valid until the next failure.
        let text = unsafe { CStr::from_ptr(sepconv_error()) };
        assert!(text.to_str().unwrap().ends_with(": index 7"), "{text:?}");
    }
}
