//! Image files, decoded on threads of their own, and folders of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;

use sepconv_core::{Error, Result, Tensor};

use crate::progress::{Progress, Stage, advance};
use crate::{Image, ImageInput, Preprocess};

/// Images that wait between decoding and what is done with them.
const WAITING: usize = 8;

/// Extensions of the image formats that are decoded; other files of a folder are ignored.
const EXTENSIONS: [&str; 6] = ["png", "jpg", "jpeg", "bmp", "webp", "jfif"];

/// How many threads decode while `busy` others work.
pub(crate) fn decoders(busy: usize) -> usize {
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
    cores.saturating_sub(busy).clamp(1, 4)
}

/// Calls `each` with the places of files and what `prepare` made of their images, in the order in which they get
/// ready, until it fails. `threads` others decode and prepare.
///
/// # Errors
/// Those of `each`, and when a thread cannot be started.
pub(crate) fn decode<T: Send>(
    files: &[PathBuf],
    threads: usize,
    prepare: &(dyn Fn(&Image) -> Result<T> + Sync),
    each: &mut dyn FnMut(usize, Result<T>) -> Result<()>,
) -> Result<()> {
    let open = |path: &Path| {
        let image = Image::open(path)?;
        prepare(&image).map_err(|error| error.in_file(&path.display().to_string()))
    };
    let next = AtomicUsize::new(0);
    let take = || {
        let i = next.fetch_add(1, Ordering::Relaxed);
        files.get(i).map(|file| (i, file))
    };
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(WAITING);
        for _ in 0..threads {
            let (sender, open, take) = (sender.clone(), &open, &take);
            let work = move || {
                while let Some((i, file)) = take() {
                    // A closed channel means that the other side gave up.
                    if sender.send((i, open(file))).is_err() {
                        return;
                    }
                }
            };
            let started = thread::Builder::new().spawn_scoped(scope, work);
            started.map_err(|error| Error::io(format!("threads cannot be started: {error}")))?;
        }
        drop(sender);
        receiver.into_iter().try_for_each(|(i, prepared)| each(i, prepared))
    })
}

impl ImageInput {
    /// The input tensor for each image file, such as a [`Quantizer`](crate::Quantizer) takes.
    ///
    /// # Errors
    /// When a file cannot be read or resized, and when `progress` cancels.
    pub fn tensors(&self, files: &[PathBuf], preprocess: &Preprocess, progress: Progress<'_>) -> Result<Vec<Tensor>> {
        let (mut tensors, mut done) = (vec![None; files.len()], 0);
        decode(files, decoders(0), &|image| self.tensor(image, preprocess), &mut |i, tensor| {
            tensors[i] = Some(tensor?);
            done += 1;
            advance(progress, Stage::Decode, done, files.len())
        })?;
        Ok(tensors.into_iter().flatten().collect())
    }
}

/// The image files in a folder, sorted by name, without those in subfolders. Pipes, which can block, are none.
///
/// # Errors
/// When the folder cannot be read.
pub fn images_in(folder: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
    let is_image = |path: &PathBuf| {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
    };
    Ok(entries(folder.as_ref())?.into_iter().filter(|path| is_image(path) && path.is_file()).collect())
}

/// The subfolders of a folder, sorted by name, without hidden ones such as `.git`.
///
/// # Errors
/// When the folder cannot be read.
pub fn folders_in(folder: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
    Ok(entries(folder.as_ref())?.into_iter().filter(|path| path.is_dir() && !is_hidden(path)).collect())
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// The entries of a folder, sorted by name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let refused = |error: std::io::Error| {
        Error::io(format!("cannot read directory: {error}")).in_file(&folder.display().to_string())
    };
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>).map_err(refused)?;
    let mut paths: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}
