mod abandoned;

use super::*;
use serde_json::json;

fn value(text: &str) -> Map<String, Value> {
    json!({ "text": text }).as_object().cloned().unwrap_or_default()
}

fn key(name: &str) -> RecordKey {
    RecordKey::new("i", "group", name)
}

#[tokio::test]
async fn records_are_read_listed_and_removed() {
    let registry = Registry::default();
    for name in ["c", "a", "b"] {
        registry
            .put(key(name), value(name), Expect::Nothing)
            .await
            .unwrap();
    }
    registry
        .put(RecordKey::new("i", "groups", "x"), value("x"), Expect::Nothing)
        .await
        .unwrap();
    registry
        .put(RecordKey::new("j", "group", "x"), value("x"), Expect::Nothing)
        .await
        .unwrap();
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

#[tokio::test]
async fn a_write_is_all_or_nothing_and_checks_what_it_expects() {
    let registry = Registry::default();
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
    registry
        .write(vec![write("a", Expect::Exactly(Revision(1)))])
        .await
        .unwrap();
    let stale = registry
        .write(vec![write("a", Expect::Exactly(Revision(1)))])
        .await;
    assert_eq!(stale, Err(RegistryError::Stale(key("a"))));
    assert!(matches!(
        registry.write(vec![write("", Expect::Whatever)]).await,
        Err(RegistryError::Name(_))
    ));
}

#[tokio::test]
async fn watchers_are_told_in_order_and_nothing_secret_is_shown() {
    let registry = Registry::default();
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
    assert_eq!((first.number, registry.changes_made()), (1, 2));
}
