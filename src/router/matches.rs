//! The result of a lookup: each session once, however many of its subscriptions match.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{P2pTarget, SharedGroup, SubscriberId, SubscriptionIndex, SubscriptionOptions, Version};
use crate::codec::QoS;
use crate::topic::TopicName;

/// Sessions by the shard they live on, in no order. Topics whose recipients are the same many share one list.
pub type Recipients = Arc<[OnShard]>;

/// The recipients on one shard.
#[derive(Debug, Default)]
pub struct OnShard {
    recipients: Box<[Recipient]>,
    /// Messages of QoS 1 and 2 may have to be kept for one of them.
    pub keeps: bool,
}

impl std::ops::Deref for OnShard {
    type Target = [Recipient];

    fn deref(&self) -> &[Recipient] {
        &self.recipients
    }
}

impl FromIterator<Recipient> for OnShard {
    fn from_iter<I: IntoIterator<Item = Recipient>>(all: I) -> Self {
        let recipients: Box<[Recipient]> = all.into_iter().collect();
        let kept = |recipient: &Recipient| recipient.persistent && recipient.qos > QoS::AtMostOnce;
        Self {
            keeps: recipients.iter().any(kept),
            recipients,
        }
    }
}

/// Everybody who gets what is published to one topic, as of one version of the index.
#[derive(Debug)]
pub struct Matches {
    /// The topic.
    pub topic: TopicName,
    /// The state of the index that this is right for.
    pub version: Version,
    /// The sessions, by the shard they live on.
    pub by_shard: Recipients,
    /// The groups of which one member gets it.
    pub groups: Box<[Arc<SharedGroup>]>,
    /// The client that the topic itself names.
    pub p2p: Option<Arc<P2pTarget>>,
}

/// A subscription that a walk through the index found.
pub(super) type Found = (SubscriberId, Subscription);

/// One subscription in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subscription {
    pub(super) options: SubscriptionOptions,
    /// Its session outlived its connections when it was made. One that does so never begins later, so this errs, if at
    /// all, towards keeping.
    pub(super) persistent: bool,
}

/// One session that gets the message, with its overlapping subscriptions merged: the maximum QoS [MQTT-3.3.4-2], all
/// identifiers [MQTT-3.3.4-3], RETAIN as published if one of them wants that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// The session.
    pub subscriber: SubscriberId,
    qos: QoS,
    retain_as_published: bool,
    own: Own,
    persistent: bool,
    /// What most recipients do not have.
    rare: Option<Box<Rare>>,
}

/// What a session gets of what it published itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Own {
    /// The same as of anybody's messages: none of its subscriptions has No Local.
    Same,
    /// Nothing: all of them have.
    Nothing,
    /// What those without No Local ask for; see [`Rare`].
    Less,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Rare {
    ids: Box<[u32]>,
    own: Option<Box<Recipient>>,
}

/// How a recipient wants the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// At most with this QoS.
    pub qos: QoS,
    /// RETAIN stays as published.
    pub retain_as_published: bool,
    /// The identifiers of the subscriptions that matched.
    pub ids: &'a [u32],
}

