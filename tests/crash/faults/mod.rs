//! The same load with faults beneath the store, which `tests/support/faulty_disk.c` makes: a full disk, a disk that fails, syncs that
//! fail, deaths in the middle of a write, power that is lost, a bit that has turned.
//!
//! `DUNLIN_FAULTS_ROUNDS`: how often each of the tests that have rounds does it; `DUNLIN_CRASH_SEED` as ever.

mod deaths;
mod disk;
mod outage;
mod power;
mod reads;
mod rot;
mod self_tests;
mod stage;
mod syncs;
