//! What an operator asks of the broker, done: the reloader for what concerns policies, the shards for what concerns clients.

mod certificates;
mod credentials;
mod events;
mod instances;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc::{self, Receiver};
use tokio::sync::{Semaphore, oneshot};

use super::authorities::Registered;
use super::diff;
use super::instances::Instances;
use crate::admin::api::{
    ClientRow, ClientsRequest, Diff, DiffRequest, EventLine, EventsRequest, ExplainAction, ExplainRequest,
    Explained, ExplainedEntry, InForce, KickRequest, PoliciesStatus, PolicyRow, Problem, Record, RefusedSet,
    ReloadRequest, RolledBackSet, Status, TraceLine, TraceRequest,
};
use crate::admin::{Failure, Operations, Readiness};
use crate::codec::{QoS, ReasonCode};
use crate::hooks::{Explanation, LoadError, Reloader};
use crate::instance::{InstanceId, SessionKey};
use crate::metrics::Metrics;
use crate::shard::{Action, ClientsQuery, Control, Inspect, ListedClient, Shared};
use crate::topic::{TopicFilter, TopicName};

/// How many traces there may be at a time.
const TRACES: usize = 16;
/// How many may follow who comes and goes at a time.
const FOLLOWERS: usize = 16;
/// Lines of a trace, events, or clients of a list, that may wait for their reader.
const WAITING: usize = 1024;
/// The largest payload that is explained, in bytes: it is made for the question.
const EXPLAINED: usize = 16 << 20;
/// The end of the year 9999.
const LAST_MILLISECOND: u64 = 253_402_300_799_000;
/// Bytes of a reason that a client is told.
const REASON: usize = 1024;

/// The broker, to those who administer it.
pub(super) struct Broker {
    shared: Arc<Shared>,
    instances: Arc<Instances>,
    authorities: Arc<Registered>,
    metrics: Arc<Metrics>,
    reloader: Arc<Reloader>,
    readiness: Arc<Readiness>,
    /// Where the settings are from.
    config: String,
    traces: Arc<Semaphore>,
    followers: Arc<Semaphore>,
}

impl Broker {
    pub(super) fn new(
        shared: &Arc<Shared>,
        instances: &Arc<Instances>,
        authorities: &Arc<Registered>,
        metrics: &Arc<Metrics>,
        reloader: &Arc<Reloader>,
        readiness: &Arc<Readiness>,
        config: String,
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            instances: Arc::clone(instances),
            authorities: Arc::clone(authorities),
            metrics: Arc::clone(metrics),
            reloader: Arc::clone(reloader),
            readiness: Arc::clone(readiness),
            config,
            traces: Arc::new(Semaphore::new(TRACES)),
            followers: Arc::new(Semaphore::new(FOLLOWERS)),
        }
    }

    fn key(&self, instance: Option<&str>, client_id: &str) -> Result<SessionKey, Failure> {
        Ok(SessionKey {
            instance: self.instances.get(instance)?.id.clone(),
            client_id: client_id.into(),
        })
    }

    /// Asks the shard where `key` lives.
    async fn ask<T>(
        &self,
        key: &SessionKey,
        question: impl FnOnce(oneshot::Sender<T>) -> Control,
    ) -> Result<T, Failure> {
        let (reply, answer) = oneshot::channel();
        self.shared.control(self.shared.home(key), question(reply));
        answer.await.map_err(|_| stopping())
    }

    /// Has the reloader do something, off this thread: it waits for the shards.
    async fn reloading(
        &self,
        act: impl FnOnce(&Reloader) -> Result<u64, Vec<LoadError>> + Send + 'static,
    ) -> Result<InForce, Vec<LoadError>> {
        let before = self.reloader.status().generation;
        let reloader = Arc::clone(&self.reloader);
        let done = tokio::task::spawn_blocking(move || act(&reloader)).await;
        let generation = done.unwrap_or_else(|_| Err(Vec::new()))?;
        let status = self.reloader.status();
        Ok(InForce {
            generation,
            hash: status.hash,
            changed: generation != before,
            watched_until: status.watched_until.map(time),
        })
    }
}

