//! Which answers may be kept, for how long, and under which key.
//!
//! The cache itself lies beside the connection. It is right because a policy is shown nothing that is not in the key:
//! the client does not change while it is connected, and inputs that a caching entry did not declare are handed to it
//! as `nil`.

use dunlin_plugin_api::Hook;
use std::time::Duration;

/// The inputs of an answer, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Inputs(u8);

impl Inputs {
    /// Nothing but the client.
    pub const NONE: Inputs = Inputs(0);
    /// The topic, or the filter.
    pub const TOPIC: Inputs = Inputs(1);
    /// The QoS.
    pub const QOS: Inputs = Inputs(2);
    /// The RETAIN flag.
    pub const RETAIN: Inputs = Inputs(4);
    /// The size of the payload.
    pub const SIZE: Inputs = Inputs(8);
    /// The share name.
    pub const SHARE: Inputs = Inputs(16);
    /// All of them.
    pub const ALL: Inputs = Inputs(31);

    /// Whether all of `other` is in it.
    #[inline]
    pub const fn contains(self, other: Inputs) -> bool {
        self.0 & other.0 == other.0
    }

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: Inputs) -> Inputs {
        Inputs(self.0 | other.0)
    }

    /// The inputs that an answer of `hook` can be cached by, with the names that policies use.
    pub(crate) fn names(hook: Hook) -> &'static [(&'static str, Inputs)] {
        match hook {
            Hook::AuthorizePublish => &[
                ("topic", Self::TOPIC),
                ("qos", Self::QOS),
                ("retain", Self::RETAIN),
                ("size", Self::SIZE),
            ],
            Hook::AuthorizeSubscribe => &[
                ("filter", Self::TOPIC),
                ("qos", Self::QOS),
                ("share", Self::SHARE),
            ],
            _ => &[],
        }
    }
}

/// How an answer may be cached. The key is the client, the generation, and the inputs in `by`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheRule {
    /// How long the answer holds.
    pub ttl: Duration,
    /// What it depends on besides the client.
    pub by: Inputs,
}

impl CacheRule {
    /// The rule for an answer that depends on both: the shorter time, the longer key.
    #[must_use]
    pub fn and(self, other: CacheRule) -> CacheRule {
        CacheRule {
            ttl: self.ttl.min(other.ttl),
            by: self.by.union(other.by),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_rules_make_the_shorter_time_and_the_longer_key() {
        let one = CacheRule {
            ttl: Duration::from_secs(60),
            by: Inputs::TOPIC,
        };
        let two = CacheRule {
            ttl: Duration::from_secs(5),
            by: Inputs::QOS,
        };
        let both = one.and(two);
        assert_eq!(both.ttl, Duration::from_secs(5));
        assert!(
            both.by.contains(Inputs::TOPIC)
                && both.by.contains(Inputs::QOS)
                && !both.by.contains(Inputs::SIZE)
        );
    }
}
