//! One entry of the chain on one shard: its state, its breaker, its counters.

use super::clock::{Coarse, thread_time};
use super::pace::Pace;
use super::stale::{Remembered, Stale};
use crate::config::hooks::Fallback;
use crate::hooks::breaker::Breaker;
use crate::hooks::client::Client;
use crate::hooks::counters::{EntryCounters, HookMetrics, count, set};
use crate::hooks::error::LoadError;
use crate::hooks::host::Host;
use crate::hooks::lua::answer::{RawSaid, Said};
use crate::hooks::lua::fair::{self, Fair};
use crate::hooks::lua::fault::{Fault, FaultKind};
use crate::hooks::lua::state::PolicyState;
use crate::hooks::lua::waiting::Waiting;
use crate::hooks::native::{Desk, Reply, Said as Answers};
use crate::hooks::policy::{Body, Policy};
use crate::hooks::watch::{Offence, Watch};
use dunlin_plugin_api::{Hook, Kind};
use mlua::Function;
use std::cell::{Cell, RefCell};
use std::hash::Hash;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// A policy that fails fails often: so much time lies between two log lines about it.
const LOG_EVERY: Duration = Duration::from_secs(1);
/// One call in so many is timed: reading the clock twice costs a tenth of a cheap call.
const TIMED: u64 = 16;

/// A call that gave no answer: what stands in for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) fallback: Fallback,
}

/// Whom and what a call is about, for the log and for an incident report.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) hook: Hook,
    pub(crate) client: Option<&'a Client>,
    /// The topic, the filter, the user name, ...
    pub(crate) about: &'a str,
}

pub(crate) struct Entry {
    pub(crate) policy: Arc<Policy>,
    answers: Answering,
    host: Host,
    breaker: RefCell<Breaker>,
    pub(crate) counters: Arc<EntryCounters>,
    /// Who watches this generation, while it is new.
    watch: RefCell<Option<Arc<Watch>>>,
    /// Decisions to fall back on, for an entry that wants that.
    stale: Stale,
    /// The reason of a deny that gave none.
    pub(crate) denied: Arc<str>,
    /// The reason when a failure counts as a deny.
    pub(crate) failed: Arc<str>,
    /// Whether its calls leave the straight path.
    pace: Pace,
    logged: Cell<Option<Instant>>,
    unlogged: Cell<u64>,
}

/// What answers here.
enum Answering {
    /// A script's state; dropped when it is spoilt, and built again at the next call.
    State(RefCell<Option<Rc<PolicyState>>>),
    /// A plugin.
    Desk(Desk),
}

impl Entry {
    pub(crate) fn build(
        policy: &Arc<Policy>,
        metrics: &HookMetrics,
        shard: u16,
        host: Host,
        slow: &Rc<Cell<usize>>,
    ) -> Result<Self, LoadError> {
        let name = policy.name();
        let counters = metrics.entry(name, shard);
        // The breaker of the generation before does not count against this one.
        set(&counters.open, 0);
        set(&counters.slow, 0);
        let answers = match &policy.body {
            Body::Script(script) => {
                let state = policy.instantiate(script, host.clone())?;
                Answering::State(RefCell::new(Some(Rc::new(state))))
            }
            Body::Plugin(plugin) => Answering::Desk(plugin.desk()?),
        };
        Ok(Self {
            answers,
            host,
            breaker: RefCell::new(Breaker::new(policy.breaker)),
            counters,
            watch: RefCell::default(),
            stale: Stale::new([policy.on_error, policy.on_timeout]),
            denied: format!("denied by policy `{name}`").into(),
            failed: format!("policy `{name}` failed").into(),
            pace: Pace::new(slow),
            logged: Cell::default(),
            unlogged: Cell::default(),
            policy: policy.clone(),
        })
    }

    /// Whether the policy has `hook`.
    #[inline]
    pub(crate) fn has(&self, hook: Hook) -> bool {
        self.policy.declares.hooks.contains(hook)
    }

    /// What its modules work with.
    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    /// Its desk, if it is a plugin.
    pub(crate) fn desk(&self) -> Option<&Desk> {
        match &self.answers {
            Answering::Desk(desk) => Some(desk),
            Answering::State(_) => None,
        }
    }

    /// It begins or ceases to serve: tasks, timers, and what it may do to the world outside.
    pub(crate) fn set_active(&self, active: bool) {
        self.host.tasks.set_active(active);
        if let Answering::Desk(desk) = &self.answers {
            desk.set_active(active);
        }
    }

