//! How reloading stands, for whoever asks.

use crate::hooks::error::LoadError;
use std::path::PathBuf;
use std::time::SystemTime;

/// How reloading stands.
#[derive(Debug, Clone)]
pub struct ReloadStatus {
    /// The generation in force.
    pub generation: u64,
    /// Its hash.
    pub hash: String,
    /// Since when it is in force.
    pub since: SystemTime,
    /// Swaps since the start.
    pub reloads: u64,
    /// Refused sets since the start.
    pub refusals: u64,
    /// Generations that were rolled back since the start.
    pub rollbacks: u64,
    /// The last refusal, until the files are good again.
    pub refused: Option<Refused>,
    /// Until when the generation is being watched.
    pub watched_until: Option<SystemTime>,
    /// The last generation that was rolled back, until another one is put in force.
    pub rolled_back: Option<RolledBack>,
}

/// A set of files that was not put in force.
#[derive(Debug, Clone)]
pub struct Refused {
    /// When.
    pub at: SystemTime,
    /// Why.
    pub errors: Vec<LoadError>,
}

/// A generation that was put in force and taken back.
#[derive(Debug, Clone)]
pub struct RolledBack {
    /// When.
    pub at: SystemTime,
    /// Which.
    pub generation: u64,
    /// Why.
    pub why: String,
    /// The incident report, if one was written.
    pub incident: Option<PathBuf>,
}
