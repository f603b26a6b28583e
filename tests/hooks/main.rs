//! Every hook as clients see it: a real broker, a policy of the test's own, real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

#[path = "../support/mod.rs"]
mod support;

mod breaker;
mod connecting;
mod exchange;
mod instances;
mod messages;
mod opinion;
mod records;
mod resumed;
mod rollback;
mod slow;
mod stale;
mod subscribing;
mod waiting;
mod wills;
mod withdrawn;

use std::path::PathBuf;
use support::Broker;

/// A broker with the open profile's defaults and one policy, `policy.lua`.
struct Scripted {
    folder: PathBuf,
    broker: Broker,
}

impl Scripted {
    fn start(script: &str) -> Scripted {
        Scripted::with(script, "", &[])
    }

    /// The same with more in the policy's entry, such as `budget = "1ms"`, and with settings.
    fn with(script: &str, entry: &str, settings: &[&str]) -> Scripted {
        let folder = support::broker::folder();
        let open = std::fs::read_to_string(support::broker::root().join("dunlin.open.toml")).unwrap();
        let block = format!("\n[[policy]]\nname = \"policy\"\nscript = \"policy.lua\"\n{entry}\n");
        std::fs::write(folder.join("dunlin.toml"), open + &block).unwrap();
        std::fs::write(folder.join("policy.lua"), script).unwrap();
        let broker = Broker::start_with(&folder.join("dunlin.toml"), settings);
        Scripted { folder, broker }
    }

    fn save(&self, script: &str) {
        std::fs::write(self.folder.join("policy.lua"), script).unwrap();
    }

    /// Waits until the log says so.
    #[track_caller]
    fn until_log(&self, text: &str) {
        let began = std::time::Instant::now();
        while !self.broker.log().contains(text) {
            assert!(
                began.elapsed().as_secs() < 10,
                "the log does not say {text:?}:\n{}",
                self.broker.log_tail()
            );
            support::sleep(2);
        }
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
