//! One shard's accept loop on one listener.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::bind::ShardListener;
use super::gate::{Gate, Permit};
use crate::transport::{Acceptor, Io};

/// Accepts connections on `listener` until the gate is closed, and then closes the listening socket.
///
/// A connection over the gate's limits is closed at once. An error of accepting, such as too many open files, is
/// logged and waited out. Connections wait in the kernel meanwhile.
///
/// # Errors
/// When the runtime does not take the listening socket, at the start.
pub async fn accept_loop(
    listener: ShardListener,
    acceptor: Acceptor,
    gate: Arc<Gate>,
    mut on_accept: impl FnMut(Io, Permit),
) -> io::Result<()> {
    let listener = Listener::new(listener)?;
    let mut drained = pin!(gate.drained());
    let mut pause = Pause::default();
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut drained => return Ok(()),
            accepted = listener.accept(&acceptor, &gate) => accepted,
        };
        match accepted {
            Ok(accepted) => {
                pause.failures = 0;
                if let Some((io, permit)) = accepted {
                    on_accept(io, permit);
                }
            }
            Err(error) if is_of_one_connection(&error) => {
                tracing::debug!(%error, "a connection was gone before it was accepted");
            }
            Err(error) => {
                let wait = pause.next(&error, acceptor.kind().as_str());
                tokio::select! {
                    () = &mut drained => return Ok(()),
                    () = tokio::time::sleep(wait) => {}
                }
            }
        }
    }
}

/// A listening socket on this shard's runtime.
enum Listener {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

impl Listener {
    fn new(listener: ShardListener) -> io::Result<Self> {
        Ok(match listener {
            ShardListener::Tcp(listener) => Listener::Tcp(tokio::net::TcpListener::from_std(listener)?),
            ShardListener::Unix(listener) => Listener::Unix(tokio::net::UnixListener::from_std(listener)?),
        })
    }

    /// Accepts one connection; none if it was turned away.
    async fn accept(&self, acceptor: &Acceptor, gate: &Arc<Gate>) -> io::Result<Option<(Io, Permit)>> {
        let (io, permit) = match self {
            Listener::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                let Ok(permit) = gate.admit(Instant::now()) else {
                    return Ok(None);
                };
                (acceptor.accept_tcp(stream, address), permit)
            }
            Listener::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                let Ok(permit) = gate.admit(Instant::now()) else {
                    return Ok(None);
                };
                (acceptor.accept_unix(stream), permit)
            }
        };
        match io {
            Ok(io) => Ok(Some((io, permit))),
            // Setting up fails only for a socket that is dead already.
            Err(error) => {
                tracing::debug!(%error, "a connection was gone before it was served");
                Ok(None)
            }
        }
    }
}

/// Whether an error of `accept` says something about one connection only (see accept(2)), so that the next can be
/// accepted at once. Each such error takes a connection off the queue, so this does not spin.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted, NetworkDown,
        NetworkUnreachable, TimedOut,
    };
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionRefused
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
            | TimedOut
    )
}

/// Waits longer and longer while accepting fails, and logs the first failure and then one in ten seconds.
#[derive(Default)]
struct Pause {
    failures: u32,
    logged: Option<Instant>,
}

impl Pause {
    const SHORTEST: Duration = Duration::from_millis(10);
    const LONGEST: Duration = Duration::from_secs(1);
    const LOG_EVERY: Duration = Duration::from_secs(10);

    fn next(&mut self, error: &io::Error, listener: &'static str) -> Duration {
        let wait = (Self::SHORTEST * 2u32.pow(self.failures.min(10))).min(Self::LONGEST);
        self.failures = self.failures.saturating_add(1);
        if self.logged.is_none_or(|at| at.elapsed() >= Self::LOG_EVERY) {
            self.logged = Some(Instant::now());
            tracing::error!(
                %error,
                listener,
                "cannot accept connections, trying again; if too many files are open, raise the limit \
                 (`ulimit -n`) or lower `max_connections`"
            );
        }
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_second() {
        let mut pause = Pause::default();
        let error = io::Error::from_raw_os_error(24);
        let waits: Vec<_> = (0..9).map(|_| pause.next(&error, "tcp").as_millis()).collect();
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        assert!(!is_of_one_connection(&error));
    }
}
