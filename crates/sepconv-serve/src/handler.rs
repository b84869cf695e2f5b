//! From a request to its answer.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use serde_json::Value;
use subtle::ConstantTimeEq;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::body::{self, BodyMemory};
use crate::metadata;
use crate::metrics::Metrics;
use crate::model::ServedModel;
use crate::problem::Problem;
use crate::queue::{Job, Queues};
use crate::request::{Framing, InferRequest};
use crate::response::InferResponse;
use crate::router::Route;
use crate::settings::Settings;

/// The length of a request's or answer's JSON, where tensors follow it.
const HEADER_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");
const JSON: &str = "application/json";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What connections and workers have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) models: Vec<ServedModel>,
    pub(crate) settings: Settings,
    pub(crate) queues: Queues,
    pub(crate) metrics: Metrics,
    bodies: BodyMemory,
    pub(crate) is_stopping: AtomicBool,
}

impl Shared {
    pub(crate) fn new(models: Vec<ServedModel>, settings: Settings) -> Self {
        Self {
            queues: Queues::new(&models, settings.batch_delay, settings.queue),
            metrics: Metrics::new(&models),
            bodies: BodyMemory::new(settings.max_bodies),
            is_stopping: AtomicBool::new(false),
            models,
            settings,
        }
    }

    /// Answers a request; what goes wrong is an answer, too.
    pub(crate) async fn handle(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        Ok(self.respond(request).await.unwrap_or_else(Problem::response))
    }

    async fn respond(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Problem> {
        let (head, body) = request.into_parts();
        let not_found = || Problem::new(StatusCode::NOT_FOUND, "nothing is served under this path");
        let route = Route::of(head.uri.path()).ok_or_else(not_found)?;
        if !route.is_open() {
            self.authorize(&head.headers)?;
        }
        if !route.allows(&head.method) {
            return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "path is not for this method"));
        }
        match route {
            Route::Liveness => Ok(Response::default()),
            Route::Readiness => self.ready(),
            Route::Server => Ok(json(&metadata::server())),
            Route::Index => Ok(json(&metadata::index(&self.models))),
            Route::Model(name) => self.find(name).map(|index| json(&metadata::model(&self.models[index]))),
            Route::ModelReady(name) => self.find(name).and_then(|_| self.ready()),
            Route::Infer(name) => self.infer(name, &head.headers, body).await,
            Route::Metrics => {
                let text = self.metrics.text(self.bodies.used());
                let text = text.map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
                Ok(of_type(OPENMETRICS, text.into()))
            }
        }
    }

    fn authorize(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(token) = &self.settings.token else { return Ok(()) };
        let given = headers.get(AUTHORIZATION).map_or(&[][..], HeaderValue::as_bytes);
        let given = given.split_at_checked(BEARER.len()).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(BEARER));
        match given.is_some_and(|(_, given)| given.ct_eq(token.as_bytes()).into()) {
            true => Ok(()),
            false => Err(Problem::new(StatusCode::UNAUTHORIZED, "token is missing or wrong (Authorization: Bearer …)")),
        }
    }

    fn ready(&self) -> Result<Response<Full<Bytes>>, Problem> {
        match self.is_stopping.load(Ordering::Relaxed) {
            true => Err(Problem::busy("server is stopping")),
            false => Ok(Response::default()),
        }
    }

    fn find(&self, name: &str) -> Result<usize, Problem> {
        let found = self.models.iter().position(|model| model.name() == name);
        found.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "no network is served under this name"))
    }

    async fn infer(&self, name: &str, headers: &HeaderMap, body: Incoming) -> Result<Response<Full<Bytes>>, Problem> {
        let found = self.find(name);
        let label = if found.is_ok() { name } else { "" };
        let result = match found {
            Ok(index) => self.infer_with(index, headers, body).await,
            Err(problem) => Err(problem),
        };
        self.metrics.count(label, result.as_ref().map_or_else(|problem| problem.status, |_| StatusCode::OK));
        result.map(infer_response)
    }

    /// Reads a request, has a worker compute it, and waits.
    async fn infer_with(&self, index: usize, headers: &HeaderMap, body: Incoming) -> Result<InferResponse, Problem> {
        let framing = framing(headers)?;
        let body = body::read(body, &self.settings, &self.bodies).await?;
        let request = InferRequest::read(&self.models[index], &body.bytes, framing)?;
        let (reply, answer) = oneshot::channel();
        let job = Job { request, reply, arrived: Instant::now(), _memory: body.memory };
        let full = |_| Problem::busy("queue of the network is full");
        self.queues.push(index, job, &self.metrics).map_err(full)?;
        match timeout(self.settings.timeout, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "worker ended without an answer")),
            Err(_) => Err(Problem::new(StatusCode::GATEWAY_TIMEOUT, "request was not computed in time")),
        }
    }
}

const BEARER: &[u8] = b"Bearer ";

/// How a body is divided, by the headers before it.
fn framing(headers: &HeaderMap) -> Result<Framing, Problem> {
    let is_encoded = headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity");
    if is_encoded {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "body must not be compressed"));
    }
    let of_type = headers.get(CONTENT_TYPE).map_or(&[][..], HeaderValue::as_bytes);
    let is_image = of_type.get(..6).is_some_and(|start| start.eq_ignore_ascii_case(b"image/"));
    let Some(length) = headers.get(HEADER_LENGTH) else {
        return Ok(if is_image { Framing::Image } else { Framing::Json });
    };
    let length = length.to_str().ok().and_then(|text| text.parse().ok());
    match length.ok_or_else(|| Problem::bad("Inference-Header-Content-Length must be a number of bytes"))? {
        0 if is_image => Ok(Framing::Image),
        0 => Ok(Framing::Raw),
        length => Ok(Framing::Binary(length)),
    }
}

fn infer_response(answer: InferResponse) -> Response<Full<Bytes>> {
    let InferResponse { header, body } = answer;
    let mut response = of_type(if header.is_some() { "application/octet-stream" } else { JSON }, body);
    response.headers_mut().extend(header.map(|length| (HEADER_LENGTH, HeaderValue::from(length))));
    response
}

fn json(value: &Value) -> Response<Full<Bytes>> {
    of_type(JSON, value.to_string().into())
}

fn of_type(content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
