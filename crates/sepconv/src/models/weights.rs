//! Weights of a family's network from a `.safetensors` file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sepconv_core::{DType, Error, Limits, Op, Result, Shape, Tensor};
use sepconv_formats::safetensors;

use super::names::{SCHEMES, Scheme};
use super::{Architecture, Blank, Item, Layer, Network, Padding, Parameters, Role, distance};
use crate::{Model, file};

/// How PyTorch's names of a counter end that only training reads.
const COUNTER: &str = ".num_batches_tracked";

/// Trained parameters under the names that another library gave them: a PyTorch state dict in a `.safetensors` file.
///
/// ```no_run
/// use sepconv::models::{Weights, Width, mobilenet_v2};
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
        let (path, limits) = (path.as_ref(), Limits::default());
        Self::from_bytes(path.display().to_string(), &file::read(path, limits.max_memory as u64)?)
    }

    /// Reads the bytes of a `.safetensors` file; `file` appears in errors.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), but for the file itself.
    pub fn from_bytes(file: impl Into<String>, bytes: &[u8]) -> Result<Self> {
        let file = file.into();
        let mut tensors = safetensors::parse(bytes, &Limits::default()).map_err(|error| error.in_file(&file))?;
        tensors.retain(|(name, _)| !name.ends_with(COUNTER));
        Ok(Self { file, tensors: tensors.into_iter().collect() })
    }
}

impl Network {
    /// The network with trained weights. Whose names they have (torchvision's, timm's, …) is found by the names themselves; weights and
    /// network must then agree in every name and shape.
    ///
    /// Two things are the file's: the number of classes; and, in networks with PyTorch's padding, what batch normalisation adds to
    /// variances. It is what the library adds whose names these are, unless [`epsilon`](Self::epsilon) has changed the table's.
    ///
    /// # Errors
    /// When a parameter is missing, has another shape or has no place in the network, and those of [`graph`](Self::graph).
    pub fn load(&self, weights: &Weights) -> Result<Model> {
        let architecture = self.architecture()?;
        let scheme = weights.scheme(self, &architecture)?;
        let classes = Role { layer: Layer::Classifier, item: Item::Bias };
        let classes = scheme.name(&architecture, &classes).and_then(|name| weights.tensors.get(&name));
        let network = match (scheme.epsilon, architecture.padding) {
            (Some(epsilon), Padding::Symmetric) => self.clone().usual_epsilon(epsilon),
            _ => self.clone(),
        };
        let network = network.classes(classes.map_or(architecture.classes, |bias| bias.shape().elements()));
        let mut loader = Loader { weights, scheme, architecture: &architecture, used: BTreeSet::new() };
        let graph = network.graph(&mut loader)?;
        loader.check_all_used(&network)?;
        Ok(Model::from_graph(network.name(), graph, network.preprocess().clone()))
    }
}

impl Weights {
    /// The scheme that gives most of the network's parameters a name that the file has.
    fn scheme(&self, network: &Network, architecture: &Architecture) -> Result<&'static Scheme> {
        let mut roles = Roles(vec![]);
        network.graph(&mut roles)?;
        let known = |scheme: &Scheme| {
            let names = roles.0.iter().filter_map(|role| scheme.name(architecture, role));
            names.filter(|name| self.tensors.contains_key(name)).count()
        };
        let counted = SCHEMES.iter().map(|scheme| (known(scheme), scheme));
        let best = counted.reduce(|best, other| if other.0 > best.0 { other } else { best });
        best.filter(|&(count, _)| count > 0).map(|(_, scheme)| scheme).ok_or_else(|| {
            let titles: Vec<&str> = SCHEMES.iter().map(|scheme| scheme.title).collect();
            let names: Vec<String> = self.tensors.keys().take(3).map(|name| format!("{name:?}")).collect();
            Error::mismatch(format!("parameters are not named as those of {} are anywhere", network.name()))
                .in_file(&self.file)
                .expected(
                    format_args!("one of {} names", titles.join(", ")),
                    if names.is_empty() { "no parameters".to_owned() } else { format!("{}, …", names.join(", ")) },
                )
        })
    }
}

