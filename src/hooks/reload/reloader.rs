//! The thread that stages and swaps generations.

use super::watch::{Watch, WatchMode, fingerprint};
use crate::config::hooks::{HookDefaults, PolicyEntry};
use crate::hooks::error::LoadError;
use crate::hooks::generation::{Generation, folders};
use crate::hooks::services::Services;
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

/// So long must nothing change before a changed set is looked at: an editor's save is several events.
const QUIET: Duration = Duration::from_millis(100);
/// So long at most is quiet waited for, or a busy folder would put a reload off for ever.
const AT_MOST: Duration = Duration::from_millis(500);
/// So often the files are looked at although nobody said that they changed.
const RESCAN: Duration = Duration::from_secs(30);

/// All shards, as the reloader sees them. Calls come from the reloader's thread and wait for the shards; a shard that is
/// gone must be an error, not a wait for ever.
pub trait Shards: Send {
    /// Has every shard build its states of `generation` beside those that serve.
    ///
    /// # Errors
    /// The first shard's that could not; [`Shards::abort`] follows.
    fn prepare(&self, generation: Arc<Generation>) -> Result<(), LoadError>;

    /// Has every shard serve what it prepared, and returns when all do.
    ///
    /// # Errors
    /// When a shard is gone, or has nothing prepared of that number.
    fn activate(&self, number: u64) -> Result<(), LoadError>;

    /// Has every shard drop what it prepared.
    fn abort(&self, number: u64);
}

/// What a reloader loads, and how it notices changes.
#[derive(Debug, Clone)]
pub struct ReloadSettings {
    /// The chain.
    pub entries: Vec<PolicyEntry>,
    /// What decides when no policy does.
    pub defaults: HookDefaults,
    /// What relative paths are relative to.
    pub base: PathBuf,
    /// How to notice changes.
    pub watch: WatchMode,
    /// What the policies of all generations share.
    pub services: Arc<Services>,
}

/// How reloading stands.
#[derive(Debug, Clone)]
pub struct ReloadStatus {
    /// The generation in force.
    pub generation: u64,
    /// Its hash.
    pub hash: String,
    /// Since when it is in force.
    pub since: SystemTime,
    /// Swaps since the start.
    pub reloads: u64,
    /// Refused sets since the start.
    pub refusals: u64,
    /// The last refusal, until the files are good again.
    pub refused: Option<Refused>,
}

/// A set of files that was not put in force.
#[derive(Debug, Clone)]
pub struct Refused {
    /// When.
    pub at: SystemTime,
    /// Why.
    pub errors: Vec<LoadError>,
}

/// Watches the scripts of a chain and swaps generations. Dropping it stops the thread.
pub struct Reloader {
    commands: Sender<Command>,
    status: Arc<Mutex<ReloadStatus>>,
    thread: Option<JoinHandle<()>>,
}

enum Command {
    /// The watch saw something.
    Changed,
    /// Load, whether or not something changed; tell how it went.
    Reload(Option<Sender<Result<u64, Vec<LoadError>>>>),
    Stop,
}

impl Reloader {
    /// Starts the thread, and returns when it watches. `current` is in force on all of `shards` already; if the files have
    /// changed since it was loaded, they are put in force first, so a shard's own thread must not call this.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(
        settings: ReloadSettings,
        current: Arc<Generation>,
        shards: impl Shards + 'static,
    ) -> std::io::Result<Self> {
        let (commands, received) = channel();
        let status = Arc::new(Mutex::new(ReloadStatus {
            generation: current.number(),
            hash: current.hash().to_owned(),
            since: SystemTime::now(),
            reloads: 0,
            refusals: 0,
            refused: None,
        }));
        let told = commands.clone();
        // A closed channel means that we are stopping.
        let watch = Watch::new(settings.watch, move || drop(told.send(Command::Changed)));
        let worker = Worker {
            settings,
            current,
            shards: Box::new(shards),
            watch,
            status: status.clone(),
            silent: false,
        };
        // The watch is set and the first look taken before anyone can change a file and expect us to see it.
        let (ready, is_ready) = channel();
        let thread = std::thread::Builder::new()
            .name("reload".into())
            .spawn(move || worker.run(&received, &ready))?;
        let _ = is_ready.recv();
        Ok(Self {
            commands,
            status,
            thread: Some(thread),
        })
    }

    /// Reloads without waiting (SIGHUP): the log and [`Reloader::status`] tell how it went.
    pub fn reload_now(&self) {
        let _ = self.commands.send(Command::Reload(None));
    }

    /// Reloads and waits; returns the number of the generation in force.
    ///
    /// # Errors
    /// Why the files were refused.
    pub fn reload_and_wait(&self) -> Result<u64, Vec<LoadError>> {
        let (tell, told) = channel();
        let gone = || vec![LoadError::new("reload", None, "the reloader has stopped")];
        self.commands
            .send(Command::Reload(Some(tell)))
            .map_err(|_| gone())?;
        told.recv().map_err(|_| gone())?
    }

    /// How reloading stands.
    pub fn status(&self) -> ReloadStatus {
        self.status.lock().clone()
    }
}

