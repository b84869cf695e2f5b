use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::metrics::Metrics;
use crate::model::ServedModel;
use crate::problem::Problem;
use crate::request::InferRequest;
use crate::response::InferResponse;

/// A request that waits for a worker. It is skipped once its client has gone.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) request: InferRequest,
    pub(crate) reply: oneshot::Sender<Result<InferResponse, Problem>>,
    pub(crate) arrived: Instant,
    /// What its body takes of the memory for bodies.
    pub(crate) _memory: Option<OwnedSemaphorePermit>,
}

/// The requests of a network that a worker computes together.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The position of the network.
    pub(crate) model: usize,
    pub(crate) jobs: Vec<Job>,
}

/// A queue of bounded length for each network, which all workers take batches from.
#[derive(Debug)]
pub(crate) struct Queues {
    state: Mutex<State>,
    changed: Condvar,
    /// The largest batch of each network.
    batches: Vec<usize>,
    most: usize,
}

#[derive(Debug)]
struct State {
    queues: Vec<VecDeque<Job>>,
    /// How long the first request of a batch waits for others.
    delay: Duration,
    is_closed: bool,
}

impl Queues {
    /// Queues of at most `most` requests, the first of which waits up to `delay` for a full batch.
    pub(crate) fn new(models: &[ServedModel], delay: Duration, most: usize) -> Self {
        let queues = models.iter().map(|_| VecDeque::new()).collect();
        Self {
            state: Mutex::new(State { queues, delay, is_closed: false }),
            changed: Condvar::new(),
            batches: models.iter().map(ServedModel::batch).collect(),
            most,
        }
    }

