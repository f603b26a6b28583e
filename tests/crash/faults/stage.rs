//! A broker on a disk that obeys, with all the load, and the judgement at the end.

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::spawn_local;

use super::disk::Disk;
use super::power;
use crate::random::Random;
use crate::settings::{Settings, told};
use crate::subscriber::Subscription;
use crate::support::broker::free_address;
use crate::victim::Victim;
use crate::world::{Phase, World};
use crate::{PATIENCE, QUIET, cast, drain, report, retained, wills};

pub struct Stage {
    pub world: Rc<World>,
    pub victim: Victim,
    pub disk: Disk,
    pub random: Random,
    pub metrics: SocketAddr,
    newcomers: cast::Newcomers,
    /// What has happened to the disk, in words.
    pub happened: Vec<String>,
    again: String,
}

/// How often a test does what it does in rounds.
pub fn rounds(default: u32) -> u32 {
    told("DUNLIN_FAULTS_ROUNDS").unwrap_or(default)
}

impl Stage {
    /// All subscribe in peace, and the load begins.
    pub async fn new(name: &str, store: &[&str]) -> Stage {
        let settings = Settings::read();
        let again = format!("{name}: DUNLIN_CRASH_SEED={}", settings.seed);
        println!("{again}");
        let mut random = Random::new(settings.seed);
        let metrics = free_address();
        let mut told: Vec<String> = [
            "server.shards=2",
            "limits.inflight=100",
            "limits.queue_messages=300",
            "store.engine=\"embedded\"",
            "admin.enabled=true",
        ]
        .map(str::to_owned)
        .into();
        told.push(format!("admin.bind=\"{metrics}\""));
        told.extend(store.iter().map(|setting| (*setting).to_owned()));
        let (world, victim) = (World::new(false), Victim::new(told));
        let disk = Disk::new(victim.data(), random.next());
        let mut victim = victim.under(disk.wrapper());
        world.up(victim.start().await);

        cast::publishers(&world, &mut random);
        let subscriptions = cast::subscribers(&world, &mut random);
        let subscribed = world.until(|_| {
            subscriptions
                .iter()
                .all(|s| s.get() == Subscription::Acknowledged)
        });
        let subscribed = tokio::time::timeout(PATIENCE, subscribed).await;
        subscribed.expect("all subscribe in peace");
        world.set_phase(Phase::Load);
        Stage {
            world,
            victim,
            disk,
            random,
            metrics,
            newcomers: cast::Newcomers::default(),
            happened: Vec::new(),
            again,
        }
    }

    /// Some milliseconds of load, with somebody new and somebody with a will.
    pub async fn load(&mut self, span: Range<u64>) {
        spawn_local(wills::testator(Rc::clone(&self.world), self.random.fork()));
        self.newcomers.next(&self.world, &mut self.random);
        tokio::time::sleep(self.random.millis(span)).await;
    }

    /// SIGKILL in the middle of the load.
    pub async fn kill(&mut self) {
        self.world.down();
        self.victim.kill();
        assert!(self.victim.dies(PATIENCE).await, "SIGKILL kills");
    }

    /// The disk kills it, as it was told; or else this does. Whether it was the disk.
    pub async fn kill_by_disk(&mut self, how: super::disk::Tell, countdown: u64) -> bool {
        self.world.down();
        self.disk.tell(how, countdown);
        let by_disk = self.victim.dies(Duration::from_secs(3)).await;
        if !by_disk {
            self.victim.kill();
            assert!(self.victim.dies(PATIENCE).await, "SIGKILL kills");
        }
        self.disk.tell(how, 0);
        by_disk
    }

    /// What was not synced is lost, or some of it. The broker is dead.
    pub fn lose_power(&mut self) -> power::Cut {
        let cut = power::cut(&self.disk, &mut self.random);
        self.tell(format_args!("power lost: {cut:?}"));
        cut
    }

    pub async fn start(&mut self) {
        let address = self.victim.start().await;
        self.world.up(address);
    }

    /// For the account of a failure.
    pub fn tell(&mut self, what: impl Display) {
        let (round, time) = (self.world.ledger.borrow().kills.len() + 1, self.world.time());
        self.happened.push(format!("{time:.3?} in round {round}: {what}"));
    }

    pub fn is_wrong(&self) -> bool {
        self.world.ledger.borrow().wrongs > 0
    }

    /// A healthy disk: all comes to its end, and is judged.
    pub async fn finish(self) {
        let world = &self.world;
        self.disk.heal();
        world.set_phase(Phase::Drain);
        drain(world).await;
        tokio::time::sleep(QUIET).await;
        retained::look(Rc::clone(world)).await;
        world.set_phase(Phase::Over);
        let ledger = world.ledger.borrow();
        let lines = report::account(&ledger).join("\n");
        println!("{}\n{}", report::summary(&ledger), self.disk.account());
        assert!(lines.is_empty(), "{lines}\n{}", self.account());
    }

    /// All that is known of what has happened.
    pub fn account(&self) -> String {
        let (happened, disk) = (self.happened.join("\n"), self.disk.account());
        format!("{happened}\n{disk}\n{}\n{}", self.again, self.victim.log())
    }
}
