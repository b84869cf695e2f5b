use std::ops::RangeInclusive;

use sepconv_core::op::{Broadcast, Dequantize, QuantParams, Reshape};
use sepconv_core::{DType, Error, Op, Result, Shape, Tensor, ValueId};
use sepconv_kernels::Activation;

use super::flatbuffer::{Scalar, Table};
use super::graph::Importer;
use crate::element::ElementType;
use crate::wide::WideQuantization;
use crate::{lacks_input, list, not_known};

/// A node that is being imported, seen by its operator.
pub(super) struct Node<'i, 'a> {
    pub(super) importer: &'i mut Importer<'a>,
    /// The name of its first result.
    pub(super) name: String,
    /// The tensors it takes; -1 stands for one that is left out.
    pub(super) inputs: Vec<i32>,
    /// The tensors it makes.
    pub(super) results: Vec<i32>,
    /// The operator's own options.
    pub(super) options: Option<Table<'a>>,
    /// The bytes that stand in their place where it is not built in.
    pub(super) custom_options: &'a [u8],
}

impl Node<'_, '_> {
    /// All operands of an operator that takes `N`.
    pub(super) fn operands<const N: usize>(&mut self) -> Result<[ValueId; N]> {
        self.expect_operands(N..=N)?;
        let values = self.all()?;
        values.try_into().map_err(|_| Error::malformed("wrong number of operands"))
    }

    /// All operands.
    pub(super) fn all(&mut self) -> Result<Vec<ValueId>> {
        (0..self.inputs.len()).map(|i| self.operand(i)).collect()
    }

    /// Checks the number of operands.
    pub(super) fn expect_operands(&self, range: RangeInclusive<usize>) -> Result<()> {
        if range.contains(&self.inputs.len()) {
            return Ok(());
        }
        Err(Error::malformed("wrong number of operands").expected(format_args!("{range:?}"), self.inputs.len()))
    }

    /// Checks the number of results.
    pub(super) fn expect_results(&self, count: usize) -> Result<()> {
        if count == self.results.len() {
            return Ok(());
        }
        Err(Error::malformed("operator has the wrong number of results").expected(count, self.results.len()))
    }

    /// The operand at `index`: the real numbers that bytes stand for.
    pub(super) fn operand(&mut self, index: usize) -> Result<ValueId> {
        self.optional(index)?.ok_or_else(|| lacks_input(format_args!("input {index}")))
    }

    /// The operand at `index`, if there is one.
    pub(super) fn optional(&mut self, index: usize) -> Result<Option<ValueId>> {
        self.tensor(index).map(|tensor| self.importer.dequantized(tensor)).transpose()
    }

    /// Whether there is an operand at `index`.
    pub(super) fn has(&self, index: usize) -> bool {
        self.tensor(index).is_some()
    }

    fn tensor(&self, index: usize) -> Option<i32> {
        self.inputs.get(index).copied().filter(|&tensor| tensor != -1)
    }

    /// The operand at `index` as the file holds it, bytes included.
    pub(super) fn stored(&mut self, index: usize) -> Result<ValueId> {
        let tensor = self.tensor(index).ok_or_else(|| lacks_input(format_args!("input {index}")))?;
        self.importer.value(tensor)
    }

    /// How the bytes of the operand at `index` stand for real numbers, where all do so alike.
    pub(super) fn quantization(&self, index: usize) -> Result<Option<QuantParams>> {
        self.importer.alike(self.tensor(index).into_iter())
    }

    /// How the wider integers of the operand at `index` stand for real numbers.
    pub(super) fn wide(&self, index: usize) -> Result<Option<WideQuantization>> {
        self.tensor(index).map_or(Ok(None), |tensor| self.importer.wide(tensor))
    }

    /// `value` as the operand at `index` would hold it, where that has wider integers.
    pub(super) fn rounded(&mut self, index: usize, value: ValueId) -> Result<ValueId> {
        let wide = self.wide(index)?;
        wide.map_or(Ok(value), |wide| wide.round(&mut self.importer.builder, &self.name, value))
    }

