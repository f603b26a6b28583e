//! What the port and the socket have in common: accepting connections, a bounded number at a time, and small answers.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;

/// The body of an answer: all of it at once, or lines for as long as there are any.
pub(super) type Body = UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// Where connections come from.
pub(super) trait Accept {
    /// One connection.
    type Socket: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next connection.
    fn next(&self) -> impl Future<Output = io::Result<Self::Socket>> + Send;
}

impl Accept for TcpListener {
    type Socket = TcpStream;

    async fn next(&self) -> io::Result<TcpStream> {
        Ok(self.accept().await?.0)
    }
}

impl Accept for UnixListener {
    type Socket = UnixStream;

    async fn next(&self) -> io::Result<UnixStream> {
        Ok(self.accept().await?.0)
    }
}

/// Has `serve` look after each connection, of at most `connections` at a time, until `shutdown` is done.
pub(super) async fn accept_each<L: Accept, F: Future<Output = ()> + Send + 'static>(
    listener: L,
    connections: usize,
    shutdown: impl Future<Output = ()>,
    serve: impl Fn(L::Socket) -> F,
) {
    let places = Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS)));
    tokio::pin!(shutdown);
    loop {
        let accept = async {
            let place = places.clone().acquire_owned().await.ok();
            (place, listener.next().await)
        };
        let (place, accepted) = tokio::select! {
            () = &mut shutdown => return,
            both = accept => both,
        };
        match accepted {
            Ok(socket) => {
                let serving = serve(socket);
                tokio::spawn(async move {
                    let _place = place;
                    serving.await;
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: asking again at once would only burn CPU.
                tracing::warn!(%error, "a connection for the admin could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

pub(super) fn sentence(status: StatusCode, text: String) -> Response<Body> {
    respond(status, "text/plain; charset=utf-8", text + "\n")
}

pub(super) fn respond(
    status: StatusCode,
    content_type: &'static str,
    text: impl Into<Bytes>,
) -> Response<Body> {
    answer(status, content_type, Full::new(text.into()).boxed_unsync())
}

pub(super) fn answer(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
