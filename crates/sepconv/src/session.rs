use sepconv_core::{Error, Plan, Result, Session as PlanSession, Stage, Tensor, TensorView, TensorViewMut};

use crate::threads::Threads;
use crate::{CompiledModel, TensorInfo};

/// What one worker runs a network with: an arena, outputs and threads. Made by [`CompiledModel::session`].
///
/// At one thread a run allocates nothing. With more the others stay awake while it lasts, looking for work. It can be
/// called from any thread, also from workers of a caller's thread pool.
///
/// ```
/// use sepconv::{Model, Options, TensorView};
///
/// let compiled = Model::named("mobilenet_v1@32x0.25")?.compile(&Options::default())?;
/// let mut session = compiled.session()?;
/// let pixels = vec![0.5; 3 * 32 * 32];
/// let outputs = session.run(&[TensorView::f32(&[1, 3, 32, 32], &pixels)?])?;
/// assert_eq!(outputs[0].shape()[..], [1, 1000]);
/// # Ok::<(), sepconv::Error>(())
/// ```
#[derive(Debug)]
pub struct Session {
    model: CompiledModel,
    threads: Threads,
    inner: PlanSession,
}

impl Session {
    pub(crate) fn new(model: CompiledModel, threads: Threads) -> Result<Self> {
        let inner = PlanSession::new(model.shared_plan())?;
        Ok(Self { model, threads, inner })
    }

    /// The network that it runs.
    pub fn model(&self) -> &CompiledModel {
        &self.model
    }

    /// The inputs.
    pub fn inputs(&self) -> &[TensorInfo] {
        self.model.inputs()
    }

    /// The outputs.
    pub fn outputs(&self) -> &[TensorInfo] {
        self.model.outputs()
    }

    /// The plan that it runs.
    pub fn plan(&self) -> &Plan {
        self.model.plan()
    }

    /// Runs the network on one tensor per input (`&Tensor` or [`TensorView`]), by position, and returns one tensor per
    /// output. All are in the file's own order of axes. Results are the same, bit for bit, for any number of threads.
    /// A network that keeps state goes on from the run before; see [`reset`](Self::reset).
    ///
    /// # Errors
    /// If the number, shapes or dtypes of `inputs` are not the network's.
    pub fn run<'a, V: Into<TensorView<'a>> + Copy + Sync>(&mut self, inputs: &[V]) -> Result<&[Tensor]> {
        let Self { inner, threads, .. } = self;
        threads.enter(|join| inner.run(inputs, join))
    }

    /// As [`run`](Self::run), with inputs by name, in any order. Allocates a list of them.
    ///
    /// # Errors
    /// Those of [`run`](Self::run), and if a name is [no input's](CompiledModel::input_index) or an input is missing.
    pub fn run_named<'a, V: Into<TensorView<'a>> + Copy>(&mut self, inputs: &[(&str, V)]) -> Result<&[Tensor]> {
        let mut views = vec![None; self.inputs().len()];
        for &(name, input) in inputs {
            if views[self.model.input_index(name)?].replace(input.into()).is_some() {
                return Err(Error::argument("input occurs twice").at(format!("input {name:?}")));
            }
        }
        let given = self.inputs().iter().zip(views).map(|(info, view): (_, Option<TensorView<'_>>)| {
            view.ok_or_else(|| Error::argument("input is missing").at(format!("input {:?}", info.name)))
        });
        let views = given.collect::<Result<Vec<_>>>()?;
        self.run(&views)
    }

    /// As [`run`](Self::run), with the results written to `outputs`, one buffer for each output of the network.
    ///
    /// # Errors
    /// Those of [`run`](Self::run), and if the number, shapes or dtypes of `outputs` are not the network's.
    pub fn run_into<'a, V: Into<TensorView<'a>> + Copy + Sync>(
        &mut self,
        inputs: &[V],
        outputs: &mut [TensorViewMut<'_>],
    ) -> Result<()> {
        let Self { inner, threads, .. } = self;
        threads.enter(|join| inner.run_into(inputs, outputs, join))
    }

    /// Forgets what runs have left in a network that keeps state: the next run starts as the first did.
    pub fn reset(&mut self) {
        self.inner.reset();
    }

    /// As [`run`](Self::run), and calls `observe` at the end of each stage.
    pub(crate) fn run_with_observer<'a, V: Into<TensorView<'a>> + Copy + Sync>(
        &mut self,
        inputs: &[V],
        mut observe: impl FnMut(Stage) + Send,
    ) -> Result<&[Tensor]> {
        let Self { inner, threads, .. } = self;
        threads.enter(|join| inner.run_with_observer(inputs, join, &mut observe))
    }
}

const _: () = {
    const fn moves_between_threads<T: Send>() {}
    moves_between_threads::<Session>();
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Model, Options};

    /// The observer is called on a thread of the first session's pool.
    #[test]
    fn a_network_runs_inside_an_observer_of_another() {
        let compiled = Model::named("mobilenet_v1@32x0.25").unwrap().compile(&Options::default().threads(2)).unwrap();
        let [mut outer, mut inner] = [(), ()].map(|()| compiled.session().unwrap());
        let input = Tensor::f32([1, 3, 32, 32], vec![0.5; 3 * 32 * 32]).unwrap();
        let expected = inner.run(&[&input]).unwrap()[0].clone();
        let mut observed = 0;
        outer
            .run_with_observer(&[&input], |_| {
                assert_eq!(inner.run(&[&input]).unwrap()[0], expected);
                observed += 1;
            })
            .unwrap();
        assert_eq!(observed, outer.plan().step_count() + 2);
    }
}
