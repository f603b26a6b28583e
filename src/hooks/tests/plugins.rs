//! Compiled plugins in the chain: what lives how long, what is shared, what is handed over.

use super::built::{compiled, put};
use super::*;
use crate::config::hooks::Unload;
use bytes::Bytes;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A folder with `stamp.so` of version 1, and services of its own.
struct Stamps {
    folder: TempDir,
    original: Vec<u8>,
    services: Arc<Services>,
    metrics: Arc<HookMetrics>,
}

impl Stamps {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/stamp.c");
        let library = folder.path().join("original");
        compiled(&source, &[], &library);
        let stamps = Self {
            original: std::fs::read(&library).unwrap(),
            services: Arc::default(),
            metrics: Arc::default(),
            folder,
        };
        std::fs::remove_file(library).unwrap();
        stamps.services.keep_plugins_in(&stamps.path().join("copies"));
        stamps.put(1);
        stamps
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn put(&self, version: u32) {
        let mark = b" v0000000";
        let mut bytes = self.original.clone();
        let at = memchr::memmem::find(&bytes, mark).unwrap();
        bytes[at..at + mark.len()].copy_from_slice(format!(" v{version:07}").as_bytes());
        put(&bytes, &self.path().join("stamp.so"));
    }

    fn entry(&self) -> PolicyEntry {
        PolicyEntry::compiled("stamp", "stamp.so")
    }

    fn script(&self, name: &str, source: &str) -> PolicyEntry {
        let file = PathBuf::from(format!("{name}.lua"));
        std::fs::write(self.path().join(&file), source).unwrap();
        PolicyEntry::new(name, file)
    }

    fn after(
        &self,
        before: Option<&Generation>,
        number: u64,
        entries: &[PolicyEntry],
    ) -> Result<Arc<Generation>, String> {
        let defaults = HookDefaults::default();
        let loaded = Generation::after(before, number, entries, &defaults, self.path(), &self.services);
        loaded.map(Arc::new).map_err(|errors| {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            lines.join("\n")
        })
    }

    /// The generation on a shard, as the server puts it there.
    fn shard(&self, generation: &Arc<Generation>) -> ShardHooks {
        let hooks = ShardHooks::instantiate(generation, &self.metrics, 0, 100).unwrap();
        generation.let_go();
        hooks
    }

    fn living(&self) -> usize {
        self.services.plugins().totals().living
    }

