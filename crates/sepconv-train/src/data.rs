use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use sepconv::{Image, LabeledImages, Preprocess};
use sepconv_core::{Error, Result};

use crate::augment::Affine;

/// Labeled images in memory: decoded and fitted to a network's input, as bytes.
#[derive(Clone, Debug)]
pub struct Images {
    shape: [usize; 3],
    pixels: Vec<u8>,
    classes: Vec<usize>,
    affine: Affine,
}

impl Images {
    /// Decodes images on all cores. `input` is the rows, columns and channels that the network takes.
    ///
    /// # Errors
    /// When an image cannot be read (it is named), or the network takes other than color images.
    pub fn open(images: &LabeledImages, input: [usize; 3], preprocess: &Preprocess) -> Result<Self> {
        let [h, w, c] = input;
        if c != 3 {
            return Err(Error::unsupported("training takes networks of color images")
                .expected("3 channels", format_args!("{c} channels")));
        }
        let (paths, classes): (Vec<&PathBuf>, Vec<usize>) = images.labeled().unzip();
        let size = h * w * c;
        sepconv_core::probe_memory(paths.len().saturating_mul(size))?;
        let mut pixels = vec![0; paths.len() * size];
        let next = AtomicUsize::new(0);
        let pieces: Vec<_> = pixels.chunks_mut(size.max(1)).map(std::sync::Mutex::new).collect();
        let decode = || -> Result<()> {
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                let Some(path) = paths.get(i) else { return Ok(()) };
                let image = preprocess.fit(&Image::open(path)?, w, h);
                let image = image.map_err(|error| error.in_file(&path.display().to_string()))?;
                // Each piece has one thread, which nothing makes panic while it writes.
                if let Ok(mut piece) = pieces[i].lock() {
                    piece.copy_from_slice(image.rgb());
                }
            }
        };
        thread::scope(|scope| {
            let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
            let threads: Vec<_> = (0..cores).map(|_| scope.spawn(decode)).collect();
            let join = |thread: thread::ScopedJoinHandle<'_, Result<()>>| {
                thread.join().unwrap_or_else(|_| Err(Error::io("a thread that decodes images ended")))
            };
            threads.into_iter().map(join).collect::<Vec<_>>().into_iter().collect::<Result<Vec<()>>>()
        })?;
        drop(pieces);
        Self::new(input, pixels, classes, preprocess)
    }

    /// Images `[images, h, w, c]` that are decoded already.
    ///
    /// # Errors
    /// When there are not as many classes as images.
    pub fn new(shape: [usize; 3], pixels: Vec<u8>, classes: Vec<usize>, preprocess: &Preprocess) -> Result<Self> {
        let size: usize = shape.iter().product();
        if size == 0 || pixels.len() != classes.len() * size {
            return Err(Error::argument("pixels are not those of the images").expected(
                format_args!("{} images of {shape:?}", classes.len()),
                format_args!("{} bytes", pixels.len()),
            ));
        }
        let [mean, deviation] = preprocess.normalization();
        let [factor, term] = [0, 1].map(|of| {
            [0, 1, 2].map(|channel| match of {
                0 => (1.0 / deviation[channel]) as f32,
                _ => (-mean[channel] / deviation[channel]) as f32,
            })
        });
        Ok(Self { shape, pixels, classes, affine: Affine { factor, term } })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// Rows, columns and channels of each.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The class of each.
    pub fn classes(&self) -> &[usize] {
        &self.classes
    }

    /// How bytes become numbers.
    pub(crate) fn affine(&self) -> &Affine {
        &self.affine
    }

    /// The bytes of one.
    pub(crate) fn image(&self, i: usize) -> &[u8] {
        let size = self.pixels.len() / self.classes.len();
        &self.pixels[i * size..][..size]
    }
}
