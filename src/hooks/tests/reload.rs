//! Swapping: what triggers it, what refuses it, all shards or none.

use super::*;
use crate::config::hooks::WatchSettings;
use parking_lot::Mutex;
use std::fs;
use std::time::{Duration, Instant};

/// Shards that only write down what they are told.
#[derive(Clone, Default)]
struct Told {
    refuse: Arc<Mutex<bool>>,
    log: Arc<Mutex<Vec<String>>>,
    watch: Arc<Mutex<Option<Arc<Watch>>>>,
}

impl Shards for Told {
    fn prepare(&self, generation: Arc<Generation>) -> Result<(), LoadError> {
        self.log.lock().push(format!("prepare {}", generation.number()));
        if *self.refuse.lock() {
            Err(LoadError::new("shard 1", None, "no"))
        } else {
            Ok(())
        }
    }
    fn activate(&self, number: u64, watch: Option<Arc<Watch>>) -> Result<Duration, LoadError> {
        *self.watch.lock() = watch;
        self.log.lock().push(format!("activate {number}"));
        Ok(Duration::ZERO)
    }
    fn settle(&self) {
        self.log.lock().push("settle".into());
    }
    fn roll_back(&self) -> Result<(), LoadError> {
        self.log.lock().push("roll back".into());
        Ok(())
    }
    fn abort(&self, number: u64) {
        self.log.lock().push(format!("abort {number}"));
    }
}

fn start(chain: &Chain, watch: WatchMode) -> (Reloader, Told) {
    let told = Told::default();
    let settings = ReloadSettings {
        entries: chain.entries.clone(),
        defaults: chain.defaults,
        base: chain.path().to_path_buf(),
        watch,
        watching: WatchSettings::default(),
        data: None,
        services: Arc::default(),
        plugins: None,
        chain: None,
    };
    (
        Reloader::start(settings, chain.load().unwrap(), told.clone()).unwrap(),
        told,
    )
}

fn policy(word: &str) -> String {
    publish_policy(&format!("return 'deny', '{word}'"))
}

