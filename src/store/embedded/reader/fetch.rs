//! Reads bodies and records: what lies close together at once, in the order of the disk.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;

use super::{Fetch, Fetched, Files};
use crate::message::Message;
use crate::store::embedded::disk::{self, DiskFile};
use crate::store::embedded::format::{body, record};
use crate::store::embedded::index::Location;
use crate::store::embedded::shared::Shared;
use crate::topic::TopicName;

/// Two that lie no further apart are read at once: a page of the cache costs less than a call.
const GAP: u64 = 4096;
/// No more than this at once, unless one alone is longer.
const RUN: u64 = 1 << 20;
/// How long, and how often, is waited for what is in doubt while nobody has said yet that there is trouble.
const DOUBT: Duration = Duration::from_millis(20);
const DOUBTS: u32 = 10;

/// Reads all; the answers are in the order of the questions.
pub(super) fn all(mut fetches: Vec<Fetch>, files: &Files, shared: &Shared) -> Vec<Fetched> {
    let mut found: Vec<Option<Fetched>> = fetches.iter().map(|_| None).collect();
    let mut order: Vec<usize> = (0..fetches.len()).collect();
    let place = |at: &Location| (at.segment, at.offset);
    order.sort_unstable_by_key(|at| fetches.get(*at).map(|fetch| place(&fetch.at)));
    let mut rest = &*order;
    let mut failed = Vec::new();
    let mut last = None;
    while let Some((run, behind)) = next_run(&fetches, rest) {
        rest = behind;
        read_run(&fetches, run, files, &mut last, &mut found, &mut failed);
    }
    for at in failed {
        let again = fetches.get_mut(at).map(|fetch| read_again(fetch, shared));
        if let Some(place) = found.get_mut(at) {
            *place = again;
        }
    }
    found
        .into_iter()
        .map(|found| found.unwrap_or(Fetched::Lost))
        .collect()
}

/// The next that are read at once, and those behind them.
fn next_run<'a>(fetches: &[Fetch], order: &'a [usize]) -> Option<(&'a [usize], &'a [usize])> {
    let first = fetches.get(*order.first()?)?.at;
    let mut end = u64::from(first.offset) + u64::from(first.len);
    let mut count = 1;
    for at in order.get(1..)? {
        let next = fetches.get(*at)?.at;
        let next_end = (u64::from(next.offset) + u64::from(next.len)).max(end);
        if next.segment != first.segment
            || u64::from(next.offset) > end + GAP
            || next_end - u64::from(first.offset) > RUN
        {
            break;
        }
        end = next_end;
        count += 1;
    }
    order.split_at_checked(count)
}

/// Reads one run. `last` is the last message that was read, and where it lies: the next may be the same, or of the same topic.
fn read_run(
    fetches: &[Fetch],
    run: &[usize],
    files: &Files,
    last: &mut Option<(Location, Arc<Message>)>,
    found: &mut [Option<Fetched>],
    failed: &mut Vec<usize>,
) {
    let wanted = run.iter().filter_map(|at| fetches.get(*at));
    let start = wanted
        .clone()
        .map(|fetch| u64::from(fetch.at.offset))
        .min()
        .unwrap_or(0);
    let end = wanted
        .clone()
        .map(|fetch| u64::from(fetch.at.offset) + u64::from(fetch.at.len))
        .max();
    let len = usize::try_from(end.unwrap_or(start) - start).unwrap_or(0);
    let file = wanted
        .clone()
        .next()
        .and_then(|fetch| files.get(&fetch.at.segment));
    let bytes = file.and_then(|file| read(&**file, start, len).ok());
    let Some(bytes) = bytes else {
        failed.extend_from_slice(run);
        return;
    };
    // One alone is shared, not copied; of many, a single one would keep all of the bytes for as long as it is kept itself.
    let shared = (run.len() == 1).then_some(&bytes);
    for at in run {
        let Some(fetch) = fetches.get(*at) else { continue };
        let one = match &*last {
            Some((location, message)) if *location == fetch.at && fetch.body.is_some() => {
                Some(Fetched::Message(Arc::clone(message)))
            }
            _ => {
                let from = usize::try_from(u64::from(fetch.at.offset) - start).unwrap_or(0);
                let part = bytes.get(from..from + fetch.at.len as usize);
                let before = last.as_ref().map(|(_, message)| &message.topic);
                part.and_then(|part| decode(fetch, part, before, shared))
            }
        };
        if let Some(Fetched::Message(message)) = &one {
            *last = Some((fetch.at, Arc::clone(message)));
        }
        match (one, found.get_mut(*at)) {
            (Some(one), Some(place)) => *place = Some(one),
            _ => failed.push(*at),
        }
    }
}

fn decode(fetch: &Fetch, bytes: &[u8], topic: Option<&TopicName>, shared: Option<&Bytes>) -> Option<Fetched> {
    if fetch.body.is_none() {
        return record::decode(bytes).map(Fetched::Record);
    }
    let message = body::decode(bytes, topic, |payload| match shared {
        Some(all) => all.slice_ref(payload),
        None => Bytes::copy_from_slice(payload),
    });
    message.map(|message| Fetched::Message(Arc::new(message)))
}

fn read(file: &dyn DiskFile, offset: u64, len: usize) -> io::Result<Bytes> {
    let mut bytes = vec![0; len];
    if disk::read_full(file, &mut bytes, offset)? < len {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes.into())
}

/// What could not be read may have been moved since it was asked for: looks again where it is. What was written last may be
/// in doubt: a sync that fails may take it from the file, until the writer has written it again elsewhere. That is waited for.
fn read_again(fetch: &mut Fetch, shared: &Shared) -> Fetched {
    let mut tries = 0;
    loop {
        let (file, in_doubt) = locate(fetch, shared);
        let why = match file {
            None => "its file is gone".to_owned(),
            Some(file) => match read(&*file, u64::from(fetch.at.offset), fetch.at.len as usize) {
                Ok(bytes) => match decode(fetch, &bytes, None, Some(&bytes)) {
                    Some(fetched) => return fetched,
                    None => "it is not what was written there".to_owned(),
                },
                Err(error) => error.to_string(),
            },
        };
        let trouble = shared.trouble.words().is_some() && !shared.queue.is_closed();
        if !trouble && (!in_doubt || tries >= DOUBTS) {
            return lost(fetch, &why, shared);
        }
        tries += 1;
        std::thread::sleep(DOUBT);
    }
}

/// Looks where it is by now: in which file, and whether it is among what was written last.
fn locate(fetch: &mut Fetch, shared: &Shared) -> (Option<Arc<dyn DiskFile>>, bool) {
    let state = shared.state.lock();
    if let Some((handle, id)) = fetch.body
        && let Some(body) = state.index.bodies.get(handle).filter(|body| body.id == id)
    {
        fetch.at = body.location;
    }
    let file = state.files.get(&fetch.at.segment).cloned();
    (file, fetch.at.segment >= state.written.segment)
}

fn lost(fetch: &Fetch, why: &str, shared: &Shared) -> Fetched {
    let Location { segment, offset, len } = fetch.at;
    tracing::error!(
        segment,
        offset,
        len,
        why,
        "what was stored here cannot be read, and is skipped"
    );
    shared.unreadable.fetch_add(1, Ordering::Relaxed);
    Fetched::Lost
}
