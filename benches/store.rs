//! How fast the embedded store is: messages a second, in and out, and how long it takes to be read again.
//!
//! `cargo bench --bench store`; `-- 1000000` is how many messages (that is the default), and where they go is a folder below
//! `DUNLIN_BENCH_FOLDER`, or the system's temporary one.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dunlin::codec::QoS;
use dunlin::instance::{InstanceId, SessionKey};
use dunlin::message::{Delivery, Message, MessageId, Origin};
use dunlin::store::embedded::{EmbeddedStore, Fsync, Options};
use dunlin::store::{Change, InboxLimits, InboxSeq, Revision, SessionRecord, Store};
use dunlin::time::Millis;
use dunlin::topic::TopicName;

const BATCH: usize = 100;
const PAGE: usize = 256;
const PAYLOAD: usize = 128;
const SESSIONS: usize = 64;
const NOW: Millis = Millis(1_700_000_000_000);

type Fault = Box<dyn std::error::Error + Send + Sync>;

fn instance() -> InstanceId {
    InstanceId::new("mqtt-bench")
}

fn session(number: usize) -> SessionKey {
    SessionKey {
        instance: instance(),
        client_id: format!("client-{number:06}").into(),
    }
}

fn open(folder: &Path, fsync: Fsync) -> Result<EmbeddedStore, Fault> {
    let options = Options {
        fsync,
        ..Options::default()
    };
    let store = EmbeddedStore::open(folder, options)?;
    let limits = InboxLimits {
        messages_per_instance: 100_000_000,
        age_ms: u64::MAX,
        visible_after_ms: 0,
    };
    store.limit_inboxes(&instance(), limits);
    Ok(store)
}

fn wait<T>(future: impl Future<Output = T>) -> Result<T, Fault> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .build()?
        .block_on(future))
}

fn tell(what: &str, count: usize, took: Duration) {
    let rate = count as f64 / took.as_secs_f64();
    println!(
        "{what:<58} {count:>9} in {:>7.3} s {rate:>12.0}/s",
        took.as_secs_f64()
    );
}

/// A batch of messages, the next of a thread's own.
fn batch(thread: usize, number: usize, sessions: &[SessionKey], topic: &TopicName) -> Vec<Change> {
    let append = |at: usize| {
        let id = (thread as u128) << 64 | (number * BATCH + at) as u128;
        let message = Message {
            id: MessageId(id),
            topic: topic.clone(),
            payload: Bytes::from(vec![at.to_le_bytes()[0]; PAYLOAD]),
            forward: Bytes::new(),
            qos: QoS::AtLeastOnce,
            retain: false,
            expires_at: None,
            origin: Origin::Client,
        };
        let place = (number * BATCH + at) % sessions.len();
        sessions.get(place).map(|session| Change::Append {
            session: session.clone(),
            delivery: Delivery {
                message: Arc::new(message),
                qos: QoS::AtLeastOnce,
                retain: false,
                subscription_ids: Box::default(),
            },
            sent: None,
        })
    };
    (0..BATCH).filter_map(append).collect()
}

/// Two threads append, each awaits a batch before the next.
fn fill(store: &EmbeddedStore, count: usize) -> Result<(), Fault> {
    let sessions: Vec<_> = (0..SESSIONS).map(session).collect();
    let topic = TopicName::new("bench/some/topic")?;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..2)
            .map(|thread| {
                let (sessions, topic) = (&sessions, &topic);
                scope.spawn(move || -> Result<(), Fault> {
                    wait(async {
                        for number in 0..count / 2 / BATCH {
                            store.commit(batch(thread, number, sessions, topic), NOW).await?;
                        }
                        Ok(())
                    })?
                })
            })
            .collect();
        for thread in threads {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(())
    })
}

/// Reads all inboxes page by page, and acknowledges if asked to.
fn drain(store: &EmbeddedStore, acknowledge: bool) -> Result<usize, Fault> {
    wait(async {
        let mut count = 0;
        for number in 0..SESSIONS {
            let session = session(number);
            let mut after = InboxSeq(0);
            loop {
                let page = store.read(&session, after, PAGE, NOW).await?;
                count += page.deliveries.len();
                after = page.upto;
                if acknowledge {
                    let change = Change::Acknowledge {
                        session: session.clone(),
                        from: InboxSeq(0),
                        up_to: after,
                    };
                    store.commit(vec![change], NOW).await?;
                }
                if !page.more {
                    break;
                }
            }
        }
        Ok(count)
    })?
}

fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}

fn main() -> Result<(), Fault> {
    let count = std::env::args().filter_map(|arg| arg.parse().ok()).next();
    let count: usize = count.unwrap_or(1_000_000);
    let base = std::env::var_os("DUNLIN_BENCH_FOLDER").map_or_else(std::env::temp_dir, Into::into);
    let folder = base.join(format!("dunlin-bench-{}", std::process::id()));
    let result = run(&folder, count);
    std::fs::remove_dir_all(&folder)?;
    result
}

fn run(folder: &Path, count: usize) -> Result<(), Fault> {
    let timed = |what: &str, count: usize, work: &mut dyn FnMut() -> Result<(), Fault>| {
        let began = Instant::now();
        work()?;
        tell(what, count, began.elapsed());
        Ok::<_, Fault>(())
    };
    let store = open(folder, Fsync::Never)?;
    timed(
        "append, batches of 100, two threads, fsync never",
        count,
        &mut || fill(&store, count),
    )?;
    timed("close", 1, &mut || {
        store.close();
        Ok(())
    })?;
    drop(store);
    let before = memory();
    let began = Instant::now();
    let store = open(folder, Fsync::Never)?;
    tell("recover", store.offline_count(), began.elapsed());
    println!(
        "memory that this takes: {} MB",
        memory().saturating_sub(before) >> 20
    );
    timed("read in pages of 256", count, &mut || {
        drain(&store, false).map(|_| ())
    })?;
    timed("read in pages of 256, and acknowledge each", count, &mut || {
        drain(&store, true).map(|_| ())
    })?;
    drop(store);
    let store = open(folder, Fsync::Never)?;
    timed(
        "append again, two threads, while compaction runs",
        count,
        &mut || fill(&store, count),
    )?;
    drain(&store, true)?;
    drop(store);

    let store = open(folder, Fsync::Always)?;
    let some = count / 10;
    timed(
        "append, batches of 100, two threads, fsync always",
        some,
        &mut || fill(&store, some),
    )?;
    timed(
        "read in pages of 256, and acknowledge each, fsync always",
        some,
        &mut || drain(&store, true).map(|_| ()),
    )?;
    drop(store);
    records(&folder.join("records"), count)?;
    let store = open(folder, Fsync::Always)?;
    let few = 1000;
    timed("save records one by one, fsync always", few, &mut || {
        save(&store, few)
    })?;
    Ok(())
}

/// Session records, a thousand at a time, and what they cost once they are read again.
fn records(folder: &Path, count: usize) -> Result<(), Fault> {
    let store = open(folder, Fsync::Never)?;
    let began = Instant::now();
    wait(async {
        for start in (0..count).step_by(1000) {
            let sessions: Vec<_> = (start..start + 1000).map(session).collect();
            let saves: Vec<_> = sessions
                .iter()
                .map(|session| store.save(session, SessionRecord::default(), Revision(0)))
                .collect();
            for save in saves {
                save.await?;
            }
        }
        Ok::<_, Fault>(())
    })??;
    tell(
        "save records, a thousand at a time, fsync never",
        count,
        began.elapsed(),
    );
    drop(store);
    let before = memory();
    let began = Instant::now();
    let store = open(folder, Fsync::Never)?;
    tell("recover records", count, began.elapsed());
    println!(
        "memory that this takes: {} MB",
        memory().saturating_sub(before) >> 20
    );
    let began = Instant::now();
    let found = wait(store.sessions())??.len();
    tell("list the sessions", found, began.elapsed());
    Ok(())
}

fn save(store: &EmbeddedStore, count: usize) -> Result<(), Fault> {
    wait(async {
        for number in 0..count {
            let record = SessionRecord::default();
            store
                .save(&session(1_000_000 + number), record, Revision(0))
                .await?;
        }
        Ok(())
    })?
}
