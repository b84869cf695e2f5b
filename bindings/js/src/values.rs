//! Plain objects of JavaScript, and errors.

use js_sys::{Array, Object, Reflect};
use sepconv::Error;
use wasm_bindgen::JsValue;

/// What a call throws: a plain object, of which the package makes a `SepconvError`.
#[derive(Debug)]
pub struct Thrown(Error);

pub(crate) type Result<T, E = Thrown> = std::result::Result<T, E>;

impl From<Error> for Thrown {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<Thrown> for JsValue {
    fn from(Thrown(error): Thrown) -> Self {
        let (expected, got) = error.expected_got().unzip();
        object(&[
            ("message", error.to_string().into()),
            ("kind", error.kind().name().into()),
            ("file", error.file().into()),
            ("place", error.place().into()),
            ("node", error.node().into()),
            ("expected", expected.into()),
            ("got", got.into()),
            ("help", error.advice().into()),
        ])
    }
}

/// A plain object. What is `undefined` is left out.
pub(crate) fn object(entries: &[(&str, JsValue)]) -> JsValue {
    let object = Object::new();
    for (key, value) in entries.iter().filter(|(_, value)| !value.is_undefined()) {
        // Setting a property of an object that was just made cannot fail.
        _ = Reflect::set(&object, &(*key).into(), value);
    }
    object.into()
}

/// An array.
pub(crate) fn list(items: impl IntoIterator<Item = JsValue>) -> JsValue {
    items.into_iter().collect::<Array>().into()
}

/// Sizes, counts.
pub(crate) fn numbers(values: &[usize]) -> JsValue {
    list(values.iter().map(|&value| value.into_number()))
}

/// A count as a number of JavaScript. All of ours are exact there.
pub(crate) trait IntoNumber {
    fn into_number(self) -> JsValue;
}

impl IntoNumber for usize {
    fn into_number(self) -> JsValue {
        (self as f64).into()
    }
}

impl IntoNumber for u64 {
    fn into_number(self) -> JsValue {
        (self as f64).into()
    }
}
