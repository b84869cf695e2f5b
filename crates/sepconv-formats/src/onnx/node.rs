use std::cell::Cell;
use std::sync::Arc;

use sepconv_core::op::{BinaryFunction, Broadcast, Reshape, Transpose};
use sepconv_core::{Builder, DType, Error, Op, Result, Shape, Tensor, ValueId};

use super::attributes::Attributes;
use super::external::External;
use super::proto::{NodeProto, TensorProto};
use super::tensor;
use crate::element::ElementType;
use crate::wide::WideQuantization;
use crate::{lacks_input, list, not_known};

/// A node while it is imported: its operands and attributes, and the graph that grows.
pub(super) struct Node<'a> {
    builder: &'a mut Builder,
    proto: &'a NodeProto,
    inputs: Vec<Option<ValueId>>,
    elements: Vec<Option<ElementType>>,
    inputs_read: Cell<usize>,
    more_outputs: Vec<ValueId>,
    external: External<'a>,
    pub(super) attributes: Attributes<'a>,
    pub(super) opset: i64,
}

impl<'a> Node<'a> {
    /// `inputs` are the operands of `proto`, without the optional ones that it leaves out, and `elements` the types
    /// that the file declares for them.
    pub(super) fn new(
        builder: &'a mut Builder,
        proto: &'a NodeProto,
        inputs: Vec<Option<ValueId>>,
        elements: Vec<Option<ElementType>>,
        opset: i64,
        external: External<'a>,
    ) -> Result<Self> {
        let attributes = Attributes::new(&proto.attribute)?;
        let (inputs_read, more_outputs) = (Cell::new(0), vec![]);
        Ok(Self { builder, proto, inputs, elements, inputs_read, more_outputs, external, attributes, opset })
    }

    /// Runs an import; its outputs in order. Fails where the node has inputs or attributes that the import did not look
    /// at.
    pub(super) fn import(mut self, import: fn(&mut Self) -> Result<ValueId>) -> Result<Vec<ValueId>> {
        let first = import(&mut self)?;
        if self.opset < 6 {
            // Which buffers may be overwritten.
            self.attributes.ignore(&["consumed_inputs"]);
        }
        self.attributes.check_all_read()?;
        let read = self.inputs_read.get();
        if self.inputs.iter().skip(read).any(Option::is_some) {
            return Err(Error::unsupported("node has more inputs than are supported")
                .expected(format_args!("at most {read}"), self.inputs.len()));
        }
        self.more_outputs.insert(0, first);
        Ok(self.more_outputs)
    }

    /// A further output, in order; the first is what the import returns.
    pub(super) fn add_output(&mut self, value: ValueId) {
        self.more_outputs.push(value);
    }

    /// How many outputs the file names.
    pub(super) fn output_count(&self) -> usize {
        self.proto.output.len()
    }

    pub(super) fn input_count(&self) -> usize {
        self.inputs.len()
    }

    /// Operand `i`, which must be there.
    pub(super) fn input(&self, i: usize) -> Result<ValueId> {
        self.optional(i).ok_or_else(|| lacks_input(format_args!("input {i}")))
    }

    /// Operand `i`, where it is there.
    pub(super) fn optional(&self, i: usize) -> Option<ValueId> {
        self.inputs_read.set(self.inputs_read.get().max(i + 1));
        self.inputs.get(i).copied().flatten()
    }

    /// The type that the file declares for operand `i`, where that is an input, a weight or a constant.
    pub(super) fn element(&self, i: usize) -> Option<ElementType> {
        self.elements.get(i).copied().flatten()
    }

    /// All operands.
    pub(super) fn all_inputs(&self) -> Result<Vec<ValueId>> {
        (0..self.inputs.len().max(1)).map(|i| self.input(i)).collect()
    }

    pub(super) fn shape(&self, value: ValueId) -> Shape {
        self.builder.shape(value).clone()
    }

    pub(super) fn rank(&self, value: ValueId) -> usize {
        self.builder.shape(value).len()
    }

    pub(super) fn dtype(&self, value: ValueId) -> DType {
        self.builder.value(value).dtype
    }

    pub(super) fn constant_of(&self, value: ValueId) -> Option<&Arc<Tensor>> {
        self.builder.constant_of(value)
    }

    /// Whether a value is known before running: as a constant, or as the real numbers that one stands for.
    pub(super) fn is_known(&self, value: ValueId) -> bool {
        let source = self.builder.producer(value).filter(|maker| matches!(maker.op, Op::Dequantize(_)));
        self.constant_of(source.map_or(value, |maker| maker.inputs[0])).is_some()
    }

    /// The operand of the reshape that makes a value.
    pub(super) fn reshaped_from(&self, value: ValueId) -> Option<ValueId> {
        let maker = self.builder.producer(value).filter(|maker| matches!(maker.op, Op::Reshape(_)))?;
        Some(maker.inputs[0])
    }

    /// The elements of operand `i`, called `what` in messages, where it is there. It must be known before running.
    pub(super) fn known(&self, i: usize, what: &str) -> Result<Option<Arc<Tensor>>> {
        let Some(value) = self.optional(i) else { return Ok(None) };
        match self.constant_of(value) {
            Some(tensor) => Ok(Some(tensor.clone())),
            None => Err(not_known(what, &self.proto.input[i])),
        }
    }

