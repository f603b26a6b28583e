//! One thread a shard, and what runs on it.

use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::Context;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{oneshot, watch};
use tokio::task::{LocalSet, spawn_local};

use super::listeners::Socket;
use crate::config::Config;
use crate::connection;
use crate::hooks::{Generation, ShardHooks};
use crate::instance::SessionKey;
use crate::listener::{Gate, accept_loop};
use crate::message::MessageIds;
use crate::metrics::{Metrics, ShardMetrics};
use crate::shard::{self, Control, Mailboxes, Shard, ShardRef, Shared, mailboxes};

/// The shards' threads.
pub(super) struct Running {
    threads: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

/// What a shard is made of; moves to its thread.
struct Parts {
    id: u16,
    shared: Arc<Shared>,
    generation: Arc<Generation>,
    lane: UnboundedReceiver<Control>,
    mailboxes: Mailboxes,
    metrics: Arc<ShardMetrics>,
    sockets: Vec<Socket>,
    gate: Arc<Gate>,
    ids: MessageIds,
    /// The sessions that the store has for it.
    sessions: Vec<SessionKey>,
    cpu: Option<usize>,
}

impl Running {
    /// Starts all shards, and returns when every one of them serves; each has its part of the stored `sessions` by then.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn start(
        shared: &Arc<Shared>,
        sessions: Vec<SessionKey>,
        generation: &Arc<Generation>,
        lanes: Vec<UnboundedReceiver<Control>>,
        metrics: &Arc<Metrics>,
        sockets: Vec<Vec<Socket>>,
        gate: &Arc<Gate>,
        config: &Config,
    ) -> anyhow::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let (go, may_go) = watch::channel(false);
        let mut threads = Vec::new();
        let mut started = Vec::new();
        let mut restored = Vec::new();
        let mut homes: Vec<Vec<SessionKey>> = vec![Vec::new(); lanes.len()];
        for key in sessions {
            if let Some(home) = homes.get_mut(usize::from(shared.home(&key))) {
                home.push(key);
            }
        }
        let boxes = mailboxes(lanes.len(), config.limits.mailbox);
        let cpus = if config.server.pin {
            allowed_cpus()
        } else {
            Vec::new()
        };
        let of_shards = (0u16..).zip(lanes).zip(sockets).zip(boxes).zip(homes);
        for ((((id, lane), sockets), mailboxes), sessions) in of_shards {
            let parts = Parts {
                id,
                shared: Arc::clone(shared),
                generation: Arc::clone(generation),
                lane,
                mailboxes,
                metrics: metrics.shard(usize::from(id)).unwrap_or_default(),
                sockets,
                gate: Arc::clone(gate),
                ids: MessageIds::random()
                    .map_err(|error| anyhow::anyhow!("no randomness for Message IDs: {error}"))?,
                sessions,
                cpu: cpus.get(usize::from(id) % cpus.len().max(1)).copied(),
            };
            let (ready, is_ready) = oneshot::channel();
            let (back, is_back) = oneshot::channel();
            restored.push(is_back);
            let (stopped, may_go) = (stopped.clone(), may_go.clone());
            let thread = std::thread::Builder::new().name(format!("shard-{id}"));
            threads.push(thread.spawn(move || run(parts, back, may_go, ready, stopped))?);
            started.push(is_ready);
        }
        // Nobody is let in before all subscriptions are back, wherever they are.
        for is_back in restored {
            // One that failed says so below.
            let _failed = is_back.blocking_recv();
        }
        go.send_replace(true);
        for is_ready in started {
            is_ready
                .blocking_recv()
                .context("a shard ended while it started")??;
        }
        Ok(Self { threads, stop })
    }

    /// Ends all shards.
    pub(super) fn stop(self) {
        self.stop.send_replace(true);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a shard ended in a panic");
            }
        }
    }
}

/// A shard's thread.
fn run(
    parts: Parts,
    back: oneshot::Sender<()>,
    may_go: watch::Receiver<bool>,
    ready: oneshot::Sender<anyhow::Result<()>>,
    mut stopped: watch::Receiver<bool>,
) {
    if let Some(cpu) = parts.cpu {
        pin(cpu);
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return drop(ready.send(Err(error.into()))),
    };
    let local = LocalSet::new();
    let serving = local.run_until(async move {
        let result = serve(parts, back, may_go).await;
        let serves = result.is_ok();
        let _nobody_waits = ready.send(result);
        if serves {
            let _sender_gone = stopped.wait_for(|stop| *stop).await;
        }
    });
    runtime.block_on(serving);
    // A half-alive broker is worse than none: `Running` sees a panic here when it joins.
}

async fn serve(
    parts: Parts,
    back: oneshot::Sender<()>,
    mut may_go: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let Parts {
        id,
        shared,
        generation,
        lane,
        mailboxes,
        metrics,
        sockets,
        gate,
        ids,
        sessions,
        ..
    } = parts;
    let hooks = ShardHooks::instantiate(&generation, &shared.hook_metrics, id, shared.observer_queue)?;
    let shard = Shard::new(id, shared, hooks, ids, mailboxes, metrics);
    spawn_local(shard::flush(Rc::clone(&shard)));
    spawn_local(shard::read_mail(Rc::clone(&shard)));
    shard::restore(&shard, &sessions)
        .await
        .context("the stored sessions could not be read")?;
    let _nobody_waits = back.send(());
    let _sender_gone = may_go.wait_for(|go| *go).await;
    spawn_local(shard::watch_timers(Rc::clone(&shard)));
    spawn_local(shard::run_observers(Rc::clone(&shard)));
    spawn_local(shard::run_effects(Rc::clone(&shard)));
    shard.borrow().start_policies();
    spawn_local(shard::read_control(Rc::clone(&shard), lane, connection::arrive));
    for socket in sockets {
        spawn_local(accept(Rc::clone(&shard), socket, Arc::clone(&gate)));
    }
    Ok(())
}

async fn accept(shard: ShardRef, socket: Socket, gate: Arc<Gate>) {
    let (own, instance) = (socket.gate, socket.instance);
    let on_accept = |io, permit| {
        // The broker's limits are met; the listener's own come second. A socket that is dropped is closed.
        let Ok(place) = own.admit(Instant::now()) else {
            return;
        };
        spawn_local(connection::serve(
            Rc::clone(&shard),
            io,
            Box::new((permit, place)),
            instance.clone(),
        ));
    };
    if let Err(error) = accept_loop(socket.socket, socket.acceptor, gate, on_accept).await {
        tracing::error!(%error, "a listener could not be opened on its shard");
    }
}

/// The CPUs that the process may use.
fn allowed_cpus() -> Vec<usize> {
    let allowed = rustix::thread::sched_getaffinity(None);
    let Ok(allowed) = allowed else { return Vec::new() };
    (0..rustix::thread::CpuSet::MAX_CPU)
        .filter(|cpu| allowed.is_set(*cpu))
        .collect()
}

fn pin(cpu: usize) {
    let mut only = rustix::thread::CpuSet::new();
    only.set(cpu);
    if let Err(error) = rustix::thread::sched_setaffinity(None, &only) {
        tracing::warn!(%error, cpu, "a shard could not be pinned to its CPU");
    }
}
