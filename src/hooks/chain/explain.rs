//! Why a question is answered as it is: which script and line said what.
//!
//! The policies are asked in states of their own, built for this one question from the same sources and with line counts
//! switched on: what serves is not touched. Only what they do to the outside world (a counter in `kv`, a request) is
//! done once more. Of a compiled plugin there is one instance, which is asked once more; it has no lines.

use super::authorize::{
    PublishRequest, SubscribeRequest, publish_arguments, publish_call, subscribe_arguments, subscribe_call,
};
use super::entry::Entry;
use super::{Chain, Host, PolicyState};
use crate::hooks::client::Client;
use crate::hooks::lua::answer::{Said, Vote, publish_vote, subscribe_vote};
use crate::hooks::lua::fault::Fault;
use crate::hooks::native::{Reply, Said as Answers};
use crate::hooks::verdict::{PublishDecision, SubscribeDecision};
use dunlin_plugin_api::Hook;
use serde::Serialize;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// An answer and where it comes from.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// The generation that answers.
    pub generation: u64,
    /// Its hash.
    pub hash: String,
    /// What came of it: `allow`, `deny: ...`, `disconnect: ...`.
    pub decision: String,
    /// What each entry said that was asked, in order. The last one decided, unless all said next.
    pub entries: Vec<EntrySaid>,
}

/// What one entry said.
#[derive(Debug, Clone, Serialize)]
pub struct EntrySaid {
    /// Which entry of the chain.
    pub policy: Arc<str>,
    /// Its script.
    pub file: Arc<str>,
    /// The line of the `return` that the hook left by.
    pub line: Option<u32>,
    /// The lines of the `return`s of the functions it called.
    pub through: Vec<u32>,
    /// What it said, or how it failed.
    pub said: String,
    /// How long it took, in microseconds, counting lines.
    pub took_us: f64,
}

impl Chain {
    /// Why `client` may or may not publish this.
    pub async fn explain_publish(&self, client: &Arc<Client>, request: &PublishRequest<'_>) -> Explanation {
        let mut entries = Vec::new();
        for entry in self.asked_about(request.origin) {
            let traced = Traced::build(entry);
            let begin = |state: &PolicyState, function: &mlua::Function| {
                state.with_context(client, |ctx| {
                    state.ask_waiting(function, publish_arguments(entry, state, ctx, request)?)
                })
            };
            let read = |said: &Said| publish_vote("authorize_publish", said).map(|vote| show(&vote));
            let said = match entry.desk() {
                None => ask(entry, Hook::AuthorizePublish, traced, begin, read).await,
                Some(desk) => ask_desk(entry, || publish_call(entry, desk, client, request)).await,
            };
            let last = said.said.starts_with("deny") || said.said.starts_with("disconnect");
            entries.push(said);
            if last {
                break;
            }
        }
        let decision = match self.authorize_publish_waiting(client, request).await.decision {
            PublishDecision::Allow => "allow".to_owned(),
            PublishDecision::Deny(denial) => format!("deny: {}", denial.reason),
            PublishDecision::Disconnect(reason) => format!("disconnect: {reason}"),
        };
        self.explanation(decision, entries)
    }

    /// Why `client` may or may not subscribe to this.
    pub async fn explain_subscribe(
        &self,
        client: &Arc<Client>,
        request: &SubscribeRequest<'_>,
    ) -> Explanation {
        let mut entries = Vec::new();
        for entry in self.asked(Hook::AuthorizeSubscribe) {
            let traced = Traced::build(entry);
            let begin = |state: &PolicyState, function: &mlua::Function| {
                state.with_context(client, |ctx| {
                    state.ask_waiting(function, subscribe_arguments(entry, ctx, request))
                })
            };
            let read = |said: &Said| subscribe_vote("authorize_subscribe", said).map(|vote| show(&vote));
            let said = match entry.desk() {
                None => ask(entry, Hook::AuthorizeSubscribe, traced, begin, read).await,
                Some(desk) => ask_desk(entry, || subscribe_call(entry, desk, client, request)).await,
            };
            let last = said.said.starts_with("deny") || said.said.starts_with("disconnect");
            entries.push(said);
            if last {
                break;
            }
        }
        let decision = match self.authorize_subscribe_waiting(client, request).await.decision {
            SubscribeDecision::Allow(qos) => format!("allow, QoS {}", qos as u8),
            SubscribeDecision::Deny(denial) => format!("deny: {}", denial.reason),
            SubscribeDecision::Disconnect(reason) => format!("disconnect: {reason}"),
        };
        self.explanation(decision, entries)
    }

    fn explanation(&self, decision: String, entries: Vec<EntrySaid>) -> Explanation {
        Explanation {
            generation: self.generation.number(),
            hash: self.generation.hash().to_owned(),
            decision,
            entries,
        }
    }
}