    /// How the operands at `indices` and all results hold bytes, where they do so alike: then elements are moved as
    /// bytes.
    pub(super) fn alike(&self, indices: &[usize]) -> Result<Option<QuantParams>> {
        let operands = indices.iter().filter_map(|&index| self.tensor(index));
        self.importer.alike(operands.chain(self.results.iter().copied()))
    }

    /// The operand at `index`, for an operator that moves its elements and computes nothing. Bytes stay what they are
    /// even where the file gives the result another scale: TensorFlow Lite's kernels copy them, and files that say so
    /// were measured with those.
    pub(super) fn moved(&mut self, index: usize) -> Result<ValueId> {
        let value = self.stored(index)?;
        let dtype = self.importer.builder.value(value).dtype;
        for &result in &self.results {
            if self.importer.declared(result)? != dtype {
                return self.operand(index);
            }
        }
        Ok(value)
    }

    /// Declares the variable tensor at operand `index`, which must be this node's own, as a state.
    pub(super) fn state(&mut self, index: usize, initial: Tensor) -> Result<ValueId> {
        let tensor = self.tensor(index).ok_or_else(|| lacks_input(format_args!("input {index}")))?;
        self.importer.state(tensor, initial)
    }

    /// The shape that the file declares for the operand at `index`.
    pub(super) fn declared_shape(&self, index: usize) -> Result<Shape> {
        let tensor = self.tensor(index).ok_or_else(|| lacks_input(format_args!("input {index}")))?;
        self.importer.declared_shape(tensor)
    }

    /// All operands, for an operator that puts their elements together and computes nothing.
    pub(super) fn all_joined(&mut self) -> Result<Vec<ValueId>> {
        let all: Vec<usize> = (0..self.inputs.len()).collect();
        if self.alike(&all)?.is_none() {
            return self.all();
        }
        all.into_iter().map(|index| self.stored(index)).collect()
    }

    /// The integers of the operand at `index`, which must be known before running.
    pub(super) fn integers(&mut self, index: usize) -> Result<Vec<i64>> {
        let value = self.stored(index)?;
        let what = format!("input {index}");
        let Some(constant) = self.constant_of(value) else {
            return Err(not_known(&what, &self.importer.builder.value(value).name));
        };
        let integers = constant.as_i64().ok_or_else(|| Error::malformed(format!("{what} are not integers")))?;
        list(integers, &what)
    }

    /// The one integer of the operand at `index`.
    pub(super) fn integer(&mut self, index: usize) -> Result<i64> {
        match self.integers(index)?[..] {
            [value] => Ok(value),
            ref values => Err(Error::malformed("operand must be one integer").expected(1, values.len())),
        }
    }

    /// A field of the operator's options.
    pub(super) fn option<T: Scalar>(&self, field: usize, default: T) -> Result<T> {
        self.options.map_or(Ok(default), |options| options.scalar(field, default))
    }

    /// A field of the operator's options that is a list of integers.
    pub(super) fn option_list(&self, field: usize) -> Result<Vec<i64>> {
        let Some(options) = self.options else { return Ok(vec![]) };
        let list = options.scalars::<i32>(field)?;
        if list.len() > Shape::MAX_RANK {
            return Err(Error::malformed("option is too long")
                .expected(format_args!("at most {}", Shape::MAX_RANK), list.len()));
        }
        Ok(list.iter().map(i64::from).collect())
    }

    /// A field of the operator's options that is a size.
    pub(super) fn option_size(&self, field: usize, default: i32) -> Result<usize> {
        let size = self.option(field, default)?;
        usize::try_from(size).map_err(|_| Error::malformed("option is negative").expected("a size of at least 0", size))
    }

    /// The activation that a field of the operator's options names.
    pub(super) fn option_activation(&self, field: usize) -> Result<Activation> {
        Ok(match self.option(field, 0i8)? {
            0 => Activation::Identity,
            1 => Activation::Relu,
            2 => Activation::Clip { low: -1.0, high: 1.0 },
            3 => Activation::RELU6,
            4 => Activation::Tanh,
            other => {
                return Err(Error::unsupported("fused activation is not supported")
                    .expected("none, ReLU, ReLU6, ReLU between -1 and 1 or tanh", format_args!("number {other}")));
            }
        })
    }

