//! What a plugin answered, read strictly: a number that is not listed is an error, never a guess. Everything is copied.
#![allow(
    unsafe_code,
    reason = "an outcome and what it refers to are good for the call of `complete`, by the rules of the ABI"
)]

use super::read::Reader;
use crate::codec::{QoS, ReasonCode, SubscribeFilter};
use crate::hooks::lua::answer::{Change, LoginVote, Vote};
use crate::hooks::lua::fault::Fault;
use crate::hooks::verdict::{ActionOutcome, ConnackPatch, ConnectChange, Controlled, Patch, Routed};
use crate::hooks::{Kind, codes};
use bytes::Bytes;
use dunlin_plugin_api::Hook;
use dunlin_plugin_api::abi::{
    ABSENT, ALLOW, ANSWERED, CHANGE, CONTINUE, DENY, DISCONNECT, DONE, DROP, ERROR, NEXT, NUMBER, Outcome,
    PANIC, PASS, PENDING, REDIRECT, REJECT, read_prefix,
};
use serde_json::Value as Json;
use std::sync::Arc;

/// What a policy hands over: version and bytes.
pub(super) type HandedOver = Option<(u32, Bytes)>;

/// An answer of any hook.
#[derive(Debug)]
pub(crate) enum Answered {
    Login(LoginVote),
    Access(Vote<()>),
    Subscribe(Vote<QoS>),
    Change(Change),
    Connect(ConnectChange),
    Connack(ConnackPatch),
    Controlled(Controlled),
    Routed(Routed),
    Filters(Option<Vec<SubscribeFilter>>),
    Names(Option<Vec<String>>),
    Number(Option<f64>),
    /// An empty list: all are done with.
    Actions(Vec<ActionOutcome>),
    State(HandedOver),
}

/// An answer of one type.
pub(crate) trait Said: Sized {
    fn of(answered: Answered) -> Option<Self>;
}

macro_rules! said {
    ($($variant:ident: $of:ty),* $(,)?) => {$(
        impl Said for $of {
            fn of(answered: Answered) -> Option<Self> {
                match answered {
                    Answered::$variant(said) => Some(said),
                    _ => None,
                }
            }
        }
    )*};
}
said!(
    Login: LoginVote,
    Access: Vote<()>,
    Subscribe: Vote<QoS>,
    Change: Change,
    Connect: ConnectChange,
    Connack: ConnackPatch,
    Controlled: Controlled,
    Routed: Routed,
    Filters: Option<Vec<SubscribeFilter>>,
    Names: Option<Vec<String>>,
    Number: Option<f64>,
    Actions: Vec<ActionOutcome>,
    State: HandedOver,
);

/// What an integer that a hook returned says by itself.
///
/// # Errors
/// It says nothing that this hook can say.
#[inline]
pub(super) fn plain(hook: Hook, verdict: i32) -> Result<Answered, Fault> {
    match (hook, verdict) {
        // What is said most often.
        (Hook::AuthorizePublish, ALLOW) => Ok(Answered::Access(Vote::Allow(()))),
        (Hook::AuthorizePublish, NEXT) => Ok(Answered::Access(Vote::Next)),
        (Hook::Publish | Hook::Deliver, PASS) => Ok(Answered::Change(Change::Pass)),
        _ => {
            let said = Outcome {
                verdict,
                ..<Outcome as dunlin_plugin_api::abi::Prefixed>::blank()
            };
            said_by(Asked::Hook(hook), &said)
        }
    }
}

/// What is asked: a hook, or for what the instance hands over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Hook(Hook),
    State,
}

/// The number under which tickets know the question for what is handed over.
const STATE: u32 = u32::MAX;

impl Asked {
    pub(super) const fn number(self) -> u32 {
        match self {
            Asked::Hook(hook) => hook as u32,
            Asked::State => STATE,
        }
    }

    fn of(number: u32) -> Option<Self> {
        match number {
            STATE => Some(Asked::State),
            number => Hook::ALL.get(number as usize).copied().map(Asked::Hook),
        }
    }
}

/// Reads what `complete` was given for a call that asks `what`.
///
/// # Errors
/// What makes no sense in it.
///
/// # Safety
/// `outcome` must be null, or what the ABI says of `complete`.
pub(super) unsafe fn read(what: u32, outcome: *const Outcome) -> Result<Answered, Fault> {
    // SAFETY: the caller's.
    let outcome = unsafe { read_prefix(outcome) };
    let outcome =
        outcome.ok_or_else(|| Fault::answer("it completed with an outcome of an impossible size"))?;
    let asked = Asked::of(what).ok_or_else(|| Fault::answer("nobody asked this"))?;
    said_by(asked, &outcome)
}