impl Recipient {
    /// What it gets of a message that somebody else published.
    #[inline]
    #[must_use]
    pub fn wanted(&self) -> Wanted<'_> {
        Wanted {
            qos: self.qos,
            retain_as_published: self.retain_as_published,
            ids: self.rare.as_ref().map_or(&[], |rare| &rare.ids),
        }
    }

    /// What it gets of a message that it published itself; `None` is nothing [MQTT-3.8.3-3].
    #[must_use]
    pub fn own(&self) -> Option<Wanted<'_>> {
        match self.own {
            Own::Same => Some(self.wanted()),
            Own::Nothing => None,
            Own::Less => self.rare.as_ref()?.own.as_ref().map(|own| own.wanted()),
        }
    }

    /// Merges the subscriptions of one session, of which there is at least one.
    pub(super) fn merge(found: &[Found]) -> Option<Self> {
        let (subscriber, Subscription { options, persistent }) = *found.first()?;
        if let [_] = found
            && !options.no_local
            && options.subscription_id.is_none()
        {
            return Some(Self {
                subscriber,
                qos: options.qos,
                retain_as_published: options.retain_as_published,
                own: Own::Same,
                persistent,
                rare: None,
            });
        }
        let mut recipient = Self::of(subscriber, found.iter().map(|(_, found)| &found.options));
        recipient.persistent = found.iter().any(|(_, found)| found.persistent);
        let local: Vec<_> = found
            .iter()
            .filter(|(_, found)| !found.options.no_local)
            .copied()
            .collect();
        if local.is_empty() {
            recipient.own = Own::Nothing;
        } else if local.len() < found.len() {
            recipient.own = Own::Less;
            let own = Self::of(subscriber, local.iter().map(|(_, found)| &found.options));
            recipient.rare.get_or_insert_default().own = Some(Box::new(own));
        }
        Some(recipient)
    }

    fn of<'a>(
        subscriber: SubscriberId,
        options: impl Iterator<Item = &'a SubscriptionOptions> + Clone,
    ) -> Self {
        let ids: Box<[u32]> = options
            .clone()
            .filter_map(|options| options.subscription_id)
            .collect();
        Self {
            subscriber,
            qos: options
                .clone()
                .map(|options| options.qos)
                .max()
                .unwrap_or(QoS::AtMostOnce),
            retain_as_published: options.clone().any(|options| options.retain_as_published),
            own: Own::Same,
            persistent: false,
            rare: (!ids.is_empty()).then(|| Box::new(Rare { ids, own: None })),
        }
    }
}

/// The recipients of a topic that matches one filter: nobody is in its list twice.
pub(super) fn recipients_of_one(found: &[Found], shards: usize) -> Recipients {
    if let [(subscriber, _)] = found {
        let alone = |shard| usize::from(subscriber.shard) == shard;
        let all = (0..shards).map(|shard| match alone(shard) {
            true => Recipient::merge(found).into_iter().collect(),
            false => OnShard::default(),
        });
        return all.collect();
    }
    by_shard(found.chunks(1), shards)
}

/// The recipients of a topic that matches several filters, whose subscribers these are.
pub(super) fn recipients_of_several(mut found: Vec<Found>, shards: usize) -> Recipients {
    found.sort_unstable_by_key(|(subscriber, _)| *subscriber);
    by_shard(found.chunk_by(|(one, _), (other, _)| one == other), shards)
}

fn by_shard<'a>(sessions: impl Iterator<Item = &'a [Found]> + Clone, shards: usize) -> Recipients {
    let mut counts: SmallVec<[usize; 32]> = SmallVec::from_elem(0, shards);
    for (subscriber, _) in sessions.clone().filter_map(|found| found.first()) {
        if let Some(count) = counts.get_mut(usize::from(subscriber.shard)) {
            *count += 1;
        }
    }
    let mut all: SmallVec<[Vec<Recipient>; 8]> = counts.into_iter().map(Vec::with_capacity).collect();
    for recipient in sessions.filter_map(Recipient::merge) {
        if let Some(recipients) = all.get_mut(usize::from(recipient.subscriber.shard)) {
            recipients.push(recipient);
        }
    }
    all.into_iter().map(OnShard::from_iter).collect()
}

impl Matches {
    /// What it takes in memory, in bytes, as if it shared nothing.
    #[must_use]
    pub fn weight(&self) -> usize {
        let recipients: usize = self.by_shard.iter().map(|recipients| recipients.len()).sum();
        size_of::<Self>()
            + self.topic.len()
            + self.by_shard.len() * size_of::<OnShard>()
            + recipients * size_of::<Recipient>()
            + self.groups.len() * size_of::<Arc<SharedGroup>>()
            + self
                .p2p
                .as_ref()
                .map_or(0, |target| size_of::<P2pTarget>() + target.key.client_id.len())
    }

    /// Has nothing changed since that could make this wrong?
    #[inline]
    #[must_use]
    pub fn is_current(&self, index: &SubscriptionIndex) -> bool {
        index.is_current(self.version)
    }
}
