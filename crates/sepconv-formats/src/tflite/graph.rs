use std::collections::{HashMap, HashSet};
use std::mem::replace;

use sepconv_core::op::{Dequantize, QuantParams, Quantize};
use sepconv_core::{Builder, DType, Error, Graph, Limits, Result, Shape, Tensor, Value, ValueId};

use super::constant::{constant, shape_of};
use super::flatbuffer::Table;
use super::node::Node;
use super::ops::{BatchedBlocks, Import};
use super::quantization::{activation, quantization, whole, wide};
use super::schema::{Model, Operator, OperatorCode, SubGraph, TensorInfo};
use crate::element::ElementType;
use crate::import_options::check_ports;
use crate::wide::WideQuantization;
use crate::{ImportOptions, OperatorCount, TensorSpec};

/// Operands and results that the nodes may have together, for each node that is allowed: in the file, nodes may share
/// one long list.
const OPERANDS_PER_NODE: usize = 16;

/// Subgraphs that may call each other.
const MAX_DEPTH: usize = 8;

/// The inputs or outputs of a network as the file declares them.
pub(super) fn tensor_specs(graph: &SubGraph, tensors: impl ExactSizeIterator<Item = i32>) -> Result<Vec<TensorSpec>> {
    check_ports(tensors.len())?;
    tensors.map(|index| tensor_spec(&graph.tensor(tensor_index(index)?)?)).collect()
}

fn tensor_spec(tensor: &TensorInfo) -> Result<TensorSpec> {
    let name = tensor.name()?.into_owned();
    let place = |error: Error| error.at(format!("tensor {name:?}"));
    let fixed = shape_of(tensor).map_err(place)?;
    let quantization = whole(tensor).map_err(place)?;
    let open = tensor.shape_signature()?;
    let dims = match open.len() == fixed.len() {
        true => fixed.iter().zip(open.iter()).map(|(&size, open)| (open != -1).then_some(size)).collect(),
        false => fixed.iter().copied().map(Some).collect(),
    };
    let element = tensor.element()?;
    Ok(TensorSpec { name, dtype: element.dtype(), element, dims, quantization })
}

fn tensor_index(index: i32) -> Result<usize> {
    usize::try_from(index)
        .map_err(|_| Error::malformed("tensor index is negative").expected("an index of at least 0", index))
}

/// The error for bytes that real numbers are needed of.
fn no_scale() -> Error {
    Error::unsupported("quantized tensor has no scale").expected("a scale", "none")
}

/// The operators of a network's nodes, the most frequent first.
pub(super) fn operators(model: &Model, graph: &SubGraph) -> Result<Vec<OperatorCount>> {
    let operator = |table: Result<Table>| {
        let code = model.operator_code(Operator(table?).code()?)?;
        Ok((code.title()?.into_owned(), import_of(&code)?.is_some()))
    };
    let place = |(i, table)| operator(table).map_err(|error: Error| error.at(format!("operator {i}")));
    let operators: Vec<(String, bool)> = graph.operators()?.iter().enumerate().map(place).collect::<Result<_>>()?;
    Ok(crate::operators::count(operators.into_iter()))
}

/// The import of an operator; `None` where it is not read.
fn import_of(code: &OperatorCode) -> Result<Option<Import>> {
    Ok(if code.is_custom()? { Import::find_custom(&code.title()?) } else { Import::find(code.name()?) })
}

/// A network on its way into a [`Graph`].
pub(super) struct Importer<'a> {
    model: Model<'a>,
    graph: SubGraph<'a>,
    pub(super) builder: Builder,
    pub(super) limits: Limits,
    /// What is known of each tensor of the file.
    values: Vec<Option<ValueId>>,
    /// The real numbers that its bytes stand for, once they are asked for.
    dequantized: Vec<Option<ValueId>>,
    /// What SPACE_TO_BATCH_ND made.
    pub(super) batched: HashMap<ValueId, BatchedBlocks>,
    operands: usize,
    /// Subgraphs that are being imported, each called by a node of the one before.
    depth: usize,
    /// What the network keeps from run to run.
    pub(super) variables: Vec<Variable>,
    /// The numbers of variables by container and name.
    numbers: HashMap<[String; 2], usize>,
    /// Subgraphs that have initialized variables.
    initialized: HashSet<usize>,
    /// Whether one is doing so.
    initializes: bool,
}

/// A variable: what it is at the place that is being imported.
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: Option<ValueId>,
    /// What a run finds there.
    state: Option<ValueId>,
}

