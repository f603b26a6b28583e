//! The report of a rollback: which generation, why, and the calls that counted against it.

use crate::hooks::generation::Generation;
use crate::hooks::watch::Offence;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What is reported.
pub(super) struct Incident<'a> {
    pub(super) generation: &'a Generation,
    pub(super) back_to: Option<&'a Generation>,
    pub(super) why: String,
    pub(super) offences: Vec<Offence>,
}

impl Incident<'_> {
    /// Writes the report into the data folder, and says where it is. A report that cannot be written is no reason not to
    /// roll back.
    pub(super) fn write(&self, data: Option<&Path>) -> Option<PathBuf> {
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let report = json!({
            "at": now,
            "generation": self.generation.number(),
            "hash": self.generation.hash(),
            "policies": self.generation.records(),
            "back_to": self.back_to.map(Generation::number),
            "why": self.why,
            "calls": self.offences,
        });
        let folder = data?.join("incidents");
        let name = format!(
            "{}-generation-{}.json",
            now.replace(':', ""),
            self.generation.number()
        );
        let path = folder.join(name);
        let written =
            std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, format!("{report:#}\n")));
        match written {
            Ok(()) => Some(path),
            Err(error) => {
                tracing::warn!(%error, "the incident report could not be written");
                None
            }
        }
    }
}
