//! The broker is killed with SIGKILL, again and again in the middle of load, and starts again on the same folder: nothing that
//! was acknowledged is lost, nothing of QoS 2 comes twice, nothing is out of order.
//!
//! `DUNLIN_CRASH_ROUNDS` kills (0: none, as a test of the test), `DUNLIN_CRASH_SEED`, `DUNLIN_CRASH_FSYNC`: see `settings.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

#[path = "../support/mod.rs"]
mod support;

mod cast;
mod drive;
mod evictions;
mod faults;
mod ledger;
mod link;
mod message;
mod publisher;
mod random;
mod report;
mod retained;
mod self_tests;
mod settings;
mod subscriber;
mod victim;
mod view;
mod wills;
mod world;

use std::future::Future;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::{LocalSet, spawn_local};

use random::Random;
use settings::Settings;
use subscriber::Subscription;
use victim::Victim;
use world::{Phase, World};

/// Milliseconds of load between a start and a kill.
const LOAD: std::ops::Range<u64> = 50..700;
/// Rounds of the main test for one of another.
const SHARE: u32 = 4;
/// How many of a hundred rounds look at the retained messages, and do not end before they have.
const LOOKS: u64 = 50;
/// How many of a hundred deaths are followed by one in the middle of the start.
const STILLBORN: u64 = 15;
/// How long a run may stand still at its end before it is given up.
const PATIENCE: Duration = Duration::from_secs(6);
/// How long what should not come has for coming.
const QUIET: Duration = Duration::from_millis(500);

/// Everything of a run is on one thread, one run at a time.
fn alone(run: impl Future<Output = ()>) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, run);
}

#[test]
fn nothing_acknowledged_is_lost() {
    let settings = Settings::read();
    alone(run(&settings, Death::Kill, settings.rounds));
}

/// The same with a broker that lives: what this finds is no matter of the store.
#[test]
fn cut_connections_lose_nothing() {
    let settings = Settings::read();
    alone(run(&settings, Death::Cut, settings.rounds.div_ceil(SHARE)));
}

/// How a round ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Death {
    /// With the broker.
    Kill,
    /// With all connections.
    Cut,
}

async fn run(settings: &Settings, death: Death, rounds: u32) {
    println!("{}", settings.again());
    let mut random = Random::new(settings.seed);
    let mut told = settings.store();
    // Small windows and queues, so that messages wait at every place where they can.
    let small = [
        "server.shards=2",
        "limits.inflight=100",
        "limits.queue_messages=300",
    ];
    told.extend(small.map(str::to_owned));
    let (world, mut victim) = (World::new(death == Death::Cut), Victim::new(told));
    let address = victim.start().await;
    world.up(address);

    cast::publishers(&world, &mut random);
    let subscriptions = cast::subscribers(&world, &mut random);
    let ready = || {
        subscriptions
            .iter()
            .all(|s| s.get() == Subscription::Acknowledged)
    };
    let subscribed = world.until(|_| ready());
    let subscribed = tokio::time::timeout(PATIENCE, subscribed).await;
    subscribed.expect("all subscribe in peace");

    world.set_phase(Phase::Load);
    let began = Instant::now();
    load(&world, &mut victim, death, rounds, &mut random).await;
    world.set_phase(Phase::Drain);
    let loaded = began.elapsed();
    drain(&world).await;
    tokio::time::sleep(QUIET).await;
    retained::look(Rc::clone(&world)).await;
    world.set_phase(Phase::Over);

    let ledger = world.ledger.borrow();
    let summary = report::summary(&ledger);
    let drained = began.elapsed() - loaded;
    println!("{summary}\n{loaded:.1?} of load, {drained:.1?} of draining");
    let lines = report::account(&ledger).join("\n");
    let again = settings.again();
    assert!(lines.is_empty(), "{lines}\n{again}\n{}", victim.log());
}

/// Load and deaths; it ends early when something is wrong.
async fn load(world: &Rc<World>, victim: &mut Victim, death: Death, rounds: u32, random: &mut Random) {
    let mut newcomers = cast::Newcomers::default();
    for round in 0..=rounds {
        let look = random
            .percent(LOOKS)
            .then(|| spawn_local(retained::look(Rc::clone(world))));
        spawn_local(wills::testator(Rc::clone(world), random.fork()));
        newcomers.next(world, random);
        let last = round == rounds;
        let span = if last { LOAD.end..LOAD.end + 1 } else { LOAD };
        tokio::time::sleep(random.millis(span)).await;
        if let Some(look) = look {
            look.await.unwrap();
        }
        if last || world.ledger.borrow().wrongs > 0 {
            return;
        }
        let address = world.now().address;
        world.down();
        if death == Death::Cut {
            tokio::time::sleep(random.millis(0..80)).await;
            world.up(address.unwrap());
            continue;
        }
        victim.kill();
        if random.percent(STILLBORN) {
            victim.stillborn(random.millis(0..80)).await;
        }
        let address = victim.start().await;
        world.up(address);
    }
}

/// Waits until all is complete, or nothing moves any more.
async fn drain(world: &World) {
    let (mut progress, mut moved) = (world.progress(), Instant::now());
    while !world.ledger.borrow().complete() && moved.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if world.progress() != progress {
            (progress, moved) = (world.progress(), Instant::now());
        }
    }
}
