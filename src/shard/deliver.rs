//! From one publication to its receivers: here by plain calls, on other shards by one mail each.

use std::sync::Arc;

use super::flush::reason_label;
use super::hand::Claim;
use super::slot::Slot;
use super::{Mail, Shard, Tenant};
use crate::codec::QoS;
use crate::hooks::Hook;
use crate::instance::{SessionKey, weight};
use crate::message::{Delivery, Publication};
use crate::metrics::DropReason;
use crate::router::{Matches, P2pTarget, SubscriberId};
use crate::session::{Outcome, Receiver};

impl Shard {
    /// Gives a publication to all that `matches` names, on all shards, and to whom policies name besides. Answers with how
    /// many that are.
    #[inline]
    pub(super) fn route(
        &mut self,
        tenant: &Tenant,
        publication: &Publication<'_>,
        matches: &Arc<Matches>,
        publisher: Option<SubscriberId>,
    ) -> usize {
        if self.hooks.wants(Hook::Route) {
            return self.route_asked(tenant, publication, matches, publisher);
        }
        self.route_matches(publication, matches, publisher)
    }

    /// Gives a publication to all that `matches` names.
    pub(super) fn route_matches(
        &mut self,
        publication: &Publication<'_>,
        matches: &Arc<Matches>,
        publisher: Option<SubscriberId>,
    ) -> usize {
        let mut receivers = match &matches.p2p {
            Some(target) => self.route_to_target(publication, target),
            None => 0,
        };
        for (shard, recipients) in (0u16..).zip(matches.by_shard.iter()) {
            if recipients.is_empty() {
                continue;
            }
            receivers += recipients.len();
            if shard == self.id {
                self.deliver_here(publication, matches, publisher);
            } else {
                let message = publication.share();
                let claim = if recipients.keeps {
                    self.claim_for(shard, publication.qos)
                } else {
                    None
                };
                self.post(
                    shard,
                    Mail::Deliver {
                        message,
                        matches: Arc::clone(matches),
                        publisher,
                        claim,
                    },
                );
            }
        }
        for group in &matches.groups {
            // One member of each group gets it [MQTT-4.8.2-4]; a group of which nobody can take it is nobody.
            let Some(picked) = group.pick() else { continue };
            receivers += 1;
            let receiver = Receiver {
                qos: publication.qos.min(picked.qos),
                retain: publication.retain && picked.retain_as_published,
                subscription_ids: &picked.ids,
            };
            if picked.subscriber.shard == self.id {
                self.wires.reset();
                self.deliver_to(publication, picked.subscriber, receiver);
            } else {
                let delivery = crate::session::to_delivery(publication, receiver);
                let claim = if picked.persistent {
                    self.claim_for(picked.subscriber.shard, receiver.qos)
                } else {
                    None
                };
                self.post(
                    picked.subscriber.shard,
                    Mail::One {
                        to: picked.subscriber,
                        delivery,
                        claim,
                    },
                );
            }
        }
        if receivers == 0 {
            self.metrics.messages_dropped.add(DropReason::NoSubscriber, 1);
        }
        receivers
    }

    /// Gives a publication to the one client that its topic names. Answers with how many that are, as far as is known here.
    fn route_to_target(&mut self, publication: &Publication<'_>, target: &Arc<P2pTarget>) -> usize {
        if target.home == self.id {
            return usize::from(self.deliver_to_target(publication, &target.key));
        }
        let message = publication.share();
        let to = Arc::clone(target);
        let claim = self.claim_for(target.home, publication.qos);
        self.post(target.home, Mail::ToClient { to, message, claim });
        1
    }

    /// What goes with a message to another shard, if its publisher has to wait for what becomes of it there: nobody does where
    /// no session outlives its connection.
    fn claim_for(&mut self, shard: u16, qos: QoS) -> Option<Claim> {
        let keeps = qos > QoS::AtMostOnce && self.shared.has_persistent(shard);
        if keeps {
            self.hand.mail(&mut self.waits, self.id)
        } else {
            None
        }
    }

    /// The same on the shard that its session lives on; whether there is one.
    pub(super) fn deliver_to_target(&mut self, publication: &Publication<'_>, key: &SessionKey) -> bool {
        let Some(at) = self.by_key.get(key).copied() else {
            self.metrics.messages_dropped.add(DropReason::NoSubscriber, 1);
            return false;
        };
        let receiver = Receiver {
            qos: publication.qos,
            retain: false,
            subscription_ids: &[],
        };
        self.wires.reset();
        self.deliver_to(publication, self.subscriber(at), receiver);
        true
    }

