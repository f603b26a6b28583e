//! Wills with a delay that goes on over a crash, of sessions that are kept.

use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::drive::open;
use crate::ledger::{Stamp, seconds, stamp};
use crate::link::Link;
use crate::publisher::EXPIRY;
use crate::random::Random;
use crate::support::{Connect, Will as Testament};
use crate::world::{Phase, World};

/// Seconds that the will of one that comes back waits.
const LONG: u32 = 4;
/// What the clocks of two processes may be apart, in tenths of a millisecond.
const SLACK: Stamp = 500;

#[derive(Default)]
pub struct Will {
    /// When the connection ended.
    ended: Stamp,
    /// Seconds.
    delay: u32,
    /// Whether it is to be published; `None`: nobody can know.
    due: Option<bool>,
    came: Vec<Stamp>,
}

#[derive(Default)]
pub struct Wills(Vec<Will>);

impl Wills {
    /// The will of this number was published.
    pub fn came(&mut self, name: &[u8], at: Stamp) -> bool {
        let n: usize = String::from_utf8_lossy(name).parse().unwrap();
        self.0[n].came.push(at);
        self.0[n].came.len() == 1
    }

    pub fn complete(&self) -> bool {
        let due = |will: &Will| will.due == Some(true) && will.came.is_empty();
        !self.0.iter().any(due)
    }

    /// How many came, as they had to.
    pub fn count(&self) -> usize {
        self.0.iter().filter(|will| !will.came.is_empty()).count()
    }

    /// What is wrong, a line each.
    pub fn wrong(&self) -> Vec<String> {
        let wrong = self.0.iter().enumerate().filter_map(|(n, will)| {
            let first = will.came.first();
            let soonest = will.ended + will.delay * 10_000 - SLACK;
            let what = match (will.due?, first) {
                (true, None) => "was never published".to_owned(),
                (true, Some(first)) if *first < soonest => format!("came too soon, at {}", seconds(*first)),
                (false, Some(first)) => {
                    let first = seconds(*first);
                    format!("was published at {first}, though its client had come back and said goodbye")
                }
                _ => return None,
            };
            let (ended, delay) = (seconds(will.ended), will.delay);
            Some(format!(
                "will {n} (connection ended at {ended}, delay {delay} s) {what}"
            ))
        });
        wrong.collect()
    }

    fn set(&mut self, n: usize, due: bool, ended: Duration) {
        let will = &mut self.0[n];
        (will.due, will.ended) = (Some(due), stamp(ended));
    }
}

/// A client with a will: it vanishes shortly before the broker dies, dies with it, or comes back in time.
pub async fn testator(world: Rc<World>, mut random: Random) {
    let n = world.ledger.borrow().wills.0.len();
    let returns = n % 3 == 2;
    let delay = if returns { LONG } else { 1 + n as u32 % 2 };
    world.ledger.borrow_mut().wills.0.push(Will {
        delay,
        ..Will::default()
    });
    let will = Testament {
        qos: 1,
        ..Testament::new(format!("will/{n}"), "gone").delay(delay)
    };
    let plain = Connect::v5(format!("testator{n}")).resume().expiry(EXPIRY);
    let Some(address) = world.now().address else {
        return;
    };
    let life = world.now().life;
    let Ok((mut link, ..)) = open(address, &plain.clone().will(will)).await else {
        return;
    };
    let vanishes = n
        .is_multiple_of(3)
        .then(|| Instant::now() + random.millis(0..300));
    let mut packets = Vec::new();
    while !link.closed() && !world.cut(life) && world.phase() == Phase::Load {
        let now = Instant::now();
        if vanishes.is_some_and(|vanishes| vanishes <= now) {
            break;
        }
        link.turn(now + Duration::from_millis(10), &mut packets).await;
    }
    let (ended, killed) = (world.time(), link.closed() || world.cut(life));
    let goes = world.phase() != Phase::Load && !killed;
    if goes {
        goodbye(&mut link).await;
    }
    drop(link);
    if !returns || goes {
        return world.ledger.borrow_mut().wills.set(n, !goes, ended);
    }
    let now = world
        .until(|now| now.address.is_some() || now.phase == Phase::Over)
        .await;
    let Some(address) = now.address else { return };
    let Ok((mut link, connack, _)) = open(address, &plain).await else {
        return;
    };
    if world.time() > ended + Duration::from_secs(u64::from(LONG) - 2) {
        return;
    }
    if !connack.session_present {
        world.wrong("session lost", format!("the session of testator {n} is gone"));
    }
    goodbye(&mut link).await;
    // The old will went when the session went on [MQTT-3.1.3-9], and there is no new one.
    world.ledger.borrow_mut().wills.set(n, false, ended);
}

async fn goodbye(link: &mut Link) {
    link.out.extend([0xE0, 0]);
    let wake = Instant::now() + Duration::from_millis(50);
    link.turn(wake, &mut Vec::new()).await;
}
