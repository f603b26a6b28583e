//! What is said over the admin socket, in both directions: JSON objects, and for what may be long one object a line.
//!
//! | request | answers with |
//! | --- | --- |
//! | `GET /v1/status` | [`Status`] |
//! | `POST /v1/reload` [`ReloadRequest`] | [`InForce`], or [`Refusal`] |
//! | `GET /v1/policies` | a list of [`PolicyRow`] |
//! | `GET /v1/policies/log` | a list of [`Record`] |
//! | `GET /v1/policies/diff` [`DiffRequest`] | [`Diff`] |
//! | `POST /v1/policies/rollback` | [`InForce`], or [`Refusal`] |
//! | `POST /v1/explain` [`ExplainRequest`] | [`Explained`] |
//! | `GET /v1/clients` [`ClientsRequest`] | a [`ClientRow`] a line |
//! | `POST /v1/clients/kick` [`KickRequest`] | `{}`, or [`Refusal`] |
//! | `GET /v1/trace` [`TraceRequest`] | a [`TraceLine`] a line, until one side ends it |
//! | `GET /v1/events` [`EventsRequest`] | an [`EventLine`] a line, until one side ends it |
//! | `GET /v1/instances` | a list of [`InstanceRow`] |
//! | `GET /v1/instances/show` [`InstanceName`] | [`InstanceShown`] |
//! | `POST /v1/instances/create` [`CreateInstance`] | [`InstanceRow`], or [`Refusal`] |
//! | `POST /v1/instances/rename` [`RenameInstance`] | [`InstanceRow`], or [`Refusal`] |
//! | `POST /v1/instances/set` [`SetInstance`], `/v1/instances/unset` [`UnsetInstance`] | `{}`, or [`Refusal`] |
//! | `POST /v1/instances/delete` [`InstanceName`] | `{}`, or [`Refusal`] |
//! | `GET /v1/groups`, `/v1/topics` [`OfInstance`] | a list of [`NamedRow`] |
//! | `POST /v1/groups/create`, `/v1/groups/delete`, `/v1/topics/create`, `/v1/topics/delete` [`Named`] | `{}`, or [`Refusal`] |
//! | `GET /v1/keys` [`ListRequest`] | a [`Page`] of [`KeyRow`] |
//! | `POST /v1/keys/create` [`CreateKey`] | [`KeyRow`] with its secret, or [`Refusal`] |
//! | `POST /v1/keys/delete` [`KeyName`] | `{}`, or [`Refusal`] |
//! | `GET /v1/credentials` [`ListRequest`] | a [`Page`] of [`DeviceRow`] |
//! | `GET /v1/credentials/get` [`ClientName`] | [`DeviceRow`] with its secret |
//! | `POST /v1/credentials/register`, `/v1/credentials/refresh` [`ClientName`] | [`DeviceRow`] with its secret, or [`Refusal`] |
//! | `POST /v1/credentials/unregister` [`ClientName`] | `{}`, or [`Refusal`] |
//! | `POST /v1/tokens/apply` [`ApplyToken`] | [`Issued`], or [`Refusal`] |
//! | `POST /v1/tokens/query` [`TokenText`] | [`Holds`] |
//! | `POST /v1/tokens/revoke` [`TokenText`] | `{}`, or [`Refusal`] |
//! | `GET /v1/identities` [`ListRequest`] | a [`Page`] of [`Identity`] |
//! | `POST /v1/identities/add`, `/v1/identities/update` [`PutIdentity`] | `{}`, or [`Refusal`] |
//! | `POST /v1/identities/delete` [`DeleteIdentity`] | `{}`, or [`Refusal`] |
//! | `GET /v1/permissions` [`ListRequest`] | a [`Page`] of [`Permission`] |
//! | `POST /v1/permissions/add`, `/v1/permissions/update` [`PutPermission`] | `{}`, or [`Refusal`] |
//! | `POST /v1/permissions/delete` [`DeletePermission`] | `{}`, or [`Refusal`] |
//! | `GET /v1/blacklist` [`ListRequest`] | a [`Page`] of [`BlackRow`] |
//! | `POST /v1/blacklist/add`, `/v1/blacklist/delete` [`ClientName`] | `{}`, or [`Refusal`] |
//! | `POST /v1/ca/code` [`OfInstance`] | [`RegistrationCode`] |
//! | `POST /v1/ca/register` [`RegisterCa`] | [`CaRow`], or [`Refusal`] |
//! | `GET /v1/ca` [`ListRequest`] | a [`Page`] of [`CaRow`] |
//! | `GET /v1/ca/show` [`CaName`] | [`CaShown`] |
//! | `POST /v1/ca/activate`, `/v1/ca/deactivate`, `/v1/ca/delete` [`CaName`] | `{}`, or [`Refusal`] |
//! | `GET /v1/certificates` [`ListRequest`] | a [`Page`] of [`CertificateRow`] |
//! | `GET /v1/certificates/show` [`CertificateName`] | [`CertificateShown`] |
//! | `POST /v1/certificates/activate`, `/v1/certificates/deactivate`, `/v1/certificates/delete` [`CertificateName`] | `{}`, or [`Refusal`] |
//!
//! What a GET asks for is in its query, what a POST asks for in its body.

