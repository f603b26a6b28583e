//! What is tried. Each function tries every order of events of what it is given, and panics when one of them breaks a promise.

pub mod errands;
pub mod lives;
pub mod swap;
pub mod tickets;

mod plugin;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

/// Tries every order of `model`.
fn every_order(model: impl Fn() + Send + Sync + 'static) {
    check(None, model);
}

/// Tries those orders of `model` in which threads are interrupted at most so often where they need not be: for models that have
/// too many.
fn orders(interruptions: usize, model: impl Fn() + Send + Sync + 'static) {
    check(Some(interruptions), model);
}

fn check(interruptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(interruptions);
    let tried = Arc::new(AtomicUsize::new(0));
    let (counted, began) = (tried.clone(), Instant::now());
    builder.check(move || {
        counted.fetch_add(1, Relaxed);
        model();
    });
    println!("{} orders in {:.1?}", tried.load(Relaxed), began.elapsed());
}
