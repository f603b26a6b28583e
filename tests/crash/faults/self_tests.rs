//! The disk that fails, with a program of the system on it that writes records of a kilobyte and syncs.

use std::fs;
use std::process::{Command, Output};

use super::disk::{Disk, Done, EIO, ENOSPC, Tell, loss};
use super::power;
use crate::random::Random;
use crate::support::broker::folder;

fn with(test: impl FnOnce(&Disk)) {
    let data = folder();
    fs::create_dir(data.join("store")).unwrap();
    test(&Disk::new(&data, 7));
    fs::remove_dir_all(data).unwrap();
}

/// Writes three records of a kilobyte behind `skip` of them.
fn dd(disk: &Disk, skip: u32) -> Output {
    let wrapper = disk.wrapper();
    let file = disk.store.join("1.log");
    Command::new(&wrapper[0])
        .args(&wrapper[1..])
        .args(["dd", "bs=1024", "count=3", "conv=notrunc,fdatasync"])
        .args([format!("seek={skip}"), format!("of={}", file.display())])
        .args(["if=/proc/self/exe".to_owned()])
        .output()
        .unwrap()
}

/// The file, as it is and as it was synced.
fn content(disk: &Disk) -> (Vec<u8>, Vec<u8>) {
    let read = |folder: &std::path::Path| fs::read(folder.join("1.log")).unwrap_or_default();
    (read(&disk.store), read(&disk.shadow))
}

#[test]
fn a_healthy_disk_is_a_disk() {
    with(|disk| {
        assert!(dd(disk, 0).status.success());
        let (now, synced) = content(disk);
        assert_eq!((now.len(), now == synced), (3072, true));
        let counts = [Done::Writes, Done::Bytes, Done::Syncs, Done::Creates].map(|what| disk.done(what));
        assert_eq!(counts, [3, 3072, 1, 1]);
    });
}

#[test]
fn a_full_disk_takes_a_part_first() {
    with(|disk| {
        disk.tell(Tell::Budget, 1500);
        disk.tell(Tell::WriteError, ENOSPC);
        let output = dd(disk, 0);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && told.contains("No space left"),
            "{told}"
        );
        assert_eq!(content(disk).0.len(), 1500);
        assert_eq!(
            (disk.done(Done::ShortWrites), disk.done(Done::RefusedWrites)),
            (1, 1)
        );
        disk.heal();
        assert!(dd(disk, 0).status.success());
    });
}

#[test]
fn a_failed_sync_loses_what_it_was_about() {
    with(|disk| {
        assert!(dd(disk, 0).status.success());
        disk.tell(Tell::Loss, loss::AT_ONCE);
        disk.tell(Tell::SyncError, EIO);
        disk.tell(Tell::SyncFailures, 1);
        assert!(!dd(disk, 3).status.success());
        // It syncs once more, which works, and is worth nothing.
        let (now, synced) = content(disk);
        assert!(now.len() == 6144 && now == synced);
        assert!(now.starts_with(b"\x7fELF") && now[3072..].iter().all(|byte| *byte == 0));
        assert_eq!(
            (disk.done(Done::FailedSyncs), disk.done(Done::LostBytes)),
            (1, 3072)
        );
        assert!(dd(disk, 6).status.success(), "one sync was to fail");
    });
}

#[test]
fn death_comes_in_a_write_and_before_a_sync() {
    with(|disk| {
        disk.tell(Tell::KillInWrite, 3);
        assert!(!dd(disk, 0).status.success());
        let length = content(disk).0.len() as u64;
        assert!((2048..3072).contains(&length), "{length}");
        assert_eq!(
            (disk.done(Done::Killed), disk.done(Done::TornBytes)),
            (1, length - 2048)
        );
        disk.tell(Tell::KillInSync, 1);
        assert!(!dd(disk, 3).status.success());
        assert_eq!((disk.done(Done::Killed), content(disk).1.len()), (2, 0));
    });
}

#[test]
fn lost_power_leaves_what_was_synced() {
    with(|disk| {
        let mut random = Random::new(3);
        let mut lost = 0;
        for _ in 0..20 {
            assert!(dd(disk, 0).status.success());
            let synced = content(disk).1;
            fs::write(disk.shadow.join("1.log.named"), "").unwrap();
            disk.tell(Tell::KillInSync, 1);
            assert!(!dd(disk, 3).status.success());
            lost += power::cut(disk, &mut random).bytes;
            assert!(content(disk).0.starts_with(&synced));
            fs::remove_file(disk.store.join("1.log")).unwrap();
            fs::remove_file(disk.shadow.join("1.log")).unwrap();
        }
        assert!(lost > 0);
    });
}
