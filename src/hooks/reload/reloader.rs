//! The thread that stages and swaps generations.

use super::files::{FileWatch, WatchMode, fingerprint};
use super::history::{History, Record, Trigger};
use super::incident::Incident;
use super::settings::{ReloadSettings, Shards};
use super::status::{Refused, ReloadStatus, RolledBack};
use crate::hooks::error::LoadError;
use crate::hooks::generation::{Generation, folders};
use crate::hooks::prove::prove;
use crate::hooks::watch::Watch;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

/// So long must nothing change before a changed set is looked at: an editor's save is several events.
const QUIET: Duration = Duration::from_millis(100);
/// So long at most is quiet waited for, or a busy folder would put a reload off for ever.
const AT_MOST: Duration = Duration::from_millis(500);
/// So often the files are looked at although nobody said that they changed.
const RESCAN: Duration = Duration::from_secs(30);
/// So often a generation that is being watched is judged.
const JUDGED_EVERY: Duration = Duration::from_millis(100);

/// Watches the scripts of a chain and swaps generations. Dropping it stops the thread.
pub struct Reloader {
    commands: Sender<Command>,
    /// Whatever waits before the command to stop is not begun any more.
    stopping: Arc<AtomicBool>,
    status: Arc<Mutex<ReloadStatus>>,
    history: Arc<Mutex<History>>,
    thread: Option<JoinHandle<()>>,
}

/// Who is told how it went.
type Tell = Option<Sender<Result<u64, Vec<LoadError>>>>;

enum Command {
    /// The watch saw something.
    Changed,
    /// Load, whether or not something changed; tell how it went.
    Reload(Asked),
    /// Back to the generation before.
    RollBack(Tell),
    Stop,
}

/// A reload that somebody asked for.
struct Asked {
    by: Trigger,
    /// Whether the new generation is watched, and may be rolled back.
    watched: bool,
    tell: Tell,
}

impl std::fmt::Debug for Reloader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reloader").finish_non_exhaustive()
    }
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
            rollbacks: 0,
            refused: None,
            watched_until: None,
            rolled_back: None,
        }));
        let mut history = History::new(settings.data.as_deref());
        history.in_force(&current, Trigger::Start, Duration::ZERO, Duration::ZERO);
        let history = Arc::new(Mutex::new(history));
        let told = commands.clone();
        // A closed channel means that we are stopping.
        let watch = FileWatch::new(settings.watch, move || drop(told.send(Command::Changed)));
        let stopping = Arc::new(AtomicBool::new(false));
        let worker = Worker {
            stopping: stopping.clone(),
            settings,
            last_number: current.number(),
            current,
            before: None,
            watching: None,
            rejected: None,
            shards: Box::new(shards),
            watch,
            status: status.clone(),
            history: history.clone(),
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
            stopping,
            status,
            history,
            thread: Some(thread),
        })
    }

    /// Reloads without waiting (SIGHUP): the log and [`Reloader::status`] tell how it went.
    pub fn reload_now(&self) {
        let _ = self.commands.send(Command::Reload(Asked {
            by: Trigger::Signal,
            watched: true,
            tell: None,
        }));
    }

    /// Reloads and waits; returns the number of the generation in force. Unless it is `watched`, the new generation is
    /// not rolled back whatever it does.
    ///
    /// # Errors
    /// Why the files were refused.
    pub fn reload_and_wait(&self, watched: bool) -> Result<u64, Vec<LoadError>> {
        self.wait(|tell| {
            Command::Reload(Asked {
                by: Trigger::Operator,
                watched,
                tell,
            })
        })
    }

    /// Goes back to the generation before, and waits; returns its number.
    ///
    /// # Errors
    /// When there is none, or it cannot be built any more.
    pub fn roll_back(&self) -> Result<u64, Vec<LoadError>> {
        self.wait(Command::RollBack)
    }

    fn wait(&self, command: impl FnOnce(Tell) -> Command) -> Result<u64, Vec<LoadError>> {
        let (tell, told) = channel();
        let gone = || vec![LoadError::new("reload", None, "the reloader has stopped")];
        self.commands.send(command(Some(tell))).map_err(|_| gone())?;
        told.recv().map_err(|_| gone())?
    }

    /// How reloading stands.
    pub fn status(&self) -> ReloadStatus {
        self.status.lock().clone()
    }

    /// What was loaded, refused and rolled back, oldest first.
    pub fn log(&self) -> Vec<Record> {
        self.history.lock().records()
    }

    /// A generation that is or was in force, as long as it is remembered.
    pub fn generation(&self, number: u64) -> Option<Arc<Generation>> {
        self.history.lock().generation(number)
    }
}

