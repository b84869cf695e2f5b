use std::collections::BTreeMap;
use std::fmt;

use sepconv_core::op::QuantParams;
use sepconv_core::{Builder, DType, Error, Limits, Result, Shape, Tensor, ValueId};

use crate::ElementType;

/// An input or output as a file declares it.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorSpec {
    /// Its name.
    pub name: String,
    /// The type of its elements.
    pub dtype: DType,
    /// Their type in the file.
    pub element: ElementType,
    /// Its sizes in the file's own order; `None` where the file leaves one open.
    pub dims: Vec<Option<usize>>,
    /// How its bytes stand for real numbers, where the file says so: TensorFlow Lite does, ONNX leaves it to its
    /// operators.
    pub quantization: Option<QuantParams>,
}

/// Inputs or outputs that a network may have; each costs memory of its own before a limit applies.
const MAX_PORTS: usize = 1024;

/// Fails for a network with too many inputs or outputs.
pub(crate) fn check_ports(count: usize) -> Result<()> {
    if count <= MAX_PORTS {
        return Ok(());
    }
    Err(Error::limit("network has too many inputs or outputs").expected(format_args!("at most {MAX_PORTS}"), count))
}

/// What a caller fixes before a file becomes a graph.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// Shapes of inputs, in the file's own order, for inputs that leave sizes open (an open first axis alone is taken
    /// as a batch of one).
    pub shapes: BTreeMap<String, Vec<usize>>,
    /// Inputs that are constants to this caller: shapes, axes, indices.
    pub constants: BTreeMap<String, Tensor>,
    /// What the file may ask for.
    pub limits: Limits,
}

impl ImportOptions {
    /// Checks what is bound against inputs of known shapes.
    ///
    /// # Errors
    /// When something is bound that is no input, or a shape that differs from the input's.
    pub fn check(&self, inputs: &[TensorSpec]) -> Result<()> {
        self.check_names(inputs)?;
        let bound =
            |input: &TensorSpec| input.bound(self.shapes.get(&input.name)).map_err(|error| error.at(input.place()));
        inputs.iter().try_for_each(|input| bound(input).map(|_| ()))
    }

    /// Every name that is bound must be that of an input.
    pub(crate) fn check_names(&self, inputs: &[TensorSpec]) -> Result<()> {
        let is_input = |name: &str| inputs.iter().any(|input| input.name == name);
        let Some(unknown) = self.shapes.keys().chain(self.constants.keys()).find(|name| !is_input(name)) else {
            return Ok(());
        };
        let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
        Err(Error::argument("no input has this name")
            .expected(format_args!("one of {names:?}"), format_args!("{unknown:?}")))
    }

    /// Makes an input part of a graph: as the constant that it is bound to, or as an input of the shape that it is
    /// bound to.
    pub(crate) fn declare(&self, input: &TensorSpec, builder: &mut Builder) -> Result<ValueId> {
        let declared = match self.constants.get(&input.name) {
            Some(tensor) => input.accept(tensor).and_then(|()| builder.constant(&input.name, tensor.clone())),
            None => {
                let shape = input.bound(self.shapes.get(&input.name));
                shape.and_then(|shape| builder.input(&input.name, shape, input.dtype))
            }
        };
        declared.map_err(|error| error.at(input.place()))
    }
}

impl TensorSpec {
    /// Where it is, for errors.
    pub(crate) fn place(&self) -> String {
        format!("input {:?}", self.name)
    }

    /// Checks a constant that it is bound to.
    fn accept(&self, tensor: &Tensor) -> Result<()> {
        if tensor.dtype() == self.dtype && self.accepts(tensor.shape()) {
            return Ok(());
        }
        Err(Error::argument("constant does not fit the input that it is bound to")
            .expected(self, format_args!("{} {}", tensor.dtype(), tensor.shape())))
    }

    /// Its shape: the one that it is bound to, or the file's with an open batch of one.
    fn bound(&self, shape: Option<&Vec<usize>>) -> Result<Shape> {
        if let Some(shape) = shape {
            if !self.accepts(shape) {
                return Err(Error::argument("shape does not fit the input that it is bound to")
                    .expected(self, format_args!("{shape:?}")));
            }
            return Shape::new(&shape[..]);
        }
        let one_batch = self.dims.iter().enumerate().map(|(axis, dim)| dim.or((axis == 0).then_some(1)));
        match one_batch.collect::<Option<Vec<usize>>>() {
            Some(dims) => Shape::new(dims),
            None => Err(self.open()),
        }
    }

    /// Whether a tensor of this shape may be given: the file fixes no other size.
    pub fn accepts(&self, shape: &[usize]) -> bool {
        self.dims.len() == shape.len() && self.dims.iter().zip(shape).all(|(dim, size)| dim.is_none_or(|d| d == *size))
    }

    fn open(&self) -> Error {
        let open = |axis: usize| if axis == 0 { 1 } else { 640 };
        let example = self.dims.iter().enumerate().map(|(axis, dim)| dim.unwrap_or(open(axis)).to_string());
        let (name, example) = (&self.name, example.collect::<Vec<_>>().join(","));
        Error::argument("input leaves sizes open")
            .expected("one size for each axis", self)
            .help(format!("give its shape, e.g. Options::shape({name:?}, [{example}]) or --shape {name}={example}"))
    }
}

/// Type and sizes, open ones as `?`: `f32 [?,3,224,224]`.
impl fmt::Display for TensorSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims = self.dims.iter().map(|dim| dim.map_or("?".to_owned(), |size| size.to_string()));
        write!(f, "{} [{}]", self.dtype, dims.collect::<Vec<_>>().join(","))
    }
}
