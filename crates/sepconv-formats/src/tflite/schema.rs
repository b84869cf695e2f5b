//! The tables of the TensorFlow Lite schema, version 3, that an importer needs: what each field is called and which
//! number it has.

use std::borrow::Cow;

use sepconv_core::{Error, Result};

use super::flatbuffer::{Scalars, Table, Tables};
use crate::element::ElementType;

/// What the bytes from the fifth on say in a file of this format.
pub(super) const IDENTIFIER: &[u8] = b"TFL3";
/// The only version of the schema there is.
pub(super) const VERSION: u32 = 3;

/// The built-in operators in the order of their numbers.
const OPERATORS: &str = "\
    ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE EMBEDDING_LOOKUP FLOOR \
    FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D LOCAL_RESPONSE_NORMALIZATION LOGISTIC LSH_PROJECTION LSTM \
    MAX_POOL_2D MUL RELU RELU_N1_TO_1 RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS \
    SKIP_GRAM CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER BATCH_TO_SPACE_ND \
    SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE BIDIRECTIONAL_SEQUENCE_RNN \
    EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM ARG_MAX MINIMUM LESS NEG PADV2 \
    GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE SIN TRANSPOSE_CONV SPARSE_TO_DENSE TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG \
    SUM SQRT RSQRT SHAPE POW ARG_MIN FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT \
    UNPACK REDUCE_MIN FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR LEAKY_RELU \
    SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND COS WHERE RANK ELU REVERSE_SEQUENCE \
    MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 \
    SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM BATCH_MATMUL PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO \
    RFFT2D CONV_3D IMAG REAL COMPLEX_ABS HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL \
    CONV_3D_TRANSPOSE VAR_HANDLE READ_VARIABLE ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL BUCKETIZE \
    RANDOM_UNIFORM MULTINOMIAL GELU DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX \
    UNSORTED_SEGMENT_SUM ATAN2 UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR RIGHT_SHIFT STABLEHLO_LOGISTIC STABLEHLO_ADD \
    STABLEHLO_DIVIDE STABLEHLO_MULTIPLY STABLEHLO_MAXIMUM STABLEHLO_RESHAPE STABLEHLO_CLAMP STABLEHLO_CONCATENATE \
    STABLEHLO_BROADCAST_IN_DIM STABLEHLO_CONVOLUTION STABLEHLO_SLICE STABLEHLO_CUSTOM_CALL STABLEHLO_REDUCE STABLEHLO_ABS \
    STABLEHLO_AND STABLEHLO_COSINE STABLEHLO_EXPONENTIAL STABLEHLO_FLOOR STABLEHLO_LOG STABLEHLO_MINIMUM STABLEHLO_NEGATE \
    STABLEHLO_OR STABLEHLO_POWER STABLEHLO_REMAINDER STABLEHLO_RSQRT STABLEHLO_SELECT STABLEHLO_SUBTRACT STABLEHLO_TANH \
    STABLEHLO_SCATTER STABLEHLO_COMPARE STABLEHLO_CONVERT STABLEHLO_DYNAMIC_SLICE STABLEHLO_DYNAMIC_UPDATE_SLICE \
    STABLEHLO_PAD STABLEHLO_IOTA STABLEHLO_DOT_GENERAL STABLEHLO_REDUCE_WINDOW STABLEHLO_SORT STABLEHLO_WHILE \
    STABLEHLO_GATHER STABLEHLO_TRANSPOSE DILATE STABLEHLO_RNG_BIT_GENERATOR REDUCE_WINDOW STABLEHLO_COMPOSITE \
    STABLEHLO_SHIFT_LEFT STABLEHLO_CBRT";

/// The name of a built-in operator.
pub(super) fn operator_name(code: i32) -> Option<&'static str> {
    OPERATORS.split(' ').nth(usize::try_from(code).ok()?)
}

/// A whole file.
#[derive(Clone, Copy)]
pub(super) struct Model<'a> {
    bytes: &'a [u8],
    table: Table<'a>,
}