/// Waits until the status is as wanted; says how long it took.
fn until(reloader: &Reloader, what: &str, wanted: impl Fn(&ReloadStatus) -> bool) -> Duration {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(10) {
        if wanted(&reloader.status()) {
            return began.elapsed();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("{what}: {:?}", reloader.status());
}

fn serves(number: u64) -> impl Fn(&ReloadStatus) -> bool {
    move |status| status.generation == number
}

#[test]
fn a_saved_file_is_in_force_and_a_bad_one_is_not() {
    let chain = Chain::of(&[&policy("one")]);
    let (reloader, told) = start(&chain, WatchMode::Auto);
    let file = chain.path().join("a.lua");
    fs::write(&file, policy("two")).unwrap();
    until(&reloader, "a write", serves(2));
    fs::write(&file, "return {\n  oops = = 1 }").unwrap();
    until(&reloader, "a bad write", |status| status.refused.is_some());
    let status = reloader.status();
    assert_eq!((status.generation, status.refusals, status.reloads), (2, 1, 1));
    assert_eq!(
        (
            status.refused.as_ref().unwrap().errors[0].line,
            status.refused.unwrap().errors[0].file.as_str()
        ),
        (Some(2), "a.lua")
    );
    fs::write(&file, policy("two")).unwrap();
    until(&reloader, "the good one again", |status| status.refused.is_none());
    assert_eq!(reloader.status().generation, 2);
    assert_eq!(*told.log.lock(), ["prepare 2", "activate 2"]);
}

#[test]
fn a_shard_that_cannot_stops_all() {
    let chain = Chain::of(&[&policy("one")]);
    let (reloader, told) = start(&chain, WatchMode::Off);
    *told.refuse.lock() = true;
    fs::write(chain.path().join("a.lua"), policy("two")).unwrap();
    assert_eq!(reloader.reload_and_wait(true).unwrap_err()[0].message, "no");
    *told.refuse.lock() = false;
    assert_eq!(reloader.reload_and_wait(true), Ok(2));
    assert_eq!(reloader.reload_and_wait(true), Ok(2));
    assert_eq!(
        *told.log.lock(),
        ["prepare 2", "abort 2", "prepare 2", "activate 2"]
    );
}

/// Ways of saving a file that a watch on the file itself would miss.
#[test]
fn every_way_of_saving_is_noticed() {
    let chain = Chain::of(&[&policy("1")]);
    let scripts = chain.path().join("scripts");
    fs::create_dir(&scripts).unwrap();
    let file = scripts.join("a.lua");
    fs::write(&file, policy("1")).unwrap();
    let mut chain = chain;
    chain.entries = vec![PolicyEntry::new("a", "scripts/a.lua")];
    let (reloader, _) = start(&chain, WatchMode::Auto);

    for n in 2..5 {
        let temporary = scripts.join(".a.lua.tmp");
        fs::write(&temporary, policy(&n.to_string())).unwrap();
        fs::rename(&temporary, &file).unwrap();
        until(&reloader, "renamed over", serves(n));
    }

    fs::write(&file, "return { authorize_publish = func").unwrap();
    std::thread::sleep(Duration::from_millis(30));
    fs::write(&file, policy("5")).unwrap();
    until(&reloader, "half a file, then all of it", serves(5));

    fs::remove_dir_all(&scripts).unwrap();
    until(&reloader, "the folder is gone", |status| status.refused.is_some());
    fs::create_dir(&scripts).unwrap();
    fs::write(&file, policy("6")).unwrap();
    until(&reloader, "the folder is back", serves(6));
    fs::write(&file, policy("7")).unwrap();
    until(&reloader, "a write in the new folder", serves(7));
}

#[cfg(unix)]
#[test]
fn a_config_map_swap_is_noticed() {
    use std::os::unix::fs::symlink;
    let mut chain = Chain::of(&[&policy("x")]);
    chain.entries = vec![PolicyEntry::new("a", "mount/a.lua")];
    let mount = chain.path().join("mount");
    fs::create_dir(&mount).unwrap();
    let version = |n: u64| {
        let folder = mount.join(format!("..v{n}"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("a.lua"), policy(&n.to_string())).unwrap();
        symlink(format!("..v{n}"), mount.join("..data_tmp")).unwrap();
        fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    };
    version(1);
    symlink("..data/a.lua", mount.join("a.lua")).unwrap();
    let (reloader, _) = start(&chain, WatchMode::Auto);
    for n in 2..5 {
        version(n);
        fs::remove_dir_all(mount.join(format!("..v{}", n - 1))).unwrap();
        until(&reloader, "swapped", serves(n));
    }
}

#[test]
fn a_poller_notices_too() {
    let chain = Chain::of(&[&policy("one")]);
    let (reloader, _) = start(&chain, WatchMode::Poll);
    fs::write(chain.path().join("a.lua"), policy("two")).unwrap();
    until(&reloader, "polled", serves(2));
}

#[test]
fn a_module_is_watched_like_its_script() {
    let chain = Chain::of(&[
        "local u = require('lib/u') return { authorize_publish = function() return 'deny', u.w end }",
    ]);
    fs::create_dir(chain.path().join("lib")).unwrap();
    fs::write(chain.path().join("lib/u.lua"), "return { w = '1' }").unwrap();
    let (reloader, _) = start(&chain, WatchMode::Auto);
    fs::write(chain.path().join("lib/u.lua"), "return { w = '2' }").unwrap();
    until(&reloader, "a module changed", serves(2));
}

#[test]
fn a_change_between_load_and_start_is_not_missed() {
    let chain = Chain::of(&[&policy("one")]);
    let generation = chain.load().unwrap();
    fs::write(chain.path().join("a.lua"), policy("two")).unwrap();
    let settings = ReloadSettings {
        entries: chain.entries.clone(),
        defaults: chain.defaults,
        base: chain.path().to_path_buf(),
        watch: WatchMode::Auto,
        watching: WatchSettings::default(),
        data: None,
        services: Arc::default(),
        plugins: None,
        chain: None,
    };
    let reloader = Reloader::start(settings, generation, Told::default()).unwrap();
    assert_eq!(reloader.status().generation, 2);
}

fn offence() -> Offence {
    Offence::new(&"a".into(), Hook::AuthorizePublish, None, "t", "broken".into())
}

fn watched(chain: &Chain, window: Duration, data: &std::path::Path) -> (Reloader, Told) {
    let told = Told::default();
    let settings = ReloadSettings {
        entries: chain.entries.clone(),
        defaults: chain.defaults,
        base: chain.path().to_path_buf(),
        watch: WatchMode::Auto,
        watching: WatchSettings {
            window,
            ..WatchSettings::default()
        },
        data: Some(data.to_path_buf()),
        services: Arc::default(),
        plugins: None,
        chain: None,
    };
    let reloader = Reloader::start(settings, chain.load().unwrap(), told.clone()).unwrap();
    (reloader, told)
}

#[test]
fn a_generation_that_fails_is_rolled_back_and_stays_out() {
    let chain = Chain::of(&[&policy("one")]);
    let data = tempfile::tempdir().unwrap();
    let (reloader, told) = watched(&chain, Duration::from_secs(60), data.path());
    let file = chain.path().join("a.lua");
    fs::write(&file, policy("two")).unwrap();
    until(&reloader, "a write", serves(2));
    assert!(reloader.status().watched_until.is_some());
    let watch = told.watch.lock().clone().unwrap();
    for _ in 0..30 {
        watch.called(Duration::ZERO, offence);
        watch.failed(offence);
    }
    let took = until(&reloader, "rolled back", serves(1));
    assert!(took < Duration::from_secs(1), "{took:?}");
    let status = reloader.status();
    let rolled_back = status.rolled_back.unwrap();
    assert_eq!((status.rollbacks, rolled_back.generation), (1, 2));
    let report = fs::read_to_string(rolled_back.incident.unwrap()).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["why"], "30 of 30 calls failed");
    assert_eq!(
        (&report["back_to"], report["calls"].as_array().unwrap().len()),
        (&1.into(), 30)
    );

    // The bad files are still there; touching them is no reason to try again, changing them is.
    fs::write(&file, policy("two")).unwrap();
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(reloader.status().generation, 1);
    fs::write(&file, policy("three")).unwrap();
    until(&reloader, "another one", serves(3));
    let what: Vec<String> = reloader.log().into_iter().map(|record| record.what).collect();
    assert_eq!(
        what,
        ["in force", "in force", "in force", "rolled back", "in force"]
    );
}

#[test]
fn a_generation_that_proves_itself_is_settled_and_can_still_be_taken_back() {
    let chain = Chain::of(&[&policy("one")]);
    let data = tempfile::tempdir().unwrap();
    let (reloader, told) = watched(&chain, Duration::from_millis(200), data.path());
    assert_eq!(
        reloader.roll_back().unwrap_err()[0].message,
        "there is no generation to go back to"
    );
    fs::write(chain.path().join("a.lua"), policy("two")).unwrap();
    assert_eq!(reloader.reload_and_wait(true), Ok(2));
    until(&reloader, "settled", |status| status.watched_until.is_none());
    assert_eq!(reloader.roll_back(), Ok(1));
    assert_eq!(
        *told.log.lock(),
        ["prepare 2", "activate 2", "settle", "prepare 1", "activate 1"]
    );
    // Asked for by name, what was taken back is tried again.
    assert_eq!(reloader.reload_and_wait(false), Ok(3));
    assert!(reloader.status().watched_until.is_none());
}

#[test]
fn the_last_generation_that_proved_itself_is_the_one_to_go_back_to() {
    let chain = Chain::of(&[&policy("one")]);
    let data = tempfile::tempdir().unwrap();
    let (reloader, told) = watched(&chain, Duration::from_secs(60), data.path());
    for n in 2..5 {
        fs::write(chain.path().join("a.lua"), policy(&n.to_string())).unwrap();
        assert_eq!(reloader.reload_and_wait(true), Ok(n));
    }
    assert_eq!(reloader.roll_back(), Ok(1));
    assert_eq!(told.log.lock().last().unwrap(), "roll back");
}