fn said_by(asked: Asked, said: &Outcome) -> Result<Answered, Fault> {
    let r = Reader;
    match said.verdict {
        ERROR => {
            let why = r.reason(said.reason)?;
            return Err(Fault::answer(
                why.as_deref().unwrap_or("the plugin answered that it failed"),
            ));
        }
        PANIC => {
            let why = r.reason(said.reason)?;
            return Err(Fault::plugin_panicked(why.as_deref()));
        }
        _ => {}
    }
    let Asked::Hook(hook) = asked else {
        return match said.verdict {
            NEXT => Ok(Answered::State(None)),
            ALLOW => Ok(Answered::State(Some((
                said.state_version,
                r.bytes(said.state).unwrap_or_default(),
            )))),
            other => Err(nonsense("export_state", other)),
        };
    };
    if hook.kind() == Kind::Observe || matches!(hook, Hook::OnLoad | Hook::OnUnload) {
        return Ok(Answered::Number(None));
    }
    Ok(match hook {
        Hook::Authenticate | Hook::AuthContinue => Answered::Login(login(hook, said)?),
        Hook::AuthorizePublish | Hook::AuthorizeDeliver | Hook::P2p => {
            Answered::Access(access(hook, said, |_| Ok(()))?)
        }
        Hook::AuthorizeSubscribe => Answered::Subscribe(access(hook, said, |r| {
            Ok(r.qos("qos", said.qos)?.unwrap_or(QoS::ExactlyOnce))
        })?),
        Hook::Publish | Hook::Will | Hook::Deliver | Hook::Offline => Answered::Change(change(hook, said)?),
        Hook::Route => Answered::Routed(routed(hook, said)?),
        Hook::Connect => Answered::Connect(connect(hook, said)?),
        Hook::Connack => match said.verdict {
            PASS => Answered::Connack(ConnackPatch::default()),
            CHANGE => Answered::Connack(r.connack(said.connack)?),
            other => return Err(nonsense(hook.name(), other)),
        },
        Hook::Control | Hook::Expiring => Answered::Controlled(controlled(hook, said)?),
        Hook::Subscribe => Answered::Filters(match said.verdict {
            PASS => None,
            CHANGE => Some(r.filters(said.subscribe)?),
            other => return Err(nonsense(hook.name(), other)),
        }),
        Hook::Unsubscribe => Answered::Names(match said.verdict {
            PASS => None,
            CHANGE => Some(r.texts("unsubscribe", said.unsubscribe)?),
            other => return Err(nonsense(hook.name(), other)),
        }),
        Hook::Limit | Hook::OnTick => Answered::Number(match said.verdict {
            NEXT => None,
            NUMBER => {
                let number = r.number("number", said.number)?.filter(|number| *number >= 0.0);
                Some(number.ok_or_else(|| Fault::answer("its number is below 0, or there is none"))?)
            }
            other => return Err(nonsense(hook.name(), other)),
        }),
        Hook::RuleAction => match said.verdict {
            DONE => Answered::Actions(r.results(said.results)?),
            other => return Err(nonsense(hook.name(), other)),
        },
        other => return Err(Fault::answer(format!("`{other}` has no answer"))),
    })
}

fn login(hook: Hook, said: &Outcome) -> Result<LoginVote, Fault> {
    let r = Reader;
    Ok(match said.verdict {
        ALLOW => LoginVote::Allow(Box::new(r.grant(said.grant)?.unwrap_or_default())),
        DENY => {
            let code = r.code(
                said.code,
                "deny",
                codes::is_connack_refusal,
                codes::CONNACK_REFUSALS,
            )?;
            LoginVote::Deny(code.unwrap_or(ReasonCode::NOT_AUTHORIZED), r.reason(said.reason)?)
        }
        CONTINUE => {
            let state = match r.bytes(said.state) {
                None => Json::Null,
                Some(text) => serde_json::from_slice(&text)
                    .map_err(|error| Fault::answer(format!("its `state` is no JSON: {error}")))?,
            };
            LoginVote::Continue(r.bytes(said.data).unwrap_or_default(), state)
        }
        NEXT => LoginVote::Next,
        other => return Err(nonsense(hook.name(), other)),
    })
}