impl Drop for Reloader {
    fn drop(&mut self) {
        self.stopping.store(true, Relaxed);
        let _ = self.commands.send(Command::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Worker {
    stopping: Arc<AtomicBool>,
    settings: ReloadSettings,
    current: Arc<Generation>,
    /// The last generation that proved itself, if it is not the current one.
    before: Option<Arc<Generation>>,
    /// Who watches the current generation.
    watching: Option<Arc<Watch>>,
    /// The hash of the generation that was rolled back last: its files are still there.
    rejected: Option<String>,
    last_number: u64,
    shards: Box<dyn Shards>,
    watch: FileWatch,
    status: Arc<Mutex<ReloadStatus>>,
    history: Arc<Mutex<History>>,
    /// The files look as they did: a refusal was reported already.
    silent: bool,
}

impl Worker {
    fn run(mut self, commands: &Receiver<Command>, ready: &Sender<()>) {
        let mut complete = self.arm();
        let mut seen = self.look();
        // The files may have changed since `current` was loaded.
        let _ = self.reload(None);
        let _ = ready.send(());
        let mut looked = Instant::now();
        loop {
            let patience = self
                .watch
                .patience(complete, RESCAN)
                .saturating_sub(looked.elapsed());
            let mut told = false;
            let asked = match commands.recv_timeout(self.pulse(patience)) {
                Ok(Command::Changed) => match settle(commands) {
                    Settled::Quiet => {
                        told = true;
                        None
                    }
                    Settled::Other(Command::Reload(asked)) => Some(asked),
                    Settled::Other(Command::RollBack(tell)) => {
                        self.answer(tell, Self::roll_back_asked);
                        continue;
                    }
                    Settled::Other(Command::Changed | Command::Stop) => return,
                },
                Ok(Command::Reload(asked)) => Some(asked),
                Ok(Command::RollBack(tell)) => {
                    self.answer(tell, Self::roll_back_asked);
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.judge();
                    if looked.elapsed() < self.watch.patience(complete, RESCAN) {
                        continue;
                    }
                    None
                }
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            };
            if self.stopping.load(Relaxed) {
                return;
            }
            self.judge();
            complete = self.arm();
            let now = self.look();
            looked = Instant::now();
            let changed = std::mem::replace(&mut seen, now) != now;
            // What was loaded last may be newer than what was seen before it, so that a file which was changed back looks
            // unchanged: only loading tells. Nothing is said again of a refusal that is known.
            if changed || told || asked.is_some() {
                self.silent = !changed && asked.is_none();
                let answer = self.reload(asked.as_ref());
                // A generation that requires from another folder is watched there too.
                complete = self.arm();
                if let Some(tell) = asked.and_then(|asked| asked.tell) {
                    let _ = tell.send(answer);
                }
            }
        }
    }

    fn answer(&mut self, tell: Tell, act: impl FnOnce(&mut Self) -> Result<u64, Vec<LoadError>>) {
        let answer = act(self);
        if let Some(tell) = tell {
            let _ = tell.send(answer);
        }
    }

    /// How long to wait for the next command: a generation that is being watched is judged often.
    fn pulse(&self, patience: Duration) -> Duration {
        match &self.watching {
            Some(_) => patience.min(JUDGED_EVERY),
            None => patience,
        }
    }

    fn folders(&self) -> BTreeSet<PathBuf> {
        let ReloadSettings {
            entries,
            base,
            plugins,
            ..
        } = &self.settings;
        let mut folders = folders(entries, base, &self.current);
        folders.extend(plugins.clone());
        folders
    }

    fn arm(&mut self) -> bool {
        let folders = self.folders();
        let chain = self.settings.chain.as_ref().map(|chain| chain.file());
        self.watch.arm(&folders, chain)
    }

    fn look(&self) -> [u8; 32] {
        if self.settings.watch == WatchMode::Off {
            [0; 32]
        } else {
            let chain = self.settings.chain.as_ref().map(|chain| chain.file());
            fingerprint(&self.folders(), chain)
        }
    }

    /// Loads the files and swaps, if they are good and differ from what serves.
    fn reload(&mut self, asked: Option<&Asked>) -> Result<u64, Vec<LoadError>> {
        let began = Instant::now();
        let number = self.last_number + 1;
        let by = asked.map_or(Trigger::Files, |asked| asked.by);
        if let Some(chain) = self.settings.chain.clone() {
            match chain.read() {
                Ok((entries, defaults)) => {
                    if entries.is_empty() && !self.settings.entries.is_empty() {
                        tracing::warn!(
                            "{}: the chain is empty now: no policy is asked for anything",
                            chain.file().display()
                        );
                    }
                    self.settings.entries = entries;
                    self.settings.defaults = defaults;
                }
                Err(errors) => return Err(self.refuse(by, errors)),
            }
        }
        let ReloadSettings {
            entries,
            defaults,
            base,
            services,
            ..
        } = &self.settings;
        let staged = Generation::after(Some(&self.current), number, entries, defaults, base, services);
        let candidate = match staged {
            Ok(candidate) => Arc::new(candidate),
            Err(errors) => return Err(self.refuse(by, errors)),
        };
        if candidate.hash() == self.current.hash() {
            let was_refused = self.status.lock().refused.take().is_some();
            if asked.is_some() || was_refused {
                tracing::info!(
                    generation = self.current.number(),
                    "the policies are those in force; nothing to reload"
                );
            }
            if asked.is_some_and(|asked| !asked.watched) {
                self.settle();
            }
            return Ok(self.current.number());
        }
        if asked.is_none() && self.rejected.as_deref() == Some(candidate.hash()) {
            // They were rolled back, and are what they were.
            return Ok(self.current.number());
        }
        if let Err(errors) = prove(&candidate, self.settings.watching.prove) {
            return Err(self.refuse(by, errors));
        }
        if let Err(error) = self.shards.prepare(candidate.clone()) {
            self.shards.abort(number);
            return Err(self.refuse(by, vec![error]));
        }
        let watched = asked.is_none_or(|asked| asked.watched) && !self.settings.watching.window.is_zero();
        let watch = watched.then(|| Arc::new(Watch::new(self.settings.watching)));
        let swap = match self.shards.activate(number, watch.clone()) {
            Ok(swap) => swap,
            Err(error) => {
                self.shards.abort(number);
                return Err(self.refuse(by, vec![error]));
            }
        };
        // From now on its plugins live as long as the shards want them to.
        candidate.let_go();
        self.last_number = number;
        let before = std::mem::replace(&mut self.current, candidate.clone());
        // A generation that did not prove itself is nothing to go back to.
        match (&watch, self.watching.is_some()) {
            (Some(_), true) => {}
            (_, _) => self.before = Some(before),
        }
        self.watching = watch;
        self.rejected = None;
        self.now_serves(by, began.elapsed(), swap);
        tracing::info!(generation = number, hash = candidate.short_hash(), took = ?began.elapsed(), ?swap, watched, "policies reloaded");
        Ok(number)
    }

    /// Writes down which generation is in force.
    fn now_serves(&self, by: Trigger, took: Duration, swap: Duration) {
        let mut status = self.status.lock();
        status.generation = self.current.number();
        status.hash = self.current.hash().to_owned();
        status.since = SystemTime::now();
        status.refused = None;
        status.rolled_back = None;
        status.watched_until = self
            .watching
            .as_ref()
            .map(|watch| SystemTime::now() + watch.left());
        status.reloads += 1;
        drop(status);
        self.history.lock().in_force(&self.current, by, took, swap);
    }

    /// Looks whether the generation that is being watched has proved itself, or failed.
    fn judge(&mut self) {
        let Some(watch) = self.watching.clone() else {
            return;
        };
        if let Some(breach) = watch.breach() {
            let report = Incident {
                generation: &self.current,
                back_to: self.before.as_deref(),
                why: breach.to_string(),
                offences: watch.offences(),
            };
            let incident = report.write(self.settings.data.as_deref());
            let _reported = self.go_back(Trigger::Watch, breach.to_string(), incident);
        } else if watch.is_over() {
            // Before the shards act on it: in the log the cause comes before what follows from it.
            tracing::info!(
                generation = self.current.number(),
                "the policies have proved themselves"
            );
            self.settle();
        }
    }

    /// The generation in force is not watched any longer: it is good, or an operator says so.
    fn settle(&mut self) {
        if self.watching.take().is_some() {
            self.shards.settle();
            self.status.lock().watched_until = None;
        }
    }

    fn roll_back_asked(&mut self) -> Result<u64, Vec<LoadError>> {
        self.go_back(Trigger::Operator, "an operator asked for it".to_owned(), None)
    }

    /// Back to the generation before: at once while it is warm, else by building it again.
    fn go_back(
        &mut self,
        by: Trigger,
        why: String,
        incident: Option<PathBuf>,
    ) -> Result<u64, Vec<LoadError>> {
        let began = Instant::now();
        let error = |what: String| vec![LoadError::new("rollback", None, what)];
        let Some(before) = self.before.take() else {
            return Err(error("there is no generation to go back to".into()));
        };
        let back = if self.watching.take().is_some() {
            self.shards.roll_back()
        } else {
            let number = before.number();
            let lives = before.revive(&self.current, &self.settings.services);
            let built = lives.and_then(|()| self.shards.prepare(before.clone()));
            let serves = built.and_then(|()| self.shards.activate(number, None).map(drop));
            before.let_go();
            serves.inspect_err(|_| self.shards.abort(number))
        };
        if let Err(failed) = back {
            tracing::error!("policies could not be rolled back: {failed}");
            self.before = Some(before);
            return Err(vec![failed]);
        }
        let failed = std::mem::replace(&mut self.current, before);
        self.rejected = Some(failed.hash().to_owned());
        self.now_serves(by, began.elapsed(), began.elapsed());
        {
            let mut status = self.status.lock();
            status.rollbacks += 1;
            status.rolled_back = Some(RolledBack {
                at: SystemTime::now(),
                generation: failed.number(),
                why: why.clone(),
                incident: incident.clone(),
            });
        }
        self.history.lock().rolled_back(failed.number(), by, &why);
        tracing::error!(
            generation = failed.number(),
            serving = self.current.number(),
            incident = incident.map(|path| path.display().to_string()),
            "policies rolled back: {why}; the files on disk are not what serves (dunlin ctl reload --no-rollback insists on them)"
        );
        Ok(self.current.number())
    }

    /// Tells that the files are not put in force.
    fn refuse(&self, by: Trigger, errors: Vec<LoadError>) -> Vec<LoadError> {
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
        self.history.lock().refused(by, &errors);
        errors
    }
}

enum Settled {
    Quiet,
    Other(Command),
}

/// Waits until nothing has changed for a while.
fn settle(commands: &Receiver<Command>) -> Settled {
    let began = Instant::now();
    loop {
        let left = AT_MOST.saturating_sub(began.elapsed()).min(QUIET);
        match commands.recv_timeout(left) {
            Ok(Command::Changed) if began.elapsed() < AT_MOST => {}
            Ok(Command::Changed) | Err(RecvTimeoutError::Timeout) => return Settled::Quiet,
            Ok(other) => return Settled::Other(other),
            Err(RecvTimeoutError::Disconnected) => return Settled::Other(Command::Stop),
        }
    }
}
