//! The broker dies in the middle of a write; the machine loses power.

use super::disk::{Done, Tell};
use super::stage::{Stage, rounds};
use crate::alone;

const TORN: u32 = 20;
const POWER: u32 = 10;
/// What the log says of a tail.
const TOLD: &str = "cut off";

#[test]
fn half_a_record_is_cut_off_and_told() {
    alone(async {
        let settings = ["store.fsync=\"interval\"", "store.segment=\"256KiB\""];
        let mut stage = Stage::new("half a record", &settings).await;
        let mut torn = 0;
        for _ in 0..rounds(TORN) {
            stage.load(20..120).await;
            let countdown = stage.random.between(1..12);
            let by_disk = stage.kill_by_disk(Tell::KillInWrite, countdown).await;
            let bytes = stage.disk.done(Done::TornBytes);
            stage.tell(format_args!(
                "killed in a write: {by_disk}, {bytes} bytes of it are there"
            ));
            stage.start().await;
            if by_disk && bytes > 0 {
                torn += 1;
                let words = stage.victim.words();
                if !words.contains(TOLD) {
                    let what = format!(
                        "{bytes} bytes of a write were there, and the log says nothing of them:\n{words}"
                    );
                    stage.world.wrong("not told", what);
                }
            }
            if stage.is_wrong() {
                break;
            }
        }
        println!("{torn} records were torn");
        assert!(torn > 0, "no record was torn: {}", stage.account());
        stage.load(100..300).await;
        stage.finish().await;
    });
}

#[test]
fn lost_power_loses_nothing_acknowledged() {
    alone(async {
        let settings = ["store.fsync=\"always\"", "store.segment=\"128KiB\""];
        let mut stage = Stage::new("lost power", &settings).await;
        let mut lost = 0;
        for _ in 0..rounds(POWER) {
            let delay = [0, 0, 5, 30, 200][stage.random.below(5) as usize];
            stage.disk.tell(Tell::SyncDelay, delay);
            stage.load(30..300).await;
            match stage.random.below(4) {
                0 => drop(stage.kill_by_disk(Tell::KillInWrite, 1).await),
                1 => drop(stage.kill_by_disk(Tell::KillInSync, 1).await),
                _ => stage.kill().await,
            }
            // Some deaths are followed by another before anything is synced, and only then goes the power: what was not synced
            // before the first of them is not synced because it was read.
            stage.disk.tell(Tell::SyncDelay, 0);
            if stage.random.percent(30) {
                stage.start().await;
                stage.disk.tell(Tell::SyncDelay, 500);
                stage.load(20..200).await;
                stage.kill().await;
                stage.disk.tell(Tell::SyncDelay, 0);
            }
            lost += stage.lose_power().bytes;
            stage.start().await;
            if stage.is_wrong() {
                break;
            }
        }
        println!("{lost} bytes were lost with the power");
        assert!(lost > 0, "nothing was lost with the power");
        stage.load(100..300).await;
        stage.finish().await;
    });
}
