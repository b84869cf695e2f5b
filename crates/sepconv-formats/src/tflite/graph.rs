use std::ops::RangeInclusive;

use sepconv_core::{Builder, DType, Error, Graph, Limits, Op, Result, Shape, Tensor, ValueId};
use sepconv_kernels::Activation;

use super::constant::{constant, shape_of};
use super::flatbuffer::{Scalar, Table};
use super::ops;
use super::schema::{Model, Operator, SubGraph, TensorInfo};
use crate::{Binding, Signature};

/// Inputs or outputs that a network may have; each costs memory of its own before a limit applies.
const MAX_PORTS: usize = 1024;
/// Operands and results that the nodes may have together, for each node that is allowed: in the file, nodes may share one long list.
const OPERANDS_PER_NODE: usize = 16;

/// The inputs or outputs of a network as the file declares them.
pub(super) fn signatures(graph: &SubGraph, tensors: impl ExactSizeIterator<Item = i32>) -> Result<Vec<Signature>> {
    if tensors.len() > MAX_PORTS {
        return Err(Error::unsupported("network has too many inputs or outputs")
            .expected(format_args!("at most {MAX_PORTS}"), tensors.len()));
    }
    tensors.map(|index| signature(&graph.tensor(tensor_index(index)?)?)).collect()
}

fn signature(tensor: &TensorInfo) -> Result<Signature> {
    let name = tensor.name()?.into_owned();
    let fixed = shape_of(tensor).map_err(|error| error.at(format!("tensor {name:?}")))?;
    let open = tensor.shape_signature()?;
    let dims = match open.len() == fixed.len() {
        true => fixed.iter().zip(open.iter()).map(|(&size, open)| (open != -1).then_some(size)).collect(),
        false => fixed.iter().copied().map(Some).collect(),
    };
    let kind = tensor.kind()?;
    let dtype = if kind.is_float() { DType::F32 } else { DType::I64 };
    Ok(Signature { name, dtype, dims })
}

fn tensor_index(index: i32) -> Result<usize> {
    usize::try_from(index)
        .map_err(|_| Error::malformed("tensor index is negative").expected("an index of at least 0", index))
}

/// A network on its way into a [`Graph`].
pub(super) struct Importer<'a> {
    model: Model<'a>,
    graph: SubGraph<'a>,
    builder: Builder,
    limits: Limits,
    /// What is known of each tensor of the file.
    values: Vec<Option<ValueId>>,
    operands: usize,
}

impl<'a> Importer<'a> {
    /// The graph of the file's first subgraph.
    pub(super) fn import(model: Model<'a>, inputs: &[Signature], binding: &Binding) -> Result<Graph> {
        let graph = model.main()?;
        let operators = graph.operators()?;
        if operators.len() > binding.limits.max_nodes {
            return Err(Error::limit("graph has too many nodes")
                .expected(format_args!("at most {}", binding.limits.max_nodes), operators.len()));
        }
        let values = vec![None; graph.tensor_count()?];
        let builder = Builder::new(binding.limits);
        let mut importer = Self { model, graph, builder, limits: binding.limits, values, operands: 0 };
        importer.inputs(inputs, binding)?;
        for (index, table) in operators.iter().enumerate() {
            importer.operator(index, Operator(table?))?;
        }
        for index in graph.outputs()?.iter() {
            let value = importer.value(index)?;
            let name = graph.tensor(tensor_index(index)?)?.name()?;
            importer.builder.output(&name, value);
        }
        Ok(importer.builder.finish())
    }

    fn inputs(&mut self, signatures: &[Signature], binding: &Binding) -> Result<()> {
        for name in binding.shapes.keys().chain(binding.constants.keys()) {
            if !signatures.iter().any(|signature| signature.name == *name) {
                let names: Vec<&str> = signatures.iter().map(|signature| &*signature.name).collect();
                return Err(
                    Error::argument("network has no such input").expected(format_args!("one of {names:?}"), name)
                );
            }
        }
        for (signature, index) in signatures.iter().zip(self.graph.inputs()?.iter()) {
            let index = tensor_index(index)?;
            self.input(signature, index, binding).map_err(|error| error.at(format!("input {:?}", signature.name)))?;
        }
        Ok(())
    }

