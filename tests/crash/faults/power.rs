//! What a machine that loses power leaves of the store: all that was synced, and what was not in part, or not at all.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::disk::Disk;
use crate::random::Random;

/// What the disk writes at once.
const PAGE: usize = 4096;

/// How much became of what.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cut {
    /// Bytes that were written and are not there any more.
    pub bytes: u64,
    pub files_gone: u32,
    pub files_back: u32,
}

/// Takes the power away from the store of a broker that is dead.
pub fn cut(disk: &Disk, random: &mut Random) -> Cut {
    let mut cut = Cut::default();
    let (store, shadow) = (&disk.store, &disk.shadow);
    for name in names(store) {
        let (path, copy) = (store.join(&name), shadow.join(&name));
        let is_named = shadow.join(format!("{name}.named")).exists();
        if !is_named && random.percent(50) {
            cut.bytes += fs::metadata(&path).unwrap().len();
            cut.files_gone += 1;
            fs::remove_file(&path).unwrap();
            continue;
        }
        let (now, synced) = (fs::read(&path).unwrap(), fs::read(&copy).unwrap_or_default());
        let left = left(&now, &synced, random);
        cut.bytes += (now.len().max(left.len()) - common(&now, &left)) as u64;
        if left != now {
            fs::write(&path, &left).unwrap();
        }
    }
    for name in names(shadow) {
        let Some(gone) = name.strip_suffix(".gone") else {
            continue;
        };
        if !store.join(gone).exists() && random.percent(50) {
            fs::copy(shadow.join(&name), store.join(gone)).unwrap();
            cut.files_back += 1;
        }
    }
    // What is there now is on the disk.
    fs::remove_dir_all(shadow).unwrap();
    fs::create_dir(shadow).unwrap();
    for name in names(store) {
        fs::copy(store.join(&name), shadow.join(&name)).unwrap();
        fs::write(shadow.join(format!("{name}.named")), "").unwrap();
    }
    cut
}

/// What is left of a file: what is behind a random point is as it was synced; or each page is, or is not.
fn left(now: &[u8], synced: &[u8], random: &mut Random) -> Vec<u8> {
    let same = common(now, synced);
    if same == now.len() && same == synced.len() {
        return now.to_vec();
    }
    let (short, long) = (now.len().min(synced.len()), now.len().max(synced.len()));
    if random.percent(60) {
        let point = random.between(same as u64..long as u64 + 1) as usize;
        let mut left = now[..point.min(now.len())].to_vec();
        left.extend(synced.get(left.len()..).unwrap_or_default());
        return left;
    }
    let length = random.between(short as u64..long as u64 + 1) as usize;
    let mut left = vec![0; length];
    for from in (0..length).step_by(PAGE) {
        let source = if random.percent(50) { now } else { synced };
        let page = source.get(from..).unwrap_or_default();
        let n = page.len().min(PAGE).min(length - from);
        left[from..from + n].copy_from_slice(&page[..n]);
    }
    left
}

/// How long the two are the same.
fn common(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    files
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}
