//! What changed between two generations: their sources, compared line by line.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use similar::TextDiff;

use crate::admin::Failure;
use crate::admin::api::{Diff, DiffRequest, Record, Trigger};
use crate::hooks::{Generation, Reloader};

/// So long at most is the shortest difference looked for; then a longer one is good enough.
const PATIENCE: Duration = Duration::from_secs(1);

/// Compares the generations of `request`: by default the one in force with the one before.
pub(super) fn compare(reloader: &Reloader, request: DiffRequest) -> Result<Diff, Failure> {
    let numbers = numbers(&reloader.log());
    let current = reloader.status().generation;
    let to = request.to.unwrap_or(current);
    let from = match (request.from, request.to) {
        (Some(from), _) => Some(from),
        (None, Some(to)) => to.checked_sub(1).filter(|from| *from > 0),
        (None, None) => numbers.iter().rev().find(|number| **number != current).copied(),
    };
    let from =
        from.ok_or_else(|| Failure::NotFound(format!("there is no generation before generation {to}")))?;
    let find = |number: u64| {
        let found = reloader.generation(number);
        found.ok_or_else(|| {
            let mut known: Vec<u64> = numbers.clone();
            known.retain(|number| reloader.generation(*number).is_some());
            known.sort_unstable();
            known.dedup();
            let known: Vec<String> = known.iter().map(u64::to_string).collect();
            Failure::NotFound(format!(
                "the sources of generation {number} are not kept; those of {} are",
                known.join(", ")
            ))
        })
    };
    let new = find(to)?;
    let old = find(from)?;
    Ok(Diff {
        from,
        to,
        diff: unified(&old, &new),
    })
}

/// The generations that were in force since the broker started, in that order. They count from 1 each time.
fn numbers(log: &[Record]) -> Vec<u64> {
    let start = log.iter().rposition(|record| record.by == Trigger::Start);
    let ours = log.iter().skip(start.unwrap_or(0));
    ours.filter(|record| record.what == "in force")
        .filter_map(|record| record.generation)
        .collect()
}

/// The text of every file by its name; a module that two policies require is there once.
fn sources(generation: &Generation) -> BTreeMap<&str, String> {
    let files = generation.sources();
    files
        .map(|(file, text)| (file, String::from_utf8_lossy(&text).into_owned()))
        .collect()
}

fn unified(old: &Generation, new: &Generation) -> String {
    let (before, after) = (sources(old), sources(new));
    let names: BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
    let mut diff = String::new();
    for name in names {
        let side = |side: &BTreeMap<&str, String>, generation: &Generation| match side.get(name) {
            Some(text) => (
                text.clone(),
                format!("{name}\tgeneration {}", generation.number()),
            ),
            None => (String::new(), "/dev/null".to_owned()),
        };
        let ((old_text, old_name), (new_text, new_name)) = (side(&before, old), side(&after, new));
        if old_text != new_text {
            let compared = TextDiff::configure()
                .timeout(PATIENCE)
                .diff_lines(&old_text, &new_text);
            diff += &compared.unified_diff().header(&old_name, &new_name).to_string();
        }
    }
    diff
}
