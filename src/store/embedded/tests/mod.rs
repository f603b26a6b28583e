//! The store's tests: what it keeps, and what it does when the disk does not.

mod kept;
mod support;