impl Operations for Broker {
    fn status(&self) -> Status {
        let now = self.metrics.snapshot();
        let policies = self.reloader.status();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            state: format!("{:?}", self.readiness.get()).to_lowercase(),
            pid: std::process::id(),
            config: self.config.clone(),
            instance: self.shared.tenants.default_id().to_string(),
            uptime: now.uptime.as_secs(),
            shards: self.shared.controls.len(),
            connections: now.connections,
            sessions: now.sessions,
            sessions_offline: now.sessions_offline,
            subscriptions: now.subscriptions,
            retained: self.shared.store.retained_count() as u64,
            policies: PoliciesStatus {
                generation: policies.generation,
                hash: policies.hash,
                since: time(policies.since),
                reloads: policies.reloads,
                refusals: policies.refusals,
                rollbacks: policies.rollbacks,
                watched_until: policies.watched_until.map(time),
                refused: policies.refused.map(|refused| RefusedSet {
                    at: time(refused.at),
                    problems: problems(refused.errors),
                }),
                rolled_back: policies.rolled_back.map(|back| RolledBackSet {
                    at: time(back.at),
                    generation: back.generation,
                    why: back.why,
                    incident: back.incident.map(|path| path.display().to_string()),
                }),
            },
        }
    }

    async fn reload(&self, request: ReloadRequest) -> Result<InForce, Failure> {
        let done = self.reloading(move |reloader| reloader.reload_and_wait(request.rollback));
        done.await.map_err(|errors| Failure::Policies(problems(errors)))
    }

    async fn rollback(&self) -> Result<InForce, Failure> {
        self.reloading(Reloader::roll_back).await.map_err(|errors| {
            let said: Vec<String> = errors.into_iter().map(|error| error.message).collect();
            Failure::Refused(said.join("; "))
        })
    }

    fn policies(&self) -> Vec<PolicyRow> {
        let Some(generation) = self.reloader.generation(self.reloader.status().generation) else {
            return Vec::new();
        };
        let totals = self.shared.hook_metrics.totals();
        let entries = generation.records().into_iter().zip(generation.chain());
        let rows = entries.map(|(record, policy)| {
            let did = totals.get(&*record.name).cloned().unwrap_or_default();
            let micros = |share| did.quantile(share).map(|took| took.as_secs_f64() * 1e6);
            PolicyRow {
                name: record.name,
                file: record.file,
                hash: record.hash,
                hooks: policy
                    .declares
                    .hooks
                    .iter()
                    .map(|hook| hook.to_string())
                    .collect(),
                calls: did.calls,
                errors: did.errors,
                timeouts: did.timeouts,
                denied: did.denied,
                breaker_open: did.open,
                p50_us: micros(0.5),
                p99_us: micros(0.99),
            }
        });
        rows.collect()
    }

    fn log(&self) -> Vec<Record> {
        self.reloader.log()
    }

    async fn diff(&self, request: DiffRequest) -> Result<Diff, Failure> {
        let reloader = Arc::clone(&self.reloader);
        // A script may have a megabyte.
        let compared = tokio::task::spawn_blocking(move || diff::compare(&reloader, request)).await;
        compared.unwrap_or_else(|_| Err(stopping()))
    }

    async fn explain(&self, request: ExplainRequest) -> Result<Explained, Failure> {
        let key = self.key(request.instance.as_deref(), &request.client_id)?;
        let tenant = self.instances.get(Some(key.instance.as_str()))?;
        let action = action(request.action, tenant.limits.payload_size.min(EXPLAINED))?;
        let asked = key.clone();
        let question = |reply| Control::Inspect(Inspect::Explain(asked, action, reply));
        match self.ask(&key, question).await? {
            Some(explanation) => Ok(explained(explanation)),
            None => Err(Failure::NotFound(format!(
                "there is no client {}: explain is about one that is connected or has a session",
                quoted(&request.client_id)
            ))),
        }
    }

    fn clients(&self, request: ClientsRequest) -> Result<Receiver<ClientRow>, Failure> {
        self.instances.get(request.instance.as_deref())?;
        let (rows, taken) = mpsc::channel(WAITING);
        tokio::spawn(list_clients(Arc::clone(&self.shared), request, rows));
        Ok(taken)
    }

    async fn kick(&self, request: KickRequest) -> Result<(), Failure> {
        let code = match request.code {
            None => ReasonCode::ADMINISTRATIVE_ACTION,
            Some(code @ 0x80..=0xA2) => ReasonCode(code),
            Some(code) => {
                let what =
                    format!("0x{code:02X} is no reason to end a connection; take one from 0x80 to 0xA2");
                return Err(Failure::Nonsense(what));
            }
        };
        let reason = request
            .reason
            .unwrap_or_else(|| "an operator ended the connection".to_owned());
        if reason.len() > REASON || reason.chars().any(char::is_control) {
            let what = format!("a reason has {REASON} bytes at most, and no control characters");
            return Err(Failure::Nonsense(what));
        }
        let key = self.key(request.instance.as_deref(), &request.client_id)?;
        let whom = key.clone();
        let kick = |reply| Control::Kick(whom, code, reason.into(), Some(reply));
        if self.ask(&key, kick).await? {
            tracing::info!(session = %key, reason = %code, "an operator ended a connection");
            return Ok(());
        }
        Err(Failure::NotFound(format!(
            "no client {} is connected",
            quoted(&request.client_id)
        )))
    }

    fn trace(&self, request: TraceRequest) -> Result<Receiver<TraceLine>, Failure> {
        let topic = request.topic.as_deref().map(filter).transpose()?;
        let key = self.key(request.instance.as_deref(), &request.client_id)?;
        let place = Arc::clone(&self.traces).try_acquire_owned();
        let place = place
            .map_err(|_| Failure::Refused(format!("{TRACES} traces are running already; end one first")))?;
        let (lines, taken) = mpsc::channel(WAITING);
        let (shared, home) = (Arc::clone(&self.shared), self.shared.home(&key));
        shared.control(
            home,
            Control::Inspect(Inspect::Trace(key.clone(), topic, lines.clone())),
        );
        tokio::spawn(async move {
            lines.closed().await;
            drop(place);
            shared.control(home, Control::Inspect(Inspect::Untrace(key)));
        });
        Ok(taken)
    }

    fn events(&self, request: EventsRequest) -> Result<Receiver<EventLine>, Failure> {
        self.instances.get(request.instance.as_deref())?;
        let place = Arc::clone(&self.followers).try_acquire_owned();
        let place = place.map_err(|_| {
            Failure::Refused(format!(
                "{FOLLOWERS} are following the events already; end one first"
            ))
        })?;
        let (lines, taken) = mpsc::channel(WAITING);
        let from = self.shared.statuses.watch();
        tokio::spawn(events::follow(self.shared.clock, from, request, lines, place));
        Ok(taken)
    }
}

