//! The socket of `dunlin ctl`: opened once for a data folder, and gone with the broker.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::config::Config;
use crate::listener::{BindAddress, BindError, BindOptions, ShardListener, bind};

/// Connections that the kernel may complete before they are accepted.
const BACKLOG: i32 = 64;
/// Who may open it: the broker's own user.
const MODE: u32 = 0o600;
/// Bytes of a Unix socket's path, with the zero at its end.
const LONGEST_PATH: usize = 108;

/// The open socket.
pub(super) struct Socket {
    pub(super) listener: UnixListener,
    pub(super) place: Place,
}

/// Where it is. Takes the file away when it is dropped.
pub(super) struct Place {
    pub(super) path: PathBuf,
    /// Held for as long as the broker runs: nobody else takes the file for one that a dead broker left.
    _lock: Option<File>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.path);
    }
}

/// Opens the socket, unless the configuration wants none.
///
/// # Errors
/// Another broker lives on this data folder, or the socket cannot be where it is to be; a sentence says what to change.
pub(super) fn open(config: &Config) -> anyhow::Result<Option<Socket>> {
    let Some(path) = config.admin_socket() else {
        return Ok(None);
    };
    let lock = lock(&config.server.data)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    check_folder(folder.unwrap_or(Path::new(".")))?;
    let length = path.as_os_str().len();
    if length >= LONGEST_PATH {
        bail!(
            "the admin socket cannot be at {}: its path has {length} bytes, and the system takes {} at most; set \
             admin.socket to a shorter one, such as \"/run/dunlin/dunlin.sock\", or to \"none\"",
            path.display(),
            LONGEST_PATH - 1
        );
    }
    let options = BindOptions {
        shards: 1,
        backlog: BACKLOG,
        unix_mode: MODE,
    };
    let bound =
        bind("admin", &BindAddress::Unix(path.clone()), options).map_err(|error| refused(&path, error))?;
    match bound.sockets.into_iter().next() {
        Some(ShardListener::Unix(listener)) => Ok(Some(Socket {
            listener,
            place: Place { path, _lock: lock },
        })),
        _ => bail!("the admin socket could not be opened"),
    }
}

/// One broker has a data folder. The system lets go of the lock with the process, however that ends.
fn lock(data: &Path) -> anyhow::Result<Option<File>> {
    fs::create_dir_all(data).with_context(|| {
        format!(
            "the data folder {} cannot be made; set --data to a folder that can be written",
            data.display()
        )
    })?;
    let folder =
        File::open(data).with_context(|| format!("the data folder {} cannot be opened", data.display()))?;
    match folder.try_lock() {
        Ok(()) => Ok(Some(folder)),
        Err(TryLockError::WouldBlock) => bail!(
            "another Dunlin runs on the data folder {}; stop it first, or give this one a folder of its own with --data",
            data.display()
        ),
        // A file system without locks. Whether somebody answers on the socket is looked at all the same.
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

/// Where everybody may write, anybody may put a socket of their own in the place of ours.
fn check_folder(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| {
        format!(
            "the folder {} of the admin socket cannot be made; set admin.socket to a path in a folder that can be written",
            folder.display()
        )
    })?;
    let found = fs::metadata(folder).with_context(|| format!("{} cannot be looked at", folder.display()))?;
    let mode = found.permissions().mode();
    let (all_may_write, sticky) = (mode & 0o002 != 0, mode & 0o1000 != 0);
    if all_may_write && !sticky {
        bail!(
            "the admin socket cannot be in {}: everybody may write there, and so put a socket of their own in its place; \
             take that right away (chmod o-w), or set admin.socket to a path in another folder",
            folder.display()
        );
    }
    Ok(())
}

fn refused(path: &Path, error: BindError) -> anyhow::Error {
    let path = path.display();
    match error {
        BindError::InUse { .. } => anyhow::anyhow!(
            "another Dunlin answers on the admin socket {path}; stop it first, or set admin.socket to another path"
        ),
        BindError::NotASocket { .. } => anyhow::anyhow!(
            "the admin socket cannot be at {path}: a file that is not a socket is there. Move it away, or set \
             admin.socket to another path"
        ),
        BindError::Denied { .. } => anyhow::anyhow!(
            "the admin socket cannot be at {path}: permission denied. Set admin.socket to a path in a folder that this \
             user may write to, or to \"none\""
        ),
        BindError::NotHere { .. } | BindError::Other { .. } => {
            anyhow::anyhow!("the admin socket cannot be at {path}: {error}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(data: &Path) -> Config {
        let mut config = Config::default();
        config.server.data = data.to_path_buf();
        config
    }

    fn refusal(config: &Config) -> String {
        match open(config) {
            Ok(_) => panic!("it was opened"),
            Err(error) => format!("{error:#}"),
        }
    }

    #[test]
    fn one_broker_a_data_folder_and_a_dead_one_leaves_nothing_that_is_in_the_way() {
        let data = tempfile::tempdir().unwrap();
        let config = config(data.path());
        let path = data.path().join("dunlin.sock");
        let first = open(&config).unwrap().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let second = refusal(&config);
        assert!(
            second.starts_with("another Dunlin runs on the data folder"),
            "{second}"
        );
        drop(first);
        assert!(!path.exists());
        // What a killed broker leaves: a file, and nobody behind it.
        drop(UnixListener::bind(&path).unwrap());
        drop(open(&config).unwrap().unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn places_that_are_not_safe_or_not_free_are_refused_with_what_to_do() {
        let data = tempfile::tempdir().unwrap();
        let mut config = config(&data.path().join("data"));
        let open_folder = data.path().join("open");
        fs::create_dir(&open_folder).unwrap();
        fs::set_permissions(&open_folder, fs::Permissions::from_mode(0o777)).unwrap();
        config.admin.socket = Some(open_folder.join("dunlin.sock"));
        let said = refusal(&config);
        assert!(
            said.contains("everybody may write there") && said.contains("chmod o-w"),
            "{said}"
        );
        fs::set_permissions(&open_folder, fs::Permissions::from_mode(0o1777)).unwrap();
        drop(open(&config).unwrap().unwrap());

        let file = data.path().join("file");
        fs::write(&file, "x").unwrap();
        config.admin.socket = Some(file.clone());
        assert!(refusal(&config).contains("a file that is not a socket is there"));
        assert_eq!(fs::read_to_string(file).unwrap(), "x");

        config.admin.socket = Some(data.path().join("x".repeat(120)));
        assert!(refusal(&config).contains("set admin.socket to a shorter one"));

        config.admin.socket = Some("none".into());
        assert!(open(&config).unwrap().is_none());
    }
}