    /// Appends a request; it is given back where the queue is full or closed.
    pub(crate) fn push(&self, model: usize, job: Job, metrics: &Metrics) -> Result<(), Job> {
        let mut state = self.lock();
        let is_closed = state.is_closed;
        let queue = &mut state.queues[model];
        if queue.len() >= self.most {
            queue.retain(|job| !job.reply.is_closed());
        }
        if is_closed || queue.len() >= self.most {
            return Err(job);
        }
        queue.push_back(job);
        metrics.of(model).queue_length.set(queue.len() as i64);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits for a batch that is full or whose time has come, that of the request which has waited longest first;
    /// `None` once the queues are closed and empty.
    pub(crate) fn next_batch(&self, metrics: &Metrics) -> Option<Batch> {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            let due = |queue: &VecDeque<Job>, batch: usize| {
                let first = queue.front()?.arrived;
                let is_full = batch == 1 || queue.iter().map(|job| job.request.rows).sum::<usize>() >= batch;
                Some((if is_full { first } else { first + state.delay }, first))
            };
            let dues = state.queues.iter().zip(&self.batches).enumerate();
            let dues = dues.filter_map(|(model, (queue, &batch))| due(queue, batch).map(|due| (model, due)));
            let dues: Vec<(usize, (Instant, Instant))> = dues.collect();
            let is_closed = state.is_closed;
            let oldest =
                dues.iter().filter(|(_, (due, _))| is_closed || *due <= now).min_by_key(|(_, (_, first))| *first);
            if let Some(&(model, _)) = oldest {
                let jobs = take(&mut state.queues[model], self.batches[model]);
                metrics.of(model).queue_length.set(state.queues[model].len() as i64);
                // What is left may be a batch for another worker.
                self.changed.notify_one();
                if jobs.is_empty() {
                    continue;
                }
                return Some(Batch { model, jobs });
            }
            state = match dues.iter().map(|(_, (due, _))| *due).min() {
                None if is_closed => return None,
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(due) => {
                    let waited = self.changed.wait_timeout(state, due.saturating_duration_since(now));
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Requests that wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().queues.iter().map(VecDeque::len).sum()
    }

    /// Has no request wait for others any longer.
    pub(crate) fn hurry(&self) {
        self.lock().delay = Duration::ZERO;
        self.changed.notify_all();
    }

    /// Takes no more requests. Workers finish those that wait.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first requests whose clients still wait, as many as fit a batch.
fn take(queue: &mut VecDeque<Job>, batch: usize) -> Vec<Job> {
    let (mut jobs, mut rows) = (Vec::new(), 0);
    while let Some(job) = queue.pop_front() {
        if job.reply.is_closed() {
            continue;
        }
        if !jobs.is_empty() && rows + job.request.rows > batch {
            queue.push_front(job);
            break;
        }
        rows += job.request.rows;
        jobs.push(job);
        if rows >= batch {
            break;
        }
    }
    jobs
}

#[cfg(test)]
mod tests {
    use sepconv::{Model, Options};

    use super::*;

    type Answer = oneshot::Receiver<Result<InferResponse, Problem>>;

    fn model(batch: usize) -> ServedModel {
        let model = Model::named("mobilenet_v1@32x0.25").unwrap();
        ServedModel::new("m", model, &Options::default().threads(1), batch).unwrap()
    }

    fn job(rows: usize) -> (Job, Answer) {
        let (reply, answer) = oneshot::channel();
        let request = InferRequest { id: None, rows, inputs: vec![], outputs: vec![] };
        (Job { request, reply, arrived: Instant::now(), _memory: None }, answer)
    }

    /// Queues for networks of batch 4 and 1, two requests each, and what their clients hold.
    fn queues(delay: Duration) -> (Queues, Metrics) {
        let models = [model(4), model(1)];
        (Queues::new(&models, delay, 2), Metrics::new(&models))
    }

    fn rows(batch: Option<Batch>) -> (usize, Vec<usize>) {
        let Batch { model, jobs } = batch.unwrap();
        (model, jobs.iter().map(|job| job.request.rows).collect())
    }

    #[test]
    fn full_batches_and_old_ones_are_taken() {
        let (queues, metrics) = queues(Duration::from_secs(100_000));
        let ([a, b], [c, d]) = ([job(2), job(2)], [job(1), job(1)]);
        queues.push(0, a.0, &metrics).unwrap();
        queues.push(1, c.0, &metrics).unwrap();
        // That of a batch of one waits for nothing.
        assert_eq!(rows(queues.next_batch(&metrics)), (1, vec![1]));
        queues.push(0, b.0, &metrics).unwrap();
        assert_eq!(rows(queues.next_batch(&metrics)), (0, vec![2, 2]));
        queues.push(0, d.0, &metrics).unwrap();
        queues.hurry();
        assert_eq!(rows(queues.next_batch(&metrics)), (0, vec![1]));
        queues.close();
        assert!(queues.next_batch(&metrics).is_none());
        assert!(queues.push(0, job(1).0, &metrics).is_err());
    }

    #[test]
    fn requests_that_do_not_fit_a_batch_wait_for_the_next() {
        let (queues, metrics) = queues(Duration::ZERO);
        let answers = [job(3), job(2)].map(|(job, answer)| {
            queues.push(0, job, &metrics).unwrap();
            answer
        });
        assert_eq!(rows(queues.next_batch(&metrics)), (0, vec![3]));
        assert_eq!(rows(queues.next_batch(&metrics)), (0, vec![2]));
        drop(answers);
    }

    #[test]
    fn clients_that_have_gone_leave_their_place() {
        let (queues, metrics) = queues(Duration::ZERO);
        let (first, answer) = job(1);
        queues.push(0, first, &metrics).unwrap();
        queues.push(0, job(2).0, &metrics).unwrap();
        let (third, third_answer) = job(3);
        queues.push(0, third, &metrics).unwrap();
        assert!(queues.push(0, job(1).0, &metrics).is_err(), "both of these clients wait");
        assert_eq!(queues.len(), 2);
        drop(answer);
        assert_eq!(rows(queues.next_batch(&metrics)), (0, vec![3]));
        drop(third_answer);
        queues.close();
        assert!(queues.next_batch(&metrics).is_none());
    }
}