/// Asks one shard after the other for its clients, a slice at a time and no faster than they are taken.
async fn list_clients(shared: Arc<Shared>, request: ClientsRequest, rows: mpsc::Sender<ClientRow>) {
    let prefix: Arc<str> = request.prefix.into();
    let instance = request.instance.as_deref().map(InstanceId::new);
    let mut left = request.limit.unwrap_or(usize::MAX);
    for shard in 0..u16::try_from(shared.controls.len()).unwrap_or(u16::MAX) {
        let mut next = Some(0);
        while let Some(from) = next.filter(|_| left > 0) {
            let query = ClientsQuery {
                instance: instance.clone(),
                from,
                prefix: Arc::clone(&prefix),
                connected: Some(true),
                most: left,
            };
            let (reply, answer) = oneshot::channel();
            shared.control(shard, Control::Inspect(Inspect::Clients(query, reply)));
            let Ok(slice) = answer.await else { return };
            left -= slice.clients.len().min(left);
            next = slice.next;
            for client in slice.clients {
                if rows.send(row(&client)).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn row(connected: &ListedClient) -> ClientRow {
    let client = &connected.client;
    ClientRow {
        instance: client.instance.to_string(),
        client_id: client.client_id.to_string(),
        channel: connected
            .channel
            .map_or_else(String::new, |channel| channel.to_string()),
        username: client.username.as_deref().map(str::to_owned),
        peer: client.peer.to_string(),
        listener: client.listener.to_string(),
        version: client.protocol_version.to_string(),
        since: time(UNIX_EPOCH + Duration::from_millis(connected.since.map_or(0, |since| since.0))),
        subscriptions: connected.subscriptions,
        inflight: connected.inflight,
        queued: connected.queued,
    }
}

fn action(action: ExplainAction, largest: usize) -> Result<Action, Failure> {
    let level = |qos: u8| {
        QoS::from_bits(qos).ok_or_else(|| Failure::Nonsense(format!("there is no QoS {qos}; take 0, 1 or 2")))
    };
    Ok(match action {
        ExplainAction::Publish {
            topic,
            qos,
            retain,
            size,
        } => {
            if size > largest {
                let what = format!("{size} bytes are too many for explain; take {largest} at most");
                return Err(Failure::Nonsense(what));
            }
            let name = TopicName::new(&topic);
            Action::Publish {
                topic: name
                    .map_err(|error| Failure::Nonsense(format!("{} is no topic: {error}", quoted(&topic))))?,
                qos: level(qos)?,
                retain,
                size,
            }
        }
        ExplainAction::Subscribe { filter: text, qos } => Action::Subscribe {
            filter: filter(&text)?,
            qos: level(qos)?,
        },
    })
}

fn filter(text: &str) -> Result<TopicFilter, Failure> {
    TopicFilter::parse(text)
        .map_err(|error| Failure::Nonsense(format!("{} is no topic filter: {error}", quoted(text))))
}

fn explained(explanation: Explanation) -> Explained {
    let entries = explanation.entries.into_iter().map(|entry| ExplainedEntry {
        policy: entry.policy.to_string(),
        file: entry.file.to_string(),
        line: entry.line,
        through: entry.through,
        said: entry.said,
        took_us: entry.took_us,
    });
    Explained {
        generation: explanation.generation,
        hash: explanation.hash,
        decision: explanation.decision,
        entries: entries.collect(),
    }
}

fn problems(errors: Vec<LoadError>) -> Vec<Problem> {
    let problem = |error: LoadError| Problem {
        file: error.file,
        line: error.line,
        message: error.message,
        help: error.help,
    };
    errors.into_iter().map(problem).collect()
}

/// Carries a change out to its end, even if who asked for it goes away meanwhile: what the registry has, the shards must get.
async fn carried_out<T: Send + 'static>(
    change: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::spawn(change).await;
    done.unwrap_or_else(|_| Err(stopping()))
}

fn stopping() -> Failure {
    Failure::Refused("the broker is stopping".to_owned())
}

fn time(at: SystemTime) -> String {
    humantime::format_rfc3339_seconds(at).to_string()
}

/// The same of milliseconds since 1970.
fn time_of(at: u64) -> String {
    // The format ends with the year 9999, and records may say anything.
    time(UNIX_EPOCH + Duration::from_millis(at.min(LAST_MILLISECOND)))
}

/// The same to the millisecond.
fn time_in_full(at: u64) -> String {
    let at = UNIX_EPOCH + Duration::from_millis(at.min(LAST_MILLISECOND));
    humantime::format_rfc3339_millis(at).to_string()
}

/// A name that somebody typed, as a sentence shows it.
fn quoted(text: &str) -> String {
    format!("`{}`", text.as_bytes().escape_ascii())
}
