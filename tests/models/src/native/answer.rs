//! Answers are numbers here.

use crate::hooks::lua::fault::Fault;
use dunlin_plugin_api::Hook;
use std::sync::Arc;

pub(super) type HandedOver = Option<(u32, Arc<[u8]>)>;

#[derive(Debug)]
pub(crate) enum Answered {
    Number(i32),
    #[allow(dead_code, reason = "nothing is handed over in a model")]
    State(HandedOver),
}

pub(crate) trait Said: Sized {
    fn of(answered: Answered) -> Option<Self>;
}

impl Said for i32 {
    fn of(answered: Answered) -> Option<Self> {
        match answered {
            Answered::Number(number) => Some(number),
            Answered::State(_) => None,
        }
    }
}

pub(super) fn plain(_: Hook, verdict: i32) -> Result<Answered, Fault> {
    Ok(Answered::Number(verdict))
}

pub(super) enum Asked {
    Hook(Hook),
    State,
}

impl Asked {
    pub(super) fn number(self) -> u32 {
        match self {
            Asked::Hook(hook) => hook as u32,
            Asked::State => u32::MAX,
        }
    }
}
