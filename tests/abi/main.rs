//! Shared libraries that are wrong, each in one way, and the plugins of ABI 1.0: what `dunlin check` says of them, and what a broker
//! that serves does with them. README.md here has the tables; `-- --nocapture` shows what was said. All are built here.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod building;
mod built;
mod checked;
mod ending;
mod late;
mod panics;
mod replaced;
mod retried;
mod serving;
