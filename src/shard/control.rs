//! The control lane of a shard: rare things that must not wait behind messages.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

use super::slot::Slot;
use super::{Admission, Shard, ShardRef};
use crate::codec::ReasonCode;
use crate::hooks::{Generation, Hook, LoadError, ShardHooks};
use crate::session::Close;
use crate::transport::Detached;

/// How often a draining shard looks whether all connections are gone.
const DRAIN_LOOK: Duration = Duration::from_millis(10);

/// Where the answer to a control message goes.
pub type Reply<T> = oneshot::Sender<T>;

/// What a shard may be told.
pub enum Control {
    /// A connection whose CONNECT was read elsewhere and whose home is here.
    Handoff(Box<Admission<Detached>>),
    /// Build the states of this generation, and keep them ready.
    Prepare(Arc<Generation>, Reply<Result<(), LoadError>>),
    /// Serve with the generation of this number from now on.
    Activate(u64, Reply<()>),
    /// Forget the generation of this number: another shard could not build it.
    Abort(u64),
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
                let built = ShardHooks::instantiate(
                    &generation,
                    &self.shared.hook_metrics,
                    self.id,
                    self.shared.observer_queue,
                )
                .map(|hooks| {
                    self.staged = Some((number, hooks));
                });
                let _nobody_waits = reply.send(built);
            }
            Control::Activate(number, reply) => {
                if self.staged.as_ref().is_some_and(|(staged, _)| *staged == number)
                    && let Some((_, hooks)) = self.staged.take()
                {
                    let before = std::mem::replace(&mut self.hooks, hooks);
                    self.hooks.adopt(before);
                    self.generation_changed();
                }
                let _nobody_waits = reply.send(());
            }
            Control::Abort(number) => {
                self.staged.take_if(|(staged, _)| *staged == number);
            }
            Control::Sys(topics) => self.publish_sys(&topics),
            Control::Drain(reply) => self.drain(reply),
        }
    }

    fn drain(&mut self, done: Reply<()>) {
        self.draining = true;
        let what = "the broker is stopping";
        for at in self.live_slots() {
            self.close(at, &Close::new(ReasonCode::SERVER_SHUTTING_DOWN, what));
        }
        let me = self.me.clone();
        tokio::task::spawn_local(async move {
            while me.upgrade().is_some_and(|shard| shard.borrow().connections() > 0) {
                tokio::time::sleep(DRAIN_LOOK).await;
            }
            let _nobody_waits = done.send(());
        });
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

    fn live_slots(&self) -> Vec<u32> {
        let live = self
            .slots
            .iter()
            .filter(|(_, slot)| matches!(slot, Slot::Live(_)));
        live.filter_map(|(at, _)| u32::try_from(at).ok()).collect()
    }
}