/// Takes note of the parameters that a network asks for.
struct Roles(Vec<Role>);

impl Parameters for Roles {
    fn tensor(&mut self, role: &Role, shape: &Shape) -> Result<Tensor> {
        self.0.push(*role);
        Blank.tensor(role, shape)
    }
}

/// The parameters of a file under a scheme.
struct Loader<'a> {
    weights: &'a Weights,
    scheme: &'static Scheme,
    architecture: &'a Architecture,
    /// The names that were asked for.
    used: BTreeSet<String>,
}

impl Parameters for Loader<'_> {
    fn tensor(&mut self, role: &Role, shape: &Shape) -> Result<Tensor> {
        let Some(name) = self.scheme.name(self.architecture, role) else {
            return Err(Error::mismatch(format!("layer has no place in {} names", self.scheme.title))
                .at(role.to_string())
                .in_file(&self.weights.file));
        };
        let failed = |error: Error| error.at(format!("parameter {name:?} ({role})")).in_file(&self.weights.file);
        let tensor = self.weights.tensors.get(&name).ok_or_else(|| failed(self.missing(&name, shape)))?;
        let arranged = arrange(tensor, shape).map_err(failed)?;
        self.used.insert(name);
        Ok(arranged)
    }
}

impl Loader<'_> {
    fn missing(&self, name: &str, shape: &Shape) -> Error {
        let nearest = self.weights.tensors.keys().min_by_key(|other| distance(other, name));
        Error::mismatch(format!("parameter is missing, in {} names", self.scheme.title))
            .expected(format_args!("f32 {}", in_file(shape)), "none of this name")
            .help(format!("the nearest name is {:?}; is it another network's file?", nearest.map_or("", |name| name)))
    }

    fn check_all_used(&self, network: &Network) -> Result<()> {
        let mut left = self.weights.tensors.iter().filter(|(name, _)| !self.used.contains(*name));
        let Some((name, tensor)) = left.next() else { return Ok(()) };
        Err(Error::mismatch("file holds a parameter for which the network has no place")
            .at(format!("parameter {name:?} {}", tensor.shape()))
            .in_file(&self.weights.file)
            .expected(
                format_args!("the {} parameters of {} in {} names", self.used.len(), network.name(), self.scheme.title),
                format_args!("{} more", left.count() + 1),
            )
            .help("is it another network's file?"))
    }
}

/// The sizes that a file has for a parameter: PyTorch's weights of convolutions are `[out, in / groups, rows, columns]`.
fn in_file(shape: &Shape) -> String {
    match shape[..] {
        [out, rows, columns, each] => format!("[{out},{each},{rows},{columns}]"),
        _ => shape.to_string(),
    }
}

/// A tensor of a file in the order of axes that a network has. Fully connected layers may be 1×1 convolutions in the file, and 1×1
/// convolutions fully connected layers.
fn arrange(tensor: &Tensor, shape: &Shape) -> Result<Tensor> {
    let wrong = || {
        Error::mismatch("parameter has another shape or type")
            .expected(format_args!("f32 {}", in_file(shape)), format_args!("{} {}", tensor.dtype(), tensor.shape()))
    };
    let same = match (&shape[..], &tensor.shape()[..]) {
        ([out, rows, columns, each], [o, i, r, c]) => [out, each, rows, columns] == [o, i, r, c],
        ([out, 1, 1, each], [o, i]) | ([out, each], [o, i, 1, 1]) => [out, each] == [o, i],
        (wanted, got) => wanted == got,
    };
    if !same || tensor.dtype() != DType::F32 {
        return Err(wrong());
    }
    match shape[..] {
        [out, rows, columns, each] => {
            let filters = tensor.clone().reshape(Shape::new([out, each, rows, columns])?)?;
            Op::Transpose { order: vec![0, 2, 3, 1] }.evaluate(&[&filters], shape)
        }
        _ => tensor.clone().reshape(shape.clone()),
    }
}
