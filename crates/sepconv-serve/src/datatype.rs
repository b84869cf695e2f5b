//! The protocol's names of element types.

use sepconv::ElementType;

/// The datatype of elements that are as long as they are: files of images, and texts.
pub(crate) const BYTES: &str = "BYTES";

/// The protocol's name of a type.
pub(crate) fn name(element: ElementType) -> &'static str {
    match element {
        ElementType::F16 => "FP16",
        ElementType::BF16 => "BF16",
        ElementType::F32 => "FP32",
        ElementType::F64 => "FP64",
        ElementType::Bool => "BOOL",
        ElementType::I8 => "INT8",
        ElementType::U8 => "UINT8",
        ElementType::I16 => "INT16",
        ElementType::U16 => "UINT16",
        ElementType::I32 => "INT32",
        ElementType::U32 => "UINT32",
        ElementType::I64 => "INT64",
        ElementType::U64 => "UINT64",
    }
}