impl<'a> Model<'a> {
    /// Checks the identifier and the version.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self> {
        if bytes.get(4..8) != Some(IDENTIFIER) {
            return Err(Error::malformed("not a TensorFlow Lite file").expected("the identifier TFL3", "other bytes"));
        }
        let table = Table::root(bytes)?;
        match table.scalar(0, 0u32)? {
            VERSION => Ok(Self { bytes, table }),
            version => {
                Err(Error::unsupported("TensorFlow Lite schema is of another version").expected(VERSION, version))
            }
        }
    }

    /// The operator at `index` of the list that the nodes refer to.
    pub(super) fn operator_code(&self, index: u32) -> Result<OperatorCode<'a>> {
        self.table.tables(1)?.get(index as usize, "operator code").map(OperatorCode)
    }

    /// The network itself: the first subgraph. Others are bodies of control flow.
    pub(super) fn main(&self) -> Result<SubGraph<'a>> {
        self.subgraph(0)
    }

    /// The subgraph at `index`.
    pub(super) fn subgraph(&self, index: usize) -> Result<SubGraph<'a>> {
        self.table.tables(2)?.get(index, "subgraph").map(SubGraph)
    }

    /// The bytes of a buffer, which lie within the table or, in files above 2 GiB, behind it.
    pub(super) fn buffer(&self, index: u32) -> Result<&'a [u8]> {
        let buffer = self.table.tables(4)?.get(index as usize, "buffer")?;
        let (offset, size) = (buffer.scalar(1, 0u64)?, buffer.scalar(2, 0u64)?);
        // Offsets 0 and 1 say "not outside".
        if offset <= 1 {
            return buffer.bytes(0);
        }
        let range = usize::try_from(offset).ok().zip(usize::try_from(size).ok());
        let data = range.and_then(|(offset, size)| self.bytes.get(offset..offset.checked_add(size)?));
        data.ok_or_else(|| {
            Error::malformed("buffer lies outside the file")
                .at(format!("buffer {index}"))
                .expected(format_args!("at most {} bytes", self.bytes.len()), format_args!("{size} at {offset}"))
        })
    }

    /// The metadata entry called `name`.
    pub(super) fn metadata(&self, name: &str) -> Result<Option<&'a [u8]>> {
        for entry in self.table.tables(6)?.iter() {
            let entry = entry?;
            if entry.bytes(0)? == name.as_bytes() {
                return self.buffer(entry.scalar(1, 0)?).map(Some);
            }
        }
        Ok(None)
    }
}

/// What a node's `opcode_index` stands for.
pub(super) struct OperatorCode<'a>(Table<'a>);

impl OperatorCode<'_> {
    /// The name of the operator.
    pub(super) fn name(&self) -> Result<&'static str> {
        // The field was a byte once; files since hold both, the byte saturated.
        let code = i32::from(self.0.scalar(0, 0i8)?).max(self.0.scalar(3, 0i32)?);
        operator_name(code).ok_or_else(|| {
            Error::unsupported("built-in operator is unknown")
                .expected(format_args!("a number below {}", OPERATORS.split(' ').count()), code)
        })
    }

    /// Whether it is not built in: then converters chose its [title](Self::title).
    pub(super) fn is_custom(&self) -> Result<bool> {
        Ok(self.name()? == "CUSTOM")
    }

    /// The name that people know it by.
    pub(super) fn title(&self) -> Result<Cow<'_, str>> {
        let title = if self.is_custom()? { self.0.string(1)? } else { self.name()?.into() };
        Ok(if title.is_empty() { "custom operator without a name".into() } else { title })
    }
}

/// A network.
#[derive(Clone, Copy)]
pub(super) struct SubGraph<'a>(Table<'a>);

impl<'a> SubGraph<'a> {
    /// How many tensors there are.
    pub(super) fn tensor_count(&self) -> Result<usize> {
        self.0.tables(0).map(|tensors| tensors.len())
    }

    /// The tensor at `index`.
    pub(super) fn tensor(&self, index: usize) -> Result<TensorInfo<'a>> {
        self.0.tables(0)?.get(index, "tensor").map(TensorInfo)
    }

    /// The tensors that callers give.
    pub(super) fn inputs(&self) -> Result<Scalars<'a, i32>> {
        self.0.scalars(1)
    }

    /// The tensors that callers get.
    pub(super) fn outputs(&self) -> Result<Scalars<'a, i32>> {
        self.0.scalars(2)
    }

    /// The nodes, in an order in which they can run.
    pub(super) fn operators(&self) -> Result<Tables<'a>> {
        self.0.tables(3)
    }
}

/// A node: an operator applied to tensors.
#[derive(Clone, Copy)]
pub(super) struct Operator<'a>(pub(super) Table<'a>);

impl<'a> Operator<'a> {
    /// Index of the [`OperatorCode`].
    pub(super) fn code(&self) -> Result<u32> {
        self.0.scalar(0, 0)
    }

    /// Operands; -1 stands for one that is left out.
    pub(super) fn inputs(&self) -> Result<Scalars<'a, i32>> {
        self.0.scalars(1)
    }

    /// Results.
    pub(super) fn outputs(&self) -> Result<Scalars<'a, i32>> {
        self.0.scalars(2)
    }

    /// The operator's own table of options, which newer operators have in another field.
    pub(super) fn options(&self) -> Result<Option<Table<'a>>> {
        self.0.table(4)?.map_or_else(|| self.0.table(12), |options| Ok(Some(options)))
    }

    /// The bytes that a custom operator has in place of a table.
    pub(super) fn custom_options(&self) -> Result<&'a [u8]> {
        self.0.bytes(5)
    }
}

/// A tensor as it is declared.
#[derive(Clone, Copy)]
pub(super) struct TensorInfo<'a>(Table<'a>);

