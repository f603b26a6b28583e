//! What the system tells about this process and its files.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Result;

pub const MIB: f64 = (1 << 20) as f64;

/// Resident memory in MiB: the process's own, and pages of mapped files, which the system may take back.
pub fn resident() -> Result<(f64, f64)> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let of = |name: &str| -> f64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib: Option<f64> = line.and_then(|rest| rest.trim_end_matches("kB").trim().parse().ok());
        kib.unwrap_or(0.0) / 1024.0
    };
    Ok((of("RssAnon:"), of("RssFile:")))
}

/// What a directory takes on disk, in MiB.
pub fn disk(dir: &Path) -> Result<f64> {
    let mut blocks = 0;
    each_file(dir, &mut |path| {
        // A file may go while it is looked at.
        blocks += std::fs::metadata(path).map_or(0, |file| file.blocks());
        Ok(())
    })?;
    Ok(blocks as f64 * 512.0 / MIB)
}

/// Drops the cached pages of a directory's files, which have to be read from the disk then.
pub fn make_cold(dir: &Path) -> Result<()> {
    each_file(dir, &mut |path| {
        let file = File::open(path)?;
        file.sync_all()?;
        Ok(rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?)
    })
}

pub fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn each_file(dir: &Path, visit: &mut dyn FnMut(&Path) -> Result<()>) -> Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            each_file(&entry.path(), visit)?;
        } else {
            visit(&entry.path())?;
        }
    }
    Ok(())
}
