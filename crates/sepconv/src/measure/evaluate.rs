//! Classifiers measured on labeled images.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use sepconv_core::{Error, Result};

use crate::progress::{Progress, ProgressEvent, Stage, tell};
use crate::vision::{decode, decoders, folders_in, images_in};
use crate::{Accuracy, Classifier, GroundTruth, class_of};

/// A folder of images and their classes.
#[derive(Clone, Debug)]
pub struct LabeledImages {
    folder: PathBuf,
    /// What states the classes: a file, or the folder itself.
    origin: PathBuf,
    /// The images and their classes, each image once.
    classes: BTreeMap<PathBuf, usize>,
}

impl LabeledImages {
    /// The images in `folder` that the file `labels` lists with their classes; without it, those in subfolders, one for
    /// each class. Such a folder is called as the class is in `names`, or begins with its index: `3` or `3_cat`.
    ///
    /// # Errors
    /// When files or folders cannot be read, or name no class.
    pub fn open(folder: impl AsRef<Path>, labels: Option<&Path>, names: &[String]) -> Result<Self> {
        let folder = folder.as_ref();
        let classes = match labels {
            Some(labels) => listed(folder, labels).map_err(|error| error.in_file(&labels.display().to_string()))?,
            None => class_folders(folder, names).map_err(|error| error.in_file(&folder.display().to_string()))?,
        };
        Ok(Self { folder: folder.to_owned(), origin: labels.unwrap_or(folder).to_owned(), classes })
    }

    /// How many images in the folder have no label.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn unlabeled(&self) -> Result<usize> {
        let labeled: HashSet<PathBuf> = self.classes.keys().map(|path| identity(path)).collect();
        Ok(images_in(&self.folder)?.iter().filter(|path| !labeled.contains(&identity(path))).count())
    }

    /// The images with a label.
    pub fn images(&self) -> impl Iterator<Item = &PathBuf> {
        self.classes.keys()
    }

    /// The images with a label, and their classes.
    pub fn labeled(&self) -> impl Iterator<Item = (&PathBuf, usize)> {
        self.classes.iter().map(|(path, &class)| (path, class))
    }

    /// Checks that each label is a class of a network with so many outputs.
    ///
    /// # Errors
    /// When one is not.
    pub fn check_classes(&self, outputs: usize) -> Result<()> {
        let last = outputs.checked_sub(1).and_then(|last| class_of(last, outputs));
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

impl Classifier {
    /// Classifies labeled images and counts right answers; other threads decode while this one runs the network. An
    /// image that cannot be read is an event with a [`failure`](ProgressEvent::failure), and is not counted.
    ///
    /// ```no_run
    /// use sepconv::{Classifier, LabeledImages, Model, Options, ProgressEvent};
    ///
    /// let mut classifier = Classifier::new(&Model::open("mobilenet_v2.onnx")?, &Options::default())?;
    /// let images = LabeledImages::open("val", Some("val.txt".as_ref()), &[])?;
    /// let accuracy = classifier.evaluate(&images, &mut ProgressEvent::ignore)?;
    /// println!("top-1 {:.1} %", accuracy.top1_percent());
    /// # Ok::<(), sepconv::Error>(())
    /// ```
    ///
    /// # Errors
    /// When labels are no classes of the network, when no image can be read, those of
    /// [`classify`](Self::classify), and when `progress` cancels.
    pub fn evaluate(&mut self, images: &LabeledImages, progress: Progress<'_>) -> Result<Accuracy> {
        images.check_classes(self.classes())?;
        let (paths, classes): (Vec<_>, Vec<_>) =
            images.classes.iter().map(|(path, &class)| (path.clone(), class)).unzip();
        let (input, preprocess) = (self.input(), self.preprocess().clone());
        let fit = |image: &_| preprocess.fit(image, input.width, input.height);
        let mut accuracy = Accuracy::default();
        decode(&paths, decoders(self.threads()), &fit, &mut |i, image| {
            let failure = match image {
                Ok(image) => {
                    let best = self.classify_exact(&image, 5)?;
                    let right = best.iter().position(|prediction| prediction.class == Some(classes[i]));
                    accuracy.images += 1;
                    accuracy.top1 += usize::from(right == Some(0));
                    accuracy.top5 += usize::from(right.is_some());
                    None
                }
                Err(error) => {
                    accuracy.failed += 1;
                    Some(error)
                }
            };
            let done = accuracy.images + accuracy.failed;
            let (stage, total, accuracy) = (Stage::Evaluate, paths.len(), Some(accuracy));
            tell(progress, ProgressEvent { stage, done, total, accuracy, failure })
        })?;
        match accuracy.images {
            0 => Err(Error::io("none of the labeled images could be evaluated")
                .in_file(&images.folder.display().to_string())),
            _ => Ok(accuracy),
        }
    }
}

/// The images that a file lists with their classes. One that is listed by several paths counts once.
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

/// The images in the folders of a folder, each with the class that its folder is named after.
fn class_folders(folder: &Path, names: &[String]) -> Result<BTreeMap<PathBuf, usize>> {
    let mut pictures = BTreeMap::new();
    for path in folders_in(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let class = class_of_folder(&name, names).ok_or_else(|| {
            Error::mismatch("folder is named after no class of the network")
                .expected("the name of a class, or its index first: 3 or 3_cat", format_args!("{name:?}"))
                .help("--labels FILE lists images and their classes otherwise")
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
        Some(output) => class_of(output, names.len()),
        None => folder.split(['_', '-', ' ', '.']).next()?.parse().ok(),
    }
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
}