    fn input(&mut self, signature: &Signature, index: usize, binding: &Binding) -> Result<()> {
        let Signature { name, dtype, .. } = signature;
        if let Some(tensor) = binding.constants.get(name) {
            bound(signature, Some(tensor.shape()))?;
            let value = self.builder.constant(name, tensor.clone())?;
            return self.define(index, value);
        }
        if self.graph.tensor(index)?.kind()?.is_narrow() {
            return Err(quantized());
        }
        let shape = bound(signature, binding.shapes.get(name).map(Vec::as_slice))?;
        let value = self.builder.input(name, shape, *dtype)?;
        self.define(index, value)
    }

    /// Says what a tensor of the file is.
    fn define(&mut self, index: usize, value: ValueId) -> Result<()> {
        match self.values.get_mut(index) {
            Some(slot @ None) => *slot = Some(value),
            Some(_) => return Err(Error::malformed("tensor is computed twice").at(format!("tensor {index}"))),
            None => return Err(Error::malformed("tensor does not exist").at(format!("tensor {index}"))),
        }
        Ok(())
    }

    /// What a tensor of the file is: computed already, or held by the file.
    fn value(&mut self, index: i32) -> Result<ValueId> {
        let index = tensor_index(index)?;
        if let Some(Some(value)) = self.values.get(index) {
            return Ok(*value);
        }
        let tensor = self.graph.tensor(index)?;
        let name = tensor.name()?;
        let data = constant(&self.model, &tensor).and_then(|data| {
            let help = if tensor.is_variable()? { "the network keeps state, which is not supported" } else { "" };
            let missing = || Error::malformed("tensor is used before it is computed");
            data.ok_or_else(|| if help.is_empty() { missing() } else { missing().help(help) })
        });
        let value = data
            .and_then(|data| self.builder.constant(&name, data))
            .map_err(|error| error.at(format!("tensor {index} {name:?}")))?;
        self.define(index, value)?;
        Ok(value)
    }

    fn operator(&mut self, index: usize, operator: Operator<'a>) -> Result<()> {
        let code = self.model.operator_code(operator.code()?)?;
        let kind = code.name().map_err(|error| error.at(format!("operator {index}")))?;
        let outputs = operator.outputs()?;
        let first = outputs.get(0).ok_or_else(|| Error::malformed("operator has no result"));
        let tensor = first.and_then(|first| self.graph.tensor(tensor_index(first)?));
        let place = |name: &str| format!("operator {index}, {name:?} ({kind})");
        let tensor = tensor.map_err(|error| error.at(place("")))?;
        let name = tensor.name()?.into_owned();
        let place = place(&name);
        let result = self.count(operator).and_then(|()| {
            if tensor.kind()?.is_narrow() || kind == "QUANTIZE" {
                return Err(quantized());
            }
            if kind == "CUSTOM" {
                return Err(Error::unsupported(format!("custom operator {:?} is not supported", code.custom()?)));
            }
            let options = operator.options()?;
            let inputs = operator.inputs()?.iter().collect();
            let results = outputs.len();
            let values = ops::import(&mut Node { importer: self, kind, name, inputs, results, options })?;
            expect_results(values.len(), results)?;
            outputs.iter().zip(values).try_for_each(|(output, value)| self.define(tensor_index(output)?, value))
        });
        result.map_err(|error| error.at(place))
    }

    /// Counts an operator's operands and results.
    fn count(&mut self, operator: Operator) -> Result<()> {
        let most = self.limits.max_nodes.saturating_mul(OPERANDS_PER_NODE);
        self.operands =
            self.operands.saturating_add(operator.inputs()?.len()).saturating_add(operator.outputs()?.len());
        if self.operands > most {
            return Err(Error::limit("nodes have too many operands")
                .expected(format_args!("at most {most}"), format_args!("{} so far", self.operands)));
        }
        Ok(())
    }
}

fn expect_results(expected: usize, count: usize) -> Result<()> {
    if count == expected {
        return Ok(());
    }
    Err(Error::malformed("operator has the wrong number of results").expected(expected, count))
}

