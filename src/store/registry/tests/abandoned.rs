//! Who asked for a change may go away before it is made.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::*;

/// Keeps what it is given when it is told to, and says that it was asked.
struct Slow {
    asked: Sender<()>,
    go: parking_lot::Mutex<Receiver<Result<(), StoreError>>>,
}

impl Keeper for Slow {
    fn load(&self) -> Result<Vec<(RecordKey, Record)>, StoreError> {
        Ok(Vec::new())
    }

    fn keep(&self, _changes: &[Change]) -> Result<(), StoreError> {
        self.asked.send(()).unwrap();
        self.go.lock().recv().unwrap()
    }
}

struct Setup {
    registry: Registry,
    asked: Receiver<()>,
    go: Sender<Result<(), StoreError>>,
}

fn slow() -> Setup {
    let ((asked, was_asked), (go, told)) = (channel(), channel());
    let go_lock = parking_lot::Mutex::new(told);
    let registry = Registry::open(Arc::new(Slow { asked, go: go_lock })).unwrap();
    Setup {
        registry,
        asked: was_asked,
        go,
    }
}

#[tokio::test]
async fn an_abandoned_change_is_seen_before_the_next_one_is_made() {
    let Setup { registry, asked, go } = slow();
    let first = registry.put(key("a"), value("first"), Expect::Nothing);
    assert!(
        tokio::time::timeout(Duration::from_millis(1), first)
            .await
            .is_err()
    );
    asked.recv().unwrap();
    assert!(registry.is_empty(), "seen before it was kept");
    // The second one begins while the first one is still being made.
    let second = registry.put(key("a"), value("second"), Expect::Nothing);
    let (second, ()) = tokio::join!(second, async {
        go.send(Ok(())).unwrap();
        go.send(Ok(())).unwrap();
    });
    assert_eq!(second, Err(RegistryError::Exists(key("a"))));
    assert_eq!(
        registry.get("i", "group", "a").unwrap().text("text"),
        Some("first")
    );
}

#[tokio::test]
async fn what_was_not_kept_is_not_seen_and_not_told() {
    let Setup { registry, asked, go } = slow();
    let mut changes = registry.watch();
    let full = StoreError::Failed("the disk is full".into());
    go.send(Err(full.clone())).unwrap();
    let done = registry.put(key("a"), value("x"), Expect::Nothing).await;
    asked.recv().unwrap();
    assert_eq!(done, Err(RegistryError::Store(full)));
    assert!(registry.is_empty() && changes.try_recv().is_err());
}
