//! Redis servers of policies: one connection each, shared by all shards, that comes back by itself.
//!
//! *Invariant*: no command changes what the next one on the shared connection means, or keeps it waiting: who may send
//! what is checked before it is sent.

use super::Services;
use super::backends::filled_in;
use super::gate::{Crowd, Failed, Gate};
use crate::config::backends::RedisSettings;
use parking_lot::Mutex;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, ErrorKind, RedisError, TlsCertificates, Value};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// A server.
pub(crate) struct RedisServer {
    settings: RedisSettings,
    client: Client,
    connection: Mutex<Option<ConnectionManager>>,
    gate: Arc<Gate>,
}

impl std::fmt::Debug for RedisServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisServer")
            .field("gate", &self.gate)
            .finish_non_exhaustive()
    }
}

/// Commands that belong to a connection of one's own: they change it, or wait on it.
const OF_THE_CONNECTION: [&str; 36] = [
    "ASKING",
    "AUTH",
    "BLMOVE",
    "BLMPOP",
    "BLPOP",
    "BRPOP",
    "BRPOPLPUSH",
    "BZMPOP",
    "BZPOPMAX",
    "BZPOPMIN",
    "CLIENT",
    "DISCARD",
    "EXEC",
    "HELLO",
    "MONITOR",
    "MULTI",
    "PSUBSCRIBE",
    "PSYNC",
    "PUNSUBSCRIBE",
    "QUIT",
    "READONLY",
    "READWRITE",
    "REPLCONF",
    "RESET",
    "SELECT",
    "SHUTDOWN",
    "SSUBSCRIBE",
    "SUBSCRIBE",
    "SUNSUBSCRIBE",
    "SWAPDB",
    "SYNC",
    "UNSUBSCRIBE",
    "UNWATCH",
    "WAIT",
    "WAITAOF",
    "WATCH",
];

fn check(arguments: &[Vec<u8>]) -> Result<(), String> {
    let name = arguments
        .first()
        .map(|name| String::from_utf8_lossy(name).to_ascii_uppercase());
    let name = name.unwrap_or_default();
    let streams = matches!(&*name, "XREAD" | "XREADGROUP");
    let blocks = streams
        && arguments
            .iter()
            .any(|argument| argument.eq_ignore_ascii_case(b"BLOCK"));
    if blocks || OF_THE_CONNECTION.contains(&&*name) {
        return Err(format!(
            "{name} needs a connection of its own, and policies share one; do several things at once with eval"
        ));
    }
    Ok(())
}

impl Services {
    /// The server of these settings. Nothing is connected yet.
    ///
    /// # Errors
    /// The URL is none, in words without its password.
    pub(super) fn redis(
        &self,
        policy: &str,
        name: &str,
        settings: &RedisSettings,
        base: &Path,
    ) -> Result<Arc<RedisServer>, String> {
        self.redises.get(policy, name, settings, || {
            let url = filled_in(&settings.url)?;
            let none = |_| "its URL is none; write redis://host:6379/0 or rediss://...".to_owned();
            let client = match &settings.ca {
                None => Client::open(url).map_err(none)?,
                Some(ca) => {
                    let file = base.join(ca);
                    let root =
                        std::fs::read(&file).map_err(|why| format!("`ca`: {}: {why}", file.display()))?;
                    let trusted = TlsCertificates {
                        client_tls: None,
                        root_cert: Some(root),
                    };
                    Client::build_with_tls(url, trusted).map_err(|why| {
                        format!("with `ca` its URL must begin with rediss: ({})", kind(&why))
                    })?
                }
            };
            Ok(RedisServer {
                client,
                connection: Mutex::default(),
                gate: Gate::new(name, Crowd::of(settings.in_flight)),
                settings: settings.clone(),
            })
        })
    }

