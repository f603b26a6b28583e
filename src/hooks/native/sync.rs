//! The locks and atomics that [`tickets`](super::tickets) is made of. The model in `tests/models` puts others in their place,
//! which try every order of events.

pub(super) use parking_lot::{Mutex, RwLock};
pub(super) use std::sync::Arc;
pub(super) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
