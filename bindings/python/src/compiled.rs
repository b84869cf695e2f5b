//! `sepconv.CompiledModel` and `sepconv.Session`.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyMapping, PyString, PyTuple};
use sepconv::{ElementType, Error, Session as RustSession, TensorInfo, TensorView, TensorViewMut};

use crate::arrays::{Input, Output};
use crate::error::Result;
use crate::options::options;
use crate::progress::Monitor;
use crate::recipe::{Arguments, GivenArguments, Recipe, Reduced};
use crate::reports::{self, Port};

/// A network made ready for this machine, made by `Model.compile`.
///
/// Any number of threads may call `run` at once: they share the weights. It can be pickled, with the path or name and
/// the options: another process compiles it when it is first used there.
#[pyclass(frozen, module = "sepconv")]
pub(crate) struct CompiledModel {
    recipe: Arc<Recipe>,
    keywords: Py<PyDict>,
    compiled: Mutex<Option<Compiled>>,
    /// Sessions that no call uses at present.
    idle: Mutex<Vec<Worker>>,
}

/// What one thread runs a network with, made by `CompiledModel.session`. A network that keeps state goes on from one
/// run to the next.
#[pyclass(frozen, module = "sepconv")]
pub(crate) struct Session {
    compiled: Compiled,
    worker: Mutex<Worker>,
}

#[derive(Clone)]
struct Compiled {
    model: sepconv::CompiledModel,
    ports: Arc<Ports>,
}

/// What the file says of inputs and outputs beyond what the compiled network needs.
struct Ports {
    inputs: Vec<ElementType>,
    outputs: Vec<ElementType>,
    /// The keys of results: names, or positions where names occur twice.
    keys: Vec<Py<PyString>>,
}

/// A session of this process. What a fork copies of another one lacks the threads.
struct Worker {
    session: RustSession,
    process: u32,
}

impl Compiled {
    fn new(py: Python<'_>, model: &sepconv::Model, keywords: &Bound<'_, PyDict>) -> Result<Self> {
        let options = options(Some(keywords))?;
        let compiled = py.detach(|| model.compile(&options))?;
        let names: Vec<&str> = compiled.outputs().iter().map(|output| output.name.as_str()).collect();
        let is_unique = |name: &str| names.iter().filter(|other| **other == name).count() == 1;
        let all_unique = names.iter().all(|name| is_unique(name));
        let key = |(i, name): (usize, &&str)| {
            let key = if all_unique { PyString::new(py, name) } else { PyString::new(py, &i.to_string()) };
            key.unbind()
        };
        let ports = Ports {
            inputs: model.inputs().iter().map(|input| input.element).collect(),
            outputs: model.outputs().iter().map(|output| output.element).collect(),
            keys: names.iter().enumerate().map(key).collect(),
        };
        Ok(Self { model: compiled, ports: Arc::new(ports) })
    }

    fn get_inputs<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        ports(py, self.model.inputs(), &self.ports.inputs)
    }

    fn get_outputs<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        ports(py, self.model.outputs(), &self.ports.outputs)
    }

    fn worker(&self, py: Python<'_>) -> Result<Worker> {
        let session = py.detach(|| self.model.session())?;
        Ok(Worker { session, process: std::process::id() })
    }

    fn inputs<'py>(&self, given: &Bound<'py, PyAny>) -> Result<Vec<Input<'py>>> {
        inputs(&self.model, &self.ports.inputs, given)
    }

    fn run<'py>(&self, worker: &mut Worker, given: &Bound<'py, PyAny>) -> Result<Bound<'py, PyDict>> {
        let py = given.py();
        let inputs = self.inputs(given)?;
        let views = inputs.iter().map(Input::view).collect::<Result<Vec<_>>>()?;
        let outputs = match self.model.plan().outputs().iter().any(|output| output.is_open()) {
            true => run_and_copy(py, &mut worker.session, &views)?,
            false => self.run_into(py, &mut worker.session, &views)?,
        };
        let results = PyDict::new(py);
        for (i, (output, info)) in outputs.into_iter().zip(self.model.outputs()).enumerate() {
            let array = output.into_array(element(&self.ports.outputs, i, info))?;
            results.set_item(&self.ports.keys[i], array)?;
        }
        Ok(results)
    }

    /// The network writes to the arrays that Python gets.
    fn run_into<'py>(
        &self,
        py: Python<'py>,
        session: &mut RustSession,
        views: &[TensorView<'_>],
    ) -> Result<Vec<Output<'py>>> {
        let infos = self.model.outputs();
        let mut outputs =
            infos.iter().map(|info| Output::new(py, info.dtype, &info.shape)).collect::<Result<Vec<_>>>()?;
        let mut targets: Vec<TensorViewMut<'_>> =
            outputs.iter_mut().zip(infos).map(|(output, info)| output.view_mut(&info.shape)).collect::<Result<_>>()?;
        py.detach(|| session.run_into(views, &mut targets))?;
        drop(targets);
        Ok(outputs)
    }
}

