//! The chain before, asked for its opinion when the new one denies something.
//!
//! Clients are counted, not calls: a stranger who is denied a thousand times counts once at most, and only if the
//! generation before would have let it through.

use super::authorize::{PublishRequest, SubscribeRequest};
use super::login::AuthRequest;
use super::{Chain, ShardHooks, Subject};
use crate::hooks::client::Client;
use crate::hooks::verdict::{AuthDecision, Denial, PublishDecision, SubscribeDecision};
use crate::hooks::watch::{Offence, Watch};
use dunlin_plugin_api::Hook;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

/// How many clients are told apart on one shard.
const CLIENTS: usize = 200_000;

pub(super) struct SecondOpinion {
    before: Rc<Chain>,
    watch: Arc<Watch>,
    asked: HashSet<Arc<str>>,
    denied: HashSet<Arc<str>>,
}

impl ShardHooks {
    /// The second opinion on the straight path. A chain that waits in `hook` has none there: it would fail, and count that
    /// against itself.
    #[inline]
    pub(super) fn second_at_once(&mut self, hook: Hook) -> Option<&mut SecondOpinion> {
        let second = self.second.as_mut()?;
        let waits = second.before.generation().waits().contains(hook);
        (!waits).then_some(second)
    }
}

impl SecondOpinion {
    pub(super) fn new(before: Rc<Chain>, watch: &Arc<Watch>) -> Self {
        Self {
            before,
            watch: watch.clone(),
            asked: HashSet::new(),
            denied: HashSet::new(),
        }
    }

    pub(super) fn chain(&self) -> &Rc<Chain> {
        &self.before
    }

    pub(super) fn publish(
        &mut self,
        client: &Arc<Client>,
        request: &PublishRequest<'_>,
        said: &PublishDecision,
        before: impl FnOnce(&Chain) -> PublishDecision,
    ) {
        if !self.is_news(client) {
            return;
        }
        let why = match said {
            PublishDecision::Allow => return self.counted(client),
            PublishDecision::Deny(Denial { reason, .. }) | PublishDecision::Disconnect(reason) => reason,
        };
        let before = before(&self.before);
        let subject = Subject {
            hook: Hook::AuthorizePublish,
            client: Some(client),
            about: request.topic,
        };
        self.compare(client, before == PublishDecision::Allow, subject, why);
    }

    pub(super) fn subscribe(
        &mut self,
        client: &Arc<Client>,
        request: &SubscribeRequest<'_>,
        said: &SubscribeDecision,
        before: impl FnOnce(&Chain) -> SubscribeDecision,
    ) {
        if !self.is_news(client) {
            return;
        }
        let why = match said {
            SubscribeDecision::Allow(_) => return self.counted(client),
            SubscribeDecision::Deny(Denial { reason, .. }) | SubscribeDecision::Disconnect(reason) => reason,
        };
        let before = before(&self.before);
        let subject = Subject {
            hook: Hook::AuthorizeSubscribe,
            client: Some(client),
            about: request.filter,
        };
        self.compare(
            client,
            matches!(before, SubscribeDecision::Allow(_)),
            subject,
            why,
        );
    }

    /// Whom to ask about a login, if its answer would be news.
    pub(super) fn about_login(&mut self, client: &Arc<Client>, said: &AuthDecision) -> Option<Rc<Chain>> {
        if !self.is_news(client) {
            return None;
        }
        match said {
            AuthDecision::Deny { .. } => Some(self.before.clone()),
            AuthDecision::Allow(_) => {
                self.counted(client);
                None
            }
            AuthDecision::Continue(_) => None,
        }
    }

    pub(super) fn login(&mut self, request: &AuthRequest<'_>, before: &AuthDecision, said: &AuthDecision) {
        let AuthDecision::Deny { reason, .. } = said else {
            return;
        };
        let subject = Subject {
            hook: Hook::Authenticate,
            client: Some(request.client),
            about: request.client.username.as_deref().unwrap_or_default(),
        };
        self.compare(
            request.client,
            matches!(before, AuthDecision::Allow(_)),
            subject,
            reason,
        );
    }

    /// A client that was denied once is not asked about again: it counts once.
    fn is_news(&self, client: &Client) -> bool {
        !self.denied.contains(&client.client_id) && self.asked.len() < CLIENTS
    }

    fn counted(&mut self, client: &Client) {
        if !self.asked.contains(&client.client_id) {
            self.asked.insert(client.client_id.clone());
            self.watch.asked();
        }
    }

    fn compare(&mut self, client: &Client, allowed_before: bool, subject: Subject<'_>, why: &str) {
        if !allowed_before {
            return;
        }
        self.counted(client);
        if self.denied.insert(client.client_id.clone()) {
            let what = format!("denied ({why}); the generation before allows it");
            let chain = "chain".into();
            self.watch
                .denied(|| Offence::new(&chain, subject.hook, subject.client, subject.about, what));
        }
    }
}
