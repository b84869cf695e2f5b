//! A network before it is quantized or factorized, and how the one after compares with it.

use std::path::{Path, PathBuf};

use sepconv::onnx::Metadata;
use sepconv::vision::{folders_in, images_in};
use sepconv::{
    Accuracy, Classifier, CompiledModel, Error, Graph, LabeledImages, Model, Options, Preprocess, Result, Session,
    Tensor, Times,
};

use crate::accuracy::evaluate;
use crate::args::{CompileArgs, MetadataArgs, warn_of_assumed};
use crate::failure::Failure;
use crate::progress::{Bars, Progress};

/// Number of untimed runs before that are timed.
const WARMUP: usize = 3;

/// What a command was asked for.
pub(crate) struct Setup<'a> {
    pub(crate) model: &'a Path,
    pub(crate) output: &'a Path,
    pub(crate) compile: &'a CompileArgs,
    pub(crate) options: Options,
    pub(crate) metadata: &'a MetadataArgs,
    pub(crate) calibration: Option<&'a Path>,
    /// The most images for calibration.
    pub(crate) calibration_images: usize,
    pub(crate) evaluate: Option<&'a Path>,
    pub(crate) labels: Option<&'a Path>,
    /// Timed runs of each network.
    pub(crate) runs: usize,
    /// Whether no progress is shown.
    pub(crate) quiet: bool,
}

/// The f32 network, its calibration data and its accuracy.
pub(crate) struct Experiment<'a> {
    setup: Setup<'a>,
    pub(crate) graph: Graph,
    float: CompiledModel,
    pub(crate) preprocess: Preprocess,
    /// What the file that is written says about its use.
    pub(crate) metadata: Metadata,
    /// What the network is given for each calibration image.
    pub(crate) samples: Vec<Vec<Tensor>>,
    labeled: Option<LabeledImages>,
    pub(crate) accuracy: Option<Accuracy>,
}

impl<'a> Experiment<'a> {
    /// Reads everything; `check` refuses a network before any image is decoded.
    pub(crate) fn new(
        setup: Setup<'a>,
        check: impl FnOnce(&Graph) -> Result<()>,
    ) -> std::result::Result<Self, Failure> {
        let open = if setup.evaluate.is_some() { CompileArgs::trained } else { CompileArgs::open };
        let (model, options) = (open(setup.compile, setup.model)?, &setup.options);
        let preprocess = setup.metadata.preprocess.of(&model)?;
        let graph = model.graph(options)?;
        let metadata = setup.metadata.of(&model, &graph)?;
        check(&graph).map_err(|error| error.in_file(&setup.model.display().to_string()))?;
        let open = |folder: &Path| LabeledImages::open(folder, setup.labels, &metadata.labels);
        let labeled = setup.evaluate.map(open).transpose()?;
        labeled.iter().try_for_each(|labeled| labeled.check_classes(classes(&graph)))?;
        let calibration = setup.calibration.map(|folder| calibration_images(folder, setup.calibration_images));
        let images = calibration.transpose()?.unwrap_or_default();
        let read = setup.compile.files_read(setup.model, &model).and(&images).and(setup.labels);
        let read = read.and(&setup.metadata.class_names).and(labeled.iter().flat_map(LabeledImages::images));
        read.check_output(setup.output, &["onnx"])?;
        if setup.calibration.is_some() || labeled.is_some() {
            warn_of_assumed(&preprocess);
        }
        let samples = match images[..] {
            [] => vec![],
            _ => samples(&images, setup.quiet, &model, &graph, &preprocess)?,
        };
        let float = model.compile(options)?;
        let mut experiment = Self { samples, float, accuracy: None, metadata, setup, graph, preprocess, labeled };
        experiment.accuracy = experiment.accuracy(&model, "before    ")?;
        Ok(experiment)
    }

    /// How networks are compiled.
    pub(crate) fn options(&self) -> &Options {
        &self.setup.options
    }

    /// Right answers, where images have labels. One that cannot be read would make them those of other images than
    /// asked for.
    pub(crate) fn accuracy(&self, model: &Model, what: &'static str) -> std::result::Result<Option<Accuracy>, Failure> {
        let Some(labeled) = &self.labeled else { return Ok(None) };
        let mut classifier = Classifier::new(model, &self.setup.options)?.with_preprocess(self.preprocess.clone());
        let accuracy = evaluate(&mut classifier, labeled, what, self.setup.quiet)?;
        if accuracy.failed > 0 {
            return Err(Error::io("labeled images cannot be read: the accuracy would be that of the others")
                .expected(format_args!("{} images", accuracy.images + accuracy.failed), accuracy.images)
                .into());
        }
        Ok(Some(accuracy))
    }

    /// Runs both networks in turns, on the first sample, or on zeros.
    pub(crate) fn time(&self, after: &mut Session) -> Result<[Times; 2]> {
        let mut float = self.float.session()?;
        let zeros: Vec<Tensor> =
            float.inputs().iter().map(|info| Tensor::zeros(info.shape.clone(), info.dtype)).collect();
        let inputs: Vec<&Tensor> = self.samples.first().unwrap_or(&zeros).iter().collect();
        for _ in 0..WARMUP {
            float.run(&inputs)?;
            after.run(&inputs)?;
        }
        let mut times = [Times::default(), Times::default()];
        let mut progress = Progress::new("time      ", self.setup.runs, self.setup.quiet);
        for done in 1..=self.setup.runs {
            times[0].add(|| float.run(&inputs).map(drop))?;
            times[1].add(|| after.run(&inputs).map(drop))?;
            progress.show(done, "");
        }
        Ok(times)
    }
}

/// Speedup of the second over the first: the ratio of minima.
pub(crate) fn speedup([before, after]: &[Times; 2]) -> f64 {
    before.min() / after.min()
}

/// Elements of the first output.
fn classes(graph: &Graph) -> usize {
    graph.outputs().first().map_or(0, |port| graph.value(port.value).shape.elements())
}

/// Images for calibration, spread evenly over their names: in the folder, or in its subfolders.
fn calibration_images(folder: &Path, most: usize) -> Result<Vec<PathBuf>> {
    let mut found = images_in(folder)?;
    if found.is_empty() {
        let inside = folders_in(folder)?.iter().map(images_in).collect::<Result<Vec<_>>>()?;
        found = inside.concat();
    }
    if found.is_empty() {
        return Err(Error::io("directory holds no images").in_file(&folder.display().to_string()));
    }
    let count = found.len().min(most);
    Ok((0..count).map(|i| found[i * found.len() / count].clone()).collect())
}

/// The input of the network for each image.
fn samples(
    images: &[PathBuf],
    quiet: bool,
    model: &Model,
    graph: &Graph,
    preprocess: &Preprocess,
) -> Result<Vec<Vec<Tensor>>> {
    let mut bars = Bars::new(quiet);
    let tensors = model.image_input(graph)?.tensors(images, preprocess, &mut |event| bars.show(event))?;
    Ok(tensors.into_iter().map(|tensor| vec![tensor]).collect())
}