mod certificates;
mod credentials;
mod events;
mod instances;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use crate::hooks::{PolicyRecord, Record, Trigger};
pub use crate::shard::{TraceKind, TraceLine};
pub use certificates::{
    CaName, CaRow, CaShown, CertificateName, CertificateRow, CertificateShown, RegisterCa, RegistrationCode,
};
pub use credentials::{
    ApplyToken, BlackRow, ClientName, CreateKey, DeleteIdentity, DeletePermission, DeviceRow, Effect, Holds,
    Identity, IdentityKey, IdentityType, Issued, KeyName, KeyRow, ListRequest, Page, Permission,
    PermissionKey, PermitAction, PutIdentity, PutPermission, Secret, SignMode, TokenText,
};
pub use events::{EventKind, EventLine, EventsRequest};
pub use instances::{
    CreateInstance, InstanceName, InstanceRow, InstanceShown, Named, NamedRow, OfInstance, Origin,
    RenameInstance, SetInstance, Setting, UnsetInstance,
};

/// How the broker is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The version of Dunlin.
    pub version: String,
    /// `starting`, `ready` or `draining`.
    pub state: String,
    /// Its process.
    pub pid: u32,
    /// Where its settings are from.
    pub config: String,
    /// The instance that it serves.
    pub instance: String,
    /// Seconds since the start.
    pub uptime: u64,
    /// How many shards it has.
    pub shards: usize,
    /// Clients that are connected.
    pub connections: u64,
    /// Sessions, with and without a connection.
    pub sessions: u64,
    /// Sessions without a connection.
    pub sessions_offline: u64,
    /// Subscriptions.
    pub subscriptions: u64,
    /// Retained messages.
    pub retained: u64,
    /// How the policies stand.
    pub policies: PoliciesStatus,
}

/// How the policies stand. Times are as in RFC 3339.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoliciesStatus {
    /// The generation in force.
    pub generation: u64,
    /// Its hash.
    pub hash: String,
    /// Since when it is in force.
    pub since: String,
    /// Swaps since the start.
    pub reloads: u64,
    /// Refused sets since the start.
    pub refusals: u64,
    /// Generations rolled back since the start.
    pub rollbacks: u64,
    /// Until when the generation is being watched, if it is.
    pub watched_until: Option<String>,
    /// The last refusal, until the files are good again.
    pub refused: Option<RefusedSet>,
    /// The last generation that was rolled back, until another one is put in force.
    pub rolled_back: Option<RolledBackSet>,
}

/// A set of files that was not put in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefusedSet {
    /// When.
    pub at: String,
    /// Why.
    pub problems: Vec<Problem>,
}

/// A generation that was put in force and taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RolledBackSet {
    /// When.
    pub at: String,
    /// Which.
    pub generation: u64,
    /// Why.
    pub why: String,
    /// The incident report, if there is one.
    pub incident: Option<String>,
}

/// Something wrong with a policy, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The file, as the configuration names it.
    pub file: String,
    /// The line, from 1, where it is known.
    pub line: Option<u32>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// A sentence.
    pub error: String,
    /// What is wrong with the policies, where that is the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

/// Load the policies' files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReloadRequest {
    /// Whether the new generation is watched, and rolled back when it fails.
    #[serde(default = "yes")]
    pub rollback: bool,
}

fn yes() -> bool {
    true
}

