//! Typed arrays of JavaScript as the tensors of a network, and back.

use js_sys::{BigInt64Array, Float32Array, Int8Array, Uint8Array};
use sepconv::{DType, Data, Session, Tensor};
use wasm_bindgen::{JsCast, JsValue};

use crate::values::{Result, numbers, object};

/// The tensors of a network's inputs. The package checks that each array is of its input's dtype.
pub(crate) fn inputs(session: &Session, arrays: &[JsValue]) -> Result<Vec<Tensor>> {
    let tensor = |(info, array): (&sepconv::TensorInfo, &JsValue)| {
        let data = match info.dtype {
            DType::F32 => Data::F32(array.unchecked_ref::<Float32Array>().to_vec()),
            DType::I64 => Data::I64(array.unchecked_ref::<BigInt64Array>().to_vec()),
            DType::U8 => Data::U8(array.unchecked_ref::<Uint8Array>().to_vec()),
            DType::I8 => Data::I8(array.unchecked_ref::<Int8Array>().to_vec()),
        };
        Ok(Tensor::new(info.shape.clone(), data)?)
    };
    session.inputs().iter().zip(arrays).map(tensor).collect()
}

/// `{data, shape}`.
pub(crate) fn object_of(tensor: &Tensor) -> JsValue {
    let data: JsValue = match tensor.data() {
        Data::F32(values) => Float32Array::from(&values[..]).into(),
        Data::I64(values) => BigInt64Array::from(&values[..]).into(),
        Data::U8(values) => Uint8Array::from(&values[..]).into(),
        Data::I8(values) => Int8Array::from(&values[..]).into(),
    };
    object(&[("data", data), ("shape", numbers(tensor.shape()))])
}
