use std::ops::ControlFlow;

use sepconv_core::{Error, ErrorKind, Result};

use crate::Accuracy;

/// What takes time in a long call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// Images are decoded for calibration.
    Decode,
    /// The f32 network runs on the samples.
    Calibrate,
    /// The sensitivity of layers is measured one by one.
    Search,
    /// Layers are quantized in order.
    Round,
    /// Layers are factorized in order.
    Fit,
    /// Images with labels are classified.
    Evaluate,
    /// Networks are timed beside each other.
    Compare,
    /// Runs are timed, step by step.
    Profile,
    /// Kernels are timed, in tenths of a second of the time that there is.
    Tune,
}

/// How far a long call is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProgressEvent {
    /// What takes time at present. A call may have several stages.
    pub stage: Stage,
    /// How much of the stage is done.
    pub done: usize,
    /// How much there is to do in this stage.
    pub total: usize,
    /// The accuracy so far, in a stage that measures it.
    pub accuracy: Option<Accuracy>,
    /// What went wrong with one of many inputs, which is left out.
    pub failure: Option<Error>,
}

/// The callback of a long call. Where it returns [`Break`](ControlFlow::Break) the call stops, and returns an error of
/// kind [`Cancelled`](ErrorKind::Cancelled). Nothing is left behind: a network or session that was borrowed can be used
/// as before.
///
/// ```
/// use std::ops::ControlFlow;
/// use sepconv::{ErrorKind, Model, Options, ProgressEvent, Tensor};
///
/// let mut session = Model::named("mobilenet_v1@32x0.25")?.compile(&Options::default())?.session()?;
/// let input = Tensor::f32([1, 3, 32, 32], vec![0.5; 3 * 32 * 32])?;
/// let mut three_runs = |event: ProgressEvent| match event.done {
///     0..3 => ControlFlow::Continue(()),
///     _ => ControlFlow::Break(()),
/// };
/// let error = session.profile(&[&input], 1000, &mut three_runs).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Cancelled);
/// session.profile(&[&input], 10, &mut ProgressEvent::ignore)?;
/// # Ok::<(), sepconv::Error>(())
/// ```
pub type Progress<'a> = &'a mut dyn FnMut(ProgressEvent) -> ControlFlow<()>;

impl Stage {
    /// Its name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Calibrate => "calibrate",
            Self::Search => "search",
            Self::Round => "round",
            Self::Fit => "fit",
            Self::Evaluate => "evaluate",
            Self::Compare => "compare",
            Self::Profile => "profile",
            Self::Tune => "tune",
        }
    }
}

impl ProgressEvent {
    /// The callback that lets a call go on: `&mut ProgressEvent::ignore`.
    pub fn ignore(self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Tells how far a stage is; fails where the callback cancels.
pub(crate) fn advance(progress: Progress<'_>, stage: Stage, done: usize, total: usize) -> Result<()> {
    tell(progress, ProgressEvent { stage, done, total, accuracy: None, failure: None })
}

/// As [`advance`].
pub(crate) fn tell(progress: Progress<'_>, event: ProgressEvent) -> Result<()> {
    let ProgressEvent { stage, done, total, .. } = event;
    match progress(event) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Error::new(ErrorKind::Cancelled, "cancelled by its caller")
            .at(format!("{}, {done} of {total}", stage.name()))),
    }
}
