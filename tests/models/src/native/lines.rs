//! How much an instance may write to the log: nothing of that is tried here.

#[derive(Debug, Default)]
pub struct Lines(());