    /// It serves no more: its tasks end, and it is told. (A plugin is told when the last shard has let go of it.)
    pub(crate) fn retire(&self, reason: &str) {
        self.host.tasks.end();
        match &self.answers {
            Answering::Desk(desk) => desk.retire(reason),
            // Not one that was spoilt by its last call.
            Answering::State(state) => {
                if let Some(state) = &*state.borrow() {
                    state.unload(reason);
                }
            }
        }
    }

    /// Whether its calls took long again and again, so that they had better wait their turn.
    #[inline]
    pub(crate) fn is_slow(&self) -> bool {
        self.pace.is_slow()
    }

    /// Counts a deny.
    #[inline]
    pub(crate) fn count_denied(&self) {
        count(&self.counters.denied);
    }

    /// From now on `watch` is told how calls end; with `None` nobody is.
    pub(crate) fn watched_by(&self, watch: Option<Arc<Watch>>) {
        *self.watch.borrow_mut() = watch;
    }

    /// Keeps a decision to fall back on, if the entry wants that.
    #[inline]
    pub(crate) fn remember<K: Hash>(&self, key: impl FnOnce() -> K, decision: impl FnOnce() -> Remembered) {
        if self.stale.wanted() {
            self.stale.put(self.stale.key(key()), decision());
        }
    }

    /// The last decision about the same, if it is not too old.
    pub(crate) fn recall(&self, key: impl Hash) -> Option<Remembered> {
        self.stale.get(self.stale.key(key))
    }

    /// Asks the policy: of a script `run` makes the call and reads its answer, of a plugin `call` does. The entry must have
    /// the hook.
    #[inline]
    pub(crate) fn ask<R>(
        &self,
        subject: Subject<'_>,
        run: impl FnOnce(&PolicyState, &Function) -> Result<R, Fault>,
        call: impl FnOnce(&Desk) -> Result<Reply<R>, Fault>,
    ) -> Result<R, Failed> {
        let began = self.admit(subject)?;
        let state = match &self.answers {
            Answering::State(state) => state.borrow(),
            Answering::Desk(desk) => {
                let clock = Coarse::now();
                let answer = call(desk).and_then(Reply::at_once);
                return match (answer, self.overran(began, clock)) {
                    (Ok(answer), Some(took)) => {
                        self.count_overrun(subject, began, took);
                        Ok(answer)
                    }
                    (answer, _) => self.finish_inline(subject, began, answer),
                };
            }
        };
        let answer = match &*state {
            Some(state) => answer(state, subject.hook, run),
            None => {
                drop(state);
                let answer = self.rebuild().and_then(|state| answer(&state, subject.hook, run));
                return self.finish_inline(subject, began, answer);
            }
        };
        drop(state);
        self.finish_inline(subject, began, answer)
    }

    /// Asks the policy so that it may wait. Of a script `begin` starts the call in a coroutine and `read` reads its answer, of
    /// a plugin `call` does both.
    pub(crate) async fn ask_waiting<R: Answers>(
        &self,
        subject: Subject<'_>,
        begin: impl FnOnce(&PolicyState, &Function) -> Result<Waiting<RawSaid>, Fault>,
        read: impl FnOnce(&PolicyState, &Said) -> Result<R, Fault>,
        call: impl FnOnce(&Desk) -> Result<Reply<R>, Fault>,
    ) -> Result<R, Failed> {
        let kind = match subject.hook.kind() {
            Kind::Observe | Kind::Life | Kind::Action => fair::IN_BACKGROUND,
            Kind::Answer | Kind::Transform => fair::FOR_CLIENTS,
        };
        let turn = fair::turn(kind).await;
        let watched = self.admit(subject)?;
        let began = Instant::now();
        let (answer, overran) = match &self.answers {
            Answering::State(state) => {
                let state = state.borrow().clone();
                (
                    self.ask_state(subject, state, kind, turn, begin, read).await,
                    None,
                )
            }
            Answering::Desk(desk) => self.ask_desk(desk, kind, turn, call).await,
        };
        self.counters.of(subject.hook).latency.record(began.elapsed());
        if let (Some(Began::Watched(..)), Some(watch)) = (watched, &*self.watch.borrow()) {
            // How long it waits is the backend's affair, and bounded by `wait`; what it computes by `budget`.
            watch.called(Duration::ZERO, || self.offence(subject, String::new()));
        }
        match (answer, overran) {
            (Ok(answer), Some(took)) => {
                self.count_overrun(subject, None, took);
                Ok(answer)
            }
            (answer, _) => self.finish(subject, None, answer),
        }
    }

