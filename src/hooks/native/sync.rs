//! The locks, atomics and threads that an instance's tickets, errands and end are made of. The models in `tests/models` put others
//! in their place, which try every order of events.

pub(super) use parking_lot::{Condvar, Mutex, RwLock};
pub(super) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
pub(super) use std::thread;
