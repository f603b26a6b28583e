//! What a failed sync has lost is wanted by a reader before it is written again: it waits, or gets it from elsewhere, and skips
//! nothing. Nobody dies here, so nothing comes again because of that.

use std::time::Duration;

use super::disk::{Done, EIO, Tell, loss};
use super::stage::{Stage, rounds};
use crate::alone;

const ROUNDS: u32 = 8;
const PATIENCE: Duration = Duration::from_secs(5);

#[test]
fn readers_skip_nothing_that_a_failed_sync_lost() {
    alone(async {
        let settings = [
            "store.fsync=\"always\"",
            "store.segment=\"1MiB\"",
            "limits.queue_messages=20",
        ];
        let mut stage = Stage::new("reads behind a failed sync", &settings).await;
        stage.disk.tell(Tell::Loss, loss::AT_ONCE);
        stage.disk.tell(Tell::SyncError, EIO);
        for _ in 0..rounds(ROUNDS) {
            stage.load(60..160).await;
            let before = stage.disk.done(Done::FailedSyncs);
            stage.disk.tell(Tell::SyncFailures, 1);
            let failed = stage.disk.until(Done::FailedSyncs, before + 1, PATIENCE).await;
            assert!(failed, "no sync failed: {}", stage.account());
            stage.tell("a sync failed");
            if stage.is_wrong() {
                break;
            }
        }
        let lost = stage.disk.done(Done::LostBytes);
        assert!(lost > 0, "nothing was lost with a sync: {}", stage.account());
        stage.finish().await;
    });
}
