//! A limit is met, or a rule of the product broken: what is counted, what is told, what happens.
//!
//! A 5.0 client is told by a reason code and stays. A 3.x client has no such code: its connection ends (`product.on_refusal`,
//! `product.on_excess`), and what it published was not taken and not acknowledged.

use std::rc::Rc;
use std::sync::Arc;

use super::permission::Permission;
use super::{Refused, Shard, Tenant};
use crate::codec::{ProtocolVersion, Publish, QoS, ReasonCode};
use crate::config::{OnExcess, OnRefusal, ParentTopics};
use crate::hooks::{Client, Hook};
use crate::instance::{Hit, names};
use crate::message::Publication;
use crate::metrics::DropReason;
use crate::router::{Matches, P2pTarget};
use crate::session::Close;

impl Shard {
    /// The instance of the session in `at`.
    #[inline]
    pub(super) fn tenant_of(&self, at: u32) -> Option<Rc<Tenant>> {
        self.slots.get(at as usize).map(|slot| Rc::clone(slot.tenant()))
    }

    /// Counts a limit that was met, and tells who watches the client.
    #[cold]
    pub(super) fn hit(&mut self, at: u32, hit: Hit, about: &str) {
        self.trace_note(at, hit.name(), || format!("a limit was met by {about:?}"));
        let Some(live) = self.live(at) else { return };
        live.tenant.usage.hit(hit);
        if live.conn.is_first(hit) {
            tracing::info!(
                instance = %live.key.instance,
                client_id = &*live.key.client_id,
                limit = hit.name(),
                about,
                "a limit was met, or a rule of the product broken"
            );
        }
    }

    /// Whether a client that may not do something is to go: it cannot be told otherwise.
    pub(super) fn ends_for_refusals(&mut self, at: u32) -> bool {
        self.live(at).is_some_and(|live| {
            live.session.version != ProtocolVersion::V5
                && live.tenant.product.on_refusal == OnRefusal::Disconnect
        })
    }

    /// Says in the log why a connection ends whose client could not be told.
    #[cold]
    pub(super) fn tell_refusal(&mut self, at: u32, what: &str, about: &str) {
        let Some(live) = self.live(at) else { return };
        tracing::info!(
            instance = %live.key.instance,
            client_id = &*live.key.client_id,
            "a client may not {what} {about:?}, and its connection ends: MQTT 3 has no other way to tell it (product.on_refusal)"
        );
    }

    /// A PUBLISH is too much: it is not taken. A 5.0 client is told; the connection of another ends, if it is owed an answer.
    #[cold]
    pub(super) fn publish_over(
        &mut self,
        at: u32,
        topic: &str,
        publish: &Publish<'_>,
        hit: Hit,
    ) -> Result<(), Close> {
        self.hit(at, hit, topic);
        let reason = match hit {
            Hit::PayloadSize => DropReason::TooLarge,
            _ => DropReason::Quota,
        };
        self.observe_dropped(at, topic, reason);
        if publish.qos == QoS::AtMostOnce {
            return Ok(());
        }
        let Some(live) = self.live(at) else { return Ok(()) };
        if live.session.version == ProtocolVersion::V5 {
            self.answer(at, publish, ReasonCode::QUOTA_EXCEEDED, true);
            return Ok(());
        }
        match live.tenant.product.on_excess {
            // It sends again when it comes again. Left waiting for an acknowledgement that never comes, it would keep a place
            // of its window for ever.
            OnExcess::Disconnect => {
                let what = match hit {
                    Hit::PayloadSize => "the payload is larger than limits.payload_size (product.on_excess)",
                    _ => {
                        "the instance has published and been sent as much in this second as it may, limits.tps (product.on_excess)"
                    }
                };
                Err(Close::new(ReasonCode::QUOTA_EXCEEDED, what))
            }
            OnExcess::Ignore => Ok(()),
        }
    }

