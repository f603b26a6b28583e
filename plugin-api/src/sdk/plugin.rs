//! The trait that a plugin implements.

use super::answers::*;
use super::events::*;
use super::host::Host;
use super::observed::*;
use super::ticket::{Answer, Later};
use crate::Hook;
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use std::time::Duration;

/// Why something failed. Any error turns into it with `?`, and a text with `.into()`.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// What a plugin is created with.
#[derive(Debug)]
#[non_exhaustive]
pub struct Setup<S> {
    /// The name of the policy's entry in dunlin.toml.
    pub policy: String,
    /// The entry's `settings`.
    pub settings: S,
    /// What the entry of this name in the generation before handed over, if it did.
    pub previous: Option<State>,
}

/// How long answers hold, and what they depend on.
#[derive(Debug, Clone, Copy)]
pub struct Cache {
    /// `authorize_publish` or `authorize_subscribe`.
    pub hook: Hook,
    /// How long, in seconds.
    pub ttl: u32,
    /// The inputs that the answer depends on, such as `topic`. The others are empty when the hook is asked.
    pub by: &'static [&'static str],
}

/// Why a plugin is unloaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unload {
    /// Another generation serves now.
    Replaced,
    /// The generation before serves again.
    RolledBack,
    /// The broker stops.
    Stopping,
}

