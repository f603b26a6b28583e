//! Answers, now or later.

use super::give::Give;
use super::host::Host;
use crate::abi::{self, Outcome, Prefixed, Slice};
use std::cell::Cell;
use std::fmt::Display;
use std::marker::PhantomData;

/// What a hook returns: an answer, the promise of one, or that it could not find one.
///
/// Anything that a hook answers turns into it: `Login::Next.into()`.
#[derive(Debug)]
pub enum Answer<T> {
    /// This.
    Now(T),
    /// A [`Ticket`] was taken, and will be completed.
    Later,
    /// The hook failed, and why: the entry's `on_error` decides.
    Failed(String),
}

impl<T> Answer<T> {
    /// The hook failed.
    pub fn failed(why: impl Display) -> Self {
        Answer::Failed(why.to_string())
    }
}

impl<T> From<T> for Answer<T> {
    fn from(answer: T) -> Self {
        Answer::Now(answer)
    }
}

/// The chance to answer a hook later.
///
/// Take the ticket, hand it to whoever finds the answer, and return [`Answer::Later`].
#[derive(Debug)]
pub struct Later<'a, T: Give> {
    host: &'a Host,
    number: u64,
    taken: Cell<bool>,
    answers: PhantomData<fn(T)>,
}

impl<'a, T: Give> Later<'a, T> {
    pub(super) fn new(host: &'a Host, number: u64) -> Self {
        Self {
            host,
            number,
            taken: Cell::new(false),
            answers: PhantomData,
        }
    }

    /// The ticket. There is one: who takes a second gets one that leads nowhere.
    pub fn ticket(&self) -> Ticket<T> {
        Ticket {
            host: self.host.clone(),
            number: if self.taken.replace(true) { 0 } else { self.number },
            answers: PhantomData,
        }
    }

    /// The integer that the hook returns for `answer`.
    pub(super) fn settle(&self, answer: Answer<T>) -> i32 {
        match (answer, self.taken.get()) {
            (Answer::Later, true) => abi::PENDING,
            (Answer::Later, false) => {
                self.host
                    .error("the hook answered `Later` without taking the ticket");
                abi::ERROR
            }
            (Answer::Now(_), true) => {
                self.host.error("the hook took the ticket and answered at once");
                abi::ERROR
            }
            (Answer::Failed(why), true) => {
                self.host.error(&why);
                abi::ERROR
            }
            (Answer::Now(answer), false) => match answer.plain() {
                Some(verdict) => verdict,
                None => match give(self.host, self.number, &answer) {
                    abi::OK => abi::ANSWERED,
                    _ => abi::ERROR,
                },
            },
            (Answer::Failed(why), false) => match fail(self.host, self.number, &why) {
                abi::OK => abi::ANSWERED,
                _ => abi::ERROR,
            },
        }
    }
}

fn give<T: Give>(host: &Host, ticket: u64, answer: &T) -> i32 {
    let mut status = abi::INVALID;
    answer.show(&mut |outcome| status = host.complete(ticket, outcome));
    status
}

fn fail(host: &Host, ticket: u64, why: &str) -> i32 {
    host.complete(
        ticket,
        &Outcome {
            verdict: abi::ERROR,
            reason: Slice::text(why),
            ..Outcome::blank()
        },
    )
}

/// The duty to answer a hook, once, from any thread. Dropping it answers with an error.
#[derive(Debug)]
#[must_use = "dropping a ticket answers the hook with an error"]
pub struct Ticket<T: Give> {
    host: Host,
    /// 0 when there is nothing to answer (any more).
    number: u64,
    answers: PhantomData<fn(T)>,
}

impl<T: Give> Ticket<T> {
    /// Answers. Whether the host still wanted to know: it is `false` after the hook's deadline and after the
    /// generation's end, and then nothing happened.
    pub fn complete(mut self, answer: T) -> bool {
        let number = std::mem::take(&mut self.number);
        number != 0 && give(&self.host, number, &answer) == abi::OK
    }

    /// Answers that no answer was found, and why.
    pub fn fail(mut self, why: impl Display) -> bool {
        let number = std::mem::take(&mut self.number);
        number != 0 && fail(&self.host, number, &why.to_string()) == abi::OK
    }
}

impl<T: Give> Drop for Ticket<T> {
    fn drop(&mut self) {
        if self.number != 0 {
            fail(
                &self.host,
                self.number,
                "the plugin dropped the ticket without an answer",
            );
        }
    }
}