/// The shape of an input, given what the caller fixes.
fn bound(signature: &Signature, shape: Option<&[usize]>) -> Result<Shape> {
    let dims = &signature.dims;
    let Some(shape) = shape else {
        let size = |(axis, &dim): (usize, &Option<usize>)| dim.or((axis == 0).then_some(1));
        let sizes: Option<Vec<usize>> = dims.iter().enumerate().map(size).collect();
        return Shape::new(sizes.ok_or_else(|| {
            Error::argument("input leaves sizes open")
                .expected("its shape to be given", Dims(dims))
                .help("bind the input to a shape")
        })?);
    };
    if shape.len() != dims.len() || dims.iter().zip(shape).any(|(dim, &size)| dim.is_some_and(|dim| dim != size)) {
        return Err(Error::argument("shape does not fit the input").expected(Dims(dims), format_args!("{shape:?}")));
    }
    Shape::new(shape)
}

/// Sizes as they are printed, open ones as `?`.
struct Dims<'a>(&'a [Option<usize>]);

impl std::fmt::Display for Dims<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sizes: Vec<String> = self.0.iter().map(|dim| dim.map_or("?".into(), |dim| dim.to_string())).collect();
        write!(f, "[{}]", sizes.join(","))
    }
}

fn quantized() -> Error {
    Error::unsupported("int8 is not supported yet").help("use the float32 or float16 version of the model")
}

/// A node that is being imported, seen by its operator.
pub(super) struct Node<'i, 'a> {
    importer: &'i mut Importer<'a>,
    /// The name of its operator.
    pub(super) kind: &'static str,
    name: String,
    inputs: Vec<i32>,
    results: usize,
    options: Option<Table<'a>>,
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
        expect_results(count, self.results)
    }

    /// The operand at `index`.
    pub(super) fn operand(&mut self, index: usize) -> Result<ValueId> {
        let missing = || Error::malformed("operand is missing").expected(format_args!("operand {index}"), "none");
        self.optional(index)?.ok_or_else(missing)
    }

    /// The operand at `index`, if there is one.
    pub(super) fn optional(&mut self, index: usize) -> Result<Option<ValueId>> {
        match self.inputs.get(index) {
            None | Some(-1) => Ok(None),
            Some(&tensor) => self.importer.value(tensor).map(Some),
        }
    }

    /// The integers of the operand at `index`, which must be known before running.
    pub(super) fn integers(&mut self, index: usize) -> Result<Vec<i64>> {
        let value = self.operand(index)?;
        let constant = self.importer.builder.constant_of(value);
        let integers = constant.and_then(|tensor| tensor.as_i64()).map(<[i64]>::to_vec);
        integers.ok_or_else(|| {
            let value = self.importer.builder.value(value);
            Error::unsupported("operand must be constant integers")
                .expected("constant i64", format_args!("computed {} {:?}", value.dtype, value.name))
        })
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
    pub(super) fn apply(&mut self, op: Op, inputs: &[ValueId]) -> Result<ValueId> {
        self.importer.builder.node(&self.name, op, inputs)
    }

    /// Adds an activation to the graph, unless it does nothing.
    pub(super) fn activate(&mut self, value: ValueId, activation: Activation) -> Result<ValueId> {
        match activation {
            Activation::Identity => Ok(value),
            activation => self.apply(Op::activation(activation), &[value]),
        }
    }

    /// Adds a constant to the graph.
    pub(super) fn constant(&mut self, tensor: Tensor) -> Result<ValueId> {
        self.importer.builder.constant(&self.name, tensor)
    }

    /// The bias at operand `index`, or zeros.
    pub(super) fn bias(&mut self, index: usize, len: usize) -> Result<ValueId> {
        if let Some(bias) = self.optional(index)? {
            return Ok(bias);
        }
        // The length comes from weights that may themselves be an input of any size.
        let (bytes, most) = (len.saturating_mul(4), self.importer.limits.max_memory);
        if bytes > most {
            return Err(
                Error::limit("bias takes too much memory").expected(format_args!("at most {most} bytes"), bytes)
            );
        }
        self.constant(Tensor::zeros(Shape::new([len])?))
    }
}
