//! The order in which one chain takes over from another on a shard.
//!
//! *Invariant*: a plugin that is in both does not cease to serve in between. (`tests/models` tries this in every order of events.)

use std::rc::Rc;

/// Puts `next` in the place of the chain that serves, which is the answer.
pub(super) fn take_over<C>(
    place: &mut Rc<C>,
    next: Rc<C>,
    begin: impl FnOnce(&Rc<C>),
    cease: impl FnOnce(&Rc<C>),
) -> Rc<C> {
    let before = std::mem::replace(place, next);
    begin(place);
    cease(&before);
    before
}