/// The arrays that Python gives, in the order of the network's inputs: by name, by position, or a single one. Elements
/// may have the types that the model's file names.
pub(crate) fn inputs<'py>(
    model: &sepconv::CompiledModel,
    elements: &[ElementType],
    given: &Bound<'py, PyAny>,
) -> Result<Vec<Input<'py>>> {
    let infos = model.inputs();
    let mut arrays = vec![None; infos.len()];
    if let Ok(named) = given.cast::<PyDict>() {
        for (name, array) in named {
            arrays[model.input_index(&name.cast::<PyString>()?.to_cow()?)?] = Some(array);
        }
    } else if let Ok(named) = given.cast::<PyMapping>() {
        for item in named.items()? {
            let (name, array): (String, Bound<'py, PyAny>) = item.extract()?;
            arrays[model.input_index(&name)?] = Some(array);
        }
    } else if given.is_instance_of::<PyList>() || given.is_instance_of::<PyTuple>() {
        let listed: Vec<Bound<'py, PyAny>> = given.extract()?;
        if listed.len() != arrays.len() {
            return Err(Error::argument("network has another number of inputs")
                .expected(format_args!("{} arrays", arrays.len()), listed.len())
                .into());
        }
        arrays = listed.into_iter().map(Some).collect();
    } else if let [array] = &mut arrays[..] {
        *array = Some(given.clone());
    } else {
        let names: Vec<&str> = infos.iter().map(|input| input.name.as_str()).collect();
        return Err(PyTypeError::new_err(format!("expected a dict with an array for each of {names:?}")).into());
    }
    let input = |((i, info), array): ((usize, &TensorInfo), Option<Bound<'py, PyAny>>)| {
        let missing = || Error::argument("input is missing").at(format!("input {:?}", info.name));
        Input::new(&array.ok_or_else(missing)?, info.dtype, element(elements, i, info), &info.name)
    };
    infos.iter().enumerate().zip(arrays).map(input).collect()
}

fn ports<'py>(py: Python<'py>, infos: &[TensorInfo], elements: &[ElementType]) -> PyResult<Vec<Bound<'py, PyAny>>> {
    infos.iter().enumerate().map(|(i, info)| Port::of(info, element(elements, i, info)).into_python(py)).collect()
}

/// The type of a port in the model's file.
fn element(elements: &[ElementType], i: usize, info: &TensorInfo) -> ElementType {
    elements.get(i).copied().unwrap_or(info.dtype.into())
}

