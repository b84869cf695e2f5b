//! Right answers on labeled pictures.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use sepconv::{Classifier, Error, GroundTruth, Result};
use serde::Serialize;

use crate::decoding::decode;
use crate::failure::{Failure, note, tell};
use crate::files::{folders_in, images_in};
use crate::progress::Progress;

/// Unreadable pictures that are told one by one.
const TOLD: usize = 10;

/// A folder of pictures and the right answers.
pub(crate) struct Labeled {
    folder: PathBuf,
    /// What says the right answers: a file, or the folder itself.
    origin: PathBuf,
    /// The images and their classes, each image once.
    classes: BTreeMap<PathBuf, usize>,
}

/// What was counted so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) images: usize,
    pub(crate) top1: usize,
    pub(crate) top5: usize,
    pub(crate) failed: usize,
}

/// What was counted, as JSON.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct AccuracyJson {
    images: usize,
    top1: usize,
    top5: usize,
    top1_percent: f64,
    top1_interval: [f64; 2],
}

impl Labeled {
    /// The pictures that a file lists with their classes, or those in folders inside, one for each class. Such a folder
    /// is called as the class is in `names`, or begins with its index: `3` or `3_cat`.
    pub(crate) fn open(folder: &Path, labels: Option<&Path>, names: &[String]) -> Result<Self> {
        let classes = match labels {
            Some(labels) => listed(folder, labels).map_err(|error| error.in_file(&labels.display().to_string()))?,
            None => class_folders(folder, names).map_err(|error| error.in_file(&folder.display().to_string()))?,
        };
        Ok(Self { folder: folder.to_owned(), origin: labels.unwrap_or(folder).to_owned(), classes })
    }

    /// Pictures in the folder that have no label.
    pub(crate) fn unlabelled(&self) -> Result<usize> {
        let labeled: HashSet<PathBuf> = self.classes.keys().map(|path| identity(path)).collect();
        Ok(images_in(&self.folder)?.iter().filter(|path| !labeled.contains(&identity(path))).count())
    }

    /// The images with a label.
    pub(crate) fn images(&self) -> impl Iterator<Item = &PathBuf> {
        self.classes.keys()
    }

    /// Counts right answers; `decoders` threads decode while this one runs the network. Pictures that cannot be read
    /// are told and counted.
    pub(crate) fn evaluate(
        &self,
        classifier: &mut Classifier,
        decoders: usize,
        what: &'static str,
        quiet: bool,
    ) -> std::result::Result<Tally, Failure> {
        let (paths, classes): (Vec<_>, Vec<_>) =
            self.classes.iter().map(|(path, &class)| (path.clone(), class)).unzip();
        let (mut tally, mut progress) = (Tally::default(), Progress::new(what, paths.len(), quiet));
        let (input, preprocess) = (classifier.input(), classifier.preprocess().clone());
        decode(
            &paths,
            decoders,
            |image| preprocess.fit(image, input.width, input.height),
            |i, image| {
                match image {
                    Ok(image) => {
                        let best = classifier.classify_exact(&image, 5)?;
                        let class = Some(classes[i]);
                        tally.images += 1;
                        tally.top1 += usize::from(best.first().is_some_and(|first| first.class == class));
                        tally.top5 += usize::from(best.iter().any(|prediction| prediction.class == class));
                    }
                    Err(error) => {
                        tally.failed += 1;
                        if tally.failed <= TOLD {
                            progress.suspend(|| tell(&error));
                        }
                    }
                }
                let message = format!("top-1 {}", percent(tally.top1, tally.images));
                progress.show(tally.images + tally.failed, &message);
                Ok::<(), Failure>(())
            },
        )?;
        drop(progress);
        if tally.failed > TOLD {
            note(format_args!("error: {} more pictures could not be read", tally.failed - TOLD));
        }
        if tally.images == 0 {
            return Err(Error::io("none of the labeled pictures could be evaluated")
                .in_file(&self.folder.display().to_string())
                .into());
        }
        Ok(tally)
    }

    /// Fails where a label is none of the classes of a network with so many outputs.
    pub(crate) fn check_classes(&self, outputs: usize) -> Result<()> {
        let last = outputs.checked_sub(1).and_then(|last| sepconv::class_of(last, outputs));
        match self.classes.iter().find(|&(_, &class)| Some(class) > last) {
            None => Ok(()),
            Some((path, class)) => Err(Error::mismatch("labels name a class that the network does not have")
                .in_file(&self.origin.display().to_string())
                .at(format!("image {:?}", path.strip_prefix(&self.folder).unwrap_or(path)))
                .expected(format_args!("0 to {}", last.unwrap_or_default()), class)
                .help("classes count from 0, without a background class")),
        }
    }
}

