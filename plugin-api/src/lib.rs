//! The vocabulary of Dunlin's hooks: their names, their kinds, and sets of them.
//!
//! A *hook* is a point on a packet's way through the broker where a policy is asked. Lua policies, compiled plugins and
//! the broker itself use the same names, so they live here, in a crate that depends on nothing.
//!
//! [`describe`] says of every hook what it is given, what it may return and how it is asked: the editors' type definitions,
//! the reference in the documentation and the checks of `dunlin check` are made of that one text, and tests hold the C ABI to it.
//!
//! [`abi`] is the C ABI of compiled plugins. With the feature `sdk` (the default; the broker does without) the crate is
//! also the safe Rust face of that ABI: the trait [`Plugin`], [`export_plugin!`], and a mock host for unit tests.
//!
//! ```
//! use dunlin_plugin_api::{Hook, HookSet, Kind};
//!
//! let hook = Hook::from_name("authorize_publish").unwrap();
//! assert_eq!(hook.kind(), Kind::Answer);
//!
//! let wanted = HookSet::of(&[Hook::Authenticate, Hook::Publish]);
//! assert!(wanted.contains(Hook::Publish) && !wanted.contains(hook));
//! ```

#[allow(unsafe_code)]
pub mod abi;
pub mod describe;
#[cfg(feature = "sdk")]
#[allow(unsafe_code)]
pub mod sdk;

#[cfg(feature = "sdk")]
pub use sdk::Plugin;

/// Everything that a plugin in Rust needs.
#[cfg(feature = "sdk")]
pub mod prelude {
    pub use crate::sdk::mock::{MockClient, MockHost};
    pub use crate::sdk::*;
    pub use crate::{Hook, export_plugin};
}

/// The examples of docs/plugins.md are built and run.
#[cfg(all(doctest, feature = "sdk"))]
#[doc = include_str!("../../docs/plugins.md")]
mod book {}

use std::fmt;

/// What a hook may do with what it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Part of a policy's own life: loading, unloading, ticking.
    Life,
    /// Answers a question: allow, deny, next.
    Answer,
    /// Changes what passes: pass, patch, drop.
    Transform,
    /// Is told, afterwards, and returns nothing.
    Observe,
    /// Does work for a rule and says for each message how it went.
    Action,
}

impl Kind {
    /// The kind as the documentation writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Life => "life",
            Kind::Answer => "answer",
            Kind::Transform => "transform",
            Kind::Observe => "observe",
            Kind::Action => "action",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Declares the enum, its names, kinds and summaries from one table, so that they cannot drift apart.
macro_rules! hooks {
    ($(#[doc = $doc:literal] $variant:ident $name:literal $kind:ident;)*) => {
        /// A point at which the broker asks its policies.
        ///
        /// The number of a hook is its place in a [`HookSet`]; new hooks are added at the end and none is renumbered.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum Hook { $(#[doc = $doc] $variant,)* }

        impl Hook {
            /// Every hook, in the order of the documentation's table.
            pub const ALL: &'static [Hook] = &[$(Hook::$variant),*];

            /// The name that policies use for it.
            pub const fn name(self) -> &'static str {
                match self { $(Hook::$variant => $name),* }
            }

            /// What a policy may do in it.
            pub const fn kind(self) -> Kind {
                match self { $(Hook::$variant => Kind::$kind),* }
            }

            /// What it is about, in one sentence.
            pub const fn summary(self) -> &'static str {
                match self { $(Hook::$variant => $doc.trim_ascii()),* }
            }

            /// The hook of that name, if there is one.
            pub fn from_name(name: &str) -> Option<Hook> {
                match name { $($name => Some(Hook::$variant),)* _ => None }
            }
        }
    };
}