    /// The integers of operand `i`; see [`known`](Self::known).
    pub(super) fn known_ints(&self, i: usize, what: &str) -> Result<Option<Vec<i64>>> {
        let Some(tensor) = self.known(i, what)? else { return Ok(None) };
        let ints = tensor.as_i64().ok_or_else(|| Error::malformed(format!("{what} are not integers")))?;
        list(ints, what).map(Some)
    }

    /// The floats of operand `i`; see [`known`](Self::known). Empty ones count as left out, as in Resize.
    pub(super) fn known_floats(&self, i: usize, what: &str) -> Result<Option<Vec<f32>>> {
        let Some(tensor) = self.known(i, what)? else { return Ok(None) };
        let floats = tensor.as_f32().ok_or_else(|| Error::malformed(format!("{what} are not floats")))?;
        list(floats, what).map(Some)
    }

    /// Integers that older operator sets have as an attribute and newer ones as operand `i`, both called `name`.
    pub(super) fn ints(&self, name: &str, i: usize) -> Result<Option<Vec<i64>>> {
        match self.attributes.ints(name)? {
            Some(ints) => Ok(Some(ints.to_vec())),
            None => self.known_ints(i, name),
        }
    }

    /// Adds an operator to the graph, under this node's name.
    pub(super) fn emit(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> Result<ValueId> {
        self.builder.apply(self.proto.title(), op, inputs)
    }

    /// Bytes that are known are integers like any other; what bytes that are computed stand for, ONNX says elsewhere.
    pub(super) fn binary(&mut self, function: BinaryFunction, a: ValueId, b: ValueId) -> Result<ValueId> {
        let element = match self.dtype(a) {
            DType::U8 => ElementType::U8,
            DType::I8 => ElementType::I8,
            _ => return self.emit(function, &[a, b]),
        };
        let (a, b) = (self.converted(a, ElementType::I64)?, self.converted(b, ElementType::I64)?);
        let result = self.emit(function, &[a, b])?;
        self.converted(result, element)
    }

    /// A constant with its elements in another type; any other value as it is.
    pub(super) fn converted(&mut self, x: ValueId, to: ElementType) -> Result<ValueId> {
        let Some(tensor) = self.constant_of(x).cloned() else { return Ok(x) };
        self.check_memory(tensor.shape().elements() * to.dtype().size())?;
        self.constant(to.convert(&tensor)?)
    }

    /// Fails where the graph may not keep so many bytes more.
    pub(super) fn check_memory(&self, bytes: usize) -> Result<()> {
        self.builder.check_memory(bytes)
    }

    /// Adds a constant to the graph, under this node's name.
    pub(super) fn constant(&mut self, tensor: impl Into<Arc<Tensor>>) -> Result<ValueId> {
        self.builder.constant(self.proto.title(), tensor)
    }

    pub(super) fn scalar(&mut self, value: f32) -> Result<ValueId> {
        self.constant(Tensor::f32([], [value])?)
    }

    /// The constant `value` as often as `shape` says, checked against the limits first.
    pub(super) fn filled(&mut self, value: f32, shape: &[usize]) -> Result<ValueId> {
        let scalar = self.scalar(value)?;
        self.emit(Broadcast { shape: Shape::new(shape)? }, &[scalar])
    }

    /// The 64-bit integers of real numbers.
    pub(super) fn quantize_wide(&mut self, wide: WideQuantization, x: ValueId) -> Result<ValueId> {
        wide.quantize(self.builder, self.proto.title(), x)
    }

    /// The real numbers of 64-bit integers.
    pub(super) fn dequantize_wide(&mut self, wide: WideQuantization, x: ValueId) -> Result<ValueId> {
        wide.dequantize(self.builder, self.proto.title(), x)
    }

    /// The same elements in another shape; nothing where it is the same.
    pub(super) fn reshape(&mut self, x: ValueId, dims: impl Into<Vec<usize>>) -> Result<ValueId> {
        let shape = Shape::new(dims)?;
        if *self.builder.shape(x) == shape {
            return Ok(x);
        }
        self.emit(Reshape { shape }, &[x])
    }

    /// Axes in another order; nothing where it is the same.
    pub(super) fn transpose(&mut self, x: ValueId, order: &[usize]) -> Result<ValueId> {
        if order.is_sorted() {
            return Ok(x);
        }
        self.emit(Transpose { order: order.to_vec() }, &[x])
    }

    /// `[n,c,..]` to `[n,..,c]`.
    pub(super) fn channels_last(&mut self, x: ValueId) -> Result<ValueId> {
        let rank = self.rank(x);
        let order: Vec<usize> = (0..rank.min(1)).chain(2..rank).chain(1..rank.min(2)).collect();
        self.transpose(x, &order)
    }

    /// `[n,..,c]` to `[n,c,..]`.
    pub(super) fn channels_first(&mut self, x: ValueId) -> Result<ValueId> {
        let rank = self.rank(x);
        let order: Vec<usize> = (0..rank.min(1)).chain(rank.max(2) - 1..rank).chain(1..rank.max(1) - 1).collect();
        self.transpose(x, &order)
    }

    /// A tensor that is an attribute.
    pub(super) fn tensor(&self, proto: &TensorProto) -> Result<Tensor> {
        tensor::tensor(proto, self.external)
    }
}
