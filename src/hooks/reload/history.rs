//! Who loaded what, when, and how it went: the log of policies. It is kept in a file, so that it outlives the process.

use crate::hooks::error::LoadError;
use crate::hooks::generation::Generation;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How many records are kept.
const RECORDS: usize = 1000;
/// How many generations are kept whole, for comparing.
const GENERATIONS: usize = 8;
/// The log's file, in the data folder: one JSON object a line.
const FILE: &str = "policy-log.jsonl";
/// The file is written anew when it is so large: then it holds many more records than are kept.
const FILE_BYTES: u64 = 4 << 20;

/// Why something was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// The broker started.
    Start,
    /// A file changed.
    Files,
    /// SIGHUP.
    Signal,
    /// `dunlin ctl`.
    Operator,
    /// The generation was watched, and left its bounds.
    Watch,
}

/// One thing that happened to the policies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When, as in RFC 3339.
    pub at: String,
    /// What: `in force`, `refused` or `rolled back`.
    pub what: String,
    /// Why.
    pub by: Trigger,
    /// Which generation; `None` where it never became one.
    pub generation: Option<u64>,
    /// Its hash.
    pub hash: Option<String>,
    /// Its policies.
    #[serde(default)]
    pub policies: Vec<PolicyRecord>,
    /// What was wrong.
    #[serde(default)]
    pub errors: Vec<String>,
    /// How long it took in all, in milliseconds.
    #[serde(default)]
    pub took_ms: f64,
    /// How long the swap itself took on the slowest shard, in microseconds.
    #[serde(default)]
    pub swap_us: f64,
}

/// A policy in a [`Record`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRecord {
    /// What logs and metrics call it.
    pub name: String,
    /// Its script.
    pub file: String,
    /// SHA-256 of the script, in hex.
    pub hash: String,
}

/// The records, and the last generations.
pub(super) struct History {
    records: VecDeque<Record>,
    generations: VecDeque<Arc<Generation>>,
    path: Option<PathBuf>,
}

impl History {
    /// Goes on with what `data` holds.
    pub(super) fn new(data: Option<&Path>) -> Self {
        let path = data.map(|data| data.join(FILE));
        let mut history = Self {
            records: VecDeque::new(),
            generations: VecDeque::new(),
            path,
        };
        if let Some(file) = history.path.as_ref().and_then(|path| File::open(path).ok()) {
            for line in BufReader::new(file).lines().map_while(Result::ok) {
                // A line that was cut off by a crash is left out.
                if let Ok(record) = serde_json::from_str(&line) {
                    history.keep(record);
                }
            }
        }
        history
    }

    pub(super) fn records(&self) -> Vec<Record> {
        self.records.iter().cloned().collect()
    }

    pub(super) fn generation(&self, number: u64) -> Option<Arc<Generation>> {
        let mut found = self.generations.iter().rev();
        found.find(|generation| generation.number() == number).cloned()
    }

    pub(super) fn in_force(
        &mut self,
        generation: &Arc<Generation>,
        by: Trigger,
        took: Duration,
        swap: Duration,
    ) {
        if self.generation(generation.number()).is_none() {
            if self.generations.len() >= GENERATIONS {
                self.generations.pop_front();
            }
            self.generations.push_back(generation.clone());
        }
        self.add(Record {
            generation: Some(generation.number()),
            hash: Some(generation.hash().to_owned()),
            policies: generation.records(),
            took_ms: took.as_secs_f64() * 1e3,
            swap_us: swap.as_secs_f64() * 1e6,
            ..record("in force", by)
        });
    }

    pub(super) fn refused(&mut self, by: Trigger, errors: &[LoadError]) {
        self.add(Record {
            errors: errors.iter().map(LoadError::to_string).collect(),
            ..record("refused", by)
        });
    }

    pub(super) fn rolled_back(&mut self, generation: u64, by: Trigger, why: &str) {
        self.add(Record {
            generation: Some(generation),
            errors: vec![why.to_owned()],
            ..record("rolled back", by)
        });
    }

    fn add(&mut self, record: Record) {
        if let Err(error) = self.write(&record) {
            tracing::warn!(%error, "the log of policies could not be written");
        }
        self.keep(record);
    }

    fn keep(&mut self, record: Record) {
        if self.records.len() >= RECORDS {
            self.records.pop_front();
        }
        self.records.push_back(record);
    }

    fn write(&self, record: &Record) -> std::io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        if std::fs::metadata(path).is_ok_and(|file| file.len() > FILE_BYTES) {
            self.write_anew(path)?;
        }
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)?
            .write_all(&line)
    }

    fn write_anew(&self, path: &Path) -> std::io::Result<()> {
        let new = path.with_extension("jsonl.new");
        let mut file = File::create(&new)?;
        for record in &self.records {
            serde_json::to_writer(&mut file, record)?;
            file.write_all(b"\n")?;
        }
        std::fs::rename(new, path)
    }
}

fn record(what: &str, by: Trigger) -> Record {
    Record {
        at: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
        what: what.to_owned(),
        by,
        generation: None,
        hash: None,
        policies: Vec::new(),
        errors: Vec::new(),
        took_ms: 0.0,
        swap_us: 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::hooks::HookDefaults;

    #[test]
    fn it_outlives_the_process_and_stays_small() {
        let data = tempfile::tempdir().unwrap();
        let mut history = History::new(Some(data.path()));
        let generation = Arc::new(Generation::empty(3, HookDefaults::default()));
        history.in_force(
            &generation,
            Trigger::Start,
            Duration::from_millis(2),
            Duration::ZERO,
        );
        for _ in 0..RECORDS + 5 {
            history.rolled_back(3, Trigger::Watch, "x");
        }
        let path = data.path().join(FILE);
        let mut cut = OpenOptions::new().append(true).open(&path).unwrap();
        cut.write_all(b"{\"at\": \"2026").unwrap();
        let again = History::new(Some(data.path()));
        assert_eq!(again.records(), history.records());
        assert_eq!(again.records().len(), RECORDS);
        assert!(history.generation(3).is_some() && again.generation(3).is_none());
    }
}
