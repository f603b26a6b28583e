//! The Unix socket: the admin API, for whoever may open the file.

use std::convert::Infallible;
use std::future::Future;
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};

use super::http::accept_each;
use super::{AdminState, Operations, routes};

/// Serves `listener` until `shutdown` is done. Runs on the tokio runtime of the caller, which has I/O and time enabled.
///
/// # Errors
/// When the listener cannot be given to the runtime. What goes wrong with one connection ends that connection alone.
pub async fn serve<O: Operations>(
    listener: UnixListener,
    state: AdminState,
    operations: Arc<O>,
    shutdown: impl Future<Output = ()>,
) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::UnixListener::from_std(listener)?;
    let (connections, timeout) = (state.connections, state.request_timeout);
    let state = Arc::new(state);
    accept_each(listener, connections, shutdown, |socket| {
        let (state, operations) = (state.clone(), operations.clone());
        async move {
            let service = service_fn(|request| {
                let (state, operations) = (&state, &operations);
                async move { Ok::<_, Infallible>(routes::answer(request, &**operations, state).await) }
            });
            // Only what is asked has its time: a trace is read for as long as its reader likes.
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(timeout)
                .serve_connection(TokioIo::new(socket), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection of the admin socket ended with an error");
            }
        }
    })
    .await;
    Ok(())
}
