use std::collections::BTreeMap;
use std::path::Path;

use sepconv::{file, safetensors};
use sepconv_core::{Error, Limits, Result, Tensor};

use crate::trainer::Trainer;

/// The names under which a checkpoint keeps what is no tensor.
const EPOCH: &str = "epoch";
const STEPS: &str = "steps";
const RECIPE: &str = "recipe";

impl Trainer<'_> {
    /// Writes everything that training goes on from, whole or not at all: a `.safetensors` file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let mut tensors = vec![];
        for (name, number) in
            [(EPOCH, self.epoch as u64), (STEPS, self.optimizer.steps), (RECIPE, self.recipe_identity())]
        {
            tensors.push((name.to_owned(), Tensor::i64([1], [number as i64])?));
        }
        for (name, values) in self.parts() {
            tensors.push((name, Tensor::f32([values.len()], values.as_slice())?));
        }
        file::write(path.as_ref(), &safetensors::write(&tensors)?)
    }

    /// Goes on from where [`save`](Self::save) was called: what follows is the same, bit for bit, as without a pause.
    ///
    /// # Errors
    /// When the file cannot be read, or is of another network or recipe.
    pub fn resume(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let tensors: BTreeMap<String, Tensor> = safetensors::read(path, &Limits::default())?.into_iter().collect();
        self.restore(&tensors).map_err(|error| {
            error
                .in_file(&path.display().to_string())
                .help("begin again without resuming, or resume with what it was made with")
        })
    }

    fn restore(&mut self, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
        let number = |name: &str| match tensors.get(name).and_then(Tensor::as_i64) {
            Some(&[number]) => Ok(number as u64),
            _ => Err(Error::malformed("not a checkpoint").at(format!("tensor {name:?}"))),
        };
        let (epoch, steps, recipe) = (number(EPOCH)?, number(STEPS)?, number(RECIPE)?);
        if recipe != self.recipe_identity() {
            return Err(Error::mismatch("checkpoint is of another recipe, or other images"));
        }
        let names: Vec<String> = self.parts().into_iter().map(|(name, _)| name).collect();
        for (name, values) in names.iter().zip(self.parts_mut()) {
            let found = tensors.get(name).and_then(Tensor::as_f32).filter(|found| found.len() == values.len());
            let found = found.ok_or_else(|| {
                Error::mismatch("checkpoint is of another network")
                    .at(format!("tensor {name:?}"))
                    .expected(format_args!("{} f32 values", values.len()), "others or none")
            })?;
            values.copy_from_slice(found);
        }
        self.epoch = usize::try_from(epoch).unwrap_or(usize::MAX);
        self.optimizer.steps = steps;
        Ok(())
    }

    /// Every number that changes, by name.
    fn parts(&self) -> Vec<(String, &Vec<f32>)> {
        let program = &self.program;
        let named = |kind: &'static str, values: &'_ Vec<Vec<f32>>| {
            values.iter().enumerate().map(move |(i, _)| format!("{kind}.{i}")).collect::<Vec<_>>()
        };
        let lists =
            [("momentum", &self.optimizer.mean), ("square", &self.optimizer.squares), ("average", &self.average)];
        let parameters = program.parameters.iter().map(|of| (format!("parameter.{}", of.name), &of.values));
        let statistics = program.statistics.iter().flat_map(|of| {
            [(format!("mean.{}", of.names[0]), &of.mean), (format!("variance.{}", of.names[1]), &of.variance)]
        });
        let others = lists.into_iter().flat_map(|(kind, values)| named(kind, values).into_iter().zip(values));
        parameters.chain(statistics).chain(others).collect()
    }

    /// The same, in the same order, to be written to.
    fn parts_mut(&mut self) -> impl Iterator<Item = &mut Vec<f32>> {
        let parameters = self.program.parameters.iter_mut().map(|of| &mut of.values);
        let statistics = self.program.statistics.iter_mut().flat_map(|of| [&mut of.mean, &mut of.variance]);
        let lists = [&mut self.optimizer.mean, &mut self.optimizer.squares, &mut self.average];
        parameters.chain(statistics).chain(lists.into_iter().flatten())
    }
}
