//! A run in words: what there was, and what is wrong.

use crate::ledger::{Ledger, Place, seconds};

/// Ranges of lost messages that are told for each stream of a subscriber.
const RANGES: usize = 2;
/// Subscribers' streams that are told.
const STREAMS: usize = 20;

/// How much happened.
pub fn summary(ledger: &Ledger) -> String {
    let published: u64 = ledger.streams.iter().map(|stream| stream.sent()).sum();
    let kills = ledger.kills.iter();
    let down: u32 = kills.map(|kill| kill.up.saturating_sub(kill.at)).sum();
    let counts = &ledger.counts;
    format!(
        "{} deaths ({} ms down on average): {published} messages published, {} sent again; {} deliveries, {} of them QoS 1 \
         duplicates; {} sessions resumed, {} takeovers; {} retained messages looked at ({} looks cut short), {} wills",
        ledger.kills.len(),
        down / 10 / (ledger.kills.len() as u32).max(1),
        counts.resent,
        ledger.deliveries,
        ledger.duplicates,
        counts.resumed,
        counts.takeovers,
        counts.retained,
        counts.interrupted,
        ledger.wills.count(),
    )
}

/// All that is wrong at the end of a run, in lines; none if nothing is.
pub fn account(ledger: &Ledger) -> Vec<String> {
    let mut lines = Vec::new();
    for wrong in &ledger.violations {
        let at = seconds(wrong.at);
        let line = format!(
            "{}: {} (noticed at {at}, in round {})",
            wrong.kind,
            wrong.what,
            wrong.round + 1
        );
        lines.push(line);
    }
    if ledger.wrongs > ledger.violations.len() {
        let more = ledger.wrongs - ledger.violations.len();
        lines.push(format!("and {more} more that were noticed on the way"));
    }
    lines.extend(ledger.wills.wrong());
    lost(ledger, &mut lines);
    for stream in &ledger.streams {
        let numbers = 0..stream.sent();
        let waiting: Vec<u64> = numbers.filter(|n| !stream.is_acknowledged(*n)).collect();
        if let Some(first) = waiting.first() {
            let (count, name) = (waiting.len(), stream.name());
            let sent = ledger.when(stream.messages[*first as usize].0);
            lines.push(format!(
                "never acknowledged: {count} messages of {name}, the first number {first}, sent {sent}"
            ));
        }
    }
    if !lines.is_empty() {
        lines.push("round N begins with death N - 1:".to_owned());
        for (n, kill) in ledger.kills.iter().enumerate() {
            let (at, up) = (seconds(kill.at), seconds(kill.up));
            lines.push(format!("    death {} at {at}, serving again at {up}", n + 1));
        }
    }
    lines
}

/// Acknowledged messages that have not come.
fn lost(ledger: &Ledger, lines: &mut Vec<String>) {
    let mut all = Vec::new();
    for subscriber in &ledger.subscribers {
        for entry in &subscriber.entries {
            if let Place::Alone(view) = &entry.place {
                let missing = view.missing(ledger.streams[entry.stream].sent());
                all.push((subscriber.name.clone(), entry.stream, missing));
            }
        }
    }
    for group in &ledger.groups {
        for (n, together) in &group.streams {
            let missing = together.missing(ledger.streams[*n].sent());
            all.push((format!("the group {}", group.name), *n, missing));
        }
    }
    let acknowledged = |n: usize, missing: &[(u64, u64)]| {
        let numbers = missing.iter().flat_map(|(first, last)| *first..=*last);
        numbers
            .filter(|number| ledger.streams[n].is_acknowledged(*number))
            .count()
    };
    all.retain(|(_, n, missing)| acknowledged(*n, missing) > 0);
    if all.is_empty() {
        return;
    }
    let count: usize = all.iter().map(|(_, n, missing)| acknowledged(*n, missing)).sum();
    lines.push(format!("LOST: {count} deliveries of acknowledged messages"));
    for (who, n, missing) in all.iter().take(STREAMS) {
        let (count, stream) = (acknowledged(*n, missing), &ledger.streams[*n]);
        let (name, sent) = (stream.name(), stream.sent());
        lines.push(format!(
            "{who} has not got {count} acknowledged messages of {name}, of {sent}"
        ));
        for (first, last) in missing.iter().take(RANGES) {
            lines.push(format!("    from {}", ledger.told(*n, *first)));
            if last > first {
                lines.push(format!("      to {}", ledger.told(*n, *last)));
            }
        }
        if missing.len() > RANGES {
            lines.push(format!("    and {} more gaps", missing.len() - RANGES));
        }
    }
    if all.len() > STREAMS {
        let more = all.len() - STREAMS;
        lines.push(format!("and so with {more} more streams of subscribers"));
    }
}