impl<'a> Importer<'a> {
    /// The graph of the file's first subgraph.
    pub(super) fn import(model: Model<'a>, inputs: &[TensorSpec], options: &ImportOptions) -> Result<Graph> {
        let graph = model.main()?;
        let operators = graph.operators()?;
        if operators.len() > options.limits.max_nodes {
            return Err(Error::limit("graph has too many nodes")
                .expected(format_args!("at most {}", options.limits.max_nodes), operators.len()));
        }
        let (values, dequantized) = (vec![None; graph.tensor_count()?], vec![None; graph.tensor_count()?]);
        let builder = Builder::new(options.limits);
        let mut importer = Self {
            model,
            graph,
            builder,
            limits: options.limits,
            values,
            dequantized,
            batched: HashMap::new(),
            operands: 0,
            depth: 0,
            variables: vec![],
            numbers: HashMap::new(),
            initialized: HashSet::new(),
            initializes: false,
        };
        importer.check_operators()?;
        importer.inputs(inputs, options)?;
        importer.operators()?;
        for index in graph.outputs()?.iter() {
            let value = importer.value(index)?;
            let tensor = graph.tensor(tensor_index(index)?)?;
            let name = tensor.name()?;
            let value = match wide(&tensor)?.filter(|_| importer.builder.value(value).dtype == DType::F32) {
                Some(wide) => wide.quantize(&mut importer.builder, &name, value)?,
                None => value,
            };
            importer.builder.output(&name, value);
        }
        for Variable { name, value, state } in importer.variables {
            if let (Some(value), Some(state)) = (value, state) {
                let assigned = importer.builder.assign(state, value);
                assigned.map_err(|error| error.at(format!("variable {name:?}")))?;
            }
        }
        Ok(importer.builder.finish())
    }

    fn operators(&mut self) -> Result<()> {
        let operators = self.graph.operators()?;
        operators.iter().enumerate().try_for_each(|(index, table)| self.operator(index, Operator(table?)))
    }

    /// The results of a subgraph for these operands.
    pub(super) fn call(&mut self, subgraph: usize, operands: &[ValueId]) -> Result<Vec<ValueId>> {
        let graph = self.model.subgraph(subgraph)?;
        let (inputs, count) = (graph.inputs()?, graph.tensor_count()?);
        if self.depth == MAX_DEPTH || inputs.len() != operands.len() {
            return Err(Error::unsupported("subgraph cannot be called").expected(
                format_args!("{} operands, and at most {MAX_DEPTH} calls within each other", inputs.len()),
                format_args!("{} operands, {} calls", operands.len(), self.depth),
            ));
        }
        let outer = (
            replace(&mut self.graph, graph),
            replace(&mut self.values, vec![None; count]),
            replace(&mut self.dequantized, vec![None; count]),
        );
        self.depth += 1;
        for (index, &operand) in inputs.iter().zip(operands) {
            self.define(tensor_index(index)?, operand)?;
        }
        self.operators()?;
        let results = graph.outputs()?.iter().map(|index| self.value(index)).collect();
        (self.graph, self.values, self.dequantized) = outer;
        self.depth -= 1;
        results
    }

    /// The number of a variable.
    pub(super) fn variable(&mut self, container: &str, name: &str) -> usize {
        let key = [container.to_owned(), name.to_owned()];
        *self.numbers.entry(key).or_insert_with(|| {
            self.variables.push(Variable { name: name.to_owned(), value: None, state: None });
            self.variables.len() - 1
        })
    }

    /// Runs a subgraph that initializes variables, if it has not done so yet.
    pub(super) fn initialize(&mut self, index: usize) -> Result<()> {
        if self.initializes {
            return Err(Error::unsupported("initialization calls another one"));
        }
        if !self.initialized.insert(index) {
            return Ok(());
        }
        self.initializes = true;
        self.call(index, &[])?;
        self.initializes = false;
        for Variable { name, value, state } in &mut self.variables {
            let Some(initial) = value.filter(|_| state.is_none()) else { continue };
            let constant = self.builder.constant_of(initial).cloned().ok_or_else(|| {
                Error::unsupported("initial value is not a constant").at(format!("variable {name:?}"))
            })?;
            *state = Some(self.builder.state(name, constant)?);
            *value = *state;
        }
        Ok(())
    }