    /// Sends a command.
    ///
    /// # Errors
    /// Why there is no answer, in words.
    pub(crate) async fn redis_command(
        &self,
        server: &Arc<RedisServer>,
        arguments: Vec<Vec<u8>>,
    ) -> Result<Value, String> {
        check(&arguments)?;
        let visit = server.gate.enter(server.settings.timeout)?;
        let asked = server.clone();
        let work = async move { visit.make(asked.ask(&arguments)).await };
        self.run(work).await.map_err(|error| error.to_string())?
    }
}

/// The error without what it quotes: it may quote the URL.
fn kind(error: &RedisError) -> String {
    format!("{:?}", error.kind())
}

impl RedisServer {
    async fn ask(&self, arguments: &[Vec<u8>]) -> Result<Value, Failed> {
        let mut connection = self.connected()?;
        let mut command = redis::Cmd::new();
        for argument in arguments {
            command.arg(argument.as_slice());
        }
        let unheard = Unheard {
            server: self,
            since: Instant::now(),
        };
        let answer = command.query_async(&mut connection).await;
        std::mem::forget(unheard);
        let answer: Value = answer.map_err(failed)?;
        let most = self.settings.response;
        if size(&answer) > most {
            return Err(Failed::Said(format!("the answer is larger than {most} bytes")));
        }
        Ok(answer)
    }

    /// The connection, which connects with its first command.
    fn connected(&self) -> Result<ConnectionManager, Failed> {
        let mut connection = self.connection.lock();
        if let Some(known) = &*connection {
            return Ok(known.clone());
        }
        // The gate has the time of a call, and who tries again is the next caller. This bounds only what is still
        // connecting when nobody waits any more.
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(self.settings.timeout * 2))
            .set_response_timeout(None);
        let made = ConnectionManager::new_lazy_with_config(self.client.clone(), config);
        let made = made.map_err(|why| Failed::Said(why.to_string()))?;
        *connection = Some(made.clone());
        Ok(made)
    }
}

/// A command without an answer. When its time is over, this is dropped, and the connection with it: where the other end
/// has vanished nothing would ever tell, and the manager would send into the void for as long as the kernel tries. A
/// caller that gives up sooner says nothing about the connection.
struct Unheard<'a> {
    server: &'a RedisServer,
    since: Instant,
}

impl Drop for Unheard<'_> {
    fn drop(&mut self) {
        if self.since.elapsed() > self.server.settings.timeout / 2 {
            // Commands of others that are under way keep the connection until they are done.
            self.server.connection.lock().take();
        }
    }
}

fn failed(error: RedisError) -> Failed {
    let gone = error.is_io_error()
        || error.is_connection_dropped()
        || error.is_connection_refusal()
        || error.is_timeout()
        || error.is_unrecoverable_error()
        || error.kind() == ErrorKind::AuthenticationFailed;
    if gone {
        return Failed::Gone(error.to_string());
    }
    Failed::Said(error.to_string())
}

/// About how many bytes an answer holds.
fn size(value: &Value) -> usize {
    let all = |items: &[Value]| items.iter().map(size).sum();
    16 + match value {
        Value::BulkString(data) => data.len(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => text.len(),
        Value::Array(items) | Value::Set(items) => all(items),
        Value::Map(pairs) => pairs.iter().map(|(key, item)| size(key) + size(item)).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn what_belongs_to_a_connection_is_refused() {
        let command = |text: &str| {
            check(
                &text
                    .split(' ')
                    .map(|word| word.as_bytes().to_vec())
                    .collect::<Vec<_>>(),
            )
        };
        for good in ["GET a", "set a b EX 10", "XREAD COUNT 1 STREAMS s 0", "EVAL x 0"] {
            assert_eq!(command(good), Ok(()), "{good}");
        }
        for bad in [
            "select 1",
            "MULTI",
            "blpop a 0",
            "XREAD block 0 STREAMS s $",
            "Subscribe x",
            "CLIENT REPLY OFF",
        ] {
            assert!(
                command(bad)
                    .unwrap_err()
                    .contains("needs a connection of its own"),
                "{bad}"
            );
        }
    }
}
