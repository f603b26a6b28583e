//! The TCP port: metrics and health, for whatever watches over the process.

use std::convert::Infallible;
use std::future::Future;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{ALLOW, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};

use super::http::{Body, accept_each, respond, sentence};
use super::{Readiness, State};
use crate::metrics::Exporter;

/// What the admin port shows, and how much it takes on.
#[derive(Clone, Debug)]
pub struct AdminState {
    /// The metrics.
    pub exporter: Arc<Exporter>,
    /// Whether the broker takes clients.
    pub readiness: Arc<Readiness>,
    /// Connections at once (`admin.connections`); more wait.
    pub connections: usize,
    /// How long one connection may last (`admin.request_timeout`).
    pub request_timeout: Duration,
}

/// Serves `listener` until `shutdown` is done. Runs on the tokio runtime of the caller, which has I/O and time enabled.
///
/// # Errors
/// When the listener cannot be given to the runtime. What goes wrong with one connection ends that connection alone.
pub async fn serve(
    listener: TcpListener,
    state: AdminState,
    shutdown: impl Future<Output = ()>,
) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let (connections, timeout) = (state.connections, state.request_timeout);
    let state = Arc::new(state);
    accept_each(listener, connections, shutdown, |socket| {
        let state = state.clone();
        async move {
            let service = service_fn(|request| {
                let response = answer(&request, &state);
                async { Ok::<_, Infallible>(response) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(timeout)
                .serve_connection(TokioIo::new(socket), service);
            // The answer counts too: a reader that never reads would otherwise keep its place for ever.
            if let Ok(Err(error)) = tokio::time::timeout(timeout, connection).await {
                tracing::debug!(%error, "admin connection ended with an error");
            }
        }
    })
    .await;
    Ok(())
}

/// What the port answers; the socket does so too.
pub(super) fn answer<B>(request: &Request<B>, state: &AdminState) -> Response<Body> {
    let path = request.uri().path();
    let known = matches!(path, "/metrics" | "/healthz" | "/readyz");
    if known && request.method() != Method::GET && request.method() != Method::HEAD {
        let mut response = sentence(StatusCode::METHOD_NOT_ALLOWED, format!("{path} is read with GET"));
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match path {
        "/metrics" => match state.exporter.text() {
            Ok(text) => respond(StatusCode::OK, Exporter::CONTENT_TYPE, text),
            Err(_) => sentence(
                StatusCode::INTERNAL_SERVER_ERROR,
                "a source could not write its metrics".into(),
            ),
        },
        "/healthz" => sentence(StatusCode::OK, "the process is alive".into()),
        "/readyz" => {
            let now = state.readiness.get();
            let status = if now == State::Ready {
                StatusCode::OK
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            };
            sentence(status, now.sentence().into())
        }
        _ => sentence(
            StatusCode::NOT_FOUND,
            format!("there is nothing at {path}; there are /metrics, /healthz and /readyz"),
        ),
    }
}
