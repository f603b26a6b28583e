//! What a file keeps, and who may have it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use super::*;

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn records_and_their_revisions_go_on_where_they_were() {
    let folder = tempfile::tempdir().unwrap();
    // Folders that are not there are made.
    let folder = folder.path().join("some/data");
    let registry = open(&folder);
    for text in ["one", "two"] {
        registry
            .put(key("a"), value(text), Expect::Whatever)
            .await
            .unwrap();
    }
    registry.put(key("b"), value("b"), Expect::Nothing).await.unwrap();
    registry.remove(key("b")).await.unwrap();
    let before = all(&registry);
    drop(registry);

    let registry = open(&folder);
    assert_eq!(all(&registry), before);
    assert_eq!(registry.get("i", "group", "a").unwrap().revision, Revision(2));
    let exactly = Expect::Exactly(Revision(2));
    registry.put(key("a"), value("three"), exactly).await.unwrap();
    drop(registry);
    let record = open(&folder).get("i", "group", "a").unwrap();
    assert_eq!(
        (record.text("text"), record.revision),
        (Some("three"), Revision(3))
    );
}

#[tokio::test]
async fn names_are_told_apart_byte_by_byte() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    let keys = [
        ("", "ab", "c"),
        ("a", "b", "c"),
        ("ab", "c", "\0"),
        ("ü", "b", "c/d"),
    ];
    for (instance, kind, name) in keys {
        let key = RecordKey::new(instance, kind, name);
        registry.put(key, value(kind), Expect::Nothing).await.unwrap();
    }
    drop(registry);
    let registry = open(folder.path());
    for (instance, kind, name) in keys {
        let record = registry.get(instance, kind, name).unwrap();
        assert_eq!(record.text("text"), Some(kind));
    }
}

#[tokio::test]
async fn no_secret_lies_in_any_file_and_both_are_for_the_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    let secret = "a secret of quite some length";
    registry
        .put(key("a-name"), value(secret), Expect::Nothing)
        .await
        .unwrap();
    let shown = format!("{:?}", FileKeeper::open(&folder.path().join("other")).unwrap());
    drop(registry);
    let key = fs::read(folder.path().join("registry.key")).unwrap();
    let contains = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).any(|at| at == what);
    for entry in fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_file() {
            continue;
        }
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        let bytes = fs::read(&path).unwrap();
        assert!(!contains(&bytes, secret.as_bytes()) && !contains(&bytes, b"secret"));
        if path.ends_with("registry.redb") {
            assert!(contains(&bytes, b"a-name") && !contains(&bytes, &key));
        }
    }
    assert_eq!(key.len(), 32);
    assert!(shown.ends_with(r#"other/registry.redb", .. }"#), "{shown}");
}

#[test]
fn one_process_has_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path());
    let path = folder.path().join("registry.redb").display().to_string();
    let said = refusal(folder.path());
    assert!(
        said.starts_with(&path) && said.contains("another Dunlin serves this data folder"),
        "{said}"
    );
    drop(first);
    // Somebody who does not know of the key.
    let other = redb::Database::open(folder.path().join("registry.redb")).unwrap();
    let said = refusal(folder.path());
    assert!(
        said.starts_with(&path) && said.contains("another Dunlin serves this data folder"),
        "{said}"
    );
    drop(other);
    open(folder.path());
}

#[test]
fn two_that_begin_at_the_same_time_make_one_registry() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let opened: Vec<_> = std::thread::scope(|scope| {
            let both = [(); 4].map(|()| scope.spawn(|| FileKeeper::open(folder.path())));
            both.map(|one| one.join().unwrap()).into_iter().collect()
        });
        assert_eq!(opened.iter().filter(|one| one.is_ok()).count(), 1, "{opened:?}");
        for error in opened.iter().filter_map(|one| one.as_ref().err()) {
            assert!(error.to_string().contains("another Dunlin"), "{error}");
        }
        drop(opened);
        open(folder.path());
    }
}

#[tokio::test]
async fn ten_thousand_records_are_there_soon() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    for thousand in 0..10 {
        let write = |n: u32| Write {
            key: key(&format!("{thousand}-{n}")),
            value: Some(value(&"x".repeat(200))),
            expect: Expect::Nothing,
        };
        registry.write((0..1000).map(write).collect()).await.unwrap();
    }
    drop(registry);
    let begin = Instant::now();
    assert_eq!(open(folder.path()).len(), 10_000);
    let took = begin.elapsed();
    let size = fs::metadata(folder.path().join("registry.redb")).unwrap().len();
    println!("10,000 records, {size} bytes, opened in {took:?}");
    assert!(took < Duration::from_secs(20), "{took:?}");
}
