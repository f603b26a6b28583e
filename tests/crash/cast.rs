//! Who publishes and who subscribes.

use std::cell::Cell;
use std::rc::Rc;

use tokio::task::spawn_local;

use crate::drive::{Manner, drive};
use crate::publisher::Publisher;
use crate::random::Random;
use crate::subscriber::{Subscriber, Subscription};
use crate::support::{V5, V311};
use crate::world::World;

/// Topics of retained messages, for each QoS.
const KEPT: usize = 8;
/// Kills that a newcomer lives through before it unsubscribes.
const STAYS: usize = 3;

/// Publishers: what they are called, speak, publish to, with which QoS, window and rate.
type Cast = [(
    &'static str,
    u8,
    [&'static str; 2],
    &'static [u8],
    (u16, f64),
    bool,
)];
const PUBLISHERS: &Cast = &[
    ("p0", V311, ["load/0/a", "load/0/b"], &[1], (40, 2_500.0), false),
    ("p1", V5, ["load/1/a", "load/1/b"], &[2], (40, 2_000.0), false),
    ("p2", V311, ["load/2/a", "load/2/b"], &[2], (16, 1_500.0), true),
    ("p3", V5, ["load/3/a", "load/3/b"], &[1], (60, 2_500.0), true),
    ("p4", V5, ["load/4/a", "load/4/b"], &[1, 2], (30, 2_000.0), true),
    ("p5", V311, ["load/5/a", "load/5/b"], &[1, 2], (8, 150.0), false),
];

/// All of them, with streams in the ledger; they publish when the load begins.
pub fn publishers(world: &Rc<World>, random: &mut Random) {
    for (name, version, topics, qos, pace, taken_over) in PUBLISHERS {
        let publisher = Publisher::new(world, (name, *version), topics, qos, *pace, false);
        let manner = if *taken_over {
            Manner::taken_over()
        } else {
            Manner::steady()
        };
        spawn_local(drive(publisher, Rc::clone(world), manner, random.fork()));
    }
    for qos in [1, 2] {
        let topics: Vec<String> = (0..KEPT).map(|n| format!("keep/{qos}/{n}")).collect();
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        let who = (&*format!("keeper{qos}"), V5);
        let keeper = Publisher::new(world, who, &topics, &[qos], (20, 400.0), true);
        spawn_local(drive(
            keeper,
            Rc::clone(world),
            Manner::taken_over(),
            random.fork(),
        ));
    }
}

/// All that are there from the beginning; their subscriptions, to see what they come to.
pub fn subscribers(world: &Rc<World>, random: &mut Random) -> Vec<Rc<Cell<Subscription>>> {
    let mut subscriptions = Vec::new();
    let mut add = |subscriber: Subscriber, manner: Manner, random: &mut Random| {
        subscriptions.push(Rc::clone(&subscriber.subscription));
        spawn_local(drive(subscriber, Rc::clone(world), manner, random.fork()));
    };
    let (steady, restless) = (Manner::steady, Manner::restless);
    let new = |who: (&str, u8), filter: &str, qos: u8, random: &mut Random| {
        Subscriber::new(world, who, filter, qos, random.fork())
    };
    add(new(("all", V5), "load/#", 2, random), steady(), random);
    add(new(("some", V311), "load/+/a", 1, random), steady(), random);
    let moves = new(("moves", V5), "load/4/+", 2, random);
    add(moves, Manner::taken_over(), random);
    add(new(("goes1", V5), "load/1/#", 2, random), restless(), random);
    add(new(("goes2", V311), "load/2/a", 2, random), restless(), random);
    add(new(("goes3", V5), "load/3/b", 1, random), restless(), random);
    let slow = new(("slow1", V5), "load/4/b", 2, random);
    add(slow.slow(0..20).receive_maximum(20), restless(), random);
    let slow = new(("slow2", V311), "load/0/a", 1, random);
    add(slow.slow(0..50), steady(), random);
    let narrow = new(("narrow1", V5), "load/5/#", 2, random);
    add(narrow.receive_maximum(1), restless(), random);
    let narrow = new(("narrow2", V5), "load/3/a", 1, random);
    add(narrow.receive_maximum(3), steady(), random);
    let sleeper = new(("sleeper1", V5), "load/5/+", 2, random);
    add(sleeper.asleep(), steady(), random);
    let sleeper = new(("sleeper2", V311), "load/5/a", 1, random);
    add(sleeper.asleep(), steady(), random);
    add(new(("watch", V5), "will/#", 1, random), restless(), random);
    for (name, filter, qos) in [("crew1", "load/0/#", 1), ("crew2", "load/1/#", 2)] {
        let group = world.ledger.borrow_mut().group(name);
        for (n, version) in (0..3).zip([V5, V311, V5]) {
            let id = format!("{name}-{n}");
            let member = new((&id, version), filter, qos, random).shares(group);
            add(member, if n == 0 { steady() } else { restless() }, random);
        }
    }
    subscriptions
}

/// Those who come in the middle of the load, one a round, and unsubscribe later.
#[derive(Default)]
pub struct Newcomers(Vec<Rc<Cell<Subscription>>>);

impl Newcomers {
    pub fn next(&mut self, world: &Rc<World>, random: &mut Random) {
        let n = self.0.len();
        let id = format!("new{n}");
        let version = if n.is_multiple_of(2) { V5 } else { V311 };
        let filter = ["load/5/#", "load/3/a", "load/2/+", "load/4/b"][n / 2 % 4];
        let newcomer = Subscriber::new(world, (&id, version), filter, 1 + n as u8 / 3 % 2, random.fork());
        self.0.push(Rc::clone(&newcomer.subscription));
        let drive = drive(newcomer, Rc::clone(world), Manner::restless(), random.fork());
        spawn_local(drive);
        if let Some(old) = n.checked_sub(STAYS).map(|n| &self.0[n])
            && old.get() == Subscription::Acknowledged
        {
            old.set(Subscription::Leaving);
        }
    }
}
