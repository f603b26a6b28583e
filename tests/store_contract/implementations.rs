//! The stores that are asked, and how each is opened: empty, apart from all others that are open.

use std::future::ready;
use std::path::Path;
use std::sync::Arc;

use dunlin::store::Store;
use dunlin::store::embedded::{EmbeddedStore, Options};
use dunlin::store::memory::MemoryStore;

use crate::fixture::{Fixture, Opening};
use crate::late::Late;

pub async fn memory() -> Fixture {
    Fixture::of_this_process(Arc::new(MemoryStore::default()))
}

/// That the promises are asked for without the assumption that a future is ready at once.
pub async fn late_memory() -> Fixture {
    Fixture::of_this_process(Arc::new(Late(MemoryStore::default())))
}

pub async fn embedded() -> Fixture {
    embedded_with(Options::default()).await
}

/// Segments are as small as can be, so that there are many.
pub async fn embedded_in_small_segments() -> Fixture {
    embedded_with(Options {
        segment_bytes: 4 << 10,
        ..Options::default()
    })
    .await
}

async fn embedded_with(options: Options) -> Fixture {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let of_size = Arc::clone(&folder);
    let open = move || {
        let store = EmbeddedStore::open(folder.path(), options).unwrap();
        Box::pin(ready(Arc::new(store) as Arc<dyn Store>)) as Opening
    };
    let fixture = Fixture::that_outlives(Box::new(open)).await;
    fixture.with_size(move || bytes_in(of_size.path()))
}

/// The files of a folder and of those in it.
fn bytes_in(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let bytes = entries.map(|entry| match entry.file_type().unwrap() {
        kind if kind.is_dir() => bytes_in(&entry.path()),
        _ => entry.metadata().unwrap().len(),
    });
    bytes.sum()
}
