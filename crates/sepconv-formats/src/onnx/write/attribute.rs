//! Attributes, with the numbers of `AttributeProto.AttributeType`.

use crate::onnx::proto::AttributeProto;

pub(super) fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: 1, f: Some(value), ..Default::default() }
}

pub(super) fn int(name: &str, value: usize) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: 2, i: Some(value as i64), ..Default::default() }
}

pub(super) fn flag(name: &str, value: bool) -> AttributeProto {
    int(name, value.into())
}

pub(super) fn text(name: &str, value: &'static str) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: 3, s: Some(value.into()), ..Default::default() }
}

pub(super) fn ints(name: &str, values: &[usize]) -> AttributeProto {
    let ints = values.iter().map(|&value| value as i64).collect();
    AttributeProto { name: name.into(), r#type: 7, ints, ..Default::default() }
}
