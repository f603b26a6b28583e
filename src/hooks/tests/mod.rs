//! Tests of the chain as the rest of the broker sees it.

mod auth;
mod backends;
mod bounds;
#[path = "../../../tests/support/plugins.rs"]
mod built;
mod chain;
mod credentials;
mod declarations;
mod effects;
mod hostile;
mod logins;
mod modules;
mod plugins;
mod policies;
mod proving;
mod records;
mod reload;
mod values;
mod waiting;

use super::*;
use crate::codec::QoS;
use crate::config::hooks::{HookDefaults, PolicyEntry};
use crate::message::Origin;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

pub(super) use super::client::tests::client;

/// A folder with scripts and a chain of them.
pub(super) struct Chain {
    pub(super) folder: TempDir,
    pub(super) entries: Vec<PolicyEntry>,
    pub(super) defaults: HookDefaults,
}

impl Chain {
    /// A chain of these scripts, called `a.lua`, `b.lua` and so on.
    pub(super) fn of(scripts: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut entries = Vec::new();
        for (script, name) in scripts.iter().zip('a'..) {
            let file = format!("{name}.lua");
            std::fs::write(folder.path().join(&file), script).unwrap();
            entries.push(PolicyEntry::new(name.to_string(), file));
        }
        Self {
            folder,
            entries,
            defaults: HookDefaults::default(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn load(&self) -> Result<Arc<Generation>, Vec<LoadError>> {
        Generation::load(1, &self.entries, &self.defaults, self.path(), &Arc::default()).map(Arc::new)
    }

    /// The chain in a shard.
    pub(super) fn shard(&self) -> Shard {
        let metrics = Arc::new(HookMetrics::default());
        let generation = self.load().unwrap();
        let hooks = ShardHooks::instantiate(&generation, &metrics, 0, 100).unwrap();
        Shard {
            hooks,
            metrics,
            client: client("GID_a@@@one"),
        }
    }

    /// Why the chain is refused.
    pub(super) fn error(&self) -> String {
        let errors = self.load().err().unwrap();
        errors
            .iter()
            .map(LoadError::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// Runs what waits to its end, on a runtime as a shard has it.
pub(super) fn block<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, work)
}

/// Tells observers until none waits.
pub(super) fn run_observers(hooks: &mut ShardHooks, most: usize) -> usize {
    block(async { hooks.run_observers(most) })
}

/// Hooks and a client to ask about.
pub(super) struct Shard {
    pub(super) hooks: ShardHooks,
    pub(super) metrics: Arc<HookMetrics>,
    pub(super) client: Arc<Client>,
}

impl Shard {
    pub(super) fn may_publish(&mut self, topic: &str) -> PublishDecision {
        self.ask_publish(topic, b"hello").decision
    }

    pub(super) fn ask_publish(&mut self, topic: &str, payload: &[u8]) -> Answer<PublishDecision> {
        let request = PublishRequest {
            topic,
            qos: QoS::AtLeastOnce,
            retain: false,
            origin: Origin::Client,
            payload,
        };
        self.hooks.authorize_publish(&self.client, &request)
    }

    pub(super) fn may_subscribe(&mut self, filter: &str) -> SubscribeDecision {
        let request = SubscribeRequest {
            filter,
            qos: QoS::ExactlyOnce,
            share: None,
        };
        self.hooks.authorize_subscribe(&self.client, &request).decision
    }

    pub(super) fn login(&mut self, password: Option<&[u8]>) -> AuthDecision {
        let chain = self.hooks.chain().clone();
        block(chain.authenticate(&AuthRequest {
            client: &self.client,
            password,
            method: None,
            data: None,
        }))
    }

    pub(super) fn totals(&self, entry: &str) -> EntryTotals {
        self.metrics.totals()[entry].clone()
    }
}

/// A policy with this body of `authorize_publish(ctx, topic, qos, retain, size)`.
pub(super) fn publish_policy(body: &str) -> String {
    format!("return {{ authorize_publish = function(ctx, topic, qos, retain, size, payload) {body} end }}")
}

pub(super) fn denied(reason: &str) -> PublishDecision {
    PublishDecision::Deny(reason.into())
}
