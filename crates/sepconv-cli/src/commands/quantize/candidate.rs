use std::path::PathBuf;

use sepconv::onnx::Metadata;
use sepconv::quantize::{Quantized, Quantizer, Report};
use sepconv::vision::{folders_in, images_in};
use sepconv::{
    Accuracy, Classifier, Error, Graph, LabeledImages, Model, Options, Preprocess, Result, Session, Tensor, Times, onnx,
};

use super::Args;
use crate::accuracy::evaluate;
use crate::args::{CompileArgs, warn_of_assumed};
use crate::failure::Failure;
use crate::progress::{Bars, Progress};

/// Number of untimed runs before that are timed.
const WARMUP: usize = 3;

/// The f32 network, its calibration data and its accuracy.
pub(super) struct Experiment<'a> {
    args: &'a Args,
    options: Options,
    graph: Graph,
    float: Session,
    pub(super) preprocess: Preprocess,
    /// What the file that is written says about its use.
    metadata: Metadata,
    /// What the network is given for each calibration image.
    pub(super) samples: Vec<Vec<Tensor>>,
    labeled: Option<LabeledImages>,
    pub(super) accuracy: Option<Accuracy>,
}

/// A quantized network and how it does.
pub(super) struct Candidate {
    pub(super) report: Report,
    /// The bytes to write.
    pub(super) file: Vec<u8>,
    pub(super) accuracy: Option<Accuracy>,
    /// Times of the f32 network and of this one, interleaved.
    pub(super) times: [Times; 2],
    pub(super) isa: String,
    pub(super) threads: usize,
}

impl<'a> Experiment<'a> {
    pub(super) fn new(args: &'a Args) -> std::result::Result<Self, Failure> {
        let open = if args.evaluate.is_some() { CompileArgs::trained } else { CompileArgs::open };
        let (model, options) = (open(&args.compile, &args.model)?, args.compile.options()?);
        let preprocess = args.metadata.preprocess.of(&model)?;
        let graph = model.graph(&options)?;
        let metadata = args.metadata.of(&model, &graph)?;
        let in_file = |error: Error| error.in_file(&args.model.display().to_string());
        args.method.quantizer().check(&graph).map_err(in_file)?;
        let open = |folder: &PathBuf| LabeledImages::open(folder, args.labels.as_deref(), &metadata.labels);
        let labeled = args.evaluate.as_ref().map(open).transpose()?;
        labeled.iter().try_for_each(|labeled| labeled.check_classes(classes(&graph)))?;
        let images = calibration_images(args)?;
        let read = args.compile.files_read(&args.model, &model).and(&images).and(&args.labels);
        let read = read.and(&args.metadata.class_names).and(labeled.iter().flat_map(LabeledImages::images));
        read.check_output(&args.output, &["onnx"])?;
        warn_of_assumed(&preprocess);
        let mut experiment = Self {
            samples: samples(&images, args.json, &model, &graph, &preprocess)?,
            float: model.compile(&options)?.session()?,
            accuracy: None,
            metadata,
            args,
            options,
            graph,
            preprocess,
            labeled,
        };
        experiment.accuracy = experiment.accuracy(&model, "before    ")?;
        Ok(experiment)
    }

    /// Quantizes the network and tries what its file holds.
    pub(super) fn attempt(&mut self, quantizer: &Quantizer) -> std::result::Result<Candidate, Failure> {
        let quantized = self.quantize(quantizer)?;
        let file = onnx::write(&quantized.graph, &self.metadata)?;
        let model = Model::from_bytes(self.args.output.display().to_string(), file.as_slice())?;
        let accuracy = self.accuracy(&model, "after     ")?;
        let mut session = model.compile(&self.options)?.session()?;
        let times = self.time(&mut session)?;
        let (isa, threads) = (session.plan().isa().to_string(), session.plan().threads());
        Ok(Candidate { report: quantized.report, file, accuracy, times, isa, threads })
    }

    pub(super) fn quantize(&self, quantizer: &Quantizer) -> Result<Quantized> {
        let mut bars = Bars::new(self.args.json);
        quantizer.run(&self.graph, &self.samples, &self.options, &mut |event| bars.show(event))
    }

    /// Right answers, where images have labels. One that cannot be read would make them those of other images than
    /// asked for.
    fn accuracy(&self, model: &Model, what: &'static str) -> std::result::Result<Option<Accuracy>, Failure> {
        let Some(labeled) = &self.labeled else { return Ok(None) };
        let mut classifier = Classifier::new(model, &self.options)?.with_preprocess(self.preprocess.clone());
        let accuracy = evaluate(&mut classifier, labeled, what, self.args.json)?;
        if accuracy.failed > 0 {
            return Err(Error::io("labeled images cannot be read: the accuracy would be that of the others")
                .expected(format_args!("{} images", accuracy.images + accuracy.failed), accuracy.images)
                .into());
        }
        Ok(Some(accuracy))
    }

    /// Runs both networks in turns on the first sample.
    fn time(&mut self, quantized: &mut Session) -> Result<[Times; 2]> {
        let inputs: Vec<&Tensor> = self.samples[0].iter().collect();
        for _ in 0..WARMUP {
            self.float.run(&inputs)?;
            quantized.run(&inputs)?;
        }
        let mut times = [Times::default(), Times::default()];
        let mut progress = Progress::new("time      ", self.args.runs, self.args.json);
        for done in 1..=self.args.runs {
            times[0].add(|| self.float.run(&inputs).map(drop))?;
            times[1].add(|| quantized.run(&inputs).map(drop))?;
            progress.show(done, "");
        }
        Ok(times)
    }
}

impl Candidate {
    /// Speedup over the f32 network: the ratio of minima.
    pub(super) fn speedup(&self) -> f64 {
        self.times[0].min() / self.times[1].min()
    }
}

/// Elements of the first output.
fn classes(graph: &Graph) -> usize {
    graph.outputs().first().map_or(0, |port| graph.value(port.value).shape.elements())
}

/// The images that activation ranges come from: in the folder, or in its subfolders.
fn calibration_images(args: &Args) -> Result<Vec<PathBuf>> {
    let mut found = images_in(&args.calibration)?;
    if found.is_empty() {
        let inside = folders_in(&args.calibration)?.iter().map(images_in).collect::<Result<Vec<_>>>()?;
        found = inside.concat();
    }
    if found.is_empty() {
        return Err(Error::io("directory holds no images").in_file(&args.calibration.display().to_string()));
    }
    let count = found.len().min(args.calibration_images);
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
