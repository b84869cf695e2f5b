use std::borrow::Cow;
use std::iter::zip;
use std::slice;
use std::time::Instant;

use bytes::Bytes;
use sepconv::{Error, Image, Result, Session, Tensor};

use crate::handler::Shared;
use crate::json_tensor;
use crate::model::{ServedModel, TensorPort};
use crate::problem::Problem;
use crate::queue::{Batch, Job};
use crate::request::{InferRequest, Payload};
use crate::response::InferResponse;
use crate::rows;

/// A thread's sessions: of each network one for each size of batch.
#[derive(Debug)]
pub(crate) struct Worker {
    sessions: Vec<Vec<(usize, Session)>>,
}

impl Worker {
    /// # Errors
    /// Those of [`CompiledModel::session`](sepconv::CompiledModel::session).
    pub(crate) fn new(models: &[ServedModel]) -> Result<Self> {
        let sessions = |model: &ServedModel| {
            model.plans().iter().map(|(size, compiled)| Ok((*size, compiled.session()?))).collect::<Result<Vec<_>>>()
        };
        Ok(Self { sessions: models.iter().map(sessions).collect::<Result<_>>()? })
    }

    /// Computes batches until the queues are closed.
    pub(crate) fn run(mut self, shared: &Shared) {
        while let Some(batch) = shared.queues.next_batch(&shared.metrics) {
            self.compute(shared, batch);
        }
    }

    /// Answers every request of a batch. One that cannot be read, or whose values the network refuses, does not keep the
    /// others from their answers.
    fn compute(&mut self, shared: &Shared, Batch { model: index, jobs }: Batch) {
        let (model, metrics) = (&shared.models[index], shared.metrics.of(index));
        let start = Instant::now();
        jobs.iter().for_each(|job| metrics.queue_time.observe((start - job.arrived).as_secs_f64()));
        let mut read: Vec<(Job, Vec<Tensor>)> = Vec::with_capacity(jobs.len());
        for job in jobs {
            match tensors(model, &job.request) {
                Ok(tensors) => read.push((job, tensors)),
                Err(error) => reply(job, Err(error.into())),
            }
        }
        if read.is_empty() {
            return;
        }
        let sessions = &mut self.sessions[index];
        let answers = match answers(sessions, model, &read) {
            Ok(answers) => answers,
            // Which of them is at fault is not known.
            Err(_) if read.len() > 1 => read.iter().map(|one| alone(sessions, model, one)).collect(),
            Err(error) => vec![Err(error.into())],
        };
        metrics.observe_batch(read.iter().map(|(job, _)| job.request.rows).sum(), start.elapsed());
        zip(read, answers).for_each(|((job, _), answer)| reply(job, answer));
    }
}

type Answer = std::result::Result<InferResponse, Problem>;

/// Sends an answer. A client that has gone does not hear it.
fn reply(job: Job, answer: Answer) {
    drop(job.reply.send(answer));
}

/// Runs requests together; their answers are in the same order.
fn answers(sessions: &mut [(usize, Session)], model: &ServedModel, jobs: &[(Job, Vec<Tensor>)]) -> Result<Vec<Answer>> {
    let inputs: Cow<'_, [Tensor]> = match jobs {
        [(_, tensors)] => Cow::Borrowed(tensors),
        _ => {
            let joined = |i: usize| rows::concat(&jobs.iter().map(|(_, tensors)| &tensors[i]).collect::<Vec<_>>());
            (0..model.inputs().len()).map(joined).collect::<Result<_>>()?
        }
    };
    // Requests are independent of each other, also where a network keeps state.
    sessions.iter_mut().for_each(|(_, session)| session.reset());
    let outputs = rows::run(sessions, &inputs, jobs.iter().map(|(job, _)| job.request.rows).sum())?;
    let mut start = 0;
    let answer = |(job, _): &(Job, Vec<Tensor>)| {
        let range = start..start + job.request.rows;
        start = range.end;
        InferResponse::write(model, &job.request, &outputs, &range)
    };
    Ok(jobs.iter().map(answer).collect())
}

fn alone(sessions: &mut [(usize, Session)], model: &ServedModel, job: &(Job, Vec<Tensor>)) -> Answer {
    answers(sessions, model, slice::from_ref(job))?.swap_remove(0)
}

/// The inputs of a request: numbers as they were sent, images decoded, fitted and normalized.
fn tensors(model: &ServedModel, request: &InferRequest) -> Result<Vec<Tensor>> {
    zip(model.inputs(), &request.inputs).map(|(port, payload)| tensor(model, port, payload, request.rows)).collect()
}

fn tensor(model: &ServedModel, port: &TensorPort, payload: &Payload, rows: usize) -> Result<Tensor> {
    let shape = || match model.has_batch() {
        true => rows::with_rows(&port.info.shape, rows),
        false => Ok(port.info.shape.clone()),
    };
    match (payload, model.image()) {
        (Payload::Binary(bytes), _) => port.element.tensor(bytes, shape()?),
        (Payload::Json(text), _) => json_tensor::read(text, port.element, shape()?),
        (Payload::Images(files), Some(image)) => {
            let tensor = |file: &Bytes| image.input.tensor_for(&Image::decode(file)?, &image.preprocess, &port.info);
            match &files[..] {
                [file] => tensor(file),
                _ => {
                    let tensors = files.iter().map(tensor).collect::<Result<Vec<_>>>()?;
                    rows::concat(&tensors.iter().collect::<Vec<_>>())
                }
            }
        }
        (Payload::Images(_), None) => Err(Error::argument("network does not take one image")),
    }
}
