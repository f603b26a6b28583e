//! The broker's `src/hooks/native`, as far as it is tried: its own files, and in the place of the others as much as these ask for.

#[path = "../../../../src/hooks/native/desk.rs"]
#[allow(dead_code, reason = "the models do not use all of it")]
mod desk;
#[path = "../../../../src/hooks/native/errands.rs"]
#[allow(dead_code, reason = "the models do not use all of it")]
mod errands;
#[path = "../../../../src/hooks/native/instance.rs"]
#[allow(dead_code, reason = "the models do not use all of it")]
mod instance;
#[path = "../../../../src/hooks/native/lives.rs"]
#[allow(dead_code, reason = "the models do not use all of it")]
mod lives;
#[path = "../../../../src/hooks/chain/succession.rs"]
mod succession;
#[path = "../../../../src/hooks/native/tickets.rs"]
mod tickets;
#[path = "../../../../src/hooks/native/world.rs"]
#[allow(dead_code, reason = "the models do not use all of it")]
mod world;

mod answer;
mod control;
mod declared;
mod image;
mod lines;
pub mod models;
mod sync;
mod table;

/// Why an instance does not serve.
#[derive(Debug)]
struct Refusal {
    #[allow(dead_code, reason = "for whoever looks at a model that fails")]
    what: String,
}

impl Refusal {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }
}
