//! What a run is told: `DUNLIN_CRASH_ROUNDS`, `DUNLIN_CRASH_SEED`, `DUNLIN_CRASH_FSYNC`, `DUNLIN_CRASH_STORE`.

use std::fmt::Display;
use std::str::FromStr;

/// Kills in a run, unless it is told.
const ROUNDS: u32 = 12;

/// Whether the broker has a `[store]` section. `DUNLIN_CRASH_STORE` decides otherwise, 0 or 1.
const STORE: bool = true;

pub struct Settings {
    /// How often the broker is killed. None: one round of load that ends in peace.
    pub rounds: u32,
    pub seed: u64,
    /// `store.fsync`: "always", "interval" or "never". A killed process leaves the page cache, so all three have to hold.
    pub fsync: String,
    store: bool,
}

impl Settings {
    pub fn read() -> Settings {
        Settings {
            rounds: told("DUNLIN_CRASH_ROUNDS").unwrap_or(ROUNDS),
            seed: told("DUNLIN_CRASH_SEED").unwrap_or_else(super::random::seed),
            fsync: told("DUNLIN_CRASH_FSYNC").unwrap_or_else(|| "always".to_owned()),
            store: told::<u8>("DUNLIN_CRASH_STORE").map_or(STORE, |told| told != 0),
        }
    }

    /// What the broker is told of its store.
    pub fn store(&self) -> Vec<String> {
        if !self.store {
            return Vec::new();
        }
        vec![
            "store.engine=\"embedded\"".to_owned(),
            format!("store.fsync={:?}", self.fsync),
        ]
    }

    /// How to run this again.
    pub fn again(&self) -> String {
        let Settings {
            rounds, seed, fsync, ..
        } = self;
        format!("DUNLIN_CRASH_SEED={seed} DUNLIN_CRASH_ROUNDS={rounds} DUNLIN_CRASH_FSYNC={fsync}")
    }
}

pub fn told<T: FromStr<Err: Display>>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    let value = text.parse();
    Some(value.unwrap_or_else(|why| panic!("{name}={text}: {why}")))
}