    /// A script computes in its turn, and so after each wait.
    async fn ask_state<R>(
        &self,
        subject: Subject<'_>,
        state: Option<Rc<PolicyState>>,
        kind: fair::Kind,
        turn: fair::Turn,
        begin: impl FnOnce(&PolicyState, &Function) -> Result<Waiting<RawSaid>, Fault>,
        read: impl FnOnce(&PolicyState, &Said) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        let state = match state {
            Some(state) => state,
            None => self.rebuild()?,
        };
        let call = answer(&state, subject.hook, begin)?.that_waits(self.may_wait(subject.hook));
        let patience = self.policy.limits.wait;
        let mut call = Fair::with(turn, kind, call);
        match tokio::time::timeout(patience, &mut call).await {
            Ok(said) => {
                self.pace.took(call.spent(), &self.counters, self.policy.name());
                read(&state, &Said::read(said?))
            }
            Err(_late) => Err(waited_too_long(patience)),
        }
    }

    /// A plugin computes in its turn, and is waited for outside of it. How long it computed, if that was longer than its `budget`.
    async fn ask_desk<R: Answers>(
        &self,
        desk: &Desk,
        kind: fair::Kind,
        turn: fair::Turn,
        call: impl FnOnce(&Desk) -> Result<Reply<R>, Fault>,
    ) -> (Result<R, Fault>, Option<Duration>) {
        let began = Instant::now();
        let reply = call(desk);
        let took = began.elapsed();
        fair::took(kind, took);
        drop(turn);
        self.pace.took(took, &self.counters, self.policy.name());
        let answer = match reply {
            Ok(Reply::Now(answer)) => Ok(answer),
            Ok(Reply::Later(late)) => {
                let patience = self.policy.limits.wait;
                let waited = tokio::time::timeout(patience, late).await;
                waited.unwrap_or_else(|_late| Err(waited_too_long(patience)))
            }
            Err(fault) => Err(fault),
        };
        (
            answer,
            Some(took).filter(|took| *took > self.policy.limits.budget),
        )
    }

    /// How long a plugin's call took, if that was longer than its `budget`. Nothing can stop it, so it is seen afterwards: calls that are
    /// timed as they are, all others by a clock that costs little and counts in milliseconds.
    #[inline]
    fn overran(&self, began: Option<Began>, clock: Coarse) -> Option<Duration> {
        let budget = self.policy.limits.budget;
        let took = match began {
            Some(Began::Timed(at) | Began::Watched(at, _)) => Some(at.elapsed()),
            None => clock.took_more_than(budget),
        };
        took.filter(|took| *took > budget)
    }

    /// A plugin took longer than its `budget`, and its answer is there. It counts: refusing a client what it may do helps nobody, and
    /// it may have been the machine that took the time. But whoever overruns again and again is no longer asked.
    #[cold]
    fn count_overrun(&self, subject: Subject<'_>, began: Option<Began>, took: Duration) {
        let overrun = Fault::timeout(format!(
            "the call took {took:?}, longer than its {:?} (`budget`)",
            self.policy.limits.budget
        ));
        let _the_answer_counts = self.finish_inline::<()>(subject, began, Err(overrun));
    }

    /// Whether the policy may wait in this hook: where a packet rests meanwhile, only if it says so.
    fn may_wait(&self, hook: Hook) -> bool {
        let declared = self.policy.declares.waits.contains(hook);
        declared
            || !matches!(
                hook,
                Hook::AuthorizePublish | Hook::AuthorizeSubscribe | Hook::Publish
            )
    }

    /// Whether the call is made at all; and when it began, if it is one that is timed.
    #[inline]
    fn admit(&self, subject: Subject<'_>) -> Result<Option<Began>, Failed> {
        if !self.breaker.borrow_mut().admits(Instant::now) {
            count(&self.counters.refused);
            if let Some(watch) = &*self.watch.borrow() {
                watch.failed(|| self.offence(subject, "not asked: the breaker is open".to_owned()));
            }
            return Err(Failed {
                fallback: self.policy.on_error,
            });
        }
        let calls = &self.counters.of(subject.hook).calls;
        count(calls);
        if self.watch.borrow().is_some() {
            return Ok(Some(Began::Watched(Instant::now(), thread_time())));
        }
        let timed = calls.load(Relaxed).is_multiple_of(TIMED);
        Ok(timed.then(|| Began::Timed(Instant::now())))
    }

    /// The end of a call on the straight path.
    #[inline]
    fn finish_inline<R>(
        &self,
        subject: Subject<'_>,
        began: Option<Began>,
        answer: Result<R, Fault>,
    ) -> Result<R, Failed> {
        if let Some(Began::Timed(at) | Began::Watched(at, _)) = began {
            self.pace.took(at.elapsed(), &self.counters, self.policy.name());
        } else if answer
            .as_ref()
            .is_err_and(|fault| fault.kind == FaultKind::Timeout)
        {
            self.pace
                .took(self.policy.limits.budget, &self.counters, self.policy.name());
        }
        self.finish(subject, began, answer)
    }

