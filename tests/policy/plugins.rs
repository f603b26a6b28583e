//! Compiled plugins as their user sees them: dropped in, replaced and taken out while clients are connected.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::crowd::Crowd;
use crate::reload::{PAIRS, clients, room_for_the_crowd, save};
use crate::support::broker::{binary, folder, root};
use crate::support::plugins::{compiled, put};
use crate::support::{Broker, Client, Connect, PUBLISH, V5, publish};
use crate::{Demo, millis_until, signed};

/// How many swaps there are; `DUNLIN_SWAPS=400` for more.
fn swaps() -> usize {
    std::env::var("DUNLIN_SWAPS").map_or(60, |count| count.parse().unwrap())
}

/// What a swap may add to the memory of the broker.
const MEMORY: u64 = 512 << 10;

/// `tests/support/stamp.c`, of which any version can be made.
struct Stamp(Vec<u8>);

impl Stamp {
    fn build(folder: &Path) -> Stamp {
        let library = folder.join("stamp-original");
        compiled(&root().join("tests/support/stamp.c"), &[], &library);
        Stamp(fs::read(library).unwrap())
    }

    fn put(&self, version: usize, path: &Path) {
        let mark = b" v0000000";
        let mut bytes = self.0.clone();
        let at = bytes.windows(mark.len()).position(|text| text == mark).unwrap();
        bytes[at..at + mark.len()].copy_from_slice(format!(" v{version:07}").as_bytes());
        put(&bytes, path);
    }
}

/// Two plugins in one file, and a script that writes down what the last of them said: each message has three stamps.
fn entries(stamp: &Path, unload: &str) -> String {
    let file = stamp.display();
    format!(
        "[[policy]]\nname = \"first\"\nplugin = \"{file}\"\nunload = \"{unload}\"\n\
         [[policy]]\nname = \"second\"\nplugin = \"{file}\"\nunload = \"{unload}\"\n\
         [[policy]]\nname = \"third\"\nscript = \"scripts/third.lua\"\n"
    )
}

const THIRD: &str = "return { publish = function(ctx, msg) return { payload = msg.payload .. string.match(msg.payload, ' v%d+$') } end }";

fn swap_under_a_crowd(unload: &str) {
    room_for_the_crowd();
    let aside = folder();
    let stamp = Stamp::build(&aside);
    let file = aside.join("stamp.so");
    stamp.put(0, &file);
    let settings = [
        "limits.connection_rate=unlimited",
        "policy_watch.window=\"200ms\"",
    ];
    let files = [("scripts/third.lua", THIRD)];
    let demo = Demo::with(&settings, &entries(&file, unload), &files);
    let acl = fs::read_to_string(demo.acl()).unwrap();
    let allow = "local rules = {\n\t{ \"allow\", \"all\", \"*\", \"load/#\" },\n";
    save(&demo.acl(), &acl.replace("local rules = {\n", allow), true);
    let mut first = signed(V5, "GID_probe@@@first").to(&demo.broker);
    millis_until("the rules of the load", &demo.broker, || {
        first.subscribe("load/probe", 0).codes == [0]
    });

    let mut crowd = Crowd::connect(&demo.broker, clients(), PAIRS);
    let done = AtomicBool::new(false);
    let before = demo.broker.resident().unwrap();
    let (swapped, figures) = thread::scope(|scope| {
        let swapping = scope.spawn(|| {
            let swapped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let mut worst = 0;
                for n in 1..=swaps() {
                    stamp.put(n, &file);
                    let wanted = format!("v{n:07} v{n:07} v{n:07}");
                    let took = millis_until(&format!("version {n}"), &demo.broker, || {
                        first.publish(publish("load/probe", "").qos(0, 0));
                        let message = first.expect(PUBLISH);
                        String::from_utf8_lossy(&message.payload).trim() == wanted
                    });
                    worst = worst.max(took);
                }
                worst
            }));
            done.store(true, Ordering::Release);
            swapped
        });
        let figures = crowd.publish_until(|| done.load(Ordering::Acquire));
        (swapping.join().unwrap(), figures)
    });
    let worst = swapped.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    crowd.check();
    crowd.ping();
    crowd.check();
    let grown = demo.broker.resident().unwrap().saturating_sub(before);
    let each = grown / swaps() as u64;
    println!(
        "{} clients, {} swaps of two plugins ({unload}): {} messages acknowledged, {} lost, {} twice, none served by a mix; slowest \
         PUBACK {:?}, slowest swap {worst} ms, {} KiB of memory a swap",
        clients(),
        swaps(),
        figures.acknowledged,
        figures.lost,
        figures.twice,
        figures.longest,
        each >> 10,
    );
    assert_eq!((figures.lost, figures.twice), (0, 0));
    assert!(
        figures.acknowledged > 100,
        "hardly any load: {}",
        figures.acknowledged
    );
    assert!(each < MEMORY, "{each} bytes a swap");
    fs::remove_dir_all(aside).unwrap();
}

#[test]
fn a_plugin_is_swapped_under_two_thousand_clients() {
    swap_under_a_crowd("keep");
}

#[test]
fn a_plugin_is_swapped_and_unmapped_under_two_thousand_clients() {
    swap_under_a_crowd("best-effort");
}

/// A broker that lets everybody in, with a configuration and a data folder of its own.
struct Bench {
    folder: PathBuf,
    broker: Broker,
    stamp: Stamp,
}

impl Bench {
    fn start(chain: &str) -> Bench {
        let folder = folder();
        fs::write(folder.join("dunlin.toml"), Bench::config(chain)).unwrap();
        let settings = [&super::PLAIN[..], &["policy_watch.window=\"200ms\""]].concat();
        let broker = Broker::start_with(&folder.join("dunlin.toml"), &settings);
        let stamp = Stamp::build(&folder);
        Bench {
            folder,
            broker,
            stamp,
        }
    }

