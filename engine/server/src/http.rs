//! The endpoint for operators: metrics and health over HTTP.
//!
//! It answers GET and HEAD of `/metrics`, `/healthz` and `/readyz`, and nothing else. It shares the engine's thread, so it
//! serves a named number of connections at once, answers one request on each and lets none linger.

use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Served at once; a further connection waits in the listener's backlog.
pub(crate) const MAX_CONNECTIONS: usize = 16;
/// A request's head must arrive within this time.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection is closed after this time, whatever it does: one that takes its answer slowly.
const MAX_LIFE: Duration = Duration::from_secs(30);
/// After a failed accept the listener rests so long.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// The media type of the OpenMetrics text format, which Prometheus asks for.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN_TEXT: &str = "text/plain; charset=utf-8";

/// What the endpoint tells.
pub(crate) trait Facts: 'static {
    /// All metrics in the OpenMetrics text format.
    fn metrics(&self) -> String;
    /// `Ok` while new clients are welcome, else why not.
    fn readiness(&self) -> Result<(), &'static str>;
}

/// Serves the endpoint for ever.
pub(crate) async fn serve_facts(listener: TcpListener, facts: Rc<impl Facts>) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let permit = Arc::clone(&permits).acquire_owned().await;
        match listener.accept().await {
            Ok((stream, _)) => {
                let facts = Rc::clone(&facts);
                tokio::task::spawn_local(async move {
                    // A client that misbehaves, or stays too long, is dropped; there is nobody to tell.
                    let _ = tokio::time::timeout(MAX_LIFE, serve_connection(stream, facts)).await;
                    drop(permit);
                });
            }
            Err(_) => tokio::time::sleep(ACCEPT_BACKOFF).await,
        }
    }
}

async fn serve_connection(stream: TcpStream, facts: Rc<impl Facts>) -> Result<(), hyper::Error> {
    let service = service_fn(move |request| {
        let response = answer(&request, &*facts);
        async move { Ok::<_, Infallible>(response) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        // Kept alive, those who asked once would keep others from asking.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

fn answer(request: &Request<Incoming>, facts: &impl Facts) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/metrics" => response(StatusCode::OK, OPEN_METRICS, facts.metrics()),
        "/healthz" => text(StatusCode::OK, "alive\n"),
        "/readyz" => match facts.readiness() {
            Ok(()) => text(StatusCode::OK, "ready\n"),
            Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, &format!("not ready: {reason}\n")),
        },
        _ => text(StatusCode::NOT_FOUND, "there are /metrics, /healthz and /readyz\n"),
    }
}

fn text(status: StatusCode, body: &str) -> Response<Full<Bytes>> {
    response(status, PLAIN_TEXT, body.to_owned())
}

fn response(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