fn access<T>(
    hook: Hook,
    said: &Outcome,
    allow: impl FnOnce(Reader) -> Result<T, Fault>,
) -> Result<Vote<T>, Fault> {
    let r = Reader;
    Ok(match said.verdict {
        ALLOW => Vote::Allow(allow(r)?),
        NEXT => Vote::Next,
        DENY => Vote::Deny(
            r.code(said.code, "deny", codes::is_refusal, codes::REFUSALS)?,
            r.reason(said.reason)?,
        ),
        DISCONNECT => Vote::Disconnect(r.reason(said.reason)?),
        other => return Err(nonsense(hook.name(), other)),
    })
}

fn change(hook: Hook, said: &Outcome) -> Result<Change, Fault> {
    let r = Reader;
    Ok(match said.verdict {
        PASS => Change::Pass,
        DROP => Change::Drop(r.reason(said.reason)?),
        CHANGE => {
            let (patch, more) = match hook {
                Hook::Publish => r.publish_patch(said.publish)?,
                Hook::Will => (r.will_patch(said.will)?, Vec::new()),
                Hook::Deliver => (r.deliver_patch(said.deliver)?, Vec::new()),
                _ => return Err(nonsense(hook.name(), said.verdict)),
            };
            Change::Patch(Box::<Patch>::new(patch), more)
        }
        other => return Err(nonsense(hook.name(), other)),
    })
}

fn routed(hook: Hook, said: &Outcome) -> Result<Routed, Fault> {
    let r = Reader;
    Ok(match said.verdict {
        PASS => Routed::default(),
        DROP => Routed {
            drop: Some(r.reason(said.reason)?),
            ..Routed::default()
        },
        CHANGE => r.routed(said.routed)?,
        other => return Err(nonsense(hook.name(), other)),
    })
}

fn connect(hook: Hook, said: &Outcome) -> Result<ConnectChange, Fault> {
    let r = Reader;
    Ok(match said.verdict {
        PASS => ConnectChange::Pass,
        CHANGE => ConnectChange::Patch(Box::new(r.connect_patch(said.connect)?)),
        REJECT => {
            let code = r.code(
                said.code,
                "reject",
                codes::is_connack_refusal,
                codes::CONNACK_REFUSALS,
            )?;
            ConnectChange::Reject {
                code: code.unwrap_or(ReasonCode::NOT_AUTHORIZED),
                reason: r
                    .reason(said.reason)?
                    .unwrap_or_else(|| "rejected by a policy".into()),
            }
        }
        REDIRECT => ConnectChange::Redirect {
            server: r
                .text("server", said.server)?
                .map(Arc::from)
                .ok_or_else(|| Fault::answer("it redirects without a `server`"))?,
            for_good: match said.permanently {
                0 => false,
                1 => true,
                other => return Err(Fault::answer(format!("`permanently` is {other}; it is 0 or 1"))),
            },
        },
        other => return Err(nonsense(hook.name(), other)),
    })
}

fn controlled(hook: Hook, said: &Outcome) -> Result<Controlled, Fault> {
    let r = Reader;
    Ok(match said.verdict {
        PASS => Controlled::default(),
        CHANGE => r.controlled(said.controlled)?,
        DISCONNECT => {
            let code = r.code(said.code, "disconnect", codes::is_disconnect, codes::DISCONNECTS)?;
            let why = r.reason(said.reason)?;
            Controlled {
                disconnect: Some((
                    code.unwrap_or(ReasonCode::NOT_AUTHORIZED),
                    why.unwrap_or_else(|| "a policy ended the login".into()),
                )),
                ..Controlled::default()
            }
        }
        other => return Err(nonsense(hook.name(), other)),
    })
}

/// An answer that the hook does not have.
pub(super) fn nonsense(hook: &str, verdict: i32) -> Fault {
    let name = match verdict {
        0 => " (NEXT or PASS)",
        ALLOW => " (ALLOW)",
        DENY => " (DENY)",
        DISCONNECT => " (DISCONNECT)",
        DROP => " (DROP)",
        DONE => " (DONE)",
        CHANGE => " (CHANGE)",
        CONTINUE => " (CONTINUE)",
        REJECT => " (REJECT)",
        REDIRECT => " (REDIRECT)",
        NUMBER => " (NUMBER)",
        ANSWERED => " (ANSWERED)",
        PENDING => " (PENDING)",
        _ => "",
    };
    Fault::answer(format!(
        "{hook} answered {verdict}{name}, which is no answer of it"
    ))
}

const _: () = assert!(NEXT == PASS && ABSENT != NEXT);