    #[track_caller]
    fn until_living(&self, wanted: usize) {
        let began = Instant::now();
        while self.living() != wanted {
            assert!(
                began.elapsed() < Duration::from_secs(10),
                "{} live",
                self.living()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn event(payload: &str) -> PublishEvent {
    PublishEvent {
        topic: "a/b".into(),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        qos: QoS::AtLeastOnce,
        retain: false,
        properties: Arc::default(),
        origin: Origin::Client,
        id: crate::message::MessageId(7),
    }
}

fn stamped(hooks: &mut ShardHooks) -> String {
    match hooks.publish(Some(&client("a")), event("x")).transform {
        Transform::Patch(patch) => String::from_utf8(patch.payload.unwrap().to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_instance_lives_as_long_as_a_shard_has_it() {
    let stamps = Stamps::new();
    let first = stamps.after(None, 1, &[stamps.entry()]).unwrap();
    let (mut one, other) = (stamps.shard(&first), stamps.shard(&first));
    assert_eq!(stamped(&mut one), "x v0000001");
    stamps.put(2);
    let second = stamps.after(Some(&first), 2, &[stamps.entry()]).unwrap();
    assert_eq!(stamps.living(), 2);
    let next = one.prepare(&second).unwrap();
    second.let_go();
    block(async { one.swap(next, None).end() });
    assert_eq!(stamped(&mut one), "x v0000002");
    // The other shard still serves with the first.
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(stamps.living(), 2);
    drop(other);
    stamps.until_living(1);
    drop(one);
    stamps.until_living(0);
}

#[test]
fn an_edit_elsewhere_leaves_the_instance_alone_and_settings_make_another() {
    let stamps = Stamps::new();
    let script = |word: &str| stamps.script("acl", &publish_policy(&format!("return '{word}'")));
    let mut entries = vec![stamps.entry(), script("allow")];
    let first = stamps.after(None, 1, &entries).unwrap();
    entries[1] = script("deny");
    let second = stamps.after(Some(&first), 2, &entries).unwrap();
    assert_ne!(first.hash(), second.hash());
    assert_eq!(stamps.living(), 1);
    entries[0].settings.insert("n".into(), 1.into());
    let third = stamps.after(Some(&second), 3, &entries).unwrap();
    assert_eq!(stamps.living(), 2);
    // Limits are part of what serves, too.
    entries[0].budget *= 2;
    let fourth = stamps.after(Some(&third), 4, &entries).unwrap();
    assert_ne!(third.hash(), fourth.hash());
    assert_eq!(stamps.living(), 2);
}

#[test]
fn the_same_file_twice_is_two_instances_in_two_images() {
    let stamps = Stamps::new();
    let two = [
        stamps.entry(),
        PolicyEntry {
            name: "again".into(),
            ..stamps.entry()
        },
    ];
    let generation = stamps.after(None, 1, &two).unwrap();
    let mut hooks = stamps.shard(&generation);
    assert_eq!(stamped(&mut hooks), "x v0000001 v0000001");
    let totals = stamps.services.plugins().totals();
    assert_eq!((totals.images, totals.living), (2, 2));
}

#[test]
fn state_is_handed_over_between_plugins_and_goes_through_scripts_where_it_is_json() {
    let stamps = Stamps::new();
    let replaced = |generation: &Arc<Generation>| {
        let mut hooks = stamps.shard(generation);
        hooks.limit("i", "replaced")
    };
    let mut last = stamps.after(None, 1, &[stamps.entry()]).unwrap();
    let mut hooks = stamps.shard(&last);
    for number in 2..5_u32 {
        stamps.put(number);
        let next = stamps
            .after(Some(&last), number.into(), &[stamps.entry()])
            .unwrap();
        let kept = stamps.shard(&next);
        last = next;
        drop(std::mem::replace(&mut hooks, kept));
    }
    assert_eq!(hooks.limit("i", "replaced"), Some(3.0));
    // Bytes that only the plugin can read are nothing to a script.
    let script = "local seen return { on_load = function(settings, previous) seen = previous return { n = 9 } end, \
                  limit = function() return if seen == nil then 1 else 2 end }";
    let script = PolicyEntry {
        name: "stamp".into(),
        ..stamps.script("s", script)
    };
    let fifth = stamps.after(Some(&last), 5, &[script]).unwrap();
    assert_eq!(replaced(&fifth), Some(1.0));
    // And what the script hands over is version 0, which this plugin does not read.
    let sixth = stamps.after(Some(&fifth), 6, &[stamps.entry()]).unwrap();
    assert_eq!(replaced(&sixth), Some(0.0));
}

#[test]
fn a_generation_that_has_ended_is_revived() {
    let stamps = Stamps::new();
    let first = stamps.after(None, 1, &[stamps.entry()]).unwrap();
    let mut hooks = stamps.shard(&first);
    let second = stamps.after(
        Some(&first),
        2,
        &[stamps.script("stamp", "return { limit = function() end }")],
    );
    let second = second.unwrap();
    let next = hooks.prepare(&second).unwrap();
    block(async { hooks.swap(next, None).end() });
    stamps.until_living(0);
    let refused = hooks.prepare(&first).err().unwrap().to_string();
    assert_eq!(refused, "stamp.so: has ended, and was not made anew");
    first.revive(&second, &stamps.services).unwrap();
    let next = hooks.prepare(&first).unwrap();
    first.let_go();
    block(async { hooks.swap(next, None).end() });
    assert_eq!(stamped(&mut hooks), "x v0000001");
}

#[test]
fn a_roll_back_finds_the_instance_warm() {
    let stamps = Stamps::new();
    let first = stamps.after(None, 1, &[stamps.entry()]).unwrap();
    let mut hooks = stamps.shard(&first);
    stamps.put(2);
    let second = stamps.after(Some(&first), 2, &[stamps.entry()]).unwrap();
    let next = hooks.prepare(&second).unwrap();
    second.let_go();
    let watch = Arc::new(Watch::new(crate::config::WatchSettings::default()));
    block(async {
        hooks.swap(next, Some(&watch)).end();
        assert_eq!(stamped(&mut hooks), "x v0000002");
        assert!(hooks.roll_back());
    });
    assert_eq!(stamped(&mut hooks), "x v0000001");
    drop(second);
    stamps.until_living(1);
}

#[test]
fn an_image_is_unmapped_where_both_sides_want_it() {
    let stamps = Stamps::new();
    let images = || stamps.services.plugins().totals().images;
    let entry = PolicyEntry {
        unload: Unload::BestEffort,
        ..stamps.entry()
    };
    let serve = |number, entry: &PolicyEntry| {
        let generation = stamps.after(None, number, std::slice::from_ref(entry)).unwrap();
        let hooks = stamps.shard(&generation);
        block(async { hooks.activate() });
        assert_eq!(images(), 1);
    };
    serve(1, &entry);
    let began = Instant::now();
    while images() > 0 {
        assert!(began.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(2));
    }
    // Otherwise it stays.
    serve(2, &stamps.entry());
    stamps.until_living(0);
    assert_eq!(images(), 1);
}

#[test]
fn a_plugin_that_is_refused_again_and_again_is_mapped_once() {
    let stamps = Stamps::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins/example-c/example_c.c");
    compiled(&source, &[], &stamps.path().join("door.so"));
    let door = PolicyEntry::compiled("door", "door.so");
    let refused =
        "door.so: refuses to load: the setting `password` is missing, or no plain text of at most 128 bytes";
    for _ in 0..5 {
        assert_eq!(
            stamps.after(None, 1, std::slice::from_ref(&door)).unwrap_err(),
            refused
        );
    }
    assert_eq!(stamps.services.plugins().totals().images, 1);
    // With what it wants it is opened anew: what it keeps in static variables may be about the settings of before.
    let mut open = door;
    open.settings.insert("password".into(), "sesame".into());
    let generation = stamps.after(None, 1, &[open]).unwrap();
    assert_eq!(stamps.services.plugins().totals().images, 2);
    drop(generation);
    stamps.until_living(0);
}

#[test]
fn only_files_on_the_list_are_loaded() {
    let stamps = Stamps::new();
    let with = |sha256: &str| PolicyEntry {
        sha256: vec![sha256.to_owned()],
        ..stamps.entry()
    };
    let refused = stamps.after(None, 1, &[with(&"0".repeat(64))]).unwrap_err();
    let (_, rest) = refused.split_once("stamp.so: has the SHA-256 ").unwrap();
    let (digest, rest) = rest.split_at(64);
    assert!(
        rest.starts_with(", which is not in `sha256` of its entry; if this is the file"),
        "{rest}"
    );
    assert!(stamps.after(None, 1, &[with(&digest.to_uppercase())]).is_ok());
}

#[test]
fn what_two_versions_say_of_themselves_can_be_compared() {
    let stamps = Stamps::new();
    let generation = stamps.after(None, 1, &[stamps.entry()]).unwrap();
    let sources: Vec<(String, String)> = generation
        .sources()
        .map(|(file, text)| (file.to_owned(), String::from_utf8_lossy(&text).into_owned()))
        .collect();
    let [(file, text)] = &sources[..] else {
        panic!("{sources:?}")
    };
    assert_eq!(file, "stamp.so");
    let begins = "compiled plugin stamp v0000001, plugin ABI 1.1\nhooks: publish, limit\nsha256: ";
    assert!(text.starts_with(begins), "{text}");
}

#[test]
fn a_plugin_of_abi_1_1_reads_the_registry_and_says_what_a_login_rests_on() {
    use serde_json::json;
    let services = super::records::services(&[
        ("mqtt-a", "key", "a", json!({ "n": 1 })),
        ("mqtt-a", "key", "b", json!({ "n": 2 })),
    ]);
    let folder = tempfile::tempdir().unwrap();
    services.keep_plugins_in(&folder.path().join("copies"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/abi/c_1_1/fixture.c");
    compiled(&source, &[], &folder.path().join("first.so"));
    put(
        &std::fs::read(folder.path().join("first.so")).unwrap(),
        &folder.path().join("fixture.so"),
    );
    let entry = [PolicyEntry::compiled("fixture", "fixture.so")];
    let generation = Generation::load(1, &entry, &HookDefaults::default(), folder.path(), &services);
    let generation = Arc::new(generation.unwrap());
    let hooks = ShardHooks::instantiate(&generation, &Arc::default(), 0, 10).unwrap();
    let chain = hooks.chain();

    let mut asks = client("a");
    let mut connect = super::logins::connect("a");
    connect.username = Some("mqtt-a".to_owned());
    block(chain.connect(&mut asks, &mut connect));
    assert_eq!(&*asks.instance, "mqtt-a");
    let login = |client: &Arc<Client>| {
        block(chain.authenticate(&AuthRequest {
            client,
            password: None,
            method: None,
            data: None,
        }))
    };
    let AuthDecision::Allow(grant) = login(&asks) else {
        panic!()
    };
    assert_eq!(grant.attrs["n"], 1);
    assert!(grant.any_client_id && grant.depends.has("key", "a"));
    let stranger = client("a");
    assert!(matches!(login(&stranger), AuthDecision::Deny { reason, .. } if &*reason == "no such key"));

    let before = block(chain.expiring(&asks, 5.0, false));
    let attrs = before.attrs.unwrap();
    assert_eq!(attrs["keys"], json!([{ "name": "b", "value": { "n": 2 } }]));
    assert_eq!(
        (before.expires_at, before.acl, before.depends),
        (None, None, None)
    );
    let after = block(chain.expiring(&asks, 5.0, true));
    assert_eq!((after.expires_at, after.attrs), (Some(65.0), None));
    assert_eq!(
        (after.acl, after.depends),
        (Some(Arc::default()), Some(Depends::default()))
    );
}
