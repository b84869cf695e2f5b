use std::ffi::{CString, c_char, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::{Arc, Mutex};

use sepconv::{Image, Labels, Preprocess, Result};

use crate::model::Model;
use crate::options::{Options, options};
use crate::pointers::{object, optional_path, optional_text, path, slice, slice_mut};
use crate::session::lock;
use crate::status::{Status, free, guard, hand_out, null};

/// A network that names what images show: a session with pre-processing before it and labels after it.
pub struct Classifier {
    inner: Mutex<sepconv::Classifier>,
    labels: Arc<[CString]>,
}

/// What a network thinks an image shows.
#[repr(C)]
pub struct Prediction {
    /// The position among the network's outputs.
    pub output: usize,
    /// The class: the output without the background class, where there is one. -1 for the background.
    pub class_index: i64,
    /// Its name, or NULL where labels are not known. It belongs to the classifier.
    pub label: *const c_char,
    /// From 0 to 1; those of all classes add up to 1.
    pub score: f32,
}

/// Makes a classifier of a network that has one image input and scores classes. The model may be freed afterwards.
///
/// `options` may be NULL: the defaults. `preprocess` says how pixels become numbers: "torch", "tf", "unit", "raw" or
/// "MEAN/STD". NULL: what the file says, else "torch" for ONNX and "tf" for TensorFlow Lite, which is a guess, and a
/// wrong one costs accuracy. `labels` is the path of a file with one name a line, in the order of the classes. NULL:
/// the file's, where it has them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sepconv_classifier_new(
    model: Option<&Model>,
    options: Option<&Options>,
    preprocess: *const c_char,
    labels: *const c_char,
    classifier: Option<&mut MaybeUninit<Option<Box<Classifier>>>>,
) -> Status {
    hand_out(classifier, || {
        let model = model.ok_or_else(|| null("model"))?;
        // SAFETY: the caller's options and texts, as the header demands.
        let (options, preprocess, labels) = unsafe {
            (self::options(options)?, optional_text(preprocess, "preprocess")?, optional_path(labels, "labels")?)
        };
        let mut classifier = sepconv::Classifier::new(&model.0, &options)?;
        if let Some(preprocess) = preprocess {
            classifier = classifier.with_preprocess(preprocess.parse::<Preprocess>()?);
        }
        if let Some(path) = labels {
            classifier = classifier.with_labels(Labels::open(path)?)?;
        }
        let names = classifier.labels().map_or(&[][..], Labels::names);
        let labels = names.iter().map(|name| CString::new(&**name).unwrap_or_default()).collect();
        Ok(Classifier { inner: Mutex::new(classifier), labels })
    })
}

/// Makes another one for another thread: it shares the weights and has memory and threads of its own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sepconv_classifier_clone(
    classifier: *mut Classifier,
    clone: Option<&mut MaybeUninit<Option<Box<Classifier>>>>,
) -> Status {
    hand_out(clone, || {
        // SAFETY: the caller's object, as the header demands.
        let Classifier { inner, labels } = unsafe { object(classifier, "classifier") }?;
        Ok(Classifier { inner: Mutex::new(lock(inner)?.try_clone()?), labels: labels.clone() })
    })
}

/// The likeliest classes of the image in a PNG, JPEG, BMP or WebP file, the likeliest first.
///
/// `*count` says how many elements `predictions` has, and then how many were written: fewer where the network has fewer
/// classes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sepconv_classify_file(
    classifier: *mut Classifier,
    path: *const c_char,
    predictions: *mut Prediction,
    count: Option<&mut usize>,
) -> Status {
    // SAFETY: the caller's texts and array, as the header demands.
    guard(|| unsafe { classify(classifier, || Image::open(self::path(path, "path")?), predictions, count) })
}

/// As sepconv_classify_file(), of the `size` bytes of such a file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sepconv_classify_bytes(
    classifier: *mut Classifier,
    bytes: *const c_void,
    size: usize,
    predictions: *mut Prediction,
    count: Option<&mut usize>,
) -> Status {
    // SAFETY: the caller's bytes and array, as the header demands.
    guard(|| unsafe { classify(classifier, || Image::decode(slice(bytes.cast(), size, "bytes")?), predictions, count) })
}

/// As sepconv_classify_file(), of pixels: `height` rows of `width` times red, green and blue, a byte each, without gaps.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sepconv_classify_rgb(
    classifier: *mut Classifier,
    pixels: *const u8,
    width: usize,
    height: usize,
    predictions: *mut Prediction,
    count: Option<&mut usize>,
) -> Status {
    let image = || {
        let len = width.saturating_mul(height).saturating_mul(3);
        // SAFETY: the caller's pixels, as the header demands.
        let pixels = unsafe { slice(pixels, len, "pixels") }?;
        Image::from_rgb(width, height, pixels.to_vec())
    };
    // SAFETY: the caller's array, as the header demands.
    guard(|| unsafe { classify(classifier, image, predictions, count) })
}

/// Frees a classifier. Its clones can still be used.
#[unsafe(no_mangle)]
pub extern "C" fn sepconv_classifier_free(classifier: Option<Box<Classifier>>) {
    free(classifier);
}

/// # Safety
/// `classifier` is NULL or was handed out; `predictions` is NULL or leads to `count` elements.
unsafe fn classify(
    classifier: *mut Classifier,
    image: impl FnOnce() -> Result<Image>,
    predictions: *mut Prediction,
    count: Option<&mut usize>,
) -> Result<()> {
    let count = count.ok_or_else(|| null("count"))?;
    // SAFETY: what this function demands.
    let (Classifier { inner, labels }, predictions) = unsafe {
        let predictions: &mut [MaybeUninit<Prediction>] = slice_mut(predictions.cast(), *count, "predictions")?;
        (object(classifier, "classifier")?, predictions)
    };
    let found = lock(inner)?.classify(&image()?, predictions.len())?;
    *count = found.len();
    for (prediction, found) in predictions.iter_mut().zip(found) {
        prediction.write(Prediction {
            output: found.output,
            class_index: found.class.map_or(-1, |class| class as i64),
            label: labels.get(found.output).map_or(ptr::null(), |label| label.as_ptr()),
            score: found.score,
        });
    }
    Ok(())
}
