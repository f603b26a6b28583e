//! Whatever is done to a store, in whatever order: it answers as a small model does, which keeps everything in one list.
//!
//! Two instances, so that what may be answered in more than one way does not come together: in `tight` the cap and the age are
//! met and nothing expires, in `wide` messages expire and there is room and time for all.

mod run;
mod step;
mod world;

use std::future::Future;
use std::pin::Pin;

use proptest::test_runner::{Config, TestRunner};

use crate::fixture::Fixture;

/// Opens an empty store.
pub type Open<'a> = &'a dyn Fn() -> Pin<Box<dyn Future<Output = Fixture>>>;

pub fn it_answers_as_the_model_does(open: Open<'_>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let outlives = runtime.block_on(async { open().await.outlives() });
    let config = Config {
        // What is on a disk takes its time.
        cases: if outlives { 100 } else { 256 },
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    let result = runner.run(&step::steps(), |steps| {
        runtime.block_on(async {
            let mut fixture = open().await;
            run::run(&mut fixture, &steps).await;
        });
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
