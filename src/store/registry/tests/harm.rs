//! What is refused, and with which words; and what heals by itself.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::super::database::{ABOUT, FORMAT};
use super::*;

#[tokio::test]
async fn a_key_that_is_missing_wrong_cut_or_open_to_others_is_refused() {
    let Harmed {
        folder,
        file,
        key,
        before,
        ..
    } = at_rest().await;
    let right = fs::read(&key).unwrap();

    fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
    says(
        &refusal(folder.path()),
        &[&shown(&key), "(its mode is 640)", "chmod 600"],
    );
    fs::set_permissions(&key, Permissions::from_mode(0o604)).unwrap();
    says(&refusal(folder.path()), &["can be read by others"]);
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();

    let whole = fs::read(&file).unwrap();
    fs::remove_file(&key).unwrap();
    let missing = [
        "is missing",
        &shown(&key),
        &shown(&file),
        "from a backup",
        "begin anew",
    ];
    says(&refusal(folder.path()), &missing);
    assert!(
        !key.exists() && fs::read(&file).unwrap() == whole,
        "something was made or changed"
    );

    let put = |bytes: &[u8]| {
        fs::write(&key, bytes).unwrap();
        fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    };
    put(&[7; 32]);
    says(
        &refusal(folder.path()),
        &["is not the key of", &shown(&key), &shown(&file)],
    );
    for bytes in [&right[..31], &[], &[0; 32], &[7; 33]] {
        put(bytes);
        says(
            &refusal(folder.path()),
            &["is not a key", &shown(&key), "from a backup"],
        );
        assert_eq!(fs::read(&key).unwrap(), bytes);
    }

    put(&right);
    assert_eq!(all(&open(folder.path())), before);
}

#[tokio::test]
async fn what_a_crash_leaves_at_the_very_beginning_heals() {
    for left in [&[][..], &[1; 31], &[0; 32], &[7; 32]] {
        let folder = tempfile::tempdir().unwrap();
        let key_file = folder.path().join("registry.key");
        fs::write(&key_file, left).unwrap();
        fs::set_permissions(&key_file, Permissions::from_mode(0o600)).unwrap();
        // Half a database under its first name.
        fs::write(folder.path().join("registry.redb.new"), [1; 5000]).unwrap();
        let registry = open(folder.path());
        registry.put(key("a"), value("a"), Expect::Nothing).await.unwrap();
        drop(registry);
        assert_eq!(open(folder.path()).len(), 1);
        assert!(!folder.path().join("registry.redb.new").exists());
        let used = fs::read(&key_file).unwrap();
        // A whole key is used: it may be from a backup.
        assert!(used.len() == 32 && used.iter().any(|byte| *byte != 0));
        assert_eq!(used == left, left == [7; 32]);
    }
    // What is no key and no crash has left.
    let folder = tempfile::tempdir().unwrap();
    let key_file = folder.path().join("registry.key");
    fs::write(&key_file, [7; 33]).unwrap();
    fs::set_permissions(&key_file, Permissions::from_mode(0o600)).unwrap();
    says(&refusal(folder.path()), &["is not a key"]);
}

#[tokio::test]
async fn a_file_that_is_cut_is_refused() {
    let Harmed {
        folder, file, before, ..
    } = at_rest().await;
    let whole = fs::read(&file).unwrap();
    let pages = (0..whole.len()).step_by(4096);
    for length in pages.chain([1, 100, 5000, whole.len() - 1]) {
        fs::write(&file, &whole[..length]).unwrap();
        let said = refusal(folder.path());
        says(&said, &[&shown(&file), "is damaged", "one backup", "begin anew"]);
    }
    fs::write(&file, "not a database at all").unwrap();
    says(&refusal(folder.path()), &[&shown(&file), "is damaged"]);
    fs::write(&file, whole).unwrap();
    assert_eq!(all(&open(folder.path())), before);
}

/// The byte of a redb file that says which of its last two commits counts. It has no sum: another is a whole file of before, which
/// nothing in the file can tell. (A clean end makes both commits the same.)
const WHICH_COMMIT: usize = 9;

/// Wherever a byte changes: all records are as they were, or the file is refused. The last change is not dropped either.
#[tokio::test]
async fn a_byte_that_changes_is_harmless_or_noticed() {
    let harmed = at_rest().await;
    for whole in [&harmed.killed, &fs::read(&harmed.file).unwrap()] {
        let written = (0..whole.len()).filter(|at| whole[*at] != 0 && *at != WHICH_COMMIT);
        let (head, pages): (Vec<_>, Vec<_>) = written.partition(|at| *at < 4096);
        let mut noticed = 0;
        for at in head.into_iter().chain(pages.into_iter().step_by(61)) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x41;
            fs::write(&harmed.file, &bytes).unwrap();
            match try_open(harmed.folder.path()) {
                Ok(registry) => assert_eq!(all(&registry), harmed.before, "byte {at}"),
                Err(error) => {
                    says(&error.to_string(), &[&shown(&harmed.file)]);
                    noticed += 1;
                }
            }
        }
        assert!(noticed > 50, "{noticed}");
    }
}

#[tokio::test]
async fn a_file_of_a_newer_dunlin_is_refused() {
    let Harmed {
        folder, file, before, ..
    } = at_rest().await;
    let says_format = |format: u32| {
        let database = redb::Database::open(&file).unwrap();
        let transaction = database.begin_write().unwrap();
        let bytes = format.to_be_bytes();
        let mut about = transaction.open_table(ABOUT).unwrap();
        about.insert("format", bytes.as_slice()).unwrap();
        drop(about);
        transaction.commit().unwrap();
    };
    says_format(FORMAT + 1);
    let newer = [
        &shown(&file),
        "a newer Dunlin",
        "its format is 2, and this one reads 1",
    ];
    says(&refusal(folder.path()), &newer.map(|part| part as &str));
    says_format(0);
    says(
        &refusal(folder.path()),
        &["is damaged (it does not say which format it has)"],
    );
    says_format(FORMAT);
    assert_eq!(all(&open(folder.path())), before);
}

#[tokio::test]
async fn a_change_that_cannot_be_kept_changes_nothing() {
    let Harmed { folder, before, .. } = at_rest().await;
    let registry = open(folder.path());
    let deep = (0..2000).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
    let write = |name: &str, value| Write {
        key: key(name),
        value: Some(value),
        expect: Expect::Whatever,
    };
    let deep = Map::from_iter([("deep".to_owned(), deep)]);
    let done = registry
        .write(vec![write("a", value("new")), write("d", deep)])
        .await;
    says(&done.unwrap_err().to_string(), &["nested more than 128 deep"]);
    assert_eq!(all(&registry), before);
    registry.put(key("e"), value("e"), Expect::Nothing).await.unwrap();
    registry.remove(key("e")).await.unwrap();
    drop(registry);
    assert_eq!(all(&open(folder.path())), before);
}
