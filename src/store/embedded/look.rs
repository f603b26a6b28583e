//! What readers want to know, as far as the index knows it: an answer, or what has to be read from the disk for one.

use std::sync::Arc;

use super::index::{Entry, Handle, Inbox, Location, State as EntryState};
use super::queue::{Answer, Request};
use super::reader::{Fetch, Fetched, Files, Finish, Job};
use super::shared::State;
use crate::instance::{InstanceId, SessionKey};
use crate::message::{Delivery, Message};
use crate::store::durable::{InboxSeq, Page, Revision, StoreError, Stored, Unacknowledged};
use crate::time::Millis;
use crate::topic::TopicFilter;

/// A page ends before it has more bytes than this, unless a single message has.
const PAGE: u64 = 4 << 20;

/// What is to be read, in the making.
#[derive(Debug, Default)]
struct Wanted {
    needs: u64,
    fetches: Vec<Fetch>,
    files: Files,
    bytes: u64,
}

impl Wanted {
    /// Adds a body; not if there is none.
    fn body(&mut self, state: &State, handle: Handle) -> bool {
        let Some(body) = state.index.bodies.get(handle) else {
            return false;
        };
        self.add(state, body.location, Some((handle, body.id)));
        true
    }

    fn add(&mut self, state: &State, at: Location, body: Option<(Handle, u64)>) {
        self.needs = self.needs.max(state.needs(at));
        self.bytes += u64::from(at.len);
        if !self.files.contains_key(&at.segment)
            && let Some(file) = state.files.get(&at.segment)
        {
            self.files.insert(at.segment, Arc::clone(file));
        }
        self.fetches.push(Fetch { at, body });
    }

    fn job(self, finish: Finish) -> Job {
        Job {
            needs: self.needs,
            fetches: self.fetches,
            files: self.files,
            finish,
        }
    }
}

fn answer_with<T>(answer: Answer<T>, result: Result<T, StoreError>) {
    // Whoever does not wait any more is not told.
    let _ = answer.send(result);
}

/// An entry of an inbox, to be made a delivery.
#[derive(Debug)]
struct Kept {
    entry: Entry,
    ids: Box<[u32]>,
}

impl Kept {
    fn new(inbox: &Inbox, entry: &Entry) -> Self {
        Self {
            entry: *entry,
            ids: inbox.ids(entry).into(),
        }
    }

    fn delivery(self, message: Arc<Message>) -> Delivery {
        Delivery {
            message,
            qos: self.entry.qos(),
            retain: self.entry.retain(),
            subscription_ids: self.ids,
        }
    }
}

/// A part of an inbox.
pub(super) fn page(
    state: &State,
    session: SessionKey,
    after: InboxSeq,
    max: usize,
    now: Millis,
    answer: Answer<Page>,
) -> Option<Job> {
    let mut page = Page {
        upto: after,
        ..Page::default()
    };
    let mut wanted = Wanted::default();
    let mut kept = Vec::new();
    let instance = state.index.instance(session.instance.as_str());
    let found = instance.and_then(|instance| Some((instance, instance.session(&session.client_id)?)));
    if let Some((instance, found)) = found
        && let Some(inbox) = &found.inbox
    {
        for entry in inbox.behind(after.0) {
            if !entry.is_in_flight() && !instance.is_too_old(entry.stored_at(), now.0) {
                if kept.len() == max || wanted.bytes > PAGE {
                    page.more = true;
                    break;
                }
                if wanted.body(state, entry.body) {
                    kept.push(Kept::new(inbox, entry));
                }
            }
            page.upto = InboxSeq(entry.seq);
        }
    }
    if kept.is_empty() {
        answer_with(answer, Ok(page));
        return None;
    }
    Some(wanted.job(Box::new(move |fetched, shared| {
        let mut expired = Vec::new();
        for (kept, fetched) in kept.into_iter().zip(fetched) {
            let Fetched::Message(message) = fetched else {
                continue;
            };
            let seq = kept.entry.seq;
            if message.remaining_expiry(now).is_err() {
                expired.push(seq);
                continue;
            }
            page.deliveries.push((InboxSeq(seq), kept.delivery(message)));
        }
        answer_with(answer, Ok(page));
        if !expired.is_empty() {
            let let_go = Request::LetGo {
                session,
                seqs: expired,
            };
            shared.queue.push(let_go, 0);
        }
    })))
}

