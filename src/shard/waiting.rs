//! PUBLISH and SUBSCRIBE where a policy waits, and publishes to `$SYS` topics that a policy owns.
//!
//! The packet is copied and the client parked; when the answer is there the packet goes on as any other does, from the
//! point at which it was asked about.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use super::Shard;
use super::permission::{Permission, event, permission};
use super::trace::publish_said;
use crate::codec::{Publish, PublishProperties, QoS, ReasonCode, Subscribe};
use crate::hooks::{
    Answer, Controlled, Hook, PublishDecision, PublishRequest, Published, SubscribeDecision, SubscribeRequest,
};
use crate::message::Origin;
use crate::session::Close;
use crate::topic::TopicFilter;

/// What was found out about a PUBLISH.
enum Found {
    /// A policy owns the topic. It was asked after so many changes of records.
    Control(Controlled, u64),
    /// An answer, what the `publish` hook made of the message if it was asked, and what the generation before says while
    /// this one is being watched.
    Answer(
        Answer<PublishDecision>,
        Option<Published>,
        Option<PublishDecision>,
    ),
}

impl Shard {
    /// Whether a PUBLISH to this topic has to wait for a policy.
    pub(super) fn publish_waits(&self, topic: &str) -> bool {
        self.hooks.waits(Hook::AuthorizePublish)
            || self.hooks.waits(Hook::Publish)
            || self.hooks.wants(Hook::Control) && self.hooks.chain().owns(topic)
    }

    /// Parks the client until the policies have answered.
    pub(super) fn publish_waiting(
        &mut self,
        at: u32,
        topic: &str,
        publish: &Publish<'_>,
    ) -> Result<(), Close> {
        let known = self.kept_publish_answer(at, topic, publish);
        let owned = self.hooks.wants(Hook::Control) && self.hooks.chain().owns(topic);
        let known = match known {
            // What is known already needs no wait, unless the message is to be changed.
            Some(Permission::Granted) if !owned => Some(()),
            Some(refused) if !owned => return self.refuse_publish(at, topic, publish, refused),
            _ => None,
        };
        let Some(live) = self.live(at) else { return Ok(()) };
        let (client, chain) = (Arc::clone(&live.client), Rc::clone(self.hooks.chain()));
        let event = event(topic, publish);
        let packet = Waiting::of(topic, publish);
        let asked = (
            Arc::clone(&event.topic),
            event.payload.clone(),
            event.qos,
            event.retain,
        );
        let changes = self.hooks.wants(Hook::Publish);
        let free = known.is_some() || self.publish_is_free();
        let before = self.hooks.chain_before().filter(|_| !free);
        let asked_of = chain.generation().number();
        let seen = self.records_seen();
        let work = async move {
            if owned {
                return Found::Control(chain.control(&client, event).await, seen);
            }
            let (topic, payload, qos, retain) = &asked;
            let request = PublishRequest {
                topic,
                qos: *qos,
                retain: *retain,
                origin: Origin::Client,
                payload,
            };
            let answer = if free {
                Answer {
                    decision: PublishDecision::Allow,
                    cache: None,
                }
            } else {
                chain.authorize_publish_waiting(&client, &request).await
            };
            let published = match (&answer.decision, changes) {
                (PublishDecision::Allow, true) => Some(chain.publish_waiting(&client, event).await),
                _ => None,
            };
            let before = match (before, &answer.decision) {
                (None, _) => None,
                (Some(_), PublishDecision::Allow) => Some(PublishDecision::Allow),
                (Some(chain), _) => Some(chain.authorize_publish_waiting(&client, &request).await.decision),
            };
            Found::Answer(answer, published, before)
        };
        self.park(at, work, move |shard, at, found| {
            shard.publish_found(at, &packet, found, asked_of)
        })
    }

    /// `asked_of` is the generation that was asked: when another one serves by now, the answer holds for this packet alone.
    fn publish_found(&mut self, at: u32, packet: &Waiting, found: Found, asked_of: u64) -> Result<(), Close> {
        let serves_still = asked_of == self.hooks.generation().number();
        let (topic, publish) = (&*packet.topic, &packet.publish());
        if publish.qos > QoS::AtMostOnce {
            self.mark_dirty(at);
        }
        match found {
            Found::Control(controlled, seen) => {
                // First what the client is told, then that its message has arrived.
                self.carry_out(at, controlled, seen)?;
                self.answer(at, publish, ReasonCode::SUCCESS, true);
                Ok(())
            }
            Found::Answer(answer, published, before) => {
                let client = self.live(at).map(|live| Arc::clone(&live.client));
                if let Some(client) = client.filter(|_| serves_still) {
                    let request = PublishRequest {
                        topic,
                        qos: publish.qos,
                        retain: publish.retain,
                        origin: Origin::Client,
                        payload: publish.payload,
                    };
                    self.hooks
                        .compare_publish(&client, &request, &answer.decision, before);
                }
                self.trace_answer(at, Hook::AuthorizePublish, topic, || {
                    publish_said(&answer.decision)
                });
                if serves_still {
                    self.keep_publish_answer(at, topic, publish, &answer);
                }
                match permission(&answer.decision) {
                    Permission::Granted => {
                        self.publish_changed(at, topic, publish, None, published.unwrap_or_default())
                    }
                    refused => self.refuse_publish(at, topic, publish, refused),
                }
            }
        }
    }

