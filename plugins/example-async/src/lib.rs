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
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Semaphore, oneshot};

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
    worker: Mutex<Option<Worker>>,
    file: Arc<Path>,
    delay: Duration,
    places: Arc<Semaphore>,
}

/// The thread that drives the runtime, and how it is told to end.
#[derive(Debug)]
struct Worker {
    handle: Handle,
    /// Gets the time that is left for stopping.
    stop: oneshot::Sender<Duration>,
    thread: JoinHandle<()>,
}

impl Worker {
    fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_time().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("example-async".to_owned())
            .spawn(move || {
                let left = runtime.block_on(stopped).unwrap_or_default();
                runtime.shutdown_timeout(left);
            })?;
        Ok(Self { handle, stop, thread })
    }
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
        Ok(Self {
            worker: Mutex::new(Some(Worker::start()?)),
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
        let worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(worker) = &*worker else {
            return Answer::failed("the plugin has stopped");
        };
        // What the event lends is gone when the hook returns: copy what the task needs.
        let (username, password) = (username.to_owned(), password.to_vec());
        let (file, delay, ticket) = (Arc::clone(&self.file), self.delay, later.ticket());
        worker.handle.spawn(async move {
            match look_up(&file, delay, &username, &password).await {
                Ok(answer) => ticket.complete(answer),
                Err(why) => ticket.fail(why),
            };
            drop(place);
        });
        Answer::Later
    }

    fn quiesce(&self, deadline: Duration) -> usize {
        let worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(worker) = worker else { return 0 };
        // Tasks are dropped where they wait, and their tickets with them: the host has what it needs to deny. A thread
        // that does not come back within the deadline is told to the host, which then never unloads this image.
        let ends = Instant::now() + deadline;
        let _ended_already = worker.stop.send(deadline);
        while !worker.thread.is_finished() && Instant::now() < ends {
            std::thread::sleep(Duration::from_millis(1));
        }
        if !worker.thread.is_finished() || Instant::now() >= ends {
            return 1;
        }
        usize::from(worker.thread.join().is_err())
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
