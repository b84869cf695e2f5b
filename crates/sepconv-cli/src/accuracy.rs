use sepconv::{Accuracy, Classifier, LabeledImages};
use serde::Serialize;

use crate::failure::{Failure, note};
use crate::progress::{Bars, TOLD};

/// An accuracy as JSON.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct AccuracyJson {
    images: usize,
    top1: usize,
    top5: usize,
    top1_percent: f64,
    top1_interval: [f64; 2],
}

impl From<Accuracy> for AccuracyJson {
    fn from(accuracy: Accuracy) -> Self {
        let Accuracy { images, top1, top5, .. } = accuracy;
        Self { images, top1, top5, top1_percent: accuracy.top1_percent(), top1_interval: accuracy.top1_interval() }
    }
}

/// The accuracy of a classifier; `what` is shown beside the bar. The first images that cannot be read are told one by
/// one.
pub(crate) fn evaluate(
    classifier: &mut Classifier,
    images: &LabeledImages,
    what: &'static str,
    quiet: bool,
) -> Result<Accuracy, Failure> {
    let mut bars = Bars::named(what, quiet);
    let accuracy = classifier.evaluate(images, &mut |event| bars.show(event))?;
    drop(bars);
    if accuracy.failed > TOLD {
        note(format_args!("error: {} more images could not be read", accuracy.failed - TOLD));
    }
    Ok(accuracy)
}

/// `85.0 %`
pub(crate) fn percent(part: usize, whole: usize) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64)
}

/// `79.4 to 89.3 %`
pub(crate) fn interval([low, high]: [f64; 2]) -> String {
    format!("{low:.1} to {high:.1} %")
}
