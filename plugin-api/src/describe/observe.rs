//! Hooks that are told of something afterwards.

use super::records::{ACKED as ACKED_EVENT, DISCONNECT as DISCONNECT_EVENT, DROPPED as DROPPED_EVENT};
use super::records::{SESSION_END as SESSION_END_EVENT, SESSION_START as SESSION_START_EVENT};
use super::{CTX, Description, Field, Form, PLAIN, Record, Type, Waits};

const OBSERVER: Description = Description {
    results: &[Form::nothing("what it returns does not matter")],
    waits: Waits::Always,
    failure: "it is counted",
    ..PLAIN
};

const fn event(of: &'static Record) -> Field {
    Field::new("event", Type::Record(of), "what happened")
}

pub(super) const SESSION_START: Description = Description {
    parameters: &[CTX, event(&SESSION_START_EVENT)],
    ..OBSERVER
};

pub(super) const SESSION_END: Description = Description {
    parameters: &[CTX, event(&SESSION_END_EVENT)],
    ..OBSERVER
};

pub(super) const DISCONNECT: Description = Description {
    parameters: &[CTX, event(&DISCONNECT_EVENT)],
    ..OBSERVER
};

pub(super) const ACKED: Description = Description {
    parameters: &[
        Field {
            doc: "the receiver",
            ..CTX
        },
        event(&ACKED_EVENT),
    ],
    ..OBSERVER
};

pub(super) const DROPPED: Description = Description {
    parameters: &[
        Field {
            optional: true,
            doc: "who did not get it or could not publish it; nil when no client is concerned",
            ..CTX
        },
        event(&DROPPED_EVENT),
    ],
    ..OBSERVER
};
