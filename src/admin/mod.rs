//! Metrics and health over HTTP, for operators and whatever watches over the process.
//!
//! Invariant: nothing here changes the broker or names a client, since nobody is asked who they are.

mod ready;

use std::convert::Infallible;
use std::future::Future;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;

use crate::metrics::Exporter;

pub use ready::{Readiness, State};

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
    let places = Arc::new(Semaphore::new(state.connections.min(Semaphore::MAX_PERMITS)));
    let state = Arc::new(state);
    tokio::pin!(shutdown);
    loop {
        let accept = async {
            let place = places.clone().acquire_owned().await.ok();
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = &mut shutdown => return Ok(()),
            both = accept => both,
        };
        let socket = match accepted {
            Ok((socket, _)) => socket,
            Err(error) => {
                // Out of file descriptors, most likely: asking again at once would only burn CPU.
                tracing::warn!(%error, "admin port could not accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let state = state.clone();
        tokio::spawn(async move {
            let _place = place;
            let timeout = state.request_timeout;
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
        });
    }
}

fn answer(request: &Request<Incoming>, state: &AdminState) -> Response<Full<Bytes>> {
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

fn sentence(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    respond(status, "text/plain; charset=utf-8", text + "\n")
}

fn respond(status: StatusCode, content_type: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;