/// A plugin: one value that all threads of the broker share.
///
/// Implement `create` and the hooks you want, and name those in [`HOOKS`](Plugin::HOOKS): only they are called. Hooks
/// are called on threads that serve clients: they must not wait for anything. What takes long is begun elsewhere and
/// answered later, with the [`Ticket`](super::Ticket) that the hooks with a [`Later`] can take.
///
/// A panic in a hook is caught, logged, and counts as a failure of that hook.
#[allow(unused_variables)]
pub trait Plugin: Send + Sync + Sized + 'static {
    /// What the entry's `settings` in dunlin.toml are read into. `serde`'s `deny_unknown_fields` finds misspelt ones.
    type Settings: DeserializeOwned;
    /// The hooks that it has.
    const HOOKS: &'static [Hook];
    /// The hooks that may answer later. Those around a login always may and need not be listed.
    const WAITS: &'static [Hook] = &[];
    /// The hooks that want the payload: `authorize_publish` does not get it otherwise.
    const PAYLOAD: &'static [Hook] = &[];
    /// What may be cached.
    const CACHE: &'static [Cache] = &[];
    /// Control topics (filters) that `control` owns.
    const OWNS: &'static [&'static str] = &[];
    /// Which origins a hook wants, by their names; clients and wills where nothing is said.
    const ORIGINS: &'static [(Hook, &'static [&'static str])] = &[];
    /// Whether it has threads of its own. [`quiesce`](Plugin::quiesce) ends and joins them.
    const THREADS: bool = false;
    /// Whether its image may be unmapped: no threads, and nothing thread-local on threads of the broker, not through
    /// its dependencies either. Leave it as it is when in doubt.
    const UNLOADABLE: bool = false;

    /// Makes the plugin. It is called for trials too: effects on the world outside belong into hooks and
    /// [`on_tick`](Plugin::on_tick).
    ///
    /// # Errors
    /// Refuse the load, with this text.
    fn create(host: Host, setup: Setup<Self::Settings>) -> Result<Self, Error>;

    /// Tries itself before it serves.
    ///
    /// # Errors
    /// Refuse the load, with this text.
    fn self_test(&self) -> Result<(), Error> {
        Ok(())
    }

    /// What is handed over to the next generation. It is called while hooks are still served.
    fn export_state(&self) -> Option<State> {
        None
    }

    /// The plugin serves no longer.
    fn on_unload(&self, why: Unload) {}

    /// Ends and joins all threads of its own. How many still run: when any does, the plugin is never dropped and its image stays.
    fn quiesce(&self, deadline: Duration) -> usize {
        0
    }

    /// A time that it asked for has come; the first comes when it begins to serve. The answer is the seconds to the next,
    /// if there is to be one.
    fn on_tick(&self, now: f64, later: &Later<'_, Number>) -> Answer<Number> {
        Answer::Now(None)
    }

    /// A CONNECT, before authentication: nothing that it says has been proved.
    fn connect(&self, event: &Connect<'_>, later: &Later<'_, Connecting>) -> Answer<Connecting> {
        Answer::Now(Connecting::Pass)
    }

    /// Who is this client, and may it come in?
    fn authenticate(&self, event: &Authenticate<'_>, later: &Later<'_, Login>) -> Answer<Login> {
        Answer::Now(Login::Next)
    }

    /// A login that ends soon, or has ended.
    fn expiring(&self, event: &Expiring<'_>, later: &Later<'_, Controlling>) -> Answer<Controlling> {
        Answer::Now(Controlling::Pass)
    }

    /// A publish to a control topic that the plugin owns.
    fn control(&self, event: &Control<'_>, later: &Later<'_, Controlling>) -> Answer<Controlling> {
        Answer::Now(Controlling::Pass)
    }

    /// The next step of an MQTT 5 AUTH exchange.
    fn auth_continue(&self, event: &AuthContinue<'_>, later: &Later<'_, Login>) -> Answer<Login> {
        Answer::Now(Login::Next)
    }

    /// The CONNACK, before it is sent.
    fn connack(&self, event: &Connack<'_>) -> Answer<Change<ConnackPatch>> {
        Answer::Now(Change::Pass)
    }

    /// May this client publish this?
    fn authorize_publish(&self, event: &AuthorizePublish<'_>, later: &Later<'_, Access>) -> Answer<Access> {
        Answer::Now(Access::Next)
    }

    /// A message that may be published, before it is routed.
    fn publish(
        &self,
        event: &Publish<'_>,
        later: &Later<'_, Change<PublishPatch>>,
    ) -> Answer<Change<PublishPatch>> {
        Answer::Now(Change::Pass)
    }

    /// May this client subscribe to this filter?
    fn authorize_subscribe(
        &self,
        event: &AuthorizeSubscribe<'_>,
        later: &Later<'_, Access>,
    ) -> Answer<Access> {
        Answer::Now(Access::Next)
    }

    /// The filters of a SUBSCRIBE.
    fn subscribe(&self, event: &Subscribe<'_>) -> Answer<Filters> {
        Answer::Now(None)
    }

    /// The filters of an UNSUBSCRIBE.
    fn unsubscribe(&self, event: &Unsubscribe<'_>) -> Answer<Topics> {
        Answer::Now(None)
    }

    /// A message and the number of its receivers.
    fn route(&self, event: &Route<'_>) -> Answer<Change<Routed>> {
        Answer::Now(Change::Pass)
    }

    /// May this receiver have messages of this topic?
    fn authorize_deliver(&self, event: &AuthorizeDeliver<'_>) -> Answer<Access> {
        Answer::Now(Access::Next)
    }

    /// A message on its way to one receiver.
    fn deliver(&self, event: &Deliver<'_>) -> Answer<Change<DeliverPatch>> {
        Answer::Now(Change::Pass)
    }

    /// May this client send to that client directly?
    fn p2p(&self, event: &P2p<'_>) -> Answer<Access> {
        Answer::Now(Access::Next)
    }

    /// A message for a client that is not connected: `Pass` keeps it.
    fn offline(&self, event: &Offline<'_>) -> Answer<Change<Infallible>> {
        Answer::Now(Change::Pass)
    }

    /// A will, before it is published.
    fn will(&self, event: &Will<'_>) -> Answer<Change<WillPatch>> {
        Answer::Now(Change::Pass)
    }

    /// How high is this limit for this instance?
    fn limit(&self, event: &Limit<'_>) -> Answer<Number> {
        Answer::Now(None)
    }

    /// A batch of messages that a rule matched.
    fn rule_action(&self, event: &RuleAction<'_>, later: &Later<'_, Batch>) -> Answer<Batch> {
        Answer::failed("the plugin has no `rule_action`")
    }

    /// A session began or was resumed. It is told afterwards, in batches.
    fn session_start(&self, events: &[SessionStart<'_>]) {}

    /// A session ended for good. It is told afterwards, in batches.
    fn session_end(&self, events: &[SessionEnd<'_>]) {}

    /// A connection ended. It is told afterwards, in batches.
    fn disconnect(&self, events: &[Disconnected<'_>]) {}

    /// A receiver acknowledged a message. It is told afterwards, in batches.
    fn acked(&self, events: &[Acked<'_>]) {}

    /// Messages were dropped. It is told afterwards, in batches.
    fn dropped(&self, events: &[Dropped<'_>]) {}
}
