//! Pictures from files, on threads of their own.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;

use sepconv::{Error, Image, Result};

/// Pictures that wait between decoding and what is done with them.
const WAITING: usize = 8;

/// How many threads decode while `busy` others work.
pub(crate) fn decoders(busy: Option<usize>) -> usize {
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
    cores.saturating_sub(busy.unwrap_or(cores)).clamp(1, 4)
}

/// Calls `each` with the places of files and what `prepare` made of their pictures, in the order in which they get
/// ready, until it fails. `threads` others decode and prepare.
///
/// # Errors
/// Those of `each`, and when a thread cannot be started.
pub(crate) fn decode<T: Send, E: From<Error>>(
    files: &[PathBuf],
    threads: usize,
    prepare: impl Fn(&Image) -> Result<T> + Sync,
    mut each: impl FnMut(usize, Result<T>) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
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
