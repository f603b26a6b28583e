//! Questions that no packet rests for: about what a client has already, and about what it leaves behind.
//!
//! They are asked in the form that waits, since a policy that waits can be asked in no other. Many may come at once, when
//! policies are reloaded or a network is lost, so they take turns: they must not take the backends from those who wait.
//! Whoever asks sees to it that no more wait for their turn than there are sessions.

use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::Shard;
use crate::hooks::{
    Chain, Client, PublishDecision, PublishEvent, PublishRequest, Published, SubscribeDecision,
    SubscribeRequest,
};

/// So many are under way at once, on one shard.
pub(super) const AT_ONCE: usize = 8;

/// Whom to ask.
pub(super) struct Aside {
    chain: Rc<Chain>,
    /// The generation before, while the one that serves is being watched.
    before: Option<Rc<Chain>>,
    places: Rc<Semaphore>,
}

impl Shard {
    /// The policies, for questions that no packet rests for.
    pub(super) fn aside(&self) -> Aside {
        Aside {
            chain: Rc::clone(self.hooks.chain()),
            before: self.hooks.chain_before(),
            places: Rc::clone(&self.asides),
        }
    }
}

impl Aside {
    /// The generation that is asked.
    pub(super) fn generation(&self) -> u64 {
        self.chain.generation().number()
    }

    /// A turn, to be held while one question is asked.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.places.acquire().await.ok()
    }

    /// May `client` subscribe to this? And what the generation before says, if it is to be compared.
    pub(super) async fn subscribe(
        &self,
        client: &Arc<Client>,
        request: &SubscribeRequest<'_>,
    ) -> (SubscribeDecision, Option<SubscribeDecision>) {
        let said = self
            .chain
            .authorize_subscribe_waiting(client, request)
            .await
            .decision;
        let before = match (&self.before, &said) {
            (None, _) => None,
            (Some(_), SubscribeDecision::Allow(qos)) => Some(SubscribeDecision::Allow(*qos)),
            (Some(before), _) => Some(before.authorize_subscribe_waiting(client, request).await.decision),
        };
        (said, before)
    }

    /// May `client` publish this? And what the generation before says, likewise.
    pub(super) async fn publish(
        &self,
        client: &Arc<Client>,
        request: &PublishRequest<'_>,
    ) -> (PublishDecision, Option<PublishDecision>) {
        let said = self
            .chain
            .authorize_publish_waiting(client, request)
            .await
            .decision;
        let before = match (&self.before, &said) {
            (None, _) => None,
            (Some(_), PublishDecision::Allow) => Some(PublishDecision::Allow),
            (Some(before), _) => Some(before.authorize_publish_waiting(client, request).await.decision),
        };
        (said, before)
    }

    /// What the `publish` hook makes of a message.
    pub(super) async fn change(&self, client: &Arc<Client>, event: PublishEvent) -> Published {
        self.chain.publish_waiting(client, event).await
    }
}