/// For outputs that are as long as the data says.
fn run_and_copy<'py>(py: Python<'py>, session: &mut RustSession, views: &[TensorView<'_>]) -> Result<Vec<Output<'py>>> {
    let tensors = py.detach(|| session.run(views))?;
    tensors.iter().map(|tensor| Output::of(py, tensor)).collect()
}

impl CompiledModel {
    /// A network that is compiled when it is first used.
    pub(crate) fn lazy(recipe: Arc<Recipe>, keywords: Option<&Bound<'_, PyDict>>) -> Result<Self> {
        options(keywords)?;
        let keywords = match keywords {
            Some(keywords) => keywords.copy()?.unbind(),
            None => Python::attach(|py| PyDict::new(py).unbind()),
        };
        Ok(Self { recipe, keywords, compiled: Mutex::default(), idle: Mutex::default() })
    }

    pub(crate) fn compile_with(&self, py: Python<'_>, model: &sepconv::Model) -> Result<()> {
        let compiled = Compiled::new(py, model, self.keywords.bind(py))?;
        *self.compiled.lock().unwrap_or_else(PoisonError::into_inner) = Some(compiled);
        Ok(())
    }

    /// The network, which is read and compiled where it has not been: see `Model::opened`.
    fn compiled(&self, py: Python<'_>) -> Result<Compiled> {
        let compiled = || self.compiled.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(compiled) = compiled() {
            return Ok(compiled);
        }
        self.compile_with(py, &self.recipe.open(py)?)?;
        self.compiled(py)
    }

    fn with_worker<T>(&self, py: Python<'_>, work: impl FnOnce(&Compiled, &mut Worker) -> Result<T>) -> Result<T> {
        let compiled = self.compiled(py)?;
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let free = idle().pop();
        let mut worker = match free {
            Some(worker) if worker.is_ours() => worker,
            Some(_) | None => compiled.worker(py)?,
        };
        let result = work(&compiled, &mut worker);
        idle().push(worker);
        result
    }
}

impl Worker {
    fn is_ours(&self) -> bool {
        self.process == std::process::id()
    }
}

#[pymethods]
impl CompiledModel {
    #[staticmethod]
    fn _lazy(recipe: GivenArguments<'_>, keywords: &Bound<'_, PyDict>) -> Result<Self> {
        Self::lazy(Arc::new(Recipe::again(&recipe)?), Some(keywords))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Reduced<'py, (Arguments, Py<PyDict>)> {
        let make = py.import("sepconv._pickle")?.getattr("compiled")?;
        Ok((make, (self.recipe.arguments(py)?, self.keywords.clone_ref(py))))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("sepconv.CompiledModel({}, {})", self.recipe.shown(py), self.keywords.bind(py).repr()?))
    }

    /// The inputs, in the file's own order of axes.
    fn get_inputs<'py>(&self, py: Python<'py>) -> Result<Vec<Bound<'py, PyAny>>> {
        Ok(self.compiled(py)?.get_inputs(py)?)
    }

    /// The outputs, in the file's own order of axes.
    fn get_outputs<'py>(&self, py: Python<'py>) -> Result<Vec<Bound<'py, PyAny>>> {
        Ok(self.compiled(py)?.get_outputs(py)?)
    }

    /// The instruction set that it was compiled for.
    #[getter]
    fn isa(&self, py: Python<'_>) -> Result<&'static str> {
        Ok(self.compiled(py)?.model.plan().isa().name())
    }

    /// How many threads share the work of a run.
    #[getter]
    fn threads(&self, py: Python<'_>) -> Result<usize> {
        Ok(self.compiled(py)?.model.plan().threads())
    }

    /// Which kernel each layer has, as text: for `compile(kernels=...)`.
    #[getter]
    fn kernels(&self, py: Python<'_>) -> Result<String> {
        Ok(self.compiled(py)?.model.plan().kernel_choices().to_string())
    }

    /// Memory and threads for one thread of the caller. `run` takes care of that itself; a session is needed for
    /// networks that keep state.
    fn session(&self, py: Python<'_>) -> Result<Session> {
        let compiled = self.compiled(py)?;
        let worker = Mutex::new(compiled.worker(py)?);
        Ok(Session { compiled, worker })
    }

    /// Runs the network and returns a dict of new arrays. `inputs` is a dict of arrays by name, a list of arrays by
    /// position, or the array of a single input; contiguous arrays are read where they are. Other threads of Python run
    /// meanwhile.
    fn run<'py>(&self, inputs: &Bound<'py, PyAny>) -> Result<Bound<'py, PyDict>> {
        self.with_worker(inputs.py(), |compiled, worker| {
            if !compiled.model.plan().initial_states().is_empty() {
                return Err(Error::argument("network keeps state from one run to the next")
                    .help("run a session of its own: session = compiled.session()")
                    .into());
            }
            compiled.run(worker, inputs)
        })
    }

    /// The time and the bottleneck of each step, over `runs` runs. The keys are those of `sepconv profile --json`.
    /// Without `inputs` it runs on random numbers.
    #[pyo3(signature = (inputs=None, *, runs=100, warmup=10, progress=None))]
    fn profile<'py>(
        &self,
        py: Python<'py>,
        inputs: Option<&Bound<'py, PyAny>>,
        runs: usize,
        warmup: usize,
        progress: Option<Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyAny>> {
        let (compiled, mut monitor) = (self.compiled(py)?, Monitor::new(progress)?);
        let tensors = match inputs {
            Some(given) => compiled.inputs(given)?.iter().map(Input::tensor).collect::<Result<Vec<_>>>()?,
            None => reports::profile::random_inputs(compiled.model.inputs())?,
        };
        let tensors: Vec<_> = tensors.iter().collect();
        let mut session = compiled.worker(py)?.session;
        let profile = py.detach(|| {
            (0..warmup).try_for_each(|_| session.run(&tensors).map(drop))?;
            session.profile(&tensors, runs, &mut |event| monitor.hear(event))
        });
        let profile = monitor.outcome(profile)?;
        reports::profile::profile(py, &self.recipe.shown(py), session.plan(), &profile)
    }
}

#[pymethods]
impl Session {
    fn __repr__(&self) -> String {
        let names = self.compiled.model.inputs().iter().map(|input| input.name.as_str());
        format!("<sepconv.Session, inputs {:?}>", names.collect::<Vec<_>>())
    }

    /// The inputs, in the file's own order of axes.
    fn get_inputs<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        self.compiled.get_inputs(py)
    }

    /// The outputs, in the file's own order of axes.
    fn get_outputs<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        self.compiled.get_outputs(py)
    }

    /// As `CompiledModel.run`. A session runs one call at a time; a network that keeps state goes on from the call
    /// before.
    fn run<'py>(&self, inputs: &Bound<'py, PyAny>) -> Result<Bound<'py, PyDict>> {
        let mut worker = self.lock()?;
        if !worker.is_ours() {
            *worker = self.compiled.worker(inputs.py())?;
        }
        self.compiled.run(&mut worker, inputs)
    }

    /// Forgets what runs have left in a network that keeps state.
    fn reset(&self) -> Result<()> {
        self.lock()?.session.reset();
        Ok(())
    }
}

impl Session {
    /// Waiting here could wait for a thread that waits for Python.
    fn lock(&self) -> Result<std::sync::MutexGuard<'_, Worker>> {
        self.worker.try_lock().map_err(|_| {
            Error::argument("session is busy in another thread")
                .help("each thread needs a session of its own, or compiled.run(), which any number may call")
                .into()
        })
    }
}
