//! Models of what threads do to a compiled plugin: the broker's own sources, included as they are, over locks and atomics that try
//! every order of events. `README.md` says which there are and what each is good for.

mod hooks;
mod native;

pub use native::models;
