//! Compiles a network into a Rust module for microcontrollers: static weights, one array for all activations, and calls
//! of `sepconv-kernels`. The device parses nothing, allocates nothing, and links only the kernels that the network has.
//!
//! In `build.rs`, with this crate among the build-dependencies:
//!
//! ```no_run
//! sepconv_build::compile("person_detect.tflite")?.ram("64k").flash("320k").emit()?;
//! # Ok::<(), sepconv_build::Error>(())
//! ```
//!
//! In `main.rs`, with `sepconv-kernels` among the dependencies, without its default features:
//!
//! ```ignore
//! include!(concat!(env!("OUT_DIR"), "/person_detect.rs"));
//!
//! static ARENA: StaticCell<person_detect::Arena> = StaticCell::new();
//! let scores = person_detect::run(&pixels, ARENA.init(person_detect::Arena::new()));
//! ```
//!
//! What is allowed here: what is allowed in `sepconv`. No `unsafe`. Models are untrusted; whatever is wrong with one, or
//! cannot be compiled yet, is an error of the build.
#![forbid(unsafe_code)]

mod c;
mod call;
mod layers;
mod literal;
mod module;
mod report;
mod size;
mod target;

use std::env;
use std::path::{Path, PathBuf};

use sepconv::{CompiledModel, Model, Options, file};
pub use sepconv::{Error, ErrorKind, Result};

pub use report::{ChainReport, LayerReport, Report};
pub use target::Target;

/// Reads a model file, to be compiled into a module that is called as the file is.
///
/// # Errors
/// If the file cannot be read, or is no network that can be planned.
pub fn compile(path: impl AsRef<Path>) -> Result<Compilation> {
    let path = path.as_ref();
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let mut compilation = Compilation::new(&Model::open(path)?, &name, &Options::default())?;
    compilation.path = Some(path.to_owned());
    Ok(compilation)
}

/// A network that is to become a module.
#[derive(Clone, Debug)]
pub struct Compilation {
    path: Option<PathBuf>,
    /// The name of the file, as comments have it.
    origin: String,
    name: String,
    model: CompiledModel,
    target: Target,
    ram: Option<String>,
    flash: Option<String>,
    with_c: bool,
}

impl Compilation {
    /// A model to be compiled into a module called `name`; characters that names of modules cannot have become `_`.
    /// `options` have the shapes of inputs and the limits.
    ///
    /// # Errors
    /// If it is no network that can be planned.
    pub fn new(model: &Model, name: &str, options: &Options) -> Result<Self> {
        let model_name = model.name();
        let origin = Path::new(model_name).file_name().map(|name| name.to_string_lossy().into_owned());
        Ok(Self {
            path: None,
            origin: origin.unwrap_or_else(|| model_name.to_owned()),
            name: literal::identifier(name),
            model: model.compile(&options.clone().isa(sepconv::Isa::WORD.name()).threads(1))?,
            target: Target::default(),
            ram: None,
            flash: None,
            with_c: false,
        })
    }

    /// The processor. Default: [`Target::Generic`].
    pub fn target(mut self, target: Target) -> Self {
        self.target = target;
        self
    }

    /// The name of the module. Default: that of the file. Characters that names of modules cannot have become `_`.
    pub fn named(mut self, name: &str) -> Self {
        self.name = literal::identifier(name);
        self
    }

    /// The RAM that the network may take: activations, and [`Report::STACK`] for the stack. A number of bytes such as
    /// `65536` or `64k` (of 1,024). Default: any.
    pub fn ram(mut self, most: impl Into<String>) -> Self {
        self.ram = Some(most.into());
        self
    }

    /// The flash that the network may take: constants, and [`Target::code_bytes`] for the kernels. As
    /// [`ram`](Self::ram).
    pub fn flash(mut self, most: impl Into<String>) -> Self {
        self.flash = Some(most.into());
        self
    }

    /// Adds functions that C can call, and writes a header `name.h` that declares them. Default: none, so that the module
    /// is free of `unsafe`.
    pub fn with_c(mut self) -> Self {
        self.with_c = true;
        self
    }

    /// The name of the module.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What each layer costs on the device.
    ///
    /// # Errors
    /// If a layer cannot be compiled: it names operator and layer.
    pub fn report(&self) -> Result<Report> {
        Ok(Report::new(self.target, &layers::steps(&self.model)?, self.model.plan()))
    }

    /// The module as source: `pub mod name { … }`.
    ///
    /// # Errors
    /// If a layer cannot be compiled, or a budget is passed: it names the layer that takes most.
    pub fn source(&self) -> Result<String> {
        let budget = |size: &Option<String>| size.as_deref().map(size::parse).transpose();
        let (ram, flash) = (budget(&self.ram)?, budget(&self.flash)?);
        let steps = layers::steps(&self.model)?;
        let report = Report::new(self.target, &steps, self.model.plan());
        report.check(ram, flash)?;
        module::print(&self.origin, &self.name, &self.model, &steps, &report, self.with_c)
    }

    /// The header of the functions [for C](Self::with_c).
    ///
    /// # Errors
    /// If a layer cannot be compiled.
    pub fn header(&self) -> Result<String> {
        Ok(c::header(&self.origin, &self.name, &self.model, &self.report()?))
    }

    /// Writes the module as `name.rs`, and the header where [C](Self::with_c) calls it, in a folder that exists, each whole
    /// or not at all.
    ///
    /// # Errors
    /// Those of [`source`](Self::source), and if it cannot be written.
    pub fn write(&self, folder: impl AsRef<Path>) -> Result<PathBuf> {
        let path = folder.as_ref().join(format!("{}.rs", self.name));
        let source = self.source()?;
        if self.with_c {
            file::write(&path.with_extension("h"), self.header()?.as_bytes())?;
        }
        file::write(&path, source.as_bytes())?;
        Ok(path)
    }

    /// Writes the module to where Cargo's build scripts do, and prints for Cargo that it depends on the model.
    ///
    /// # Errors
    /// Those of [`write`](Self::write), and outside of build scripts.
    pub fn emit(&self) -> Result<PathBuf> {
        let folder = env::var_os("OUT_DIR").ok_or_else(|| {
            Error::argument("OUT_DIR is not set").help("call this in a build script, or `write` with a folder")
        })?;
        let written = self.write(folder)?;
        if let Some(path) = &self.path {
            println!("cargo::rerun-if-changed={}", path.display());
        }
        Ok(written)
    }
}
