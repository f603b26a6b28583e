//! How things look on the disk. A change here needs a new [`VERSION`](super::folder::VERSION).

pub(super) mod body;
pub(super) mod draft;
pub(super) mod frame;
pub(super) mod op;
pub(super) mod record;
mod sealed;
pub(super) mod segment;
mod wire;