fn show<T>(vote: &Vote<T>) -> String {
    let because = |reason: &Option<Arc<str>>| {
        reason
            .as_ref()
            .map_or(String::new(), |reason| format!(": {reason}"))
    };
    match vote {
        Vote::Allow(_) => "allow".to_owned(),
        Vote::Next => "next".to_owned(),
        Vote::Deny(_, reason) => format!("deny{}", because(reason)),
        Vote::Disconnect(reason) => format!("disconnect{}", because(reason)),
    }
}

/// A state that counts lines, and what it had counted before the question.
struct Traced {
    state: Rc<PolicyState>,
    before: Counts,
}

/// How often each line of each function was run; functions by the line on which they begin.
type Counts = BTreeMap<i32, Vec<i32>>;

impl Traced {
    fn build(entry: &Entry) -> Result<Self, String> {
        let script = entry.policy.script().ok_or("it has no lines")?;
        let state = entry
            .policy
            .instantiate_traced(script, Host::of(&entry.policy))
            .map_err(|error| error.to_string())?;
        let before = counts(&state);
        Ok(Self {
            state: Rc::new(state),
            before,
        })
    }

    /// The `return` lines that were run since: of the function that begins on `hook`, and of all others.
    fn returns(&self, entry: &Entry, hook: i32) -> (Option<u32>, Vec<u32>) {
        let source = entry
            .policy
            .script()
            .map_or(&[][..], |script| &script.image.source);
        let source = String::from_utf8_lossy(source);
        let lines: Vec<&str> = source.lines().collect();
        let returns = |line: usize| {
            lines
                .get(line.wrapping_sub(1))
                .is_some_and(|text| text.contains("return"))
        };
        let (mut own, mut others) = (None, Vec::new());
        for (function, hits) in counts(&self.state) {
            let before = self.before.get(&function);
            for (line, hits) in hits.iter().enumerate() {
                let had = before.and_then(|before| before.get(line)).copied().unwrap_or(0);
                if *hits <= had.max(0) || !returns(line) {
                    continue;
                }
                let line = u32::try_from(line).unwrap_or(0);
                if function == hook {
                    own = Some(line);
                } else {
                    others.push(line);
                }
            }
        }
        (own, others)
    }
}

fn counts(state: &PolicyState) -> Counts {
    let mut counts = Counts::new();
    state.main().coverage(|info| {
        counts.insert(info.line_defined, info.hits);
    });
    counts
}

impl EntrySaid {
    fn of(entry: &Entry) -> Self {
        Self {
            policy: entry.policy.name().clone(),
            file: entry.policy.file.clone(),
            line: None,
            through: Vec::new(),
            said: String::new(),
            took_us: 0.0,
        }
    }
}

/// What a plugin says.
async fn ask_desk<T>(entry: &Entry, call: impl FnOnce() -> Result<Reply<Vote<T>>, Fault>) -> EntrySaid
where
    Vote<T>: Answers,
{
    let began = Instant::now();
    let said = async {
        match call()? {
            Reply::Now(vote) => Ok(vote),
            Reply::Later(late) => {
                let waited = tokio::time::timeout(entry.policy.limits.wait, late).await;
                waited.unwrap_or_else(|_| Err(Fault::timeout("it waited too long".to_owned())))
            }
        }
    }
    .await;
    EntrySaid {
        said: match said {
            Ok(vote) => show(&vote),
            Err(fault) => format!("failed: {}", fault.of_file(&entry.policy.file)),
        },
        took_us: began.elapsed().as_secs_f64() * 1e6,
        ..EntrySaid::of(entry)
    }
}

async fn ask(
    entry: &Entry,
    hook: Hook,
    traced: Result<Traced, String>,
    begin: impl FnOnce(
        &PolicyState,
        &mlua::Function,
    )
        -> Result<crate::hooks::lua::waiting::Waiting<crate::hooks::lua::answer::RawSaid>, Fault>,
    read: impl FnOnce(&Said) -> Result<String, Fault>,
) -> EntrySaid {
    let mut answer = EntrySaid::of(entry);
    let traced = match traced {
        Ok(traced) => traced,
        Err(why) => {
            answer.said = format!("failed: {why}");
            return answer;
        }
    };
    let began = Instant::now();
    let said = async {
        let function = traced.state.function(hook);
        let function = function.ok_or_else(|| Fault::answer("the policy has lost the hook"))?;
        let call = begin(&traced.state, function)?;
        let said = tokio::time::timeout(entry.policy.limits.wait, call).await;
        read(&Said::read(said.map_err(|_late| {
            Fault::timeout("it waited too long".to_owned())
        })??))
    }
    .await;
    answer.took_us = began.elapsed().as_secs_f64() * 1e6;
    let begins = traced.state.function(hook).map_or(0, |function| {
        function
            .info()
            .line_defined
            .and_then(|line| i32::try_from(line).ok())
            .unwrap_or(0)
    });
    (answer.line, answer.through) = traced.returns(entry, begins);
    match said {
        Ok(said) => answer.said = said,
        Err(fault) => {
            answer.line = fault.line.or(answer.line);
            answer.said = format!("failed: {}", fault.of_file(&entry.policy.file));
        }
    }
    answer
}
