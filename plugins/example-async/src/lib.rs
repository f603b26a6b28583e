//! Answers authentication later, from a tokio runtime of its own.
//!
//! It looks user names up in a file of lines `name password`, slowly, as if it asked a server. The point is the shape:
//! the hook takes its ticket, spawns a task and returns; the task completes the ticket; at most `most` wait at a time,
//! so that a stalled backend holds a bounded number of logins; `quiesce` stops the runtime before the broker lets go of
//! the plugin.
//!
//! ```toml
//! [[policy]]
//! name = "example-async"
//! plugin = "libexample_async.so"
//! settings = { file = "users.txt", delay_ms = 20, most = 1000 }
//! ```

use dunlin_plugin_api::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;

/// The entry's `settings`.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The file with names and passwords.
    file: PathBuf,
    /// How long a look-up takes besides, in milliseconds.
    #[serde(default)]
    delay_ms: u64,
    /// How many look-ups may be under way.
    #[serde(default = "thousand")]
    most: usize,
}

fn thousand() -> usize {
    1000
}

/// The plugin.
#[derive(Debug)]
pub struct ExampleAsync {
    /// `None` once it was stopped.
    runtime: Mutex<Option<Runtime>>,
    file: Arc<Path>,
    delay: Duration,
    places: Arc<Semaphore>,
}

async fn look_up(file: &Path, delay: Duration, username: &str, password: &[u8]) -> Result<Login, String> {
    tokio::time::sleep(delay).await;
    let text = tokio::fs::read_to_string(file)
        .await
        .map_err(|error| format!("{}: {error}", file.display()))?;
    let of_name = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(name, _)| *name == username);
    Ok(match of_name {
        None => Login::Next,
        Some((_, theirs)) if theirs.as_bytes() == password => Login::Allow(Grant {
            attrs: serde_json::json!({ "from": "example-async" }),
            ..Grant::default()
        }),
        Some(_) => Login::deny("wrong password"),
    })
}

impl Plugin for ExampleAsync {
    type Settings = Settings;
    const HOOKS: &'static [Hook] = &[Hook::Authenticate];
    const THREADS: bool = true;

    fn create(_host: Host, setup: Setup<Settings>) -> Result<Self, Error> {
        let Settings { file, delay_ms, most } = setup.settings;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("example-async")
            .enable_time()
            .build()?;
        Ok(Self {
            runtime: Mutex::new(Some(runtime)),
            file: file.into(),
            delay: Duration::from_millis(delay_ms),
            places: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
        })
    }

    fn self_test(&self) -> Result<(), Error> {
        std::fs::metadata(&self.file).map_err(|error| format!("{}: {error}", self.file.display()))?;
        Ok(())
    }

    fn authenticate(&self, event: &Authenticate<'_>, later: &Later<'_, Login>) -> Answer<Login> {
        let (Some(username), Some(password)) = (event.username, event.password) else {
            return Login::Next.into();
        };
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return Answer::failed("too many look-ups are under way");
        };
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(runtime) = &*runtime else {
            return Answer::failed("the plugin has stopped");
        };
        // What the event lends is gone when the hook returns: copy what the task needs.
        let (username, password) = (username.to_owned(), password.to_vec());
        let (file, delay, ticket) = (Arc::clone(&self.file), self.delay, later.ticket());
        runtime.spawn(async move {
            match look_up(&file, delay, &username, &password).await {
                Ok(answer) => ticket.complete(answer),
                Err(why) => ticket.fail(why),
            };
            drop(place);
        });
        Answer::Later
    }

    fn quiesce(&self, deadline: Duration) -> usize {
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(runtime) = runtime else { return 0 };
        // Tasks are dropped where they wait, and their tickets with them: the host has what it needs to deny. A thread that
        // does not
        // come back within the deadline is told to the host, which then never unloads this image.
        let began = std::time::Instant::now();
        runtime.shutdown_timeout(deadline);
        usize::from(began.elapsed() >= deadline)
    }
}

export_plugin!(ExampleAsync);

#[cfg(test)]
mod tests {
    use super::*;
    use dunlin_plugin_api::sdk::mock::Failure;

    fn mock(more: &str) -> (tempfile::TempDir, MockHost<ExampleAsync>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("users.txt");
        std::fs::write(&file, "ann secret\nbob pass word\n").unwrap();
        let settings = format!(r#"{{ "file": {:?}{more} }}"#, file.to_str().unwrap());
        let mock = MockHost::new(&settings).unwrap();
        (folder, mock)
    }

    #[test]
    fn answers_come_later() {
        let (_folder, mock) = mock(r#", "delay_ms": 10"#);
        let client = MockClient::new("c");
        let login = |name, password: &[u8]| mock.authenticate(&client, Some(name), Some(password));
        assert!(matches!(login("ann", b"secret"), Ok(Login::Allow(_))));
        assert!(matches!(login("bob", b"pass word"), Ok(Login::Allow(_))));
        assert_eq!(login("bob", b"pass"), Ok(Login::deny("wrong password")));
        assert_eq!(login("eve", b""), Ok(Login::Next));
        assert_eq!(mock.authenticate(&client, None, None), Ok(Login::Next));
        assert_eq!(mock.unload(), 0);
    }

    #[test]
    fn a_backend_that_fails_fails_the_hook() {
        let (folder, mock) = mock("");
        drop(folder);
        let answer = mock.authenticate(&MockClient::new("c"), Some("ann"), Some(b"secret"));
        assert!(matches!(answer, Err(Failure::Error(why)) if why.contains("users.txt")));
    }

    #[test]
    fn a_missing_file_refuses_the_load() {
        let refused = MockHost::<ExampleAsync>::new(r#"{ "file": "no/such" }"#).unwrap_err();
        assert!(refused.starts_with("no/such: "), "{refused}");
    }

    #[test]
    fn many_wait_at_once_and_no_more_than_allowed() {
        let (_folder, mock) = mock(r#", "delay_ms": 100, "most": 4"#);
        let client = MockClient::new("c");
        let answers: Vec<_> = std::thread::scope(|scope| {
            let ask = || mock.authenticate(&client, Some("ann"), Some(b"secret"));
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let allowed = answers.iter().filter(|answer| answer.is_ok()).count();
        assert!((4..8).contains(&allowed), "{allowed}");
    }
}
