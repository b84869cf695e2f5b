use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::sync::Arc;
use std::thread::available_parallelism;

use sepconv_core::{Error, KernelChoices, Limits, Result};
use sepconv_formats::ImportOptions;
use sepconv_kernels::Isa;

use crate::tune::Tuned;

/// The environment variable that names an instruction set where [`Options::isa`] does not.
pub const ISA_VARIABLE: &str = "SEPCONV_ISA";

/// How a [`Model`](crate::Model) is to be compiled.
///
/// ```
/// use sepconv::Options;
///
/// let options = Options::default().threads(2).shape("image", [1, 3, 320, 320]);
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) threads: usize,
    isa: Option<String>,
    pub(crate) limits: Limits,
    shapes: BTreeMap<String, Vec<usize>>,
    pub(crate) batch: usize,
    pub(crate) kernels: KernelChoices,
    pub(crate) tuned: Option<Arc<Tuned>>,
}

impl Default for Options {
    /// The cores of this machine but no more than four (the layers of phone-sized networks are too small to share
    /// further), its widest instruction set, and the [default limits](Limits::default).
    fn default() -> Self {
        let cores = available_parallelism().map_or(1, |cores| cores.get());
        Self {
            threads: cores.min(4),
            isa: None,
            limits: Limits::default(),
            shapes: BTreeMap::new(),
            batch: 1,
            kernels: KernelChoices::default(),
            tuned: None,
        }
    }
}

impl Options {
    /// The most threads that compiling accepts.
    pub const MAX_THREADS: usize = 256;

    /// How many threads share the work, from 1 to [`MAX_THREADS`](Self::MAX_THREADS). In WebAssembly, which has none,
    /// the caller's does it all.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// The instruction set by name (`scalar`, `avx2`, `neon`, …). Without it the variable `SEPCONV_ISA` decides, and
    /// without that the machine. A network can also be compiled for one that this machine lacks, to read its plan; it
    /// has no [session](crate::CompiledModel::session) then.
    pub fn isa(mut self, name: impl Into<String>) -> Self {
        self.isa = Some(name.into());
        self
    }

    /// What the file may ask for.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The shape of the input called `name`, in the file's own order of axes, where the file leaves sizes open.
    pub fn shape(mut self, name: impl Into<String>, dims: impl Into<Vec<usize>>) -> Self {
        self.shapes.insert(name.into(), dims.into());
        self
    }

    /// How many images are computed at a time (default: 1). Every input then has `batch` in place of the 1 of its first
    /// axis, whether the file leaves it open or not.
    pub fn batch(mut self, batch: usize) -> Self {
        self.batch = batch;
        self
    }

    /// The kernels of some or all layers, in place of those that the planner would choose: what
    /// [`Plan::kernel_choices`](crate::Plan::kernel_choices) of an earlier plan gave, or what a tuner found.
    ///
    /// ```
    /// use sepconv::{KernelChoices, Model, Options};
    ///
    /// let (model, options) = (Model::named("mobilenet_v1@32x0.25")?, Options::default());
    /// let stored = model.compile(&options)?.plan().kernel_choices().to_string();
    /// let compiled = model.compile(&options.kernels(stored.parse()?))?;
    /// assert_eq!(compiled.plan().kernel_choices().to_string(), stored);
    /// # Ok::<(), sepconv::Error>(())
    /// ```
    pub fn kernels(mut self, kernels: KernelChoices) -> Self {
        self.kernels = kernels;
        self
    }

    /// What a [`Tuner`](crate::tune::Tuner) measured, in place of [`kernels`](Self::kernels). Where it was measured
    /// under other conditions it is not used, and [`CompiledModel::unused_tuning`](crate::CompiledModel::unused_tuning)
    /// says why.
    pub fn tuned(mut self, tuned: Tuned) -> Self {
        self.tuned = Some(Arc::new(tuned));
        self
    }

    /// As the planner chooses.
    pub(crate) fn untuned(self) -> Self {
        Self { kernels: KernelChoices::default(), tuned: None, ..self }
    }

    /// The shape that the input called `name` is given.
    pub fn shape_of(&self, name: &str) -> Option<&[usize]> {
        self.shapes.get(name).map(Vec::as_slice)
    }

    /// How many threads share the work.
    pub fn thread_count(&self) -> usize {
        self.threads
    }

    /// The number of threads, where that is possible.
    pub(crate) fn checked_threads(threads: usize) -> Result<usize> {
        match threads {
            1..=Self::MAX_THREADS => Ok(threads),
            _ => Err(Error::argument("number of threads is out of range")
                .expected(format_args!("1 to {}", Self::MAX_THREADS), threads)),
        }
    }

    /// What the readers need of this.
    pub(crate) fn import_options(&self) -> ImportOptions {
        ImportOptions { shapes: self.shapes.clone(), limits: self.limits, ..ImportOptions::default() }
    }

    /// The instruction set to run with.
    pub(crate) fn resolve_isa(&self) -> Result<Isa> {
        self.find_isa(Isa::named)
    }

    /// The instruction set to plan for, which may be that of another machine.
    pub(crate) fn planned_isa(&self) -> Result<Isa> {
        self.find_isa(|name| Isa::named(name).or_else(|| Isa::absent(name)))
    }

    fn find_isa(&self, find: fn(&str) -> Option<Isa>) -> Result<Isa> {
        match &self.isa {
            Some(name) => found_isa(find(name), name, "Options::isa"),
            None => match env::var_os(ISA_VARIABLE).as_deref().map(OsStr::to_string_lossy) {
                Some(name) if !name.is_empty() => found_isa(find(&name), &name, ISA_VARIABLE),
                Some(_) | None => Ok(Isa::best()),
            },
        }
    }
}

fn found_isa(found: Option<Isa>, name: &str, origin: &str) -> Result<Isa> {
    found.ok_or_else(|| {
        let available: Vec<_> = Isa::available().map(Isa::name).collect();
        Error::argument("this machine lacks the instruction set asked for")
            .at(origin)
            .expected(format_args!("one of {}", available.join(", ")), format_args!("{name:?}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_instruction_set_names_what_the_machine_has() {
        let error = Options::default().isa("mmx").resolve_isa().unwrap_err().to_string();
        assert!(error.contains("scalar") && error.contains("\"mmx\""), "{error}");
    }

    #[test]
    fn every_available_instruction_set_can_be_named() {
        for isa in Isa::available() {
            assert_eq!(Options::default().isa(isa.name()).resolve_isa(), Ok(isa));
        }
    }
}