impl Drop for Reloader {
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Worker {
    settings: ReloadSettings,
    current: Arc<Generation>,
    shards: Box<dyn Shards>,
    watch: Watch,
    status: Arc<Mutex<ReloadStatus>>,
    /// The files look as they did: a refusal was reported already.
    silent: bool,
}

impl Worker {
    fn run(mut self, commands: &Receiver<Command>, ready: &Sender<()>) {
        let mut complete = self.arm();
        let mut seen = self.look();
        // The files may have changed since `current` was loaded.
        let _ = self.reload(false);
        let _ = ready.send(());
        loop {
            let mut told = false;
            let asked = match commands.recv_timeout(self.watch.patience(complete, RESCAN)) {
                Ok(Command::Changed) => match settle(commands) {
                    Settled::Quiet => {
                        told = true;
                        None
                    }
                    Settled::Asked(tell) => Some(tell),
                    Settled::Stop => return,
                },
                Ok(Command::Reload(tell)) => Some(tell),
                Err(RecvTimeoutError::Timeout) => None,
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            };
            complete = self.arm();
            let now = self.look();
            let changed = std::mem::replace(&mut seen, now) != now;
            // What was loaded last may be newer than what was seen before it, so that a file which was changed back looks
            // unchanged: only loading tells. Nothing is said again of a refusal that is known.
            if changed || told || asked.is_some() {
                self.silent = !changed && asked.is_none();
                let answer = self.reload(asked.is_some());
                // A generation that requires from another folder is watched there too.
                complete = self.arm();
                if let Some(tell) = asked.flatten() {
                    let _ = tell.send(answer);
                }
            }
        }
    }

    fn folders(&self) -> std::collections::BTreeSet<PathBuf> {
        folders(&self.settings.entries, &self.settings.base, &self.current)
    }

    fn arm(&mut self) -> bool {
        let folders = self.folders();
        self.watch.arm(&folders)
    }

    fn look(&self) -> [u8; 32] {
        if self.settings.watch == WatchMode::Off {
            [0; 32]
        } else {
            fingerprint(&self.folders())
        }
    }

    /// Loads the files and swaps, if they are good and differ from what serves.
    fn reload(&mut self, asked: bool) -> Result<u64, Vec<LoadError>> {
        let began = Instant::now();
        let number = self.current.number() + 1;
        let ReloadSettings {
            entries,
            defaults,
            base,
            services,
            ..
        } = &self.settings;
        let candidate = match Generation::load(number, entries, defaults, base, services) {
            Ok(candidate) => Arc::new(candidate),
            Err(errors) => return Err(self.refuse(errors)),
        };
        if candidate.hash() == self.current.hash() {
            let was_refused = self.status.lock().refused.take().is_some();
            if asked || was_refused {
                tracing::info!(
                    generation = self.current.number(),
                    "the policies are those in force; nothing to reload"
                );
            }
            return Ok(self.current.number());
        }
        if let Err(error) = self.shards.prepare(candidate.clone()) {
            self.shards.abort(number);
            return Err(self.refuse(vec![error]));
        }
        if let Err(error) = self.shards.activate(number) {
            return Err(self.refuse(vec![error]));
        }
        {
            let mut status = self.status.lock();
            status.generation = number;
            status.hash = candidate.hash().to_owned();
            status.since = SystemTime::now();
            status.refused = None;
            status.reloads += 1;
        }
        tracing::info!(generation = number, hash = candidate.short_hash(), took = ?began.elapsed(), "policies reloaded");
        self.current = candidate;
        Ok(number)
    }

    /// Tells that the files are not put in force.
    fn refuse(&self, errors: Vec<LoadError>) -> Vec<LoadError> {
        let serving = self.current.number();
        if self.silent && self.status.lock().refused.is_some() {
            return errors;
        }
        for error in &errors {
            tracing::error!(
                serving,
                "policies refused: {error} (generation {serving} keeps serving)"
            );
        }
        let mut status = self.status.lock();
        status.refusals += 1;
        status.refused = Some(Refused {
            at: SystemTime::now(),
            errors: errors.clone(),
        });
        drop(status);
        errors
    }
}

enum Settled {
    Quiet,
    Asked(Option<Sender<Result<u64, Vec<LoadError>>>>),
    Stop,
}

/// Waits until nothing has changed for a while.
fn settle(commands: &Receiver<Command>) -> Settled {
    let began = Instant::now();
    loop {
        let left = AT_MOST.saturating_sub(began.elapsed()).min(QUIET);
        match commands.recv_timeout(left) {
            Ok(Command::Changed) if began.elapsed() < AT_MOST => {}
            Ok(Command::Changed) | Err(RecvTimeoutError::Timeout) => return Settled::Quiet,
            Ok(Command::Reload(tell)) => return Settled::Asked(tell),
            Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => return Settled::Stop,
        }
    }
}
