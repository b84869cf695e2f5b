//! A network may be run from any thread of any pool: waiting for its threads never runs another job of the caller's.

use std::cell::RefCell;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rayon_core::{ThreadPool, ThreadPoolBuilder};
use sepconv::{Model, Options, Session, Tensor};

/// Calls from each pool: enough that one waits while others are queued.
const CALLS: usize = 64;

fn session(threads: usize) -> Session {
    Model::named("mobilenet_v1@64x0.25")
        .unwrap()
        .compile(&Options::default().threads(threads))
        .unwrap()
        .session()
        .unwrap()
}

fn input(seed: usize) -> Tensor {
    let numbers = (0..3 * 64 * 64).map(|i| ((i * 31 + seed * 17) % 255) as f32 / 127.0 - 1.0);
    Tensor::f32([1, 3, 64, 64], numbers.collect::<Vec<_>>()).unwrap()
}

fn answers() -> Vec<Tensor> {
    let mut session = session(1);
    (0..CALLS).map(|seed| session.run(&[&input(seed)]).unwrap()[0].clone()).collect()
}

/// Does `work` on a thread of its own, and fails where it never ends.
fn ends(work: impl FnOnce() + Send + 'static) {
    let (sender, receiver) = channel();
    let worker = thread::spawn(move || {
        work();
        sender.send(()).unwrap();
    });
    // What takes a tenth of a second has had a thousand times as long.
    match receiver.recv_timeout(Duration::from_secs(120)) {
        Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("deadlock"),
        _ => worker.join().unwrap(),
    }
}

fn pool() -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(3).build().unwrap()
}

/// Queues all calls at once, so that a waiting worker finds others to run.
fn on_workers(pool: &ThreadPool, call: impl Fn(usize) + Sync) {
    let call = &call;
    pool.scope(|scope| (0..CALLS).for_each(|seed| scope.spawn(move |_| call(seed))));
}

#[test]
fn workers_of_rayon_share_a_network_behind_a_lock() {
    ends(|| {
        let (shared, answers) = (Mutex::new(session(2)), answers());
        on_workers(&pool(), |seed| {
            assert_eq!(shared.lock().unwrap().run(&[&input(seed)]).unwrap()[0], answers[seed]);
        });
    });
}

#[test]
fn workers_of_rayon_have_a_network_each() {
    thread_local!(static SESSION: RefCell<Session> = RefCell::new(session(2)));
    ends(|| {
        let answers = answers();
        on_workers(&pool(), |seed| {
            SESSION.with_borrow_mut(|session| assert_eq!(session.run(&[&input(seed)]).unwrap()[0], answers[seed]));
        });
    });
}

#[test]
fn threads_share_a_network_behind_a_lock() {
    let (shared, answers) = (Mutex::new(session(2)), answers());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for (seed, answer) in answers.iter().enumerate() {
                    assert_eq!(shared.lock().unwrap().run(&[&input(seed)]).unwrap()[0], *answer);
                }
            });
        }
    });
}

#[test]
fn blocking_tasks_of_tokio_share_a_network_behind_a_lock() {
    ends(|| {
        let (shared, answers) = (Arc::new(Mutex::new(session(2))), Arc::new(answers()));
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
            let tasks: Vec<_> = (0..CALLS)
                .map(|seed| {
                    let (shared, answers) = (shared.clone(), answers.clone());
                    tokio::task::spawn_blocking(move || {
                        assert_eq!(shared.lock().unwrap().run(&[&input(seed)]).unwrap()[0], answers[seed]);
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
    });
}

#[test]
fn errors_come_back_to_workers() {
    let mut session = session(2);
    let error = pool().install(|| session.run(&[&Tensor::f32([1], [0.0]).unwrap()]).map(|_| ()).unwrap_err());
    assert!(error.to_string().starts_with("input has the wrong shape"), "{error}");
}
