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
    /// Answers. Whether the host took it: it is `false` after the hook's deadline and after the generation's end, when
    /// nothing happened, and for an answer that the host cannot read, which counts as a failure of the hook.
    pub fn complete(mut self, answer: T) -> bool {
        let number = std::mem::take(&mut self.number);
        if number == 0 {
            return false;
        }
        let status = give(&self.host, number, &answer);
        if status == abi::INVALID {
            // The ticket is open still, and a client waits for it.
            fail(
                &self.host,
                number,
                "the plugin gave an answer that makes no sense",
            );
        }
        status == abi::OK
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdk::{Access, Login};
    use std::ffi::c_void;
    use std::sync::Mutex;

    /// A host that takes nothing but errors, and remembers what it was told.
    fn host(told: &Mutex<Vec<(u64, i32)>>) -> Host {
        unsafe extern "C" fn complete(ctx: *mut c_void, ticket: u64, outcome: *const Outcome) -> i32 {
            // SAFETY: the test's list, and an outcome that is good for the call.
            let (told, outcome) = unsafe { (&*ctx.cast::<Mutex<Vec<(u64, i32)>>>(), &*outcome) };
            told.lock().unwrap().push((ticket, outcome.verdict));
            match outcome.verdict {
                abi::ERROR => abi::OK,
                _ => abi::INVALID,
            }
        }
        let table = abi::Host {
            ctx: std::ptr::from_ref(told).cast_mut().cast(),
            complete: Some(complete),
            ..abi::Host::blank()
        };
        // SAFETY: the table is copied, and the list outlives the host.
        unsafe { Host::read(&raw const table) }.unwrap()
    }

    #[test]
    fn a_hook_is_not_left_waiting_for_an_answer_that_the_host_cannot_read() {
        let told = Mutex::default();
        let host = host(&told);
        let later = Later::<Login>::new(&host, 7);
        assert!(!later.ticket().complete(Login::deny("why")));
        assert_eq!(*told.lock().unwrap(), [(7, abi::DENY), (7, abi::ERROR)]);
        assert_eq!(later.settle(Answer::Later), abi::PENDING);
    }

    #[test]
    fn a_ticket_answers_once() {
        let told = Mutex::default();
        let host = host(&told);
        let later = Later::<Access>::new(&host, 8);
        assert!(later.ticket().fail("no backend"));
        assert!(!later.ticket().complete(Access::Allow));
        drop(later.ticket());
        assert_eq!(*told.lock().unwrap(), [(8, abi::ERROR)]);
        drop(Later::<Access>::new(&host, 9).ticket());
        assert_eq!(told.lock().unwrap()[1..], [(9, abi::ERROR)]);
    }
}