hooks! {
    /// A policy is loaded: it reads its settings; an error refuses the load.
    OnLoad "on_load" Life;
    /// A policy is about to be dropped.
    OnUnload "on_unload" Life;
    /// A time that the policy asked for has come.
    OnTick "on_tick" Life;
    /// A CONNECT, before authentication.
    Connect "connect" Transform;
    /// Who is this client, and may it come in?
    Authenticate "authenticate" Answer;
    /// A login that ends soon, or has ended.
    Expiring "expiring" Transform;
    /// A publish to a control topic that a policy owns.
    Control "control" Transform;
    /// The next step of an MQTT 5 AUTH exchange.
    AuthContinue "auth_continue" Answer;
    /// The CONNACK, before it is sent.
    Connack "connack" Transform;
    /// May this client publish this?
    AuthorizePublish "authorize_publish" Answer;
    /// A message that may be published, before it is routed.
    Publish "publish" Transform;
    /// May this client subscribe to this filter?
    AuthorizeSubscribe "authorize_subscribe" Answer;
    /// The filters of a SUBSCRIBE.
    Subscribe "subscribe" Transform;
    /// The filters of an UNSUBSCRIBE.
    Unsubscribe "unsubscribe" Transform;
    /// A message and the number of its receivers.
    Route "route" Transform;
    /// May this receiver have messages of this topic?
    AuthorizeDeliver "authorize_deliver" Answer;
    /// A message on its way to one receiver.
    Deliver "deliver" Transform;
    /// May this client send to that client directly?
    P2p "p2p" Answer;
    /// A message for a client that is not connected.
    Offline "offline" Transform;
    /// A will, before it is published.
    Will "will" Transform;
    /// A session began or was resumed.
    SessionStart "session_start" Observe;
    /// A session ended for good.
    SessionEnd "session_end" Observe;
    /// A connection ended.
    Disconnect "disconnect" Observe;
    /// A receiver acknowledged a message.
    Acked "acked" Observe;
    /// A message was dropped.
    Dropped "dropped" Observe;
    /// How high is this limit for this instance?
    Limit "limit" Answer;
    /// A batch of messages that a rule matched.
    RuleAction "rule_action" Action;
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of hooks, one bit each: asking whether anyone wants a hook costs one bit test.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct HookSet(u64);

impl HookSet {
    /// The empty set.
    pub const EMPTY: HookSet = HookSet(0);

    /// The set of these hooks.
    pub const fn of(mut hooks: &[Hook]) -> HookSet {
        let mut bits = 0;
        while let [first, rest @ ..] = hooks {
            bits |= 1 << *first as u8;
            hooks = rest;
        }
        HookSet(bits)
    }

    /// Whether `hook` is in the set.
    #[inline]
    pub const fn contains(self, hook: Hook) -> bool {
        self.0 & (1 << hook as u8) != 0
    }

    /// Adds `hook`.
    pub const fn insert(&mut self, hook: Hook) {
        self.0 |= 1 << hook as u8;
    }

    /// What is in either set.
    #[must_use]
    pub const fn union(self, other: HookSet) -> HookSet {
        HookSet(self.0 | other.0)
    }

    /// The set of these bits, bit N for the hook of number N; `None` when there is a bit that no hook has.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Option<HookSet> {
        if bits >> Hook::ALL.len() == 0 {
            Some(HookSet(bits))
        } else {
            None
        }
    }

    /// Its bits: bit N for the hook of number N.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether nothing is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its hooks, in the order of the documentation's table.
    pub fn iter(self) -> impl Iterator<Item = Hook> {
        Hook::ALL.iter().copied().filter(move |hook| self.contains(*hook))
    }
}

impl FromIterator<Hook> for HookSet {
    fn from_iter<I: IntoIterator<Item = Hook>>(hooks: I) -> Self {
        let mut set = HookSet::EMPTY;
        hooks.into_iter().for_each(|hook| set.insert(hook));
        set
    }
}

impl fmt::Debug for HookSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Hook::name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_hook() {
        for hook in Hook::ALL {
            assert_eq!(Hook::from_name(hook.name()), Some(*hook));
        }
        assert_eq!(Hook::from_name("authorise_publish"), None);
    }

    #[test]
    fn summaries_are_sentences() {
        for hook in Hook::ALL {
            assert!(hook.summary().ends_with(['.', '?']), "{hook}: {}", hook.summary());
        }
    }

    #[test]
    fn every_hook_has_a_bit_of_its_own() {
        let all: HookSet = Hook::ALL.iter().copied().collect();
        assert_eq!(all.iter().count(), Hook::ALL.len());
        assert!(Hook::ALL.len() <= 64);
    }

    #[test]
    fn a_set_shows_names() {
        let set = HookSet::of(&[Hook::Publish, Hook::Authenticate]);
        assert_eq!(format!("{set:?}"), r#"{"authenticate", "publish"}"#);
        assert!(HookSet::EMPTY.is_empty() && !set.is_empty());
    }
}