/// All that is kept of a session besides what waits in its inbox.
pub(super) fn session(
    state: &State,
    session: &SessionKey,
    now: Millis,
    answer: Answer<Option<Stored>>,
) -> Option<Job> {
    let instance = state.index.instance(session.instance.as_str());
    let found = instance.and_then(|instance| Some((instance, instance.session(&session.client_id)?)));
    let Some((instance, found, record)) =
        found.and_then(|(instance, found)| Some((instance, found, found.record()?)))
    else {
        answer_with(answer, Ok(None));
        return None;
    };
    let mut stored = Stored {
        revision: Revision(record.revision),
        received: found.received().collect(),
        ..Stored::default()
    };
    let mut wanted = Wanted::default();
    wanted.add(state, record.location, None);
    // In the order of the inbox, whether there is something to be read or not.
    let mut owed = Vec::new();
    if let Some(inbox) = &found.inbox {
        for entry in inbox.in_flight() {
            match entry.state() {
                EntryState::Released(packet_id) => owed.push((packet_id, entry.seq, None)),
                EntryState::Sent(packet_id) if !instance.is_too_old(entry.stored_at(), now.0) => {
                    if wanted.body(state, entry.body) {
                        owed.push((packet_id, entry.seq, Some(Kept::new(inbox, entry))));
                    }
                }
                EntryState::Sent(_) | EntryState::Waiting => {}
            }
        }
        stored.waiting = inbox
            .entries()
            .any(|entry| !entry.is_in_flight() && !instance.is_too_old(entry.stored_at(), now.0));
    }
    let name = session.to_string();
    Some(wanted.job(Box::new(move |fetched, _| {
        let mut fetched = fetched.into_iter();
        let record = match fetched.next() {
            Some(Fetched::Record(record)) => Some(record),
            _ => None,
        };
        let Some(record) = record else {
            let why = format!("the record of the session {name} cannot be read");
            return answer_with(answer, Err(StoreError::Failed(why)));
        };
        stored.record = record;
        for (packet_id, seq, kept) in owed {
            let what = match kept {
                None => Unacknowledged::Pubrel,
                Some(kept) => match fetched.next() {
                    Some(Fetched::Message(message)) => Unacknowledged::Publish(kept.delivery(message)),
                    _ => continue,
                },
            };
            stored.unacknowledged.push((packet_id, InboxSeq(seq), what));
        }
        answer_with(answer, Ok(Some(stored)));
    })))
}

/// The sessions that have a record.
pub(super) fn sessions(state: &State, answer: Answer<Vec<SessionKey>>) -> Option<Job> {
    let mut keys = Vec::new();
    for (_, instance) in &state.index.instances {
        let recorded = instance.sessions.iter();
        let recorded = recorded.filter(|(_, session)| session.record().is_some());
        keys.extend(recorded.map(|(_, session)| SessionKey {
            instance: instance.id.clone(),
            client_id: Arc::clone(&session.client),
        }));
    }
    answer_with(answer, Ok(keys));
    None
}

/// The instances of which there is anything.
pub(super) fn instances(state: &State, answer: Answer<Vec<InstanceId>>) -> Option<Job> {
    let all = state
        .index
        .instances
        .iter()
        .map(|(_, instance)| instance.id.clone());
    answer_with(answer, Ok(all.collect()));
    None
}

/// Retained messages.
pub(super) fn retained(
    state: &State,
    instance: &InstanceId,
    filter: &TopicFilter,
    now: Millis,
    answer: Answer<Vec<Arc<Message>>>,
) -> Option<Job> {
    let mut wanted = Wanted::default();
    let mut topics = Vec::new();
    if let Some(instance) = state.index.instance(instance.as_str()) {
        instance.retained.matching(filter, |topic, handle| {
            if let Some(body) = state.index.bodies.get(*handle) {
                wanted.body(state, *handle);
                topics.push((topic.clone(), body.id));
            }
        });
    }
    if topics.is_empty() {
        answer_with(answer, Ok(Vec::new()));
        return None;
    }
    let instance = instance.clone();
    Some(wanted.job(Box::new(move |fetched, shared| {
        let mut messages = Vec::with_capacity(topics.len());
        let mut expired = Vec::new();
        for (topic, fetched) in topics.into_iter().zip(fetched) {
            let Fetched::Message(message) = fetched else {
                continue;
            };
            if message.remaining_expiry(now).is_ok() {
                messages.push(message);
            } else {
                expired.push(topic);
            }
        }
        answer_with(answer, Ok(messages));
        if !expired.is_empty() {
            let let_go = Request::LetGoRetained { instance, expired };
            shared.queue.push(let_go, 0);
        }
    })))
}