impl<'a> TensorInfo<'a> {
    /// Sizes at the time of conversion.
    pub(super) fn shape(&self) -> Result<Scalars<'a, i32>> {
        self.0.scalars(0)
    }

    /// Sizes with -1 where they are open; empty when none is.
    pub(super) fn shape_signature(&self) -> Result<Scalars<'a, i32>> {
        self.0.scalars(7)
    }

    /// The type of its elements.
    pub(super) fn element(&self) -> Result<ElementType> {
        element(self.0.scalar(1, 0i8)?)
    }

    /// Whether two elements share a byte.
    pub(super) fn is_packed(&self) -> Result<bool> {
        Ok(self.0.scalar(1, 0i8)? == PACKED)
    }

    /// Index of the buffer that holds its elements; that buffer is empty for tensors that are computed.
    pub(super) fn buffer(&self) -> Result<u32> {
        self.0.scalar(2, 0)
    }

    /// Its name.
    pub(super) fn name(&self) -> Result<Cow<'a, str>> {
        self.0.string(3)
    }

    /// What the file says of how its integers stand for real numbers, if it says anything.
    pub(super) fn quantization(&self) -> Result<Option<QuantParams<'a>>> {
        let Some(table) = self.0.table(4)? else { return Ok(None) };
        let (scale, zero_point) = (table.scalars(2)?, table.scalars(3)?);
        let axis = table.scalar(6, 0i32)?;
        Ok((scale.len() > 0).then_some(QuantParams { scale, zero_point, axis }))
    }

    /// Whether it keeps its value from run to run.
    pub(super) fn is_variable(&self) -> Result<bool> {
        self.0.scalar(5, false)
    }

    /// Which elements its buffer holds, where it does not hold all.
    pub(super) fn sparsity(&self) -> Result<Option<Sparsity<'a>>> {
        Ok(self.0.table(6)?.map(Sparsity))
    }
}

/// `real = scale · (integer - zero_point)` as it is stored, with one scale or one for each index along an axis.
#[derive(Clone, Copy)]
pub(super) struct QuantParams<'a> {
    /// One, or one for each index.
    pub(super) scale: Scalars<'a, f32>,
    /// As many, one for all, or none for zeros.
    pub(super) zero_point: Scalars<'a, i64>,
    /// The axis.
    pub(super) axis: i32,
}

/// Which elements of a tensor are stored: a tree whose levels are axes, or axes within blocks.
#[derive(Clone, Copy)]
pub(super) struct Sparsity<'a>(Table<'a>);

impl<'a> Sparsity<'a> {
    /// The axis of each level; from the tensor's rank on they count the axes of a block.
    pub(super) fn order(&self) -> Result<Scalars<'a, i32>> {
        self.0.scalars(0)
    }

    /// The axis that each axis of a block is a part of.
    pub(super) fn blocked_axes(&self) -> Result<Scalars<'a, i32>> {
        self.0.scalars(1)
    }

    /// The levels.
    pub(super) fn levels(&self) -> Result<Tables<'a>> {
        self.0.tables(2)
    }
}

/// A list of a level, in whichever width its numbers are stored.
pub(super) enum LevelList<'a> {
    Words(Scalars<'a, i32>),
    Halves(Scalars<'a, u16>),
    Bytes(Scalars<'a, u8>),
}

impl<'a> LevelList<'a> {
    /// The list whose type is in `field` and which follows it.
    pub(super) fn read(level: &Table<'a>, field: usize) -> Result<Self> {
        let absent = || Error::malformed("level of a sparse tensor lacks a list");
        let list = level.table(field + 1)?.ok_or_else(absent)?;
        Ok(match level.scalar(field, 0u8)? {
            1 => Self::Words(list.scalars(0)?),
            2 => Self::Halves(list.scalars(0)?),
            3 => Self::Bytes(list.scalars(0)?),
            other => {
                return Err(Error::malformed("list of a sparse tensor has an unknown type").expected("1 to 3", other));
            }
        })
    }

    /// The number at `index`, where there is one from 0.
    pub(super) fn get(&self, index: usize) -> Option<usize> {
        match self {
            Self::Words(list) => usize::try_from(list.get(index)?).ok(),
            Self::Halves(list) => list.get(index).map(usize::from),
            Self::Bytes(list) => list.get(index).map(usize::from),
        }
    }
}

/// Two integers of 4 bits in a byte.
const PACKED: i8 = 17;

/// The type that the schema numbers so; two elements of 4 bits are read as 8 bits each.
fn element(code: i8) -> Result<ElementType> {
    Ok(match code {
        0 => ElementType::F32,
        1 => ElementType::F16,
        2 => ElementType::I32,
        3 => ElementType::U8,
        4 => ElementType::I64,
        6 => ElementType::Bool,
        7 => ElementType::I16,
        9 | PACKED => ElementType::I8,
        10 => ElementType::F64,
        // A resource is the number of a variable.
        13 => ElementType::I64,
        other => return Err(ElementType::unknown(format_args!("TensorType {other}"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_have_their_numbers() {
        for (code, name) in
            [(0, "ADD"), (4, "DEPTHWISE_CONV_2D"), (32, "CUSTOM"), (117, "HARD_SWISH"), (206, "STABLEHLO_COMPOSITE")]
        {
            assert_eq!(operator_name(code), Some(name));
        }
        assert_eq!((operator_name(-1), operator_name(209)), (None, None));
    }
}
