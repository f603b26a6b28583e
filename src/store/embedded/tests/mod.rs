//! The store's tests: what it keeps, and what it does when the disk does not.

mod damaged;
mod faults;
mod kept;
mod model;
mod observe;
mod ring;
mod sim;
mod support;
mod trouble;
