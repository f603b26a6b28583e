//! May it? The policies' answer, or one that they gave before and that may be kept.

use std::sync::Arc;

use super::Shard;
use super::slot::{Allowed, Memo};
use super::trace::publish_said;
use super::wire_properties;
use crate::codec::{Publish, ReasonCode};
use crate::config::hooks::Verdict;
use crate::hooks::{Answer, CacheRule, Hook, Inputs, PublishDecision, PublishEvent, PublishRequest};
use crate::message::{MessageId, Origin};
use crate::session::Close;
use crate::time::Millis;

/// What comes out.
pub(super) enum Permission {
    /// Go on.
    Granted,
    /// Not this; the client stays, and may be told so with this code.
    Refused(ReasonCode),
    /// Not this, and the connection ends.
    Ended(Close),
}

/// The inputs that an answer was kept under. What the policy did not declare is left at its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct KeptKey {
    topic: Box<str>,
    qos: u8,
    retain: bool,
    size: usize,
}

/// A kept answer.
pub(super) struct Kept {
    generation: u64,
    until: Millis,
    decision: PublishDecision,
}

/// How many answers one connection keeps; a client that publishes to more topics is asked about again.
const KEPT_ANSWERS: usize = 128;

impl Shard {
    /// No policy decides about publishing, and the default is to allow it.
    #[inline]
    pub(super) fn publish_is_free(&self) -> bool {
        !self.hooks.wants(Hook::AuthorizePublish)
            && !self.hooks.grants_rights()
            && self.hooks.generation().defaults().authorize_publish == Verdict::Allow
    }

    /// The same of subscribing.
    pub(super) fn subscribe_is_free(&self) -> bool {
        !self.hooks.wants(Hook::AuthorizeSubscribe)
            && !self.hooks.grants_rights()
            && self.hooks.generation().defaults().authorize_subscribe == Verdict::Allow
    }

    /// May the client in `at` publish this? A yes that may be kept for all messages to this topic goes into the memo.
    #[inline]
    pub(super) fn may_publish(
        &mut self,
        at: u32,
        topic: &str,
        publish: &Publish<'_>,
        memo: &mut Option<Memo>,
    ) -> Permission {
        if self.publish_is_free() {
            return Permission::Granted;
        }
        let asked = Allowed {
            qos: publish.qos as u8,
            retain: publish.retain,
        };
        if let Some(Memo {
            allowed: Some((generation, allowed, until)),
            ..
        }) = memo
            && *generation == self.hooks.generation().number()
            && *allowed == asked
            && *until > self.now
        {
            return Permission::Granted;
        }
        self.ask_publish(at, topic, publish, memo)
    }

    /// How an answer about this client may be kept. Rights of its own make it depend on the topic.
    fn publish_rule(&mut self, at: u32) -> Option<CacheRule> {
        let rule = self.hooks.cache(Hook::AuthorizePublish)?;
        let has_rules =
            self.hooks.grants_rights() && self.live(at).is_some_and(|live| live.client.has_rights());
        Some(CacheRule {
            by: if has_rules {
                rule.by.union(Inputs::TOPIC)
            } else {
                rule.by
            },
            ..rule
        })
    }

    /// What is kept of a decision that was waited for.
    pub(super) fn keep_publish_answer(
        &mut self,
        at: u32,
        topic: &str,
        publish: &Publish<'_>,
        answer: &Answer<PublishDecision>,
    ) {
        let (generation, now) = (self.hooks.generation().number(), self.now);
        let (Some(_), Some(rule)) = (answer.cache, self.publish_rule(at)) else {
            return;
        };
        let key = kept_key(rule, topic, publish);
        if let Some(live) = self.live(at) {
            if live.kept.len() >= KEPT_ANSWERS {
                live.kept.clear();
            }
            let decision = answer.decision.clone();
            let until = now.plus(rule.ttl);
            live.kept.insert(
                key,
                Kept {
                    generation,
                    until,
                    decision,
                },
            );
        }
    }

    /// The kept answer to a question that would be waited for.
    pub(super) fn kept_publish_answer(
        &mut self,
        at: u32,
        topic: &str,
        publish: &Publish<'_>,
    ) -> Option<Permission> {
        let (generation, now) = (self.hooks.generation().number(), self.now);
        let key = kept_key(self.publish_rule(at)?, topic, publish);
        let kept = self.live(at)?.kept.get(&key)?;
        (kept.generation == generation && kept.until > now).then(|| permission(&kept.decision))
    }

