//! Redis servers of policies: one connection each, shared by all shards, that comes back by itself.

use super::Services;
use super::backends::filled_in;
use super::gate::Gate;
use crate::config::backends::RedisSettings;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use std::sync::Arc;
use tokio::sync::OnceCell;

/// A server.
pub(crate) struct RedisServer {
    name: String,
    settings: RedisSettings,
    client: redis::Client,
    connection: OnceCell<ConnectionManager>,
    gate: Gate,
}

impl std::fmt::Debug for RedisServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisServer")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Services {
    /// The server of these settings. Nothing is connected yet.
    ///
    /// # Errors
    /// The URL is none, in words without its password.
    pub(crate) fn redis(&self, name: &str, settings: &RedisSettings) -> Result<Arc<RedisServer>, String> {
        let key = format!(
            "{name} {} {:?} {}",
            settings.url, settings.timeout, settings.in_flight
        );
        if let Some(known) = self.redises.get(&key) {
            return Ok(known.clone());
        }
        let url = filled_in(&settings.url)?;
        let client = redis::Client::open(url)
            .map_err(|why| format!("its URL is none: {}", format_args!("{:?}", why.kind())))?;
        let server = Arc::new(RedisServer {
            name: name.to_owned(),
            settings: settings.clone(),
            client,
            connection: OnceCell::new(),
            gate: Gate::default(),
        });
        Ok(self.redises.entry(key).or_insert(server).clone())
    }

    /// Sends a command.
    ///
    /// # Errors
    /// Why there is no answer, in words.
    pub(crate) async fn redis_command(
        &self,
        server: &Arc<RedisServer>,
        arguments: Vec<Vec<u8>>,
    ) -> Result<redis::Value, String> {
        let pass = server.gate.enter(&server.name, server.settings.in_flight)?;
        let timeout = server.settings.timeout;
        let asked = server.clone();
        let work = async move { tokio::time::timeout(timeout, asked.ask(&arguments)).await };
        let done = self.run(work).await.map_err(|error| error.to_string())?;
        drop(pass);
        match done {
            Ok(Ok(value)) => {
                server.gate.succeeded();
                Ok(value)
            }
            Ok(Err(error)) => {
                if error.is_io_error() || error.is_connection_dropped() || error.is_connection_refusal() {
                    server.gate.failed();
                } else {
                    // It said no, so it lives.
                    server.gate.succeeded();
                }
                Err(format!("{}: {error}", server.name))
            }
            Err(_late) => {
                server.gate.failed();
                Err(format!("{} did not answer within {timeout:?}", server.name))
            }
        }
    }
}

impl RedisServer {
    async fn ask(&self, arguments: &[Vec<u8>]) -> redis::RedisResult<redis::Value> {
        let connect = || async {
            let config = ConnectionManagerConfig::new().set_number_of_retries(1);
            ConnectionManager::new_with_config(self.client.clone(), config).await
        };
        let mut connection = self.connection.get_or_try_init(connect).await?.clone();
        let mut command = redis::Cmd::new();
        for argument in arguments {
            command.arg(argument.as_slice());
        }
        command.query_async(&mut connection).await
    }
}
