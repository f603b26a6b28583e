//! The control lane of a shard: rare things that must not wait behind messages.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::hand::Told;
use super::slot::Slot;
use super::{Admission, ConnId, Inspect, Shard, ShardRef, Tenant};
use crate::codec::ReasonCode;
use crate::hooks::{Effect, Generation, Hook, LoadError, NewMessage, SessionReply, Watch};
use crate::instance::{InstanceId, SessionKey};
use crate::session::Close;
use crate::store::registry::RecordKey;
use crate::transport::Detached;

/// How often a draining shard looks whether all connections are gone.
const DRAIN_LOOK: Duration = Duration::from_millis(10);

/// Whose subscriptions are asked about again.
#[derive(Clone, Debug)]
pub enum Whose {
    /// Those of all sessions.
    Everybody,
    /// Those of an instance's sessions.
    Instance(InstanceId),
    /// This session's.
    Session(SessionKey),
}

/// Where the answer to a control message goes.
pub type Reply<T> = oneshot::Sender<T>;

/// What a shard may be told.
pub enum Control {
    /// A connection whose CONNECT was read elsewhere and whose home is here.
    Handoff(Box<Admission<Detached>>),
    /// Build the states of this generation, and keep them ready.
    Prepare(Arc<Generation>, Reply<Result<(), LoadError>>),
    /// Serve with the generation of this number from now on, and watch it if there is somebody to tell. The answer is
    /// how long the swap itself took of this thread.
    Activate(u64, Option<Arc<Watch>>, Reply<Duration>),
    /// The generation that is being watched is good: the one before may go, and clients that lost rights lose what
    /// they had by them.
    Settle,
    /// The generation that is being watched is bad: the one before serves again.
    RollBack(Reply<bool>),
    /// Forget the generation of this number: another shard could not build it.
    Abort(u64),
    /// End the connection of this session, with this reason; the answer says whether there was one.
    Kick(SessionKey, ReasonCode, Arc<str>, Option<Reply<bool>>),
    /// End this connection, if it is there still: a policy said so a moment ago.
    Close(ConnId, Close),
    /// A message for this session alone.
    P2p(SessionKey, Box<NewMessage>),
    /// Ask again whether subscriptions are allowed.
    Reauthorize(Whose),
    /// The change of this number was of this record of the registry; without one, any may have changed up to this number.
    RecordChanged(u64, Option<RecordKey>),
    /// A connection for this session was refused before it came here: whoever watches the client is told.
    Refused(SessionKey, ReasonCode, Arc<str>),
    /// Tell what is known of this session.
    Session(SessionKey, SessionReply),
    /// Do what a compiled plugin has asked for; the permit is its place in the queue.
    Effect(Box<Effect>, OwnedSemaphorePermit),
    /// Answer an operator.
    Inspect(Inspect),
    /// An instance has changed: this takes the place of what it was.
    Tenant(Arc<Tenant>, Reply<()>),
    /// An instance is gone: its connections and sessions end.
    TenantGone(Arc<Tenant>, Reply<()>),
    /// What the shard of this number has to tell about publications that wait.
    Told(u16, Vec<Told>),
    /// Publish these `$SYS` topics.
    Sys(Vec<(&'static str, String)>),
    /// Take nobody in any more, and tell everybody to go.
    Drain(Reply<()>),
}

/// Reads the control lane for as long as the shard lives. `admit` takes connections that arrive from other shards.
pub async fn run(
    shard: ShardRef,
    mut lane: UnboundedReceiver<Control>,
    admit: impl Fn(ShardRef, Box<Admission<Detached>>),
) {
    while let Some(message) = lane.recv().await {
        match message {
            Control::Handoff(admission) => admit(ShardRef::clone(&shard), admission),
            message => {
                let mut shard = shard.borrow_mut();
                shard.begin_turn();
                shard.on_control(message);
                shard.end_turn();
            }
        }
    }
}

impl Shard {
    fn on_control(&mut self, message: Control) {
        match message {
            Control::Handoff(_) => {}
            Control::Prepare(generation, reply) => {
                let number = generation.number();
                let built = self.hooks.prepare(&generation);
                let built = built.map(|chain| self.staged = Some((number, chain)));
                let _nobody_waits = reply.send(built);
            }
            Control::Activate(number, watch, reply) => {
                let Some((_, chain)) = self.staged.take_if(|(staged, _)| *staged == number) else {
                    let _nobody_waits = reply.send(Duration::ZERO);
                    return;
                };
                let began = Instant::now();
                let retired = self.hooks.swap(chain, watch.as_ref());
                let _nobody_waits = reply.send(began.elapsed());
                // What follows takes its time, and is no part of the swap.
                self.generation_changed();
                if watch.is_none() {
                    self.withdraw_later(Whose::Everybody);
                }
                retired.end();
            }
            Control::Settle => {
                self.hooks.settle();
                self.withdraw_later(Whose::Everybody);
            }
            Control::RollBack(reply) => {
                let rolled_back = self.hooks.roll_back();
                self.generation_changed();
                let _nobody_waits = reply.send(rolled_back);
                // What the bad one let clients have in the meantime goes with it.
                self.withdraw_later(Whose::Everybody);
            }
            Control::Abort(number) => {
                self.staged.take_if(|(staged, _)| *staged == number);
            }
            Control::Kick(key, code, reason, reply) => {
                let kicked = self.kick(&key, code, &reason);
                if let Some(reply) = reply {
                    let _nobody_waits = reply.send(kicked);
                }
            }
            Control::Close(id, close) => {
                if self
                    .live(id.slot)
                    .is_some_and(|live| live.conn.number == id.number)
                {
                    self.close(id.slot, &close);
                }
            }
            Control::P2p(key, message) => self.send_to_key(&key, &message),
            Control::Reauthorize(whose) => self.withdraw_later(whose),
            Control::RecordChanged(number, key) => self.record_changed(number, key),
            Control::Refused(key, code, what) => self.trace_refused(&key, code, &what),
            Control::Session(key, reply) => reply.send(self.session_facts(&key)),
            Control::Effect(effect, _place) => self.run_effect(*effect),
            Control::Inspect(question) => self.inspect(question),
            Control::Tenant(tenant, reply) => {
                self.tenant_changed(&tenant);
                let _nobody_waits = reply.send(());
            }
            Control::TenantGone(tenant, reply) => {
                self.tenant_gone(&tenant);
                let _nobody_waits = reply.send(());
            }
            Control::Told(from, told) => self.on_told(from, told),
            Control::Sys(topics) => self.publish_sys(&topics),
            Control::Drain(reply) => self.drain(reply),
        }
    }

    fn drain(&mut self, done: Reply<()>) {
        self.draining = true;
        self.hooks.stop();
        let what = "the broker is stopping";
        for at in self.live_slots() {
            self.close(at, &Close::new(ReasonCode::SERVER_SHUTTING_DOWN, what));
        }
        let me = self.me.clone();
        tokio::task::spawn_local(async move {
            while me
                .upgrade()
                .is_some_and(|shard| shard.borrow().has_something_to_end())
            {
                tokio::time::sleep(DRAIN_LOOK).await;
            }
            let _nobody_waits = done.send(());
        });
    }

    /// The policies' tasks and timers begin. Must run on the shard's own `LocalSet`.
    pub fn start_policies(&self) {
        self.hooks.activate();
    }

    /// Sessions begin to keep, or stop keeping, what observers of acknowledgements are told.
    fn generation_changed(&mut self) {
        let keep_sent = self.hooks.wants(Hook::Acked);
        for (_, slot) in &mut self.slots {
            if let Slot::Live(live) = slot {
                live.session.keep_sent = keep_sent;
            }
        }
    }

    /// Another tenant takes the place of one with its number: what was found out by the old one is void.
    fn tenant_changed(&mut self, tenant: &Arc<Tenant>) {
        self.asked_parents.retain(|(number, _)| *number != tenant.number);
        let tenant = Rc::new(Tenant::clone(tenant));
        self.tenants.insert(tenant.number, Rc::clone(&tenant));
        for (_, slot) in &mut self.slots {
            match slot {
                Slot::Live(live) if live.tenant.number == tenant.number => {
                    live.tenant = Rc::clone(&tenant);
                    live.memo = None;
                }
                Slot::Absent(absent) if absent.tenant.number == tenant.number => {
                    absent.tenant = Rc::clone(&tenant);
                }
                _ => {}
            }
        }
    }

    fn tenant_gone(&mut self, tenant: &Arc<Tenant>) {
        let of_it = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.tenant().number == tenant.number);
        let of_it: Vec<u32> = of_it.filter_map(|(at, _)| u32::try_from(at).ok()).collect();
        for at in of_it {
            self.end_with_instance(at);
        }
        self.tenants.remove(&tenant.number);
    }

    /// The session in `at` ends with its instance.
    pub(super) fn end_with_instance(&mut self, at: u32) {
        let what = "the instance was deleted";
        self.close(at, &Close::new(ReasonCode::ADMINISTRATIVE_ACTION, what));
        self.end_absent(at, what);
    }

    fn live_slots(&self) -> Vec<u32> {
        let live = self
            .slots
            .iter()
            .filter(|(_, slot)| matches!(slot, Slot::Live(_)));
        live.filter_map(|(at, _)| u32::try_from(at).ok()).collect()
    }
}
