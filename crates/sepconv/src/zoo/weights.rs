//! Weights of a family's network from a `.safetensors` file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sepconv_core::op::Transpose;
use sepconv_core::{DType, Error, Limits, Op, Result, Shape, Tensor};
use sepconv_formats::safetensors;

use super::names::{SCHEMES, Scheme};
use super::{Architecture, Layer, Network, Padding, ParamId, ParamKind, Parameters, ZeroWeights, distance};
use crate::Model;

/// How PyTorch's names of a counter end that only training reads.
const COUNTER: &str = ".num_batches_tracked";

/// Trained parameters under the names that another library gave them: a PyTorch state dict in a `.safetensors` file.
///
/// ```no_run
/// use sepconv::zoo::{Weights, Width, mobilenet_v2};
///
/// let model = mobilenet_v2(Width(1.0)).load(&Weights::open("mobilenet_v2.safetensors")?)?;
/// # Ok::<(), sepconv::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Weights {
    file: String,
    tensors: BTreeMap<String, Tensor>,
}

impl Weights {
    /// Reads a `.safetensors` file. Numbers of 16 bits become f32.
    ///
    /// # Errors
    /// When it cannot be read, is not of this format or takes more than the default [limits](Limits).
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Ok(Self::new(path.display().to_string(), safetensors::read(path, &Limits::default())?))
    }

    /// Reads the bytes of a `.safetensors` file; `file` appears in errors.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), but for the file itself.
    pub fn from_bytes(file: impl Into<String>, bytes: &[u8]) -> Result<Self> {
        let file = file.into();
        let tensors = safetensors::parse(bytes, &Limits::default()).map_err(|error| error.in_file(&file))?;
        Ok(Self::new(file, tensors))
    }

    fn new(file: String, tensors: Vec<(String, Tensor)>) -> Self {
        Self { file, tensors: tensors.into_iter().filter(|(name, _)| !name.ends_with(COUNTER)).collect() }
    }
}

impl Network {
    /// The network with trained weights. Whose names they have (torchvision's, timm's, …) is found by the names
    /// themselves; weights and network must then agree in every name and shape.
    ///
    /// Two things are the file's: the number of classes; and, in networks with PyTorch's padding, what batch
    /// normalization adds to variances. It is what the library adds whose names these are, unless
    /// [`epsilon`](Self::epsilon) has changed the table's or the table is a user's.
    ///
    /// # Errors
    /// When a parameter is missing, has another shape or has no place in the network, and those of
    /// [`graph`](Self::graph).
    pub fn load(&self, weights: &Weights) -> Result<Model> {
        let architecture = self.architecture()?;
        let mut asked = Asked::default();
        self.graph(&mut asked)?;
        let found = weights.naming(&architecture, &asked).and_then(|naming| {
            weights.check_names(&naming, &asked)?;
            Ok(naming)
        });
        let naming =
            found.map_err(|error| error.in_file(&weights.file).help(format!("is it a file for {}?", self.name())))?;
        let network = match (naming.scheme.epsilon, architecture.padding) {
            (Some(epsilon), Padding::Symmetric) => self.clone().usual_epsilon(epsilon),
            _ => self.clone(),
        };
        let bias = ParamId { layer: Layer::Classifier, branch: None, kind: ParamKind::Bias };
        let bias = naming.names.get(&bias).and_then(|name| weights.tensors.get(name));
        let network = network.classes(bias.map_or(architecture.classes, |bias| bias.shape().elements()));
        let graph = network.graph(&mut Loader { weights, naming: &naming })?;
        Ok(Model::from_graph(network.name(), graph, network.preprocess().clone()))
    }
}

impl Network {
    /// Every parameter under the name that the first library has for it that knows the whole network, as
    /// [`load`](Self::load) reads them: PyTorch's order of axes, timm's names where timm has the family.
    ///
    /// # Errors
    /// When no library has names for all of them, and those of [`graph`](Self::graph) and of `parameters`.
    pub fn state_dict(&self, parameters: &mut impl Parameters) -> Result<Vec<(String, Tensor)>> {
        let (architecture, mut asked) = (self.architecture()?, Asked::default());
        self.graph(&mut asked)?;
        let names = |scheme: &Scheme| {
            asked.0.iter().map(|(id, _)| scheme.name(&architecture, id)).collect::<Option<Vec<String>>>()
        };
        let names = SCHEMES.iter().find_map(names).ok_or_else(|| {
            Error::unsupported("no library has names for all parameters of this network").in_file(&self.name())
        })?;
        let tensors = asked.0.iter().map(|(id, shape)| outward(&parameters.tensor(id, shape)?));
        names.into_iter().zip(tensors).map(|(name, tensor)| Ok((name, tensor?))).collect()
    }
}

/// Weights in PyTorch's order of axes; see [`arrange`].
fn outward(tensor: &Tensor) -> Result<Tensor> {
    match tensor.shape()[..] {
        [out, rows, columns, each] => {
            let shape = Shape::new([out, each, rows, columns])?;
            Op::Transpose(Transpose { order: vec![0, 3, 1, 2] }).evaluate(&[tensor], &shape)
        }
        _ => Ok(tensor.clone()),
    }
}

