use std::net::{SocketAddr, TcpListener as StdListener, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use sepconv::{Error, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;

use crate::handler::Shared;
use crate::worker::Worker;
use crate::{ServedModel, Settings};

/// The least that hyper's buffer may have, and the most headers of a request.
const MIN_HEADERS: usize = 8192;
const MAX_HEADER_COUNT: usize = 64;
/// How long nothing is accepted where the system has no more sockets.
const PAUSE: Duration = Duration::from_millis(50);
/// The answer to a connection that is one too many.
const TOO_MANY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Networks at an address.
///
/// ```
/// use std::thread;
///
/// use sepconv::{Model, Options};
/// use sepconv_serve::{ServedModel, Server, Settings};
///
/// let options = Options::default().threads(1);
/// let model = ServedModel::new("tiny", Model::named("mobilenet_v1@32x0.25")?, &options, 1)?;
/// let server = Server::bind("127.0.0.1:0", vec![model], Settings::default())?;
/// let (address, stop) = (server.address(), server.stop_handle());
/// let running = thread::spawn(move || server.run());
/// println!("http://{address}/v2/models/tiny");
/// stop.stop();
/// running.join().unwrap()?;
/// # Ok::<(), sepconv::Error>(())
/// ```
#[derive(Debug)]
pub struct Server {
    listener: StdListener,
    address: SocketAddr,
    shared: Arc<Shared>,
    workers: Vec<Worker>,
    stop: StopHandle,
}

/// Stops a [`Server`], from any thread.
#[derive(Clone, Debug)]
pub struct StopHandle(Arc<watch::Sender<bool>>);

impl StopHandle {
    /// Has the server accept nothing more, answer what it has accepted, and end.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Server {
    /// Listens at `address`, of which port 0 is any that is free, and makes every worker's sessions.
    ///
    /// # Errors
    /// If the address cannot be listened at, names occur twice, there is no network or no worker, a limit is too low,
    /// or the memory of a session is not there.
    pub fn bind(address: impl ToSocketAddrs, models: Vec<ServedModel>, settings: Settings) -> Result<Self> {
        check(&models, &settings)?;
        let failed = |error| Error::io(format!("address cannot be listened at: {error}"));
        let listener = StdListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let workers = (0..settings.workers).map(|_| Worker::new(&models)).collect::<Result<_>>()?;
        Ok(Self {
            address: listener.local_addr().map_err(failed)?,
            listener,
            shared: Arc::new(Shared::new(models, settings)),
            workers,
            stop: StopHandle(Arc::new(watch::Sender::new(false))),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The networks.
    pub fn models(&self) -> &[ServedModel] {
        &self.shared.models
    }

    /// What stops it.
    pub fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }

    /// Serves until it is [stopped](Self::stop_handle), and all that was in flight then is answered.
    ///
    /// # Errors
    /// If threads cannot be started.
    pub fn run(self) -> Result<()> {
        self.run_with(false, &|_| ())
    }

    /// As [`run`](Self::run), until the process is told to end (Ctrl-C, SIGTERM). A second signal ends it without what
    /// is in flight. `log` hears what happens, a line each.
    ///
    /// # Errors
    /// Those of [`run`](Self::run), and if signals cannot be heard.
    pub fn run_until_signal(self, log: impl Fn(&str)) -> Result<()> {
        self.run_with(true, &log)
    }

    fn run_with(self, hears_signals: bool, log: &dyn Fn(&str)) -> Result<()> {
        let Self { listener, shared, workers, stop, .. } = self;
        let failed = |error| Error::io(format!("threads cannot be started: {error}"));
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let mut threads = Vec::with_capacity(workers.len());
        let mut started = Ok(());
        for (i, worker) in workers.into_iter().enumerate() {
            let shared = shared.clone();
            let name = format!("sepconv-worker-{i}");
            match thread::Builder::new().name(name).spawn(move || worker.run(&shared)) {
                Ok(thread) => threads.push(thread),
                Err(error) => started = Err(failed(error)),
            }
        }
        let served = started.and_then(|()| runtime.block_on(serve(listener, &shared, &stop, hears_signals, log)));
        shared.queues.close();
        drop(runtime);
        threads.into_iter().for_each(|thread| drop(thread.join()));
        served
    }
}

fn check(models: &[ServedModel], settings: &Settings) -> Result<()> {
    if models.is_empty() {
        return Err(Error::argument("no network is to be served"));
    }
    let twice = |(i, model): &(usize, &ServedModel)| models[..*i].iter().any(|earlier| earlier.name() == model.name());
    if let Some((_, model)) = models.iter().enumerate().find(twice) {
        return Err(Error::argument("two networks have one name")
            .at(format!("name {:?}", model.name()))
            .help("give one of them another name: NAME=FILE"));
    }
    for (what, value, least) in [
        ("number of workers", settings.workers, 1),
        ("length of queues", settings.queue, 1),
        ("number of connections", settings.max_connections, 1),
        ("limit of headers", settings.max_headers, MIN_HEADERS),
    ] {
        if value < least {
            return Err(Error::argument(format!("{what} is too low")).expected(format_args!("at least {least}"), value));
        }
    }
    Ok(())
}

/// Accepts connections until it is told to stop, then waits for those that are being answered.
async fn serve(
    listener: StdListener,
    shared: &Arc<Shared>,
    stop: &StopHandle,
    hears_signals: bool,
    log: &dyn Fn(&str),
) -> Result<()> {
    let failed = |error| Error::io(format!("connections cannot be accepted: {error}"));
    let listener = TcpListener::from_std(listener).map_err(failed)?;
    let mut signals = if hears_signals { Some(Signals::new()?) } else { None };
    let mut stopped = stop.0.subscribe();
    let connections = Arc::new(Semaphore::new(shared.settings.max_connections.min(Semaphore::MAX_PERMITS)));
    let (http, graceful) = (http(&shared.settings), GracefulShutdown::new());
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => accept(stream, shared, &connections, &http, &graceful),
                Err(_) => sleep(PAUSE).await,
            },
            _ = stopped.wait_for(|&stopped| stopped) => break,
            () = signal(&mut signals) => break,
        }
    }
    shared.is_stopping.store(true, Ordering::Relaxed);
    shared.queues.hurry();
    drop(listener);
    log(&format!("stopping: {} connections, {} requests wait", graceful.count(), shared.queues.len()));
    tokio::select! {
        ended = timeout(shared.settings.timeout, graceful.shutdown()) => {
            if ended.is_err() {
                log("stopped before all requests were answered: they took too long");
            }
        }
        () = signal(&mut signals) => log("stopped before all requests were answered: by a second signal"),
    }
    Ok(())
}

fn http(settings: &Settings) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(settings.timeout)
        .max_headers(MAX_HEADER_COUNT)
        .max_header_size(settings.max_headers)
        .max_buf_size(settings.max_headers);
    http
}

