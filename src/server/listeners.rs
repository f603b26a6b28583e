//! Opens the listeners of the configuration.

use std::sync::Arc;

use anyhow::Context;

use super::settings;
use crate::config::tls::TlsSettings;
use crate::config::{Config, Endpoint, Listener, ListenerKind};
use crate::instance::InstanceId;
use crate::listener::{BindAddress, BindOptions, Gate, ShardListener, bind};
use crate::transport::tls::{Authorities, server_config};
use crate::transport::websocket::WebSocketLimits;
use crate::transport::{Acceptor, Limits};

/// One listening socket of one shard.
pub(super) struct Socket {
    pub(super) socket: ShardListener,
    pub(super) acceptor: Acceptor,
    /// The instance that its clients belong to.
    pub(super) instance: Option<InstanceId>,
    /// The listener's own limits, on all shards together.
    pub(super) gate: Arc<Gate>,
}

/// Listening sockets, for each shard those it accepts on.
pub(super) struct Opened {
    pub(super) sockets: Vec<Vec<Socket>>,
}

/// `authorities` are those that operators register.
pub(super) fn open(config: &Config, shards: usize, authorities: &Arc<Authorities>) -> anyhow::Result<Opened> {
    let mut sockets: Vec<Vec<Socket>> = Vec::new();
    sockets.resize_with(shards, Vec::new);
    for listener in config.listeners() {
        let acceptor = acceptor(config, &listener, authorities)
            .with_context(|| format!("listener `{}` cannot start", listener.name))?;
        let (address, unix_mode) = match &listener.endpoint {
            Endpoint::Tcp(address) => (BindAddress::Tcp(*address), 0),
            Endpoint::Unix { path, mode } => (BindAddress::Unix(path.clone()), *mode),
        };
        let options = BindOptions {
            shards,
            backlog: i32::try_from(listener.backlog).unwrap_or(i32::MAX),
            unix_mode,
        };
        let bound = bind(&listener.name, &address, options)?;
        tracing::info!(listener = listener.name, kind = listener.kind.as_str(), address = %bound.address, "listening");
        let gate = Gate::new(settings::gate(listener.connections, listener.connection_rate));
        for (of_shard, socket) in sockets.iter_mut().zip(bound.sockets) {
            of_shard.push(Socket {
                socket,
                acceptor: acceptor.clone(),
                instance: listener.instance.as_deref().map(InstanceId::new),
                gate: Arc::clone(&gate),
            });
        }
    }
    if sockets.iter().all(Vec::is_empty) {
        anyhow::bail!("no listener is open; write [listeners.tcp] with bind = \"127.0.0.1:1883\"");
    }
    Ok(Opened { sockets })
}

fn acceptor(
    config: &Config,
    listener: &Listener,
    authorities: &Arc<Authorities>,
) -> anyhow::Result<Acceptor> {
    let web_socket = WebSocketLimits::default();
    // A message may hold several packets, but has to admit the largest one.
    let largest = u64::try_from(config.limits.packet_size).unwrap_or(u64::MAX);
    let web_socket = WebSocketLimits {
        max_message: web_socket.max_message.max(largest),
        ..web_socket
    };
    let limits = Limits {
        web_socket,
        ..Limits::default()
    };
    let tls = |alpn: &[&str]| -> anyhow::Result<_> {
        let settings = listener.tls.as_ref().map(TlsSettings::from).unwrap_or_default();
        Ok(server_config(&settings, &config.server.data, alpn, authorities)?)
    };
    Ok(match listener.kind {
        ListenerKind::Tcp => Acceptor::tcp(),
        ListenerKind::Unix => Acceptor::unix(),
        ListenerKind::Tls => Acceptor::tls(tls(&[])?, limits),
        ListenerKind::Ws => Acceptor::web_socket(limits),
        ListenerKind::Wss => Acceptor::secure_web_socket(tls(&["http/1.1"])?, limits),
    })
}
