//! One entry of the chain on one shard: its state, its breaker, its counters.

use crate::config::hooks::Fallback;
use crate::hooks::breaker::Breaker;
use crate::hooks::counters::{EntryCounters, HookMetrics, count, set};
use crate::hooks::error::LoadError;
use crate::hooks::lua::fault::{Fault, FaultKind};
use crate::hooks::lua::state::PolicyState;
use crate::hooks::policy::Policy;
use dunlin_plugin_api::Hook;
use mlua::Function;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

/// A policy that fails fails often: so much time lies between two log lines about it.
const LOG_EVERY: Duration = Duration::from_secs(1);

/// A call that gave no answer: what stands in for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) fallback: Fallback,
}

pub(crate) struct Entry {
    pub(crate) policy: Arc<Policy>,
    state: Option<PolicyState>,
    breaker: Breaker,
    counters: Arc<EntryCounters>,
    /// The reason of a deny that gave none.
    pub(crate) denied: Arc<str>,
    /// The reason when a failure counts as a deny.
    pub(crate) failed: Arc<str>,
    logged: Option<Instant>,
    unlogged: u64,
}

impl Entry {
    pub(crate) fn build(policy: &Arc<Policy>, metrics: &HookMetrics, shard: u16) -> Result<Self, LoadError> {
        let name = policy.name();
        let counters = metrics.entry(name, shard);
        // The breaker of the generation before does not count against this one.
        set(&counters.open, 0);
        Ok(Self {
            state: Some(policy.instantiate()?),
            breaker: Breaker::new(policy.breaker),
            counters,
            denied: format!("denied by policy `{name}`").into(),
            failed: format!("policy `{name}` failed").into(),
            logged: None,
            unlogged: 0,
            policy: policy.clone(),
        })
    }

    /// Whether the policy has `hook`.
    #[inline]
    pub(crate) fn has(&self, hook: Hook) -> bool {
        self.policy.declares.hooks.contains(hook)
    }

    /// Counts a deny.
    #[inline]
    pub(crate) fn count_denied(&self) {
        count(&self.counters.denied);
    }

    /// Asks the policy: `run` makes the call and reads its answer. The entry must have the hook.
    #[inline]
    pub(crate) fn ask<R>(
        &mut self,
        hook: Hook,
        run: impl FnOnce(&PolicyState, &Function) -> Result<R, Fault>,
    ) -> Result<R, Failed> {
        if !self.breaker.admits(Instant::now) {
            count(&self.counters.refused);
            return Err(Failed {
                fallback: self.policy.on_error,
            });
        }
        count(&self.counters.calls);
        let answer = match &self.state {
            Some(state) => answer(state, hook, run),
            None => self.rebuild().and_then(|state| answer(state, hook, run)),
        };
        match answer {
            Ok(answer) => {
                if self.breaker.succeeded() {
                    set(&self.counters.open, 0);
                    tracing::info!(policy = &**self.policy.name(), "policy is well again");
                }
                Ok(answer)
            }
            Err(fault) => Err(self.failed(hook, fault)),
        }
    }

    /// Builds the state anew, after it was dropped.
    #[cold]
    fn rebuild(&mut self) -> Result<&PolicyState, Fault> {
        count(&self.counters.rebuilt);
        let built = self.policy.instantiate();
        let state =
            built.map_err(|error| Fault::answer(format!("its state could not be built again: {error}")))?;
        Ok(self.state.insert(state))
    }

    #[cold]
    fn failed(&mut self, hook: Hook, fault: Fault) -> Failed {
        let now = Instant::now();
        let timeout = fault.kind == FaultKind::Timeout;
        count(if timeout {
            &self.counters.timeouts
        } else {
            &self.counters.errors
        });
        if fault.kind == FaultKind::Spoilt {
            self.state = None;
        }
        let name = &**self.policy.name();
        let fault = fault.of_file(&self.policy.image.file);
        if self.logged.is_none_or(|logged| now - logged >= LOG_EVERY) {
            let unlogged = std::mem::take(&mut self.unlogged);
            self.logged = Some(now);
            tracing::warn!(
                policy = name,
                hook = hook.name(),
                timeout,
                unlogged,
                "policy failed: {fault}"
            );
        } else {
            self.unlogged += 1;
        }
        let opened = self.breaker.failed(now);
        set(&self.counters.open, self.breaker.is_open().into());
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
    counter.fetch_add(lost, std::sync::atomic::Ordering::Relaxed);
}
