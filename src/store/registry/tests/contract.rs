//! What holds of a registry, whoever keeps it.

use tempfile::TempDir;

use super::*;

struct Place {
    registry: Registry,
    _folder: Option<TempDir>,
}

/// One registry of every kind.
fn places() -> [Place; 2] {
    let folder = tempfile::tempdir().unwrap();
    let forgetful = Place {
        registry: Registry::default(),
        _folder: None,
    };
    let file = Place {
        registry: open(folder.path()),
        _folder: Some(folder),
    };
    [forgetful, file]
}

#[tokio::test]
async fn records_are_read_listed_and_removed() {
    for Place { registry, _folder } in places() {
        for name in ["c", "a", "b"] {
            let put = registry.put(key(name), value(name), Expect::Nothing);
            put.await.unwrap();
        }
        for other in [
            RecordKey::new("i", "groups", "x"),
            RecordKey::new("j", "group", "x"),
        ] {
            registry.put(other, value("x"), Expect::Nothing).await.unwrap();
        }
        let names = |after, most| {
            let list = registry.list("i", "group", after, most);
            list.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(None, 10), ["a", "b", "c"]);
        assert_eq!(names(Some("a"), 1), ["b"]);
        assert_eq!(
            (registry.count("i", "group"), registry.keys_of("i").len()),
            (3, 4)
        );
        assert_eq!(registry.get("i", "group", "b").unwrap().text("text"), Some("b"));
        registry.remove(key("b")).await.unwrap();
        assert_eq!(names(None, 10), ["a", "c"]);
        assert_eq!(
            registry.remove(key("b")).await,
            Err(RegistryError::Absent(key("b")))
        );
    }
}

#[tokio::test]
async fn a_write_is_all_or_nothing_and_checks_what_it_expects() {
    for Place { registry, _folder } in places() {
        let write = |name: &str, expect| Write {
            key: key(name),
            value: Some(value(name)),
            expect,
        };
        let both = vec![write("a", Expect::Nothing), write("b", Expect::Something)];
        assert_eq!(registry.write(both).await, Err(RegistryError::Absent(key("b"))));
        assert!(registry.is_empty());
        registry.write(vec![write("a", Expect::Nothing)]).await.unwrap();
        assert_eq!(
            registry.write(vec![write("a", Expect::Nothing)]).await,
            Err(RegistryError::Exists(key("a")))
        );
        let exactly = |revision| vec![write("a", Expect::Exactly(Revision(revision)))];
        registry.write(exactly(1)).await.unwrap();
        let stale = registry.write(exactly(1)).await;
        assert_eq!(stale, Err(RegistryError::Stale(key("a"))));
        assert!(matches!(
            registry.write(vec![write("", Expect::Whatever)]).await,
            Err(RegistryError::Name(_))
        ));
    }
}

#[tokio::test]
async fn watchers_are_told_in_order_and_nothing_secret_is_shown() {
    for Place { registry, _folder } in places() {
        let mut changes = registry.watch();
        registry
            .put(key("a"), value("secret"), Expect::Whatever)
            .await
            .unwrap();
        registry.remove(key("a")).await.unwrap();
        let first = changes.recv().await.unwrap();
        assert!(
            first.record.is_some() && !format!("{first:?}").contains("secret"),
            "{first:?}"
        );
        assert!(changes.recv().await.unwrap().record.is_none());
    }
}