    #[inline]
    fn finish<R>(
        &self,
        subject: Subject<'_>,
        began: Option<Began>,
        answer: Result<R, Fault>,
    ) -> Result<R, Failed> {
        if let Some(began) = began {
            self.timed(subject, began, answer.is_err());
        }
        match answer {
            Ok(answer) => {
                if self.breaker.borrow_mut().succeeded() {
                    set(&self.counters.open, 0);
                    tracing::info!(policy = &**self.policy.name(), "policy is well again");
                }
                Ok(answer)
            }
            Err(fault) => Err(self.failed(subject, fault)),
        }
    }

    fn timed(&self, subject: Subject<'_>, began: Began, failed: bool) {
        let (Began::Timed(at) | Began::Watched(at, _)) = began;
        self.counters.of(subject.hook).latency.record(at.elapsed());
        if let (Began::Watched(_, before), Some(watch)) = (began, &*self.watch.borrow()) {
            let took = thread_time().saturating_sub(before);
            // A failure is an offence by itself, and says more.
            let took = if failed { Duration::ZERO } else { took };
            watch.called(took, || self.offence(subject, format!("took {took:?}")));
        }
    }

    /// Builds the state anew, after it was dropped.
    #[cold]
    fn rebuild(&self) -> Result<Rc<PolicyState>, Fault> {
        let (Answering::State(held), Some(script)) = (&self.answers, self.policy.script()) else {
            return Err(Fault::answer("it has no state"));
        };
        count(&self.counters.rebuilt);
        let built = self.policy.instantiate(script, self.host.clone());
        let state = Rc::new(
            built.map_err(|error| Fault::answer(format!("its state could not be built again: {error}")))?,
        );
        *held.borrow_mut() = Some(state.clone());
        Ok(state)
    }

    #[cold]
    fn failed(&self, subject: Subject<'_>, fault: Fault) -> Failed {
        let now = Instant::now();
        let timeout = fault.kind == FaultKind::Timeout;
        count(if timeout {
            &self.counters.timeouts
        } else {
            &self.counters.errors
        });
        match (&fault.kind, &self.answers) {
            (FaultKind::Spoilt, Answering::State(state)) => {
                state.borrow_mut().take();
                self.host.tasks.end_tasks();
            }
            (FaultKind::Panicked, _) => count(&self.counters.panics),
            _ => {}
        }
        let name = &**self.policy.name();
        let fault = fault.of_file(&self.policy.file);
        if self.logged.get().is_none_or(|logged| now - logged >= LOG_EVERY) {
            let unlogged = self.unlogged.take();
            self.logged.set(Some(now));
            tracing::warn!(
                policy = name,
                hook = subject.hook.name(),
                timeout,
                unlogged,
                "policy failed: {fault}"
            );
        } else {
            self.unlogged.set(self.unlogged.get() + 1);
        }
        if let Some(watch) = &*self.watch.borrow() {
            watch.failed(|| self.offence(subject, fault.to_string()));
        }
        let mut breaker = self.breaker.borrow_mut();
        let opened = breaker.failed(now);
        set(&self.counters.open, breaker.is_open().into());
        if opened {
            count(&self.counters.opened);
            tracing::error!(
                policy = name,
                "policy keeps failing and is no longer asked; one call every {:?} goes through to see",
                self.policy.breaker.probe
            );
        }
        Failed {
            fallback: if timeout {
                self.policy.on_timeout
            } else {
                self.policy.on_error
            },
        }
    }

    fn offence(&self, subject: Subject<'_>, what: String) -> Offence {
        Offence::new(
            self.policy.name(),
            subject.hook,
            subject.client,
            subject.about,
            what,
        )
    }
}

/// When a call began.
#[derive(Clone, Copy)]
enum Began {
    Timed(Instant),
    /// And how much time the thread had had: while a generation is being watched it is judged by what its calls cost, not
    /// by what else the machine has to do.
    Watched(Instant, Duration),
}

fn waited_too_long(patience: Duration) -> Fault {
    Fault::timeout(format!(
        "the call waited longer than its {} (`wait`)",
        humantime::format_duration(patience)
    ))
}

#[inline]
fn answer<R>(
    state: &PolicyState,
    hook: Hook,
    run: impl FnOnce(&PolicyState, &Function) -> Result<R, Fault>,
) -> Result<R, Fault> {
    match state.function(hook) {
        Some(function) => run(state, function),
        None => Err(Fault::answer(
            "the policy lost a hook that it had when it was checked",
        )),
    }
}

/// Counts an event that no observer will see.
pub(crate) fn count_lost(counter: &AtomicU64, lost: u64) {
    // All shards write this one, but only when they are in trouble.
    counter.fetch_add(lost, Relaxed);
}
