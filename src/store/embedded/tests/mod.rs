//! The store's tests: what it keeps, and what it does when the disk does not.

mod faults;
mod kept;
mod model;
mod observe;
mod sim;
mod support;
