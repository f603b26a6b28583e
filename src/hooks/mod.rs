//! The hook chain: policies that decide, transform and observe, and that swap while the broker runs.
//!
//! A policy is a Luau script that returns a table of functions, one a hook, or a compiled plugin that declares them. A
//! [`Generation`] is everything loaded: checked, immutable and shared. A [`ShardHooks`] is a generation in one shard: a Lua
//! state for each script and a desk for each plugin, asked by plain calls on the shard's thread. A [`Reloader`] watches the files and
//! swaps generations: all shards or none.
//!
//! ```text
//! dunlin.toml ─> PolicyEntry ─> Generation::load ─> Arc<Generation> ─┬─> ShardHooks (shard 0)
//!    scripts/*.lua, plugins/*.so ──┘   ^                             └─> ShardHooks (shard 1)
//!                                      └── Reloader: prepare on every shard, then activate
//! ```
//!
//! What is where: `policy` and `generation` hold what is loaded, `declare` reads what a script declares, `lua` builds and
//! limits states and reads answers, `host` is what scripts can use, `native` is the same for compiled plugins, `chain` asks the entries
//! and combines what they say, `breaker`, `counters` and `watch` watch them, `reload` swaps.
//!
//! Invariant: nothing that a policy does reaches beyond its call. A script's ends within its budget and a little, in a state that is
//! dropped when it is spoilt; what an entry failed to answer is answered by what it declares: deny, by default.

mod acl;
mod breaker;
mod cache;
mod chain;
mod client;
mod client_stored;
mod codes;
mod counters;
pub mod credentials;
mod declare;
mod depends;
pub mod describe;
mod error;
mod export;
mod generation;
mod handed_over;
mod host;
mod lint;
mod lua;
mod native;
mod observe;
mod origins;
mod policy;
pub mod prove;
mod reload;
mod sendable;
mod services;
mod source;
mod suggest;
mod verdict;
mod watch;

#[cfg(test)]
mod tests;

pub use acl::{Acl, Action, Rule};
pub use cache::{CacheRule, Inputs};
pub use chain::{
    AuthContinueRequest, AuthRequest, Chain, EntrySaid, Explanation, PublishEvent, PublishRequest,
    ShardHooks, SubscribeRequest,
};
pub use client::{Client, ClientParts, TlsInfo};
pub use counters::{EntryCounters, EntryTotals, HookMetrics, HookTotals, Latency};
pub use declare::CALLED;
pub use depends::Depends;
pub use dunlin_plugin_api::{Hook, HookSet, Kind};
pub use error::LoadError;
pub use export::PolicyMetrics;
pub use generation::{Generation, check};
pub use host::{Broker, Effect, Effects, SessionFacts, SessionReply, SessionSeen, SessionsQuery, Wish};
pub use lint::lint;
pub use native::{PluginInfo, inspect, is_plugin};
pub use observe::Event;
pub use reload::{
    ChainSource, PolicyRecord, Record, Refused, ReloadSettings, ReloadStatus, Reloader, RolledBack, Shards,
    Trigger, WatchMode, changed,
};
pub use services::{MetersOf, Services};
pub use verdict::{
    ActionOutcome, Answer, AuthDecision, Challenge, Connack, ConnackPatch, ConnectChange, ConnectPatch,
    Controlled, Delivered, Denial, Grant, NewMessage, Patch, PendingAuth, Properties, PublishDecision,
    Published, Routed, SessionSettings, SubscribeDecision, Transform, WillChange,
};
pub use watch::{Breach, Offence, Watch};