    /// The shape of a value.
    pub(super) fn shape(&self, value: ValueId) -> Shape {
        self.importer.builder.shape(value).clone()
    }

    /// The dtype of a value.
    pub(super) fn dtype(&self, value: ValueId) -> DType {
        self.importer.builder.value(value).dtype
    }

    /// The type of the elements of result `i`, as the file declares it.
    pub(super) fn result_element(&self, i: usize) -> Result<ElementType> {
        let result = self.results.get(i).ok_or_else(|| Error::malformed("operator has no result"))?;
        self.importer.declared_element(*result)
    }

    /// The elements of a value, where they are known already.
    pub(super) fn constant_of(&self, value: ValueId) -> Option<&Tensor> {
        self.importer.builder.constant_of(value).map(|tensor| &**tensor)
    }

    /// The sizes of a value with four axes.
    pub(super) fn plane(&self, value: ValueId) -> Result<[usize; 4]> {
        let shape = self.importer.builder.shape(value);
        (**shape).try_into().map_err(|_| Error::mismatch("operand has the wrong rank").expected("4 axes", shape))
    }

    /// Adds an operator to the graph.
    pub(super) fn apply(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> Result<ValueId> {
        self.importer.builder.apply(&self.name, op, inputs)
    }

    /// Adds an activation to the graph, unless it does nothing.
    pub(super) fn activate(&mut self, value: ValueId, activation: Activation) -> Result<ValueId> {
        match activation {
            Activation::Identity => Ok(value),
            activation => self.apply(activation, &[value]),
        }
    }

    /// Adds a constant to the graph.
    pub(super) fn constant(&mut self, tensor: Tensor) -> Result<ValueId> {
        self.importer.builder.constant(&self.name, tensor)
    }

    /// The bias at operand `index`, or zeros. Integers are in units of the sums of products of the operands `factors`,
    /// whatever scale the file gives them: TensorFlow Lite's kernels add them as they are.
    pub(super) fn bias(&mut self, index: usize, len: usize, factors: [usize; 2]) -> Result<ValueId> {
        if !self.has(index) {
            return self.zeros(len);
        }
        let stored = self.stored(index)?;
        let is_wide = self.importer.builder.value(stored).dtype == DType::I64;
        let [x, weights] = factors.map(|factor| self.tensor(factor));
        let scales = |tensor: Option<i32>| tensor.map_or(Ok(None), |tensor| self.importer.quantization_of(tensor));
        let factors = scales(x)?.and_then(|x| x.as_per_tensor()).zip(scales(weights)?).filter(|_| is_wide);
        let bias = match factors {
            Some(((x, _), weights)) if [1, len].contains(&weights.scale.len()) => {
                let scale: Vec<f32> = weights.scale.iter().map(|weights| x * weights).collect();
                if scales(self.tensor(index))?.is_some_and(|stated| is_near(&stated.scale, &scale)) {
                    self.operand(index)?
                } else {
                    let shape = Shape::new([len])?;
                    let stored = self.apply(Reshape { shape }, &[stored])?;
                    let zero_point = vec![0; scale.len()];
                    self.apply(Dequantize(QuantParams { dtype: DType::I64, scale, zero_point, axis: 0 }), &[stored])?
                }
            }
            Some(_) | None => self.operand(index)?,
        };
        // Some have leading axes of size 1.
        let shape = Shape::new([len])?;
        let is_list = *self.importer.builder.shape(bias) == shape || self.shape(bias).elements() != len;
        if is_list { Ok(bias) } else { self.apply(Reshape { shape }, &[bias]) }
    }

    /// A list of zeros.
    pub(super) fn zeros(&mut self, len: usize) -> Result<ValueId> {
        let zero = self.constant(Tensor::f32([], [0.0])?)?;
        self.apply(Broadcast { shape: Shape::new([len])? }, &[zero])
    }
}

/// Whether scales differ by rounding only: where they do, those that the file states are as good.
fn is_near(stated: &[f32], scale: &[f32]) -> bool {
    stated.len() == scale.len()
        && stated.iter().zip(scale).all(|(stated, scale)| (stated - scale).abs() <= 1e-4 * scale)
}