/// The parameters that a network asks for.
#[derive(Default)]
struct Asked(Vec<(ParamId, Shape)>);

impl Parameters for Asked {
    fn tensor(&mut self, id: &ParamId, shape: &Shape) -> Result<Tensor> {
        self.0.push((*id, shape.clone()));
        ZeroWeights.tensor(id, shape)
    }
}

/// What the parameters of a network are called under a scheme.
struct Naming {
    scheme: &'static Scheme,
    names: BTreeMap<ParamId, String>,
}

impl Weights {
    /// The scheme by which most of the parameters have names that the file has.
    fn naming(&self, architecture: &Architecture, asked: &Asked) -> Result<Naming> {
        let namings = SCHEMES.iter().map(|scheme| {
            let named = asked.0.iter().filter_map(|(id, _)| Some((*id, scheme.name(architecture, id)?)));
            let names: BTreeMap<ParamId, String> = named.collect();
            let known = names.values().filter(|name| self.tensors.contains_key(*name)).count();
            (known, Naming { scheme, names })
        });
        let best = namings.reduce(|best, other| if other.0 > best.0 { other } else { best });
        best.filter(|&(known, _)| known > 0).map(|(_, naming)| naming).ok_or_else(|| {
            let titles: Vec<&str> = SCHEMES.iter().map(|scheme| scheme.title).collect();
            let first = self.tensors.keys().next();
            Error::mismatch("parameters have none of the names that are known").expected(
                format_args!("{} names", titles.join(", ")),
                first.map_or("no parameters".to_owned(), |name| format!("{name:?} and others")),
            )
        })
    }

    /// Nothing is missing, nothing is left over.
    fn check_names(&self, Naming { scheme, names }: &Naming, asked: &Asked) -> Result<()> {
        let claimed: BTreeSet<&String> = names.values().collect();
        let mut left = self.tensors.iter().filter(|(name, _)| !claimed.contains(name));
        for (id, shape) in &asked.0 {
            let Some(name) = names.get(id) else {
                return Err(
                    Error::mismatch(format!("parameter has no place in {} names", scheme.title)).at(id.to_string())
                );
            };
            if !self.tensors.contains_key(name) {
                let nearest = left.min_by_key(|(other, _)| distance(other, name));
                let nearest = nearest.map_or(String::new(), |(other, _)| format!("; the nearest is {other:?}"));
                return Err(Error::mismatch(format!("parameter is missing among {} names", scheme.title))
                    .at(place(name, id))
                    .expected(format_args!("f32 {}", in_file(shape)), format_args!("none of this name{nearest}")));
            }
        }
        let Some((name, tensor)) = left.next() else { return Ok(()) };
        Err(Error::mismatch("file holds a parameter for which the network has no place")
            .at(format!("parameter {name:?} {}", tensor.shape()))
            .expected(
                format_args!("{} parameters in {} names", names.len(), scheme.title),
                format_args!("{} more", left.count() + 1),
            ))
    }
}

/// Gives the parameters of a file.
struct Loader<'a> {
    weights: &'a Weights,
    naming: &'a Naming,
}

impl Parameters for Loader<'_> {
    fn tensor(&mut self, id: &ParamId, shape: &Shape) -> Result<Tensor> {
        let found = self.naming.names.get(id).and_then(|name| self.weights.tensors.get_key_value(name));
        let (name, tensor) = found.ok_or_else(|| Error::mismatch("parameter is missing").at(id.to_string()))?;
        arrange(tensor, shape).map_err(|error| error.at(place(name, id)).in_file(&self.weights.file))
    }
}

/// Which parameter, as the file and as the network call it.
fn place(name: &str, id: &ParamId) -> String {
    format!("parameter {name:?} ({id})")
}

/// The sizes that a file has for a parameter: PyTorch's weights of convolutions are `[out, in / groups, rows,
/// columns]`.
fn in_file(shape: &Shape) -> String {
    match shape[..] {
        [out, rows, columns, each] => format!("[{out},{each},{rows},{columns}]"),
        _ => shape.to_string(),
    }
}

/// A tensor of a file in the order of axes that a network has. Fully connected layers may be 1×1 convolutions in the
/// file, and 1×1 convolutions fully connected layers.
fn arrange(tensor: &Tensor, shape: &Shape) -> Result<Tensor> {
    let same = match (&shape[..], &tensor.shape()[..]) {
        ([out, rows, columns, each], [o, i, r, c]) => [out, each, rows, columns] == [o, i, r, c],
        ([out, 1, 1, each], [o, i]) | ([out, each], [o, i, 1, 1]) => [out, each] == [o, i],
        (wanted, got) => wanted == got,
    };
    if !same || tensor.dtype() != DType::F32 {
        return Err(Error::mismatch("parameter has another shape or type")
            .expected(format_args!("f32 {}", in_file(shape)), format_args!("{} {}", tensor.dtype(), tensor.shape())));
    }
    match shape[..] {
        [out, rows, columns, each] => {
            let filters = tensor.clone().reshape(Shape::new([out, each, rows, columns])?)?;
            Op::Transpose(Transpose { order: vec![0, 2, 3, 1] }).evaluate(&[&filters], shape)
        }
        _ => tensor.clone().reshape(shape.clone()),
    }
}
