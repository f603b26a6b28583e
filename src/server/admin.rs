//! The ways in for operators: the port for metrics and health, the socket for everything else.

use std::net::TcpListener;
use std::sync::Arc;

use anyhow::Context;
use tokio::sync::watch;

use super::operations::Broker;
use super::socket::{self, Place, Socket};
use crate::admin::{self, AdminState};
use crate::config::Config;

/// The ways in, open and not served yet.
pub(super) struct Ways {
    port: Option<TcpListener>,
    socket: Option<Socket>,
}

/// The ways in while they are served. They are closed when it is dropped.
pub(super) struct Serving {
    _stop: watch::Sender<()>,
    _place: Option<Place>,
}

impl Ways {
    /// Opens what the configuration wants.
    pub(super) fn open(config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            // First: it tells whether another broker lives on the data folder.
            socket: socket::open(config)?,
            port: port(config)?,
        })
    }

    /// Serves them on the runtime of the caller.
    pub(super) fn serve(self, state: AdminState, broker: Broker) -> anyhow::Result<Serving> {
        let (stop, stopped) = watch::channel(());
        let until = |mut stopped: watch::Receiver<()>| async move { drop(stopped.changed().await) };
        if let Some(listener) = self.port {
            tracing::info!(address = %listener.local_addr()?, "metrics and health over HTTP");
            tokio::spawn(admin::serve(listener, state.clone(), until(stopped.clone())));
        }
        let mut place = None;
        if let Some(socket) = self.socket {
            tracing::info!(path = %socket.place.path.display(), "answering dunlin ctl");
            let until = until(stopped);
            tokio::spawn(admin::serve_socket(
                socket.listener,
                state,
                Arc::new(broker),
                until,
            ));
            place = Some(socket.place);
        }
        Ok(Serving {
            _stop: stop,
            _place: place,
        })
    }
}

fn port(config: &Config) -> anyhow::Result<Option<TcpListener>> {
    if !config.admin.enabled {
        return Ok(None);
    }
    let bind = config.admin.bind;
    let listener = TcpListener::bind(bind).with_context(|| {
        format!("the admin port cannot listen on {bind}; set admin.bind to a free address, or admin.enabled = false")
    })?;
    Ok(Some(listener))
}
