//! The tensors that networks are run on.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use sepconv::{DType, Data, Error, Limits, Model, Options, Result, Session, Tensor, TensorInfo, TensorSpec, file, npy};

/// The tensors that a network is timed on.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct InputArgs {
    /// Input tensors: .npy, .npz, or the bare elements of one tensor (8-bit integers, or little-endian f32), in the
    /// file's own layout [default: the same random numbers every time]
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
}

/// Inputs as a user gives them, read before the network is compiled: sizes that its file leaves open may be theirs.
pub(crate) struct Given<'a> {
    path: Option<&'a Path>,
    /// A tensor for each input; `None` for what depends on the compiled network's shapes.
    tensors: Option<Vec<Tensor>>,
}

impl InputArgs {
    /// The file.
    pub(crate) fn file(&self) -> Option<&PathBuf> {
        self.input.as_ref()
    }

    /// Reads the file where it holds arrays.
    pub(crate) fn read(&self, model: &Model) -> Result<Given<'_>> {
        let Some(path) = &self.input else { return Ok(Given { path: None, tensors: None }) };
        let is_numpy = |extension: &str| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension));
        if is_numpy("npy") || is_numpy("npz") {
            return Given::numpy(path, model);
        }
        Ok(Given { path: Some(path), tensors: None })
    }
}

impl<'a> Given<'a> {
    /// Reads a .npy or .npz file and puts its arrays in the order of the network's inputs.
    pub(crate) fn numpy(path: &'a Path, model: &Model) -> Result<Self> {
        let tensors = match_inputs(npy::read(path, &Limits::default())?, model.inputs())
            .map_err(|error| error.in_file(&path.display().to_string()))?;
        Ok(Self { path: Some(path), tensors: Some(tensors) })
    }

    /// `options` with the sizes that the model's file leaves open, as far as they are not fixed already.
    pub(crate) fn options(&self, options: Options, model: &Model) -> Options {
        let inputs = model.inputs().iter().zip(self.tensors.iter().flatten());
        inputs.fold(options, |options, (input, tensor)| {
            let is_open = input.dims.contains(&None) && options.shape_of(&input.name).is_none();
            if is_open { options.shape(&input.name, &tensor.shape()[..]) } else { options }
        })
    }

    /// One tensor for each input of the compiled network.
    pub(crate) fn tensors(&self, session: &Session) -> Result<Cow<'_, [Tensor]>> {
        match (&self.tensors, self.path) {
            (Some(tensors), _) => Ok(Cow::Borrowed(tensors)),
            (None, Some(path)) => bare(path, session).map(Cow::Owned).map_err(|error| self.in_file(error)),
            (None, None) => session.inputs().iter().map(random).collect::<Result<_>>().map(Cow::Owned),
        }
    }

    /// The error with the name of the file that the tensors come from.
    pub(crate) fn in_file(&self, error: Error) -> Error {
        match self.path {
            Some(path) => error.in_file(&path.display().to_string()),
            None => error,
        }
    }
}

/// Puts arrays in the order of the network's inputs: by name, or by position where they are named `0`, `1`, …. A single
/// one needs no name.
fn match_inputs(mut arrays: Vec<(String, Tensor)>, inputs: &[TensorSpec]) -> Result<Vec<Tensor>> {
    if arrays.len() != 1 || inputs.len() != 1 {
        let position = |name: &str| arrays.iter().position(|(array, _)| array == name);
        let of_names: Option<Vec<usize>> = inputs.iter().map(|input| position(&input.name)).collect();
        let distinct = |places: &Vec<usize>| (1..places.len()).all(|i| !places[..i].contains(&places[i]));
        let by_position = || (0..inputs.len()).map(|i| position(&i.to_string())).collect();
        let places = of_names.filter(distinct).or_else(by_position).ok_or_else(|| missing(&arrays, inputs))?;
        let mut left: Vec<_> = arrays.into_iter().map(Some).collect();
        arrays = places.into_iter().filter_map(|i| left[i].take()).collect();
    }
    let tensors: Vec<Tensor> = arrays.into_iter().map(|(_, tensor)| tensor).collect();
    let misfit = inputs.iter().zip(&tensors).find(|(input, tensor)| !input.accepts(tensor.shape()));
    match misfit {
        None => Ok(tensors),
        Some((input, tensor)) => Err(Error::argument("input has the wrong shape")
            .at(format!("input {:?}", input.name))
            .expected(input, format_args!("{} {}", tensor.dtype(), tensor.shape()))
            .help("the model file fixes these sizes; only sizes that it leaves open (?) follow the input, or --shape")),
    }
}

fn missing(arrays: &[(String, Tensor)], inputs: &[TensorSpec]) -> Error {
    let list = |names: Vec<String>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let wanted = list(inputs.iter().map(|input| format!("{:?}", input.name)).collect());
    let found = list(arrays.iter().map(|(name, _)| format!("{name:?}")).collect());
    Error::mismatch("an input is missing")
        .expected(format_args!("arrays named {wanted}"), found)
        .help(format!("arrays can also be named by position, \"0\" to \"{}\"", inputs.len().saturating_sub(1)))
}

/// The bare elements of a network's only input.
fn bare(path: &Path, session: &Session) -> Result<Vec<Tensor>> {
    let [input] = session.inputs() else {
        return Err(Error::argument("bare numbers can be the input of one tensor only").help("give a .npz file"));
    };
    let bytes = file::read(path, (input.shape.elements() * input.dtype.size()) as u64)?;
    let tensor = match input.dtype {
        DType::U8 => Tensor::u8(&input.shape[..], bytes),
        DType::I8 => Tensor::i8(&input.shape[..], bytes.into_iter().map(u8::cast_signed).collect::<Vec<_>>()),
        DType::F32 => npy::read_raw(&bytes, input.shape.clone()),
        DType::I64 => {
            Err(Error::argument("input has integers, whose width bare numbers do not tell").help("give a .npy file"))
        }
    };
    Ok(vec![tensor?])
}

/// Numbers from -1 to 1, the same every time; zeros for integers, which index something.
fn random(info: &TensorInfo) -> sepconv::Result<Tensor> {
    let elements = info.shape.elements();
    let data = match info.dtype {
        DType::F32 => {
            let mut state = 0x5e9c_0451_u64;
            Data::F32((0..elements).map(|_| uniform(&mut state)).collect())
        }
        DType::I64 => Data::I64(vec![0; elements]),
        DType::U8 => Data::U8((0..elements).map(|i| (i * 37) as u8).collect()),
        DType::I8 => Data::I8((0..elements).map(|i| (i * 37) as i8).collect()),
    };
    Tensor::new(info.shape.clone(), data)
}

/// A step of Marsaglia's xorshift64* (Vigna 2016), as a float from -1 to 1.
fn uniform(state: &mut u64) -> f32 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    let bits = state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40;
    bits as f32 / (1 << 23) as f32 - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_numbers_are_in_range_and_differ() {
        let mut state = 1;
        let numbers: Vec<f32> = (0..1000).map(|_| uniform(&mut state)).collect();
        assert!(numbers.iter().all(|x| (-1.0..1.0).contains(x)));
        assert!(numbers.iter().sum::<f32>().abs() < 50.0 && numbers.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
