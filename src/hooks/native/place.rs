//! Who may have put a plugin where it is. Its code will run with all rights of the broker, so whoever can write to it has them.

use super::Refusal;
use rustix::process::geteuid;
use std::fs::{File, Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// So long a file must not have changed before it is believed to be whole.
const SETTLED: Duration = Duration::from_millis(200);
/// So long at most that is waited for: a clock may be wrong.
const AT_MOST: Duration = Duration::from_secs(2);

/// Written to by the group, or by everybody.
const OTHERS_WRITE: u32 = 0o022;

/// Opens the file, if it and its folder belong to the broker's user or to root, and nobody else can write to them. What is read from it
/// then is what was looked at, whatever lies under its name by then.
///
/// # Errors
/// Which of them does not, and what to type.
pub(super) fn open(file: &Path) -> Result<File, Refusal> {
    let real = file.canonicalize().map_err(missing)?;
    // A pipe would be waited for until somebody writes to it.
    let open = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(&real)
        .map_err(missing)?;
    let about = open.metadata().map_err(missing)?;
    if !about.is_file() {
        return Err(Refusal::new("is no file").help("write the path of the shared library itself"));
    }
    safe(&about, "the file", &real)?;
    let folder = real.parent().unwrap_or(Path::new("/"));
    safe(&folder.metadata().map_err(missing)?, "its folder", folder)?;
    Ok(open)
}

/// Whether nobody else can put or replace anything in this folder.
///
/// # Errors
/// As [`open`].
pub(super) fn is_ours(folder: &Path) -> Result<(), Refusal> {
    let about = folder.metadata().map_err(missing)?;
    safe(&about, "the folder for copies", folder)
}

/// All of a file that is safe, once nobody has written to it for a moment: whoever copies it is not done while he writes.
///
/// # Errors
/// As [`open`].
pub(super) fn read(file: &Path) -> Result<Vec<u8>, Refusal> {
    let began = Instant::now();
    loop {
        let mut open = open(file)?;
        let changed = open
            .metadata()
            .and_then(|about| about.modified())
            .map_err(missing)?;
        let rested = SystemTime::now().duration_since(changed);
        match rested {
            Ok(rested) if rested < SETTLED && began.elapsed() < AT_MOST => {
                std::thread::sleep(SETTLED - rested);
            }
            _ => {
                let mut bytes = Vec::new();
                open.read_to_end(&mut bytes).map_err(missing)?;
                return Ok(bytes);
            }
        }
    }
}

fn missing(error: std::io::Error) -> Refusal {
    Refusal::new(format!("cannot be read: {error}"))
        .help("write the path of a plugin, such as plugins/libfirst.so")
}

fn safe(about: &Metadata, what: &str, path: &Path) -> Result<(), Refusal> {
    let (owner, us) = (about.uid(), geteuid().as_raw());
    if owner != 0 && owner != us {
        return Err(Refusal::new(format!(
            "{what} belongs to user {owner}, who could put anything there"
        ))
        .help(format!("chown {us} {}", path.display())));
    }
    // In a sticky folder, such as /tmp, others can add files but not replace this one.
    let sticky = about.is_dir() && about.mode() & 0o1000 != 0;
    if about.mode() & OTHERS_WRITE != 0 && !sticky {
        return Err(Refusal::new(format!(
            "{what} can be written to by others (mode {:o})",
            about.mode() & 0o7777
        ))
        .help(format!("chmod go-w {}", path.display())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_others_can_write_to_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("libx.so");
        fs::write(&file, "x").unwrap();
        let mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        mode(&file, 0o644);
        assert!(open(&file).is_ok());
        mode(&file, 0o664);
        let refused = open(&file).unwrap_err();
        assert_eq!(refused.what, "the file can be written to by others (mode 664)");
        assert_eq!(
            refused.help,
            Some(format!("chmod go-w {}", file.canonicalize().unwrap().display()))
        );
        mode(&file, 0o644);
        mode(folder.path(), 0o777);
        assert!(
            open(&file)
                .unwrap_err()
                .what
                .starts_with("its folder can be written to by others")
        );
        mode(folder.path(), 0o1777);
        assert!(open(&file).is_ok());
        assert_eq!(open(folder.path()).unwrap_err().what, "is no file");
        let pipe = folder.path().join("pipe");
        let named = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(named.success());
        assert_eq!(open(&pipe).unwrap_err().what, "is no file");
        assert!(
            open(&folder.path().join("none"))
                .unwrap_err()
                .what
                .starts_with("cannot be read: No such file")
        );
    }
}