    fn inputs(&mut self, tensor_specs: &[TensorSpec], options: &ImportOptions) -> Result<()> {
        options.check_names(tensor_specs)?;
        for (tensor_spec, index) in tensor_specs.iter().zip(self.graph.inputs()?.iter()) {
            let index = tensor_index(index)?;
            activation(&self.graph.tensor(index)?).map_err(|error| error.at(tensor_spec.place()))?;
            let value = options.declare(tensor_spec, &mut self.builder)?;
            self.define(index, value).map_err(|error| error.at(tensor_spec.place()))?;
        }
        Ok(())
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
    pub(super) fn value(&mut self, index: i32) -> Result<ValueId> {
        let index = tensor_index(index)?;
        if let Some(Some(value)) = self.values.get(index) {
            return Ok(*value);
        }
        let tensor = self.graph.tensor(index)?;
        let name = tensor.name()?;
        let value = self.load(&tensor, &name).map_err(|error| error.at(format!("tensor {index} {name:?}")))?;
        self.define(index, value)?;
        Ok(value)
    }

    /// The elements that the file holds of a tensor.
    fn load(&mut self, tensor: &TensorInfo, name: &str) -> Result<ValueId> {
        if tensor.sparsity()?.is_some() {
            self.builder.check_memory(shape_of(tensor)?.elements() * size_of::<i64>())?;
        }
        if let Some(data) = constant(&self.model, tensor)? {
            return self.builder.constant(name, data);
        }
        let error = Error::malformed("tensor is used before it is computed");
        let keeps_state = tensor.is_variable()?;
        Err(if keeps_state { error.help("this operator cannot keep state from run to run") } else { error })
    }

    /// A tensor of the file in f32, dequantized if it is int8.
    pub(super) fn dequantized(&mut self, index: i32) -> Result<ValueId> {
        let value = self.value(index)?;
        let index = tensor_index(index)?;
        if let Some(Some(dequantized)) = self.dequantized.get(index) {
            return Ok(*dequantized);
        }
        let tensor = self.graph.tensor(index)?;
        let name = tensor.name()?;
        let dequantized = self.dequantize(&tensor, &name, value);
        let dequantized = dequantized.map_err(|error| error.at(format!("tensor {index} {name:?}")))?;
        self.dequantized[index] = Some(dequantized);
        Ok(dequantized)
    }

    fn dequantize(&mut self, tensor: &TensorInfo, name: &str, value: ValueId) -> Result<ValueId> {
        let Value { dtype, ref constant, .. } = *self.builder.value(value);
        if dtype == DType::F32 {
            return Ok(value);
        }
        let quantization = if constant.is_some() { quantization(tensor)? } else { activation(tensor)? };
        let element = tensor.element()?;
        match quantization {
            Some(quantization) => self.builder.apply(name, Dequantize(quantization), &[value]),
            None if dtype.is_int8() => Err(no_scale()),
            None => match wide(tensor)?.filter(|_| element == ElementType::I16) {
                Some(wide) => wide.dequantize(&mut self.builder, name, value),
                None => Ok(value),
            },
        }
    }

    /// The result of a node as its tensor holds it: int8, or rounded to wider integers, which stay f32.
    fn result(&mut self, name: &str, index: usize, value: ValueId) -> Result<ValueId> {
        let tensor = self.graph.tensor(index)?;
        let (quantization, declared) = (activation(&tensor)?, tensor.element()?.dtype());
        let dtype = self.builder.value(value).dtype;
        if let Some(wide) = wide(&tensor)?.filter(|_| dtype == DType::F32) {
            return wide.round(&mut self.builder, name, value);
        }
        if !declared.is_int8() || dtype == declared {
            return Ok(value);
        }
        let quantization = quantization.ok_or_else(no_scale)?;
        self.builder.apply(name, Quantize(quantization), &[value])
    }

    /// How the integers of a tensor stand for real numbers, where the file says so.
    pub(super) fn quantization_of(&self, index: i32) -> Result<Option<QuantParams>> {
        quantization(&self.graph.tensor(tensor_index(index)?)?)
    }

    /// How the wider integers of a tensor stand for real numbers, where the file says so.
    pub(super) fn wide(&self, index: i32) -> Result<Option<WideQuantization>> {
        wide(&self.graph.tensor(tensor_index(index)?)?)
    }

    /// Declares a variable tensor as a state that is `initial` at first.
    pub(super) fn state(&mut self, index: i32, initial: Tensor) -> Result<ValueId> {
        let index = tensor_index(index)?;
        let tensor = self.graph.tensor(index)?;
        if !tensor.is_variable()? {
            return Err(Error::malformed("state is not a variable tensor").at(format!("tensor {index}")));
        }
        let state = self.builder.state(&tensor.name()?, initial)?;
        self.define(index, state)?;
        Ok(state)
    }

    /// The shape that the file declares for a tensor.
    pub(super) fn declared_shape(&self, index: i32) -> Result<Shape> {
        shape_of(&self.graph.tensor(tensor_index(index)?)?)
    }

    /// The type of a tensor's elements as the file declares it.
    pub(super) fn declared(&self, index: i32) -> Result<DType> {
        self.declared_element(index).map(ElementType::dtype)
    }

    /// The same as it is in the file.
    pub(super) fn declared_element(&self, index: i32) -> Result<ElementType> {
        self.graph.tensor(tensor_index(index)?)?.element()
    }

    /// How all of these tensors hold bytes, where they do so alike: then elements may be moved from one to another.
    pub(super) fn alike(&self, mut tensors: impl Iterator<Item = i32>) -> Result<Option<QuantParams>> {
        let whole = |index: i32| whole(&self.graph.tensor(tensor_index(index)?)?);
        let Some(first) = tensors.next().map(whole).transpose()?.flatten() else { return Ok(None) };
        for tensor in tensors {
            if whole(tensor)?.as_ref() != Some(&first) {
                return Ok(None);
            }
        }
        Ok(Some(first))
    }

    /// Fails where nodes have operators that are not read, and names them all.
    fn check_operators(&self) -> Result<()> {
        let counts = operators(&self.model, &self.graph)?;
        let is_unsupported = |name: &str| counts.iter().any(|operator| operator.name == name && !operator.is_supported);
        crate::operators::check(&counts).map_err(|error| {
            let mut headings = self.graph.operators().into_iter().flat_map(|operators| {
                operators.iter().enumerate().filter_map(|(i, table)| self.heading(i, Operator(table.ok()?)).ok())
            });
            match headings.find(|(kind, _)| is_unsupported(kind)) {
                Some((kind, name)) => error.at_node(&name, &kind),
                None => error,
            }
        })
    }

    fn operator(&mut self, index: usize, operator: Operator<'a>) -> Result<()> {
        let (kind, name) = self.heading(index, operator).map_err(|error| error.at(format!("operator {index}")))?;
        self.node(operator, &name).map_err(|error| error.at_node(&name, &kind))
    }

    /// The name of an operator, and of its first result, which is what people know the node by.
    fn heading(&self, index: usize, operator: Operator) -> Result<(String, String)> {
        let kind = self.model.operator_code(operator.code()?)?.title()?.into_owned();
        let name = match operator.outputs()?.get(0) {
            Some(first) => self.graph.tensor(tensor_index(first)?)?.name()?.into_owned(),
            None => format!("operator {index}"),
        };
        Ok((kind, name))
    }

    fn node(&mut self, operator: Operator<'a>, name: &str) -> Result<()> {
        self.count(operator)?;
        let import = import_of(&self.model.operator_code(operator.code()?)?)?;
        let import = import.ok_or_else(|| Error::unsupported("operator is not supported"))?;
        let outputs = operator.outputs()?;
        let (inputs, results) = (operator.inputs()?.iter().collect(), outputs.iter().collect());
        let (options, custom_options) = (operator.options()?, operator.custom_options()?);
        let mut node = Node { importer: self, name: name.to_owned(), inputs, results, options, custom_options };
        let values = import.run(&mut node)?;
        node.expect_results(values.len())?;
        for (output, value) in outputs.iter().zip(values) {
            let output = tensor_index(output)?;
            let value = self.result(name, output, value)?;
            self.define(output, value)?;
        }
        Ok(())
    }

    /// Counts an operator's operands and results.
    fn count(&mut self, operator: Operator) -> Result<()> {
        let most = self.limits.max_nodes.saturating_mul(OPERANDS_PER_NODE);
        // One more, since subgraphs may call each other with none.
        let operands = operator.inputs()?.len().saturating_add(operator.outputs()?.len());
        self.operands = self.operands.saturating_add(operands).saturating_add(1);
        if self.operands > most {
            return Err(Error::limit("nodes have too many operands")
                .expected(format_args!("at most {most}"), format_args!("{} so far", self.operands)));
        }
        Ok(())
    }
}