impl Tally {
    /// Percent of the pictures whose class came first.
    pub(crate) fn top1_percent(&self) -> f64 {
        100.0 * self.top1 as f64 / self.images as f64
    }

    /// Where the top-1 of all such pictures is, in percent, with 95 % confidence: Wilson's interval (1927).
    pub(crate) fn top1_interval(&self) -> [f64; 2] {
        let (n, p) = (self.images as f64, self.top1 as f64 / self.images as f64);
        let z = 1.959_964_f64;
        let center = p + z * z / (2.0 * n);
        let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
        [center - half, center + half].map(|end| (100.0 * end / (1.0 + z * z / n)).clamp(0.0, 100.0))
    }
}

impl From<Tally> for AccuracyJson {
    fn from(tally: Tally) -> Self {
        let Tally { images, top1, top5, .. } = tally;
        Self { images, top1, top5, top1_percent: tally.top1_percent(), top1_interval: tally.top1_interval() }
    }
}

/// The pictures that a file lists with their classes. One that is listed by several paths counts once.
fn listed(folder: &Path, labels: &Path) -> Result<BTreeMap<PathBuf, usize>> {
    let truth = GroundTruth::open(labels)?;
    let (mut classes, mut seen) = (BTreeMap::new(), HashMap::new());
    for (file, class) in truth.files().into_iter().filter_map(|file| Some((file, truth.class(file)?))) {
        let path = folder.join(file);
        match seen.insert(identity(&path), class) {
            None => _ = classes.insert(path, class),
            Some(other) if other == class => {}
            Some(other) => {
                return Err(Error::malformed("file has two classes")
                    .at(format!("image {file:?}"))
                    .expected(format_args!("{other}, as under another path"), class));
            }
        }
    }
    Ok(classes)
}

/// An image by its place, however that is spelled. A link is an image of its own: copies may be kept so.
fn identity(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (fs::canonicalize(folder), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

/// The pictures in the folders of a folder, each with the class that its folder is named after.
fn class_folders(folder: &Path, names: &[String]) -> Result<BTreeMap<PathBuf, usize>> {
    let mut pictures = BTreeMap::new();
    for path in folders_in(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let class = class_of_folder(&name, names).ok_or_else(|| {
            Error::mismatch("folder is named after no class of the network")
                .expected("the name of a class, or its index first: 3 or 3_cat", format_args!("{name:?}"))
                .help("--labels FILE lists pictures and their classes otherwise")
        })?;
        pictures.extend(images_in(&path)?.into_iter().map(|image| (image, class)));
    }
    if pictures.is_empty() {
        return Err(Error::io("no labels found")
            .expected("one subfolder per class, or --labels", "neither")
            .help("--labels FILE holds a line `file index` for each image"));
    }
    Ok(pictures)
}

fn class_of_folder(folder: &str, names: &[String]) -> Option<usize> {
    match names.iter().position(|name| name == folder) {
        Some(output) => sepconv::class_of(output, names.len()),
        None => folder.split(['_', '-', ' ', '.']).next()?.parse().ok(),
    }
}

/// `85.0 %`
pub(crate) fn percent(part: usize, whole: usize) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64)
}

/// `79.4 to 89.3 %`
pub(crate) fn interval([low, high]: [f64; 2]) -> String {
    format!("{low:.1} to {high:.1} %")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_named_after_classes() {
        let names = ["cat", "7_up", "dog"].map(str::to_owned);
        let of = |folder| class_of_folder(folder, &names);
        assert_eq!(["dog", "7_up", "7", "3_cat", "02.frog"].map(of), [Some(2), Some(1), Some(7), Some(3), Some(2)]);
        assert_eq!(["Cat", "", "n01440764", "-1"].map(of), [None; 4]);
    }

    #[test]
    fn intervals_are_those_of_the_textbook() {
        let of = |top1, images| interval(Tally { images, top1, ..Tally::default() }.top1_interval());
        assert_eq!(of(170, 200), "79.4 to 89.3 %");
        assert_eq!(of(5, 10), "23.7 to 76.3 %");
        assert_eq!(of(0, 10), "0.0 to 27.8 %");
        assert_eq!(of(10, 10), "72.2 to 100.0 %");
    }
}
