//! A full inbox and a crash: what is left is the newest that was acknowledged, without a gap, in order, and no more than allowed.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::spawn_local;

use crate::drive::{Manner, drive};
use crate::ledger::{Ledger, Place};
use crate::publisher::Publisher;
use crate::random::Random;
use crate::settings::Settings;
use crate::subscriber::{Subscriber, Subscription};
use crate::support::{V5, V311};
use crate::victim::Victim;
use crate::world::{Phase, World};
use crate::{LOAD, PATIENCE, SHARE, alone};

/// Messages that an instance may have in inboxes.
const CAP: usize = 500;
/// No more comes when nothing has come for so long.
const QUIET: Duration = Duration::from_millis(300);

fn log(ledger: &mut Ledger) -> &mut Vec<u64> {
    match &mut ledger.subscribers[0].entries[0].place {
        Place::Log(log) => log,
        _ => unreachable!("the first subscriber keeps a log"),
    }
}

#[test]
fn a_full_inbox_keeps_the_newest() {
    alone(async {
        let settings = Settings::read();
        println!("{}", settings.again());
        let mut random = Random::new(settings.seed);
        let mut told = settings.store();
        told.push("server.shards=2".to_owned());
        told.push(format!("limits.offline_messages={CAP}"));
        let (world, mut victim) = (World::new(false), Victim::new(told));
        let address = victim.start().await;
        world.up(address);

        let topics = ["evict/a"];
        let flood = Publisher::new(&world, ("flood", V5), &topics, &[1], (100, 20_000.0), false);
        let awake = Rc::new(Cell::new(true));
        let reader = Subscriber::new(&world, ("reader", V311), "evict/#", 1, random.fork()).told(&awake);
        let subscription = Rc::clone(&reader.subscription);
        spawn_local(drive(reader, Rc::clone(&world), Manner::steady(), random.fork()));
        spawn_local(drive(flood, Rc::clone(&world), Manner::steady(), random.fork()));
        let subscribed = world.until(|_| subscription.get() == Subscription::Acknowledged);
        let subscribed = tokio::time::timeout(PATIENCE, subscribed).await;
        subscribed.expect("it subscribes in peace");
        world.ledger.borrow_mut().subscribers[0].entries[0].place = Place::Log(Vec::new());

        let rounds = settings.rounds.div_ceil(SHARE);
        for _ in 0..rounds.max(1) {
            round(&world, &mut victim, &awake, rounds > 0, &mut random).await;
            if world.ledger.borrow().wrongs > 0 {
                break;
            }
        }
        world.set_phase(Phase::Over);
        let ledger = world.ledger.borrow();
        let wrong: Vec<&str> = ledger.violations.iter().map(|wrong| &*wrong.what).collect();
        println!(
            "{} kills, {} messages published",
            ledger.kills.len(),
            ledger.streams[0].sent()
        );
        assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), victim.log());
    });
}

/// Fills the inbox, kills, looks what is there, and lets all come to its end.
async fn round(
    world: &Rc<World>,
    victim: &mut Victim,
    awake: &Rc<Cell<bool>>,
    kill: bool,
    random: &mut Random,
) {
    // While it drains everybody is awake.
    world.set_phase(Phase::Setup);
    awake.set(false);
    tokio::time::sleep(Duration::from_millis(150)).await;
    log(&mut world.ledger.borrow_mut()).clear();
    let base = world.ledger.borrow().streams[0].sent();
    world.set_phase(Phase::Load);
    tokio::time::sleep(random.millis(LOAD)).await;
    // The publisher is away while the inbox is looked at: what it sends again would be in it twice.
    world.set_phase(Phase::Setup);
    if kill {
        world.down();
        victim.kill();
        let address = victim.start().await;
        world.up(address);
    } else {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    awake.set(true);
    quiet(world).await;
    let wrong = wrong(&mut world.ledger.borrow_mut(), base);
    for what in wrong {
        world.wrong("evictions", what);
    }
    world.set_phase(Phase::Drain);
    let began = Instant::now();
    while world.ledger.borrow().under_way[0] > 0 && began.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    quiet(world).await;
    let sent = world.ledger.borrow().streams[0].sent();
    if log(&mut world.ledger.borrow_mut()).iter().max().copied() != sent.checked_sub(1) {
        let what = "what was sent again after the crash did not come".to_owned();
        world.wrong("evictions", what);
    }
}

async fn quiet(world: &World) {
    let (mut deliveries, mut last) = (world.ledger.borrow().deliveries, Instant::now());
    while last.elapsed() < QUIET {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let now = world.ledger.borrow().deliveries;
        if now != deliveries {
            (deliveries, last) = (now, Instant::now());
        }
    }
}

/// What is wrong with what was in the inbox; `base` is the first message of this round.
fn wrong(ledger: &mut Ledger, base: u64) -> Vec<String> {
    let came = std::mem::take(log(ledger));
    let (mut wrong, kills) = (Vec::new(), ledger.kills.len());
    let (first, last) = (came.first().copied(), came.last().copied());
    let stream = &ledger.streams[0];
    let (acknowledged, sent) = (stream.acknowledged, stream.sent());
    let mut tell = |what: String| {
        let acknowledged = acknowledged.checked_sub(1);
        wrong.push(format!(
            "after kill {kills}: {what} ({} came, {first:?} to {last:?}; the first of this round is {base}, the last \
             acknowledged {acknowledged:?}, {sent} sent)",
            came.len()
        ));
    };
    if came.len() > CAP {
        tell(format!("more than {CAP} messages were kept"));
    }
    if let Some(gap) = came.windows(2).find(|two| two[1] != two[0] + 1) {
        tell(format!("{} came behind {}", gap[1], gap[0]));
    }
    let next = last.map_or(0, |last| last + 1);
    if acknowledged > base && next < acknowledged {
        tell("the newest that were acknowledged are lost".to_owned());
    }
    if next > base && came.len() < CAP && first.is_some_and(|first| first > base) {
        tell("fewer messages were kept than there is room for".to_owned());
    }
    *log(ledger) = came;
    wrong
}