    fn ask_publish(
        &mut self,
        at: u32,
        topic: &str,
        publish: &Publish<'_>,
        memo: &mut Option<Memo>,
    ) -> Permission {
        let (generation, now) = (self.hooks.generation().number(), self.now);
        let rule = self.publish_rule(at);
        let key = rule.map(|rule| kept_key(rule, topic, publish));
        let Some(live) = self.live(at) else {
            return Permission::Refused(ReasonCode::NOT_AUTHORIZED);
        };
        if let Some(kept) = key.as_ref().and_then(|key| live.kept.get(key))
            && kept.generation == generation
            && kept.until > now
        {
            let by_size = rule.is_some_and(|rule| rule.by.contains(Inputs::SIZE));
            if let (Some(memo), PublishDecision::Allow, false) = (memo, &kept.decision, by_size) {
                let asked = Allowed {
                    qos: publish.qos as u8,
                    retain: publish.retain,
                };
                memo.allowed = Some((generation, asked, kept.until));
            }
            let decision = kept.decision.clone();
            self.trace_answer(at, Hook::AuthorizePublish, topic, || {
                format!("{} (kept)", publish_said(&decision))
            });
            return permission(&decision);
        }
        let client = Arc::clone(&live.client);
        let request = PublishRequest {
            topic,
            qos: publish.qos,
            retain: publish.retain,
            origin: Origin::Client,
            payload: publish.payload,
        };
        let answer = self.hooks.authorize_publish(&client, &request);
        self.trace_answer(at, Hook::AuthorizePublish, topic, || {
            publish_said(&answer.decision)
        });
        let granted = answer.decision == PublishDecision::Allow;
        let permission = permission(&answer.decision);
        // A failed policy's answer is not kept at all.
        let (Some(_), Some(rule), Some(key)) = (answer.cache, rule, key) else {
            return permission;
        };
        let until = now.plus(rule.ttl);
        // The memo holds one answer for a topic at this QoS and RETAIN, so the size must not matter.
        if let (Some(memo), true, false) = (memo, granted, rule.by.contains(Inputs::SIZE)) {
            let asked = Allowed {
                qos: publish.qos as u8,
                retain: publish.retain,
            };
            memo.allowed = Some((generation, asked, until));
        }
        if let Some(live) = self.live(at) {
            if live.kept.len() >= KEPT_ANSWERS {
                live.kept.clear();
            }
            live.kept.insert(
                key,
                Kept {
                    generation,
                    until,
                    decision: answer.decision,
                },
            );
        }
        permission
    }
}

fn kept_key(rule: CacheRule, topic: &str, publish: &Publish<'_>) -> KeptKey {
    KeptKey {
        topic: if rule.by.contains(Inputs::TOPIC) {
            topic.into()
        } else {
            Box::default()
        },
        qos: if rule.by.contains(Inputs::QOS) {
            publish.qos as u8
        } else {
            0
        },
        retain: rule.by.contains(Inputs::RETAIN) && publish.retain,
        size: if rule.by.contains(Inputs::SIZE) {
            publish.payload.len()
        } else {
            0
        },
    }
}

pub(super) fn permission(decision: &PublishDecision) -> Permission {
    match decision {
        PublishDecision::Allow => Permission::Granted,
        PublishDecision::Deny(denial) => Permission::Refused(denial.code),
        PublishDecision::Disconnect(reason) => {
            Permission::Ended(Close::by_policy(ReasonCode::NOT_AUTHORIZED, reason.to_string()))
        }
    }
}

/// A PUBLISH as the `publish` hook sees it.
pub(super) fn event(topic: &str, publish: &Publish<'_>) -> PublishEvent {
    let mut properties = wire_properties::read(&publish.properties.forward);
    properties.message_expiry = publish.properties.message_expiry;
    PublishEvent {
        topic: topic.into(),
        payload: bytes::Bytes::copy_from_slice(publish.payload),
        qos: publish.qos,
        retain: publish.retain,
        properties: Arc::new(properties),
        origin: Origin::Client,
        id: MessageId(0),
    }
}