    /// A PUBLISH to a topic that the instance does not take.
    #[cold]
    pub(super) fn publish_refused(
        &mut self,
        at: u32,
        topic: &str,
        publish: &Publish<'_>,
        refused: Refused,
    ) -> Result<(), Close> {
        self.hit(at, refused.hit, topic);
        self.observe_dropped(at, topic, DropReason::Denied);
        if self.ends_for_refusals(at) {
            return Err(Close::new(refused.code, refused.what));
        }
        self.answer(at, publish, refused.code, true);
        Ok(())
    }

    /// The same of a filter: what SUBACK says.
    ///
    /// # Errors
    /// The connection ends.
    #[cold]
    pub(super) fn subscribe_refused(
        &mut self,
        at: u32,
        filter: &str,
        refused: Refused,
    ) -> Result<ReasonCode, Close> {
        self.hit(at, refused.hit, filter);
        if self.ends_for_refusals(at) {
            let code = ReasonCode::TOPIC_FILTER_INVALID;
            return Err(Close::new(code, format!("{}: {filter:?}", refused.what)));
        }
        Ok(ReasonCode::TOPIC_FILTER_INVALID)
    }

    /// There are too many filters with a wildcard for the parent topic: acknowledged, without effect. A 5.0 client is told.
    #[cold]
    pub(super) fn wildcard_without_effect<T>(
        &mut self,
        at: u32,
        filter: &str,
        granted: QoS,
    ) -> Result<(QoS, Option<T>), ReasonCode> {
        self.hit(at, Hit::WildcardFilters, filter);
        match self.live(at).map(|live| live.session.version) {
            Some(ProtocolVersion::V5) => Err(ReasonCode::QUOTA_EXCEEDED),
            _ => Ok((granted, None)),
        }
    }

    /// Asks for the parent topic to be made, once, where clients make them by using them.
    #[inline]
    pub(super) fn make_parent_of(&mut self, tenant: &Tenant, topic: &str) {
        if tenant.product.parent_topics == ParentTopics::Auto {
            self.want_parent(tenant, names::parent_of(topic));
        }
    }

    #[cold]
    fn want_parent(&mut self, tenant: &Tenant, parent: &str) {
        if tenant.parents.contains(parent) || names::parent_topic(parent).is_err() {
            return;
        }
        if self.asked_parents.insert((tenant.number, parent.into())) {
            let wanted = (tenant.id.clone(), parent.into());
            if self.shared.wanted_parents.try_send(wanted).is_err() {
                // Too many at once: the next who uses it asks again.
                self.asked_parents.remove(&(tenant.number, parent.into()));
            }
        }
    }

    /// The same for what is published in a client's name, or in nobody's; what is denied is counted.
    pub(super) fn may_reach(
        &mut self,
        client: Option<&Arc<Client>>,
        matches: &Matches,
        publication: &Publication<'_>,
    ) -> bool {
        let Some(target) = matches.p2p.as_ref().filter(|_| self.hooks.wants(Hook::P2p)) else {
            return true;
        };
        let event = super::policies::event_of(&publication.share());
        let said = self.hooks.p2p(client, &target.key.client_id, event);
        if let Err(reason) = &said {
            tracing::debug!(target = %target.key, %reason, "a message for one client was denied");
            self.metrics.messages_dropped.add(DropReason::Denied, 1);
        }
        said.is_ok()
    }

    /// May the client in `at` send this to the client that its topic names?
    pub(super) fn may_send_to(
        &mut self,
        at: u32,
        target: &P2pTarget,
        publication: &Publication<'_>,
    ) -> Result<(), Permission> {
        if !self.hooks.wants(Hook::P2p) {
            return Ok(());
        }
        let client = self.live(at).map(|live| Arc::clone(&live.client));
        let event = super::policies::event_of(&publication.share());
        let said = self.hooks.p2p(client.as_ref(), &target.key.client_id, event);
        said.map_err(|reason| {
            tracing::debug!(target = %target.key, %reason, "a message for one client was denied");
            Permission::Refused(ReasonCode::NOT_AUTHORIZED)
        })
    }
}