/// Which generation is in force after a reload or a rollback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InForce {
    /// Its number.
    pub generation: u64,
    /// Its hash.
    pub hash: String,
    /// Whether another one was in force before.
    pub changed: bool,
    /// Until when it is being watched, if it is.
    pub watched_until: Option<String>,
}

/// An entry of the chain, in the order of the chain. Counts are since the start of the broker, over all generations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyRow {
    /// Its name.
    pub name: String,
    /// Its script.
    pub file: String,
    /// SHA-256 of the script.
    pub hash: String,
    /// The hooks that it has.
    pub hooks: Vec<String>,
    /// Calls made.
    pub calls: u64,
    /// Calls that failed.
    pub errors: u64,
    /// Calls that overran their time or their steps.
    pub timeouts: u64,
    /// Calls that said deny or disconnect.
    pub denied: u64,
    /// On how many shards its breaker is open.
    pub breaker_open: u64,
    /// Within how many microseconds half of its calls ended, rounded up to a power of two.
    pub p50_us: Option<f64>,
    /// The same for 99 of 100.
    pub p99_us: Option<f64>,
}

/// Which generations to compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiffRequest {
    /// The older one; the one before `to` when it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// The newer one; the one in force when it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
}

/// What changed from one generation to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diff {
    /// The older one.
    pub from: u64,
    /// The newer one.
    pub to: u64,
    /// A unified diff of all sources; empty when they are the same.
    pub diff: String,
}

/// Something that a client might do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainRequest {
    /// Of which instance; the default one when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The client, which is connected or has a session.
    pub client_id: String,
    /// What it might do.
    pub action: ExplainAction,
}

/// What a client might do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ExplainAction {
    /// Publish a message.
    Publish {
        /// Where to.
        topic: String,
        /// With which Quality of Service.
        #[serde(default)]
        qos: u8,
        /// Whether to be retained.
        #[serde(default)]
        retain: bool,
        /// Bytes of payload. The payload itself is zeros.
        #[serde(default)]
        size: usize,
    },
    /// Subscribe.
    Subscribe {
        /// To what; `$share/NAME/FILTER` too.
        filter: String,
        /// With which Quality of Service.
        #[serde(default)]
        qos: u8,
    },
}

/// Why the policies answer as they do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    /// The generation that answers.
    pub generation: u64,
    /// Its hash.
    pub hash: String,
    /// What comes of it: `allow`, `deny: ...`, `disconnect: ...`.
    pub decision: String,
    /// What each entry said that was asked, in order.
    pub entries: Vec<ExplainedEntry>,
}

/// What one entry said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExplainedEntry {
    /// Which entry of the chain.
    pub policy: String,
    /// Its script.
    pub file: String,
    /// The line of the `return` that the hook left by.
    pub line: Option<u32>,
    /// The lines of the `return`s of the functions that it called.
    pub through: Vec<u32>,
    /// What it said, or how it failed.
    pub said: String,
    /// How long it took, in microseconds; tracing the lines makes it slower than it is.
    pub took_us: f64,
}

/// Which clients to list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientsRequest {
    /// Only those of this instance; all when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The beginning of their client ids.
    #[serde(default)]
    pub prefix: String,
    /// How many at most; all when it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// A client that is connected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientRow {
    /// Its instance.
    pub instance: String,
    /// Its client id.
    pub client_id: String,
    /// Its connection, as events name it.
    pub channel: String,
    /// Its user name, if it gave one.
    pub username: Option<String>,
    /// Where it connects from.
    pub peer: String,
    /// The listener that let it in.
    pub listener: String,
    /// The MQTT version that it speaks.
    pub version: String,
    /// Since when, as in RFC 3339.
    pub since: String,
    /// How many subscriptions it has.
    pub subscriptions: usize,
    /// Messages sent to it and not acknowledged.
    pub inflight: usize,
    /// Messages that wait for it in memory.
    pub queued: usize,
}

/// End a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KickRequest {
    /// Of which instance; the default one when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Whose.
    pub client_id: String,
    /// The reason code that a 5.0 client is told, 0x80 to 0xA2; 0x98 (administrative action) when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u8>,
    /// The sentence that a 5.0 client is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Watch a client, which need not be connected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceRequest {
    /// Of which instance; the default one when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Whom.
    pub client_id: String,
    /// Only what is about topics that match this filter, and the connection's beginning and end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
}