    fn config(chain: &str) -> String {
        let open = fs::read_to_string(root().join("dunlin.open.toml")).unwrap();
        format!("{open}\n{chain}")
    }

    /// Another chain, in the place of the one before.
    fn chain(&self, chain: &str) {
        put(Bench::config(chain).as_bytes(), &self.folder.join("dunlin.toml"));
    }

    fn plugin(&self) -> PathBuf {
        self.broker.data().join("plugins/stamp.so")
    }

    #[track_caller]
    fn says(&self, what: &str) {
        let began = Instant::now();
        while !self.broker.log().contains(what) {
            let late = began.elapsed() > Duration::from_secs(10);
            assert!(
                !late,
                "the log does not say {what:?}:\n{}",
                self.broker.log_tail()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// What becomes of a message now.
fn served(client: &mut Client) -> String {
    client.publish(publish("probe", "x").qos(0, 0));
    String::from_utf8_lossy(&client.expect(PUBLISH).payload).into_owned()
}

const STAMP: &str = "[[policy]]\nname = \"stamp\"\nplugin = \"stamp.so\"\n";

#[test]
fn a_plugin_is_dropped_in_replaced_and_taken_out_without_a_restart() {
    let bench = Bench::start("");
    let mut client = Connect::new(V5, "probe").to(&bench.broker);
    client.subscribe("probe", 0);
    assert_eq!(served(&mut client), "x");
    // The entry comes before its file: it is refused, and put in force when the file is there.
    bench.chain(STAMP);
    bench.says("stamp.so; copy it there or correct the path (generation 1 keeps serving)");
    fs::create_dir(bench.broker.data().join("plugins")).unwrap();
    bench.stamp.put(1, &bench.plugin());
    millis_until("the plugin", &bench.broker, || {
        served(&mut client) == "x v0000001"
    });
    // The file is replaced.
    bench.stamp.put(2, &bench.plugin());
    millis_until("the next one", &bench.broker, || {
        served(&mut client) == "x v0000002"
    });
    // Half a file is refused.
    let whole = fs::read(bench.plugin()).unwrap();
    put(&whole[..whole.len() / 2], &bench.plugin());
    bench.says("end before what its headers promise; copy it again");
    assert_eq!(served(&mut client), "x v0000002");
    // A mistake in dunlin.toml is told with its line, and everything goes on.
    bench.chain(&format!("{STAMP}budgit = \"5ms\"\n"));
    bench.says("there is no setting `policy[0].budgit`; did you mean `budget`? (generation");
    // The entry is taken out, and so is the plugin.
    bench.chain("");
    millis_until("no plugin", &bench.broker, || served(&mut client) == "x");
    assert!(bench.broker.alive());
}

#[test]
fn settings_that_take_a_restart_are_told_by_name_and_the_chain_changes_all_the_same() {
    let bench = Bench::start("");
    fs::create_dir(bench.broker.data().join("plugins")).unwrap();
    bench.stamp.put(1, &bench.plugin());
    let mut client = Connect::new(V5, "probe").to(&bench.broker);
    client.subscribe("probe", 0);
    let config = Bench::config(STAMP).replace("payload_size = \"256MiB\"", "payload_size = \"1KiB\"");
    put(config.as_bytes(), &bench.folder.join("dunlin.toml"));
    millis_until("the plugin", &bench.broker, || {
        served(&mut client) == "x v0000001"
    });
    bench.says("`limits.payload_size` was \"256MiB\" when the broker started and is \"1KiB\" now; that takes a restart");
    let told = || bench.broker.log().matches("that takes a restart").count();
    bench.stamp.put(2, &bench.plugin());
    millis_until("the next one", &bench.broker, || {
        served(&mut client) == "x v0000002"
    });
    assert_eq!(told(), 1, "{}", bench.broker.log_tail());
}

#[test]
fn an_entry_is_a_script_or_a_plugin_and_has_no_settings_of_the_other() {
    let folder = folder();
    let check = |chain: &str| {
        fs::write(folder.join("dunlin.toml"), Bench::config(chain)).unwrap();
        let said = Command::new(binary())
            .args(["check", "--config", "dunlin.toml"])
            .current_dir(&folder)
            .output()
            .unwrap();
        String::from_utf8(said.stderr).unwrap()
    };
    fs::create_dir_all(folder.join("data/plugins")).unwrap();
    Stamp::build(&folder).put(1, &folder.join("data/plugins/stamp.so"));
    fs::write(folder.join("a.lua"), THIRD).unwrap();
    assert_eq!(check(STAMP), "");
    let both = check("[[policy]]\nname = \"a\"\nplugin = \"stamp.so\"\nscript = \"a.lua\"\n");
    assert!(
        both.contains("policy `a` has a `script` and a `plugin`; make two entries of it"),
        "{both}"
    );
    let memory = check(&format!("{STAMP}memory = \"1MiB\"\nsha256 = [\"abc\"]\n"));
    assert!(
        memory.contains("policy `stamp` is a plugin, and `memory` is a setting of a script; take it out")
            && memory.contains("\"abc\" in `sha256` is no SHA-256 in hex; sha256sum FILE prints one"),
        "{memory}"
    );
    let unload = check("[[policy]]\nname = \"a\"\nscript = \"a.lua\"\nunload = \"best-effort\"\n");
    assert!(
        unload.contains("policy `a` is a script, and `unload` is a setting of a plugin; take it out"),
        "{unload}"
    );
    fs::remove_dir_all(&folder).unwrap();
}