/// Serves a connection in a task of its own.
fn accept(
    stream: TcpStream,
    shared: &Arc<Shared>,
    connections: &Arc<Semaphore>,
    http: &http1::Builder,
    graceful: &GracefulShutdown,
) {
    let Ok(permit) = connections.clone().try_acquire_owned() else {
        // Whether the client reads it or not, it is not waited for.
        let _ = stream.try_write(TOO_MANY);
        return;
    };
    // Answers are written whole; without this the last part of one may wait for the client.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(shared.settings.timeout));
    let shared = shared.clone();
    let service = service_fn(move |request| {
        let shared = shared.clone();
        async move { shared.handle(request).await }
    });
    let connection = graceful.watch(http.serve_connection(TokioIo::new(Box::pin(stream)), service));
    tokio::spawn(hold(permit, connection));
}

/// Keeps a permit for as long as a connection. How that ends is the client's affair.
async fn hold(permit: OwnedSemaphorePermit, connection: impl Future<Output = hyper::Result<()>>) {
    drop(connection.await);
    drop(permit);
}

/// Waits for a signal, for ever where none is heard.
async fn signal(signals: &mut Option<Signals>) {
    match signals {
        Some(signals) => signals.next().await,
        None => std::future::pending().await,
    }
}

#[cfg(unix)]
struct Signals([tokio::signal::unix::Signal; 2]);

#[cfg(unix)]
impl Signals {
    fn new() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let hear = |kind| signal(kind).map_err(|error| Error::io(format!("signals cannot be heard: {error}")));
        Ok(Self([hear(SignalKind::interrupt())?, hear(SignalKind::terminate())?]))
    }

    async fn next(&mut self) {
        let [interrupt, terminate] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        // Where Ctrl-C cannot be heard the system ends the process.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}