    /// Parks the client until the policies have answered about each filter.
    pub(super) fn subscribe_waiting(
        &mut self,
        at: u32,
        subscribe: Subscribe,
        count: usize,
    ) -> Result<(), Close> {
        let Some(live) = self.live(at) else { return Ok(()) };
        let (client, chain) = (Arc::clone(&live.client), Rc::clone(self.hooks.chain()));
        let (asking, before) = (Arc::clone(&client), self.hooks.chain_before());
        let asked_of = chain.generation().number();
        let work = async move {
            let mut decisions = Vec::with_capacity(subscribe.filters.len());
            let mut opinions = Vec::new();
            for asked in &subscribe.filters {
                decisions.push(match TopicFilter::parse(&asked.filter) {
                    Ok(filter) => {
                        let request = SubscribeRequest {
                            filter: filter.filter(),
                            qos: asked.qos,
                            share: filter.share_name(),
                        };
                        let said = chain
                            .authorize_subscribe_waiting(&client, &request)
                            .await
                            .decision;
                        if let Some(before) = &before {
                            opinions.push(match &said {
                                SubscribeDecision::Allow(qos) => SubscribeDecision::Allow(*qos),
                                _ => {
                                    before
                                        .authorize_subscribe_waiting(&client, &request)
                                        .await
                                        .decision
                                }
                            });
                        }
                        said
                    }
                    // It is refused for what it is.
                    Err(_) => {
                        if before.is_some() {
                            opinions.push(SubscribeDecision::Allow(asked.qos));
                        }
                        SubscribeDecision::Allow(asked.qos)
                    }
                });
            }
            (subscribe, decisions, opinions)
        };
        self.park(at, work, move |shard, at, (subscribe, decisions, opinions)| {
            let serves_still = asked_of == shard.hooks.generation().number();
            let opinions = opinions.into_iter().filter(|_| serves_still);
            let answers = subscribe.filters.iter().zip(&decisions).zip(opinions);
            for ((asked, said), before) in answers {
                let Ok(filter) = TopicFilter::parse(&asked.filter) else {
                    continue;
                };
                let request = SubscribeRequest {
                    filter: filter.filter(),
                    qos: asked.qos,
                    share: filter.share_name(),
                };
                shard
                    .hooks
                    .compare_subscribe(&asking, &request, said, Some(before));
            }
            shard.subscribe_decided(at, subscribe, count, Some(decisions))?;
            // The generation that serves by now may not allow it.
            if !serves_still {
                shard.withdraw_unless_watched(at);
            }
            Ok(())
        })
    }

    /// Does what a policy wants done about a client's login. It was asked after `seen` changes of records.
    pub(super) fn carry_out(&mut self, at: u32, wanted: Controlled, seen: u64) -> Result<(), Close> {
        for message in &wanted.messages {
            self.send_to(at, message);
        }
        if let Some(expires_at) = wanted.expires_at {
            self.login_expires(at, Some(expires_at));
        }
        let renewed = self.live(at).and_then(|live| wanted.renewed(&live.client));
        if let Some(client) = renewed {
            self.is_now(at, client);
        }
        if let Some(depends) = wanted.depends {
            self.rests_on(at, depends, seen);
        } else if wanted.expires_at.is_some() {
            self.rests_still(at, seen);
        }
        match wanted.disconnect {
            Some((code, reason)) => Err(Close::by_policy(code, reason.to_string())),
            None => Ok(()),
        }
    }
}

/// A PUBLISH that waits: what of its packet is still needed, owned.
struct Waiting {
    topic: Box<str>,
    payload: Bytes,
    forward: Bytes,
    message_expiry: Option<u32>,
    qos: QoS,
    retain: bool,
    dup: bool,
    packet_id: u16,
}

impl Waiting {
    fn of(topic: &str, publish: &Publish<'_>) -> Self {
        Self {
            topic: topic.into(),
            payload: Bytes::copy_from_slice(publish.payload),
            forward: Bytes::copy_from_slice(&publish.properties.forward),
            message_expiry: publish.properties.message_expiry,
            qos: publish.qos,
            retain: publish.retain,
            dup: publish.dup,
            packet_id: publish.packet_id,
        }
    }

    fn publish(&self) -> Publish<'_> {
        Publish {
            dup: self.dup,
            qos: self.qos,
            retain: self.retain,
            topic: &self.topic,
            packet_id: self.packet_id,
            properties: PublishProperties {
                message_expiry: self.message_expiry,
                forward: Cow::Borrowed(&self.forward),
                ..PublishProperties::default()
            },
            payload: &self.payload,
        }
    }
}
