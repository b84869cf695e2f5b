//! What C points to. Pointers are followed here only.

use std::ffi::{CStr, c_char};
use std::path::Path;
use std::slice;

use sepconv::{Error, Result};

use crate::status::null;

/// The object at `pointer`.
///
/// # Safety
/// `pointer` is NULL or was handed out, and the object is not freed during `'a`.
pub(crate) unsafe fn object<'a, T>(pointer: *mut T, what: &str) -> Result<&'a T> {
    // SAFETY: what this function demands.
    unsafe { pointer.as_ref() }.ok_or_else(|| null(what))
}

/// The text at `pointer`; `what` names it in errors.
///
/// # Safety
/// `pointer` is NULL, or points to bytes up to a zero that nothing changes during `'a`.
pub(crate) unsafe fn text<'a>(pointer: *const c_char, what: &str) -> Result<&'a str> {
    // SAFETY: what this function demands.
    let text = unsafe { c_str(pointer, what) }?;
    text.to_str().map_err(|_| Error::argument(format!("{what} is not UTF-8")))
}

/// As [`text`], for one that may be NULL.
///
/// # Safety
/// That of [`text`].
pub(crate) unsafe fn optional_text<'a>(pointer: *const c_char, what: &str) -> Result<Option<&'a str>> {
    // SAFETY: what this function demands.
    if pointer.is_null() { Ok(None) } else { unsafe { text(pointer, what) }.map(Some) }
}

/// The path at `pointer`: any bytes where the system takes any.
///
/// # Safety
/// That of [`text`].
pub(crate) unsafe fn path<'a>(pointer: *const c_char, what: &str) -> Result<&'a Path> {
    #[cfg(unix)]
    {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        // SAFETY: what this function demands.
        Ok(Path::new(OsStr::from_bytes(unsafe { c_str(pointer, what) }?.to_bytes())))
    }
    #[cfg(not(unix))]
    // SAFETY: what this function demands.
    unsafe { text(pointer, what) }.map(Path::new)
}

/// As [`path`], for one that may be NULL.
///
/// # Safety
/// That of [`text`].
pub(crate) unsafe fn optional_path<'a>(pointer: *const c_char, what: &str) -> Result<Option<&'a Path>> {
    // SAFETY: what this function demands.
    if pointer.is_null() { Ok(None) } else { unsafe { path(pointer, what) }.map(Some) }
}

/// # Safety
/// That of [`text`].
unsafe fn c_str<'a>(pointer: *const c_char, what: &str) -> Result<&'a CStr> {
    // SAFETY: what this function demands.
    if pointer.is_null() { Err(null(what)) } else { Ok(unsafe { CStr::from_ptr(pointer) }) }
}

/// The `len` elements at `pointer`, which may be NULL where there are none.
///
/// # Safety
/// `pointer` is NULL or points to as many elements, which nothing changes during `'a`.
pub(crate) unsafe fn slice<'a, T>(pointer: *const T, len: usize, what: &str) -> Result<&'a [T]> {
    if len == 0 {
        return Ok(&[]);
    }
    check(pointer, len, what)?;
    // SAFETY: what this function demands; the pointer is aligned, and the length is possible.
    Ok(unsafe { slice::from_raw_parts(pointer, len) })
}

/// As [`slice()`], to be written.
///
/// # Safety
/// `pointer` is NULL or points to as many elements, which nothing else reads or changes during `'a`.
pub(crate) unsafe fn slice_mut<'a, T>(pointer: *mut T, len: usize, what: &str) -> Result<&'a mut [T]> {
    if len == 0 {
        return Ok(&mut []);
    }
    check(pointer, len, what)?;
    // SAFETY: what this function demands; the pointer is aligned, and the length is possible.
    Ok(unsafe { slice::from_raw_parts_mut(pointer, len) })
}

fn check<T>(pointer: *const T, len: usize, what: &str) -> Result<()> {
    if pointer.is_null() {
        return Err(null(what));
    }
    if !pointer.is_aligned() {
        return Err(Error::argument(format!("{what} is not aligned")).expected(
            format_args!("an address that is a multiple of {}", align_of::<T>()),
            format_args!("{pointer:p}"),
        ));
    }
    match len.checked_mul(size_of::<T>()) {
        Some(bytes) if bytes <= isize::MAX as usize => Ok(()),
        Some(_) | None => Err(Error::argument(format!("{what} is larger than memory"))),
    }
}
