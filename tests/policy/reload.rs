//! A script that is saved a hundred times under two thousand clients, every fifth time with a mistake in it.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::crowd::Crowd;
use crate::support::{Broker, Client, PUBACK, V5, publish};
use crate::{Demo, millis_until, signed};

/// How many clients there are; `DUNLIN_CROWD=8000` for more.
pub fn clients() -> usize {
    std::env::var("DUNLIN_CROWD").map_or(2000, |count| count.parse().unwrap())
}

pub const PAIRS: usize = 48;
const SAVES: usize = 100;
/// Enough to have some on every shard.
const PROBES: usize = 8;
const NOT_AUTHORIZED: u8 = 0x87;

/// Takes as many descriptors as the system lets us, and says so when they are too few.
pub fn room_for_the_crowd() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            ..limit
        },
    )
    .unwrap();
    let room = limit.maximum.unwrap_or(u64::MAX);
    assert!(
        room >= clients() as u64 + 1000,
        "ulimit -n is {room}; {} clients need more: ulimit -n 8192",
        clients()
    );
}

/// What a mistake looks like, one line each: one that does not parse, and two that fail when they run.
const MISTAKES: [&str; 3] = ["local = 1", "nothing.here()", "local sum = 1 + {}"];

/// Version `n` of acl.lua, made of the demo's own: its rules allow the load, and of the probes `probe/vN` alone. The
/// number is the mistake's line, counted from 1.
fn version(original: &str, n: usize) -> (String, Option<usize>) {
    let (before, rest) = original
        .split_once("local rules = {\n")
        .expect("the rules of acl.lua");
    let (_, after) = rest.split_once("\n}\n").expect("the end of the rules");
    let rules = format!(
        "local rules = {{\n\t{{ \"allow\", \"all\", \"*\", \"load/#\" }},\n\t{{ \"allow\", \"publish\", \"*\", \
         \"probe/v{n}\" }},\n}}\n"
    );
    if !n.is_multiple_of(5) {
        return (format!("{before}{rules}{after}"), None);
    }
    let text = format!("{before}{rules}{}\n{after}", MISTAKES[n / 5 % MISTAKES.len()]);
    (text, Some(before.lines().count() + rules.lines().count() + 1))
}

/// As editors do it: to another file and over the first one, or into the file itself.
pub fn save(path: &Path, text: &str, atomically: bool) {
    if atomically {
        let new = path.with_extension("lua.new");
        fs::write(&new, text).unwrap();
        fs::rename(new, path).unwrap();
    } else {
        fs::write(path, text).unwrap();
    }
}

/// Whether this client may publish to `probe/vN`.
fn allowed(probe: &mut Client, n: usize) -> bool {
    probe.publish(publish(format!("probe/v{n}"), "").qos(1, 1));
    probe.expect(PUBACK).code() != NOT_AUTHORIZED
}

/// What the saves came to.
#[derive(Default)]
struct Saves {
    millis: Vec<u128>,
    refused: usize,
}

/// Saves version after version and looks that each does what it should.
fn save_all(demo: &Demo, broker: &Broker) -> Saves {
    let original = fs::read_to_string(demo.acl()).unwrap();
    let mut probes: Vec<Client> = (0..PROBES)
        .map(|n| signed(V5, &format!("GID_probe@@@{n}")).to(broker))
        .collect();
    let mut saves = Saves::default();
    let mut good = 0;
    for n in 1..=SAVES {
        // The broker remembers answers; a new version has to make it forget this one.
        assert!(
            probes.iter_mut().all(|probe| !allowed(probe, n)),
            "probe/v{n} before its time"
        );
        let (text, mistake) = version(&original, n);
        let seen = broker.log().len();
        save(&demo.acl(), &text, n.is_multiple_of(2));
        if let Some(line) = mistake {
            let place = format!("acl.lua:{line}");
            millis_until(&format!("version {n} reported with {place}"), broker, || {
                broker.log()[seen..]
                    .lines()
                    .any(|text| text.contains("ERROR") && text.contains(&place))
            });
            assert!(
                probes.iter_mut().all(|probe| !allowed(probe, n)),
                "the broken version {n} is in force"
            );
            assert!(
                probes.iter_mut().all(|probe| allowed(probe, good)),
                "version {good} is not any more"
            );
            saves.refused += 1;
        } else {
            let millis = millis_until(&format!("version {n}"), broker, || {
                probes.iter_mut().all(|probe| allowed(probe, n))
            });
            assert!(millis < 1000, "version {n} was in force after {millis} ms");
            assert!(
                n == 1 || probes.iter_mut().all(|probe| !allowed(probe, good)),
                "version {good} still is"
            );
            saves.millis.push(millis);
            good = n;
        }
    }
    saves
}

#[test]
fn two_thousand_clients_do_not_notice_a_hundred_saves() {
    room_for_the_crowd();
    let demo = Demo::start(&["limits.connection_rate=unlimited"]);
    let original = fs::read_to_string(demo.acl()).unwrap();
    save(&demo.acl(), &version(&original, SAVES + 1).0, true);
    let mut first = signed(V5, "GID_probe@@@first").to(&demo.broker);
    millis_until("the rules of the load", &demo.broker, || {
        allowed(&mut first, SAVES + 1)
    });
    let mut crowd = Crowd::connect(&demo.broker, clients(), PAIRS);
    let done = AtomicBool::new(false);
    let (saves, figures) = thread::scope(|scope| {
        let saving = scope.spawn(|| {
            let saves =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| save_all(&demo, &demo.broker)));
            done.store(true, Ordering::Release);
            saves
        });
        let figures = crowd.publish_until(|| done.load(Ordering::Acquire));
        (saving.join().unwrap(), figures)
    });
    let mut saves = saves.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    crowd.check();
    crowd.ping();
    crowd.check();
    saves.millis.sort_unstable();
    let (count, slowest) = (saves.millis.len(), saves.millis[saves.millis.len() - 1]);
    println!(
        "{} clients, {PAIRS} publishing with QoS 1: {} messages acknowledged, {} lost, {} twice, slowest PUBACK \
         {:?}; {count} good versions in force after {} ms (median) to {slowest} ms, {} bad ones refused",
        clients(),
        figures.acknowledged,
        figures.lost,
        figures.twice,
        figures.longest,
        saves.millis[count / 2],
        saves.refused,
    );
    let log = demo.broker.log();
    let mut swaps: Vec<&str> = log
        .lines()
        .filter_map(|line| line.split_once("swap=")?.1.split(' ').next())
        .collect();
    swaps.sort_by_key(|swap| (swap.contains("ms"), swap.len(), *swap));
    println!(
        "the swap itself took the slowest shard {:?} (median) to {:?}",
        swaps.get(swaps.len() / 2),
        swaps.last()
    );
    assert_eq!((figures.lost, figures.twice), (0, 0));
    assert_eq!((count, saves.refused), (SAVES - SAVES / 5, SAVES / 5));
    assert!(
        figures.acknowledged > 1000,
        "hardly any load: {}",
        figures.acknowledged
    );
}