    /// The receivers on this shard.
    pub(super) fn deliver_here(
        &mut self,
        publication: &Publication<'_>,
        matches: &Matches,
        publisher: Option<SubscriberId>,
    ) {
        self.wires.reset();
        let Some(recipients) = matches.by_shard.get(usize::from(self.id)) else {
            return;
        };
        for recipient in recipients.iter() {
            let wanted = if publisher == Some(recipient.subscriber) {
                // No Local: what it published itself comes back only by its other subscriptions [MQTT-3.8.3-3].
                match recipient.own() {
                    Some(own) => own,
                    None => continue,
                }
            } else {
                recipient.wanted()
            };
            let receiver = Receiver {
                qos: publication.qos.min(wanted.qos),
                retain: publication.retain && wanted.retain_as_published,
                subscription_ids: wanted.ids,
            };
            self.deliver_to(publication, recipient.subscriber, receiver);
        }
    }

    /// One receiver on this shard.
    #[inline]
    pub(super) fn deliver_to(
        &mut self,
        publication: &Publication<'_>,
        to: SubscriberId,
        receiver: Receiver<'_>,
    ) {
        if self.hooks.wants_deliveries() {
            return self.deliver_asked(publication, to, receiver);
        }
        self.deliver_unasked(publication, to, receiver);
    }

    /// The same, with every policy's blessing.
    #[inline]
    pub(super) fn deliver_unasked(
        &mut self,
        publication: &Publication<'_>,
        to: SubscriberId,
        receiver: Receiver<'_>,
    ) {
        if self.generations.get(to.slot as usize) != Some(&to.generation) {
            return;
        }
        let (in_store, sent) = match self.slots.get_mut(to.slot as usize) {
            Some(Slot::Live(live)) => {
                let buffers = &mut self.buffers;
                live.session.outbox.lend(|| buffers.pop().unwrap_or_default());
                let tenant = &live.tenant;
                if tenant.has_quota()
                    && let Some(purse) = self.purses.get_mut(tenant.number as usize)
                {
                    let cost = weight(receiver.qos as u8, live.session.is_persistent());
                    purse.charge(&tenant.usage.quota, tenant.limits.tps, cost, self.now);
                }
                let settings = &tenant.settings;
                let (hand, waits, id) = (&mut self.hand, &mut self.waits, self.id);
                let mut receipt = || hand.receipt(waits, id);
                let outcome = live.session.deliver(
                    publication,
                    receiver,
                    &mut self.wires,
                    self.now,
                    settings,
                    &mut receipt,
                );
                match outcome {
                    Outcome::Sent | Outcome::Queued => {
                        if matches!(outcome, Outcome::Sent) {
                            self.flusher.mark(to.slot, &mut live.conn.dirty);
                        }
                        if live.session.wants_grace() {
                            self.give_grace(to);
                        }
                        return;
                    }
                    Outcome::Dropped(reason) => {
                        return self.observe_dropped(to.slot, publication.topic, reason_label(reason));
                    }
                    Outcome::Overflow => return self.overflowed.push(to),
                    Outcome::Keep(in_store, sent) => {
                        self.flusher.mark(to.slot, &mut live.conn.dirty);
                        (Some(in_store), sent)
                    }
                    Outcome::Store => (None, None),
                    Outcome::Spill => {
                        self.spill(to.slot);
                        (None, None)
                    }
                }
            }
            Some(Slot::Absent(absent)) if absent.tenant.keeps_offline(receiver.qos) => {
                let tenant = &absent.tenant;
                if tenant.has_quota()
                    && let Some(purse) = self.purses.get_mut(tenant.number as usize)
                {
                    // Keeping a message counts as sending it once.
                    purse.charge(&tenant.usage.quota, tenant.limits.tps, 1, self.now);
                }
                (None, None)
            }
            _ => return,
        };
        let delivery = crate::session::to_delivery(publication, receiver);
        self.store_for(to.slot, delivery, in_store, sent);
    }

    /// A message that was picked for one session, by another shard or from a queue.
    pub(super) fn deliver_one(&mut self, to: SubscriberId, delivery: &Delivery) {
        let publication = Publication::of(&delivery.message);
        let receiver = Receiver::of(delivery);
        self.wires.reset();
        self.deliver_to(&publication, to, receiver);
    }
}

/// Whether a message may be dropped when there is no room for it on the way: only QoS 0 ever is.
pub(super) fn may_be_dropped(qos: QoS) -> bool {
    qos == QoS::AtMostOnce
}
