//! Syncs that fail, as on Linux: what the failed one was about is lost, and the next one says nothing of it. And writes that take
//! less than they are given, syncs that take long: nothing is to be seen of those.

use std::time::Duration;

use super::disk::{Done, EIO, Tell, loss};
use super::stage::{Stage, rounds};
use crate::alone;

const ROUNDS: u32 = 8;
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn a_failed_sync_loses_nothing_acknowledged() {
    alone(async {
        let settings = ["store.fsync=\"always\"", "store.segment=\"256KiB\""];
        let mut stage = Stage::new("a failed sync", &settings).await;
        for round in 0..rounds(ROUNDS) {
            stage.load(30..250).await;
            let failures = stage.random.between(1..4);
            let how = [loss::AT_ONCE, loss::SOME_PAGES, loss::WITH_THE_POWER, loss::NONE][round as usize % 4];
            let before = stage.disk.done(Done::FailedSyncs);
            stage.disk.tell(Tell::Loss, how);
            stage.disk.tell(Tell::SyncError, EIO);
            stage.disk.tell(Tell::SyncFailures, failures);
            // Now and then it dies while it does not know yet what to do.
            let wanted = if stage.random.percent(25) { 1 } else { failures };
            let failed = stage
                .disk
                .until(Done::FailedSyncs, before + wanted, PATIENCE)
                .await;
            assert!(failed, "no sync failed: {}", stage.account());
            stage.tell(format_args!("{wanted} syncs failed, loss {how}"));
            if wanted == failures {
                stage.load(0..400).await;
            }
            stage.kill().await;
            stage.disk.heal();
            if how == loss::WITH_THE_POWER {
                stage.lose_power();
            }
            stage.start().await;
            if stage.is_wrong() {
                break;
            }
        }
        let lost = stage.disk.done(Done::LostBytes);
        assert!(lost > 0, "nothing was lost with a sync: {}", stage.account());
        stage.load(100..300).await;
        stage.finish().await;
    });
}

#[test]
fn short_writes_and_late_syncs_are_harmless() {
    alone(async {
        let settings = ["store.fsync=\"always\"", "store.segment=\"256KiB\""];
        let mut stage = Stage::new("short writes", &settings).await;
        stage.disk.tell(Tell::ShortPercent, 90);
        stage.load(300..500).await;
        stage.kill().await;
        stage.start().await;
        stage.disk.tell(Tell::SyncDelay, 200);
        let before = stage.disk.done(Done::DelayedSyncs);
        for _ in 0..3 {
            stage.load(200..300).await;
        }
        stage.kill().await;
        stage.start().await;
        stage.disk.tell(Tell::SyncDelay, 0);
        stage.load(200..300).await;
        let (short, late) = (
            stage.disk.done(Done::ShortWrites),
            stage.disk.done(Done::DelayedSyncs),
        );
        assert!(short > 50 && late > before, "{}", stage.account());
        stage.finish().await;
    });
}
