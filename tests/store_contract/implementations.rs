//! The stores that are asked, and how each is opened: empty, apart from all others that are open.

use std::sync::Arc;

use dunlin::store::memory::MemoryStore;

use crate::fixture::Fixture;
use crate::late::Late;

pub async fn memory() -> Fixture {
    Fixture::of_this_process(Arc::new(MemoryStore::default()))
}

/// That the promises are asked for without the assumption that a future is ready at once.
pub async fn late_memory() -> Fixture {
    Fixture::of_this_process(Arc::new(Late(MemoryStore::default())))
}
