//! What networks are timed on.

use std::path::{Path, PathBuf};

use sepconv::{DType, Data, Error, Limits, Runner, Tensor, TensorInfo, file, npy};

use crate::commands::run::match_inputs;

/// The tensors that a network is timed on.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct InputArgs {
    /// What to run it on: .npy, .npz, or the bare elements of one tensor (bytes, or little-endian floats), in the file's own layout
    /// [default: the same random numbers every time]
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
}

impl InputArgs {
    /// One tensor for each input of the network.
    pub(crate) fn tensors(&self, runner: &Runner) -> sepconv::Result<Vec<Tensor>> {
        match &self.input {
            Some(path) => read_inputs(path, runner).map_err(|error| self.blamed(error)),
            None => runner.inputs().iter().map(random).collect(),
        }
    }

    /// The error with the name of the file that the tensors come from.
    pub(crate) fn blamed(&self, error: Error) -> Error {
        match &self.input {
            Some(path) => error.in_file(&path.display().to_string()),
            None => error,
        }
    }
}

fn read_inputs(path: &Path, runner: &Runner) -> sepconv::Result<Vec<Tensor>> {
    let is_numpy = path.extension().is_some_and(|extension| extension == "npy" || extension == "npz");
    if is_numpy {
        return match_inputs(npy::read(path, &Limits::default())?, runner.inputs());
    }
    let [input] = runner.inputs() else {
        return Err(Error::argument("bare numbers can be the input of one tensor only"));
    };
    let bytes = file::read(path, file::MAX_BYTES)?;
    let tensor = match input.dtype {
        DType::U8 => Tensor::u8(&input.shape[..], bytes),
        DType::I8 => Tensor::i8(&input.shape[..], bytes.into_iter().map(u8::cast_signed).collect::<Vec<_>>()),
        _ => npy::read_raw(&bytes, input.shape.clone()),
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
