//! A client's connections: it comes, stays, goes, and comes again; now and then a second connection takes over.

use std::io;
use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::link::Link;
use crate::random::Random;
use crate::support::{CONNACK, Connect, DISCONNECT, Packet};
use crate::world::{Now, Phase, World};

/// How long a broker may take to answer a CONNECT.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often everybody looks around at least.
const LOOK: Duration = Duration::from_millis(25);

/// What a client does with its connections; its session is what it keeps in itself.
pub trait Role {
    fn name(&self) -> &str;

    fn connect(&self) -> Connect;

    /// Whether it wants to be connected.
    fn wanted(&self, now: Now) -> bool;

    /// It is connected.
    fn connected(&mut self, connack: &Packet, out: &mut Vec<u8>);

    /// A packet has come.
    fn take(&mut self, packet: &Packet, out: &mut Vec<u8>);

    /// Does what is due by now, and says when there is more.
    fn tick(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<Instant>;

    /// The connection is over.
    fn disconnected(&mut self);
}

/// When a client's connections end, and how long it stays away.
#[derive(Clone)]
pub struct Manner {
    /// Milliseconds that a connection lasts; `None`: as long as it can.
    pub stays: Option<Range<u64>>,
    /// Milliseconds between two of them.
    pub away: Range<u64>,
    /// How many of a hundred ends are takeovers.
    pub takeovers: u64,
}

impl Manner {
    /// Always there.
    pub fn steady() -> Manner {
        Manner {
            stays: None,
            away: 0..1,
            takeovers: 0,
        }
    }

    /// Always there, but now and then on another connection.
    pub fn taken_over() -> Manner {
        Manner {
            stays: Some(100..1_500),
            away: 0..10,
            takeovers: 80,
        }
    }

    /// Comes and goes.
    pub fn restless() -> Manner {
        Manner {
            stays: Some(20..400),
            away: 0..300,
            takeovers: 15,
        }
    }
}

/// How a connection ended.
enum End {
    /// By the other side.
    Closed,
    /// It is to be taken over by the next one.
    TakeOver,
    /// By us.
    Left,
}

/// A client from beginning to end.
pub async fn drive(mut role: impl Role, world: Rc<World>, manner: Manner, mut random: Random) {
    let mut old: Option<Link> = None;
    loop {
        let now = world
            .until(|now| now.phase == Phase::Over || now.address.is_some() && role.wanted(now))
            .await;
        let opened = match now.address {
            Some(address) if now.phase < Phase::Over => open(address, &role.connect()).await,
            _ => return,
        };
        if let Some(mut old) = old.take() {
            // What is still in the old connection counts, or it is lost with it.
            if opened.is_err() || random.percent(50) {
                exhaust(&mut old, &mut role).await;
            }
            role.disconnected();
        }
        let (mut link, connack, rest) = match opened {
            Ok(opened) => opened,
            Err(why) => {
                if world.now().life == now.life && world.now().address.is_some() {
                    world.wrong("refused", format!("{}: {why}", role.name()));
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            }
        };
        role.connected(&connack, &mut link.out);
        match converse(&mut link, &mut role, rest, &world, &manner, &mut random).await {
            End::TakeOver => {
                world.ledger.borrow_mut().counts.takeovers += 1;
                old = Some(link);
                continue;
            }
            End::Closed if world.now().life == now.life && world.now().address.is_some() => {
                world.wrong(
                    "closed",
                    format!("the broker closed the connection of {}", role.name()),
                );
            }
            _ => {}
        }
        role.disconnected();
        drop(link);
        if world.phase() == Phase::Load {
            tokio::time::sleep(random.millis(manner.away.clone())).await;
        }
    }
}

/// Connects and waits for the CONNACK; also what came behind it.
pub async fn open(
    address: std::net::SocketAddr,
    connect: &Connect,
) -> io::Result<(Link, Packet, Vec<Packet>)> {
    let mut link = Link::open(address, connect.version).await?;
    link.out = connect.bytes();
    let (deadline, mut packets) = (Instant::now() + PATIENCE, Vec::new());
    while packets.is_empty() {
        if link.closed() || Instant::now() > deadline {
            return Err(io::Error::other("CONNECT was not answered"));
        }
        link.turn(deadline, &mut packets).await;
    }
    let connack = packets.remove(0);
    if connack.kind != CONNACK || connack.code() != 0 {
        return Err(io::Error::other(format!("CONNECT was answered {connack:02x?}")));
    }
    Ok((link, connack, packets))
}

/// Reads what is left in a connection that another one has taken over. Nothing can be answered.
async fn exhaust(link: &mut Link, role: &mut impl Role) {
    let (deadline, mut packets) = (Instant::now() + Duration::from_millis(300), Vec::new());
    while !link.closed() && Instant::now() < deadline {
        link.turn(deadline, &mut packets).await;
        for packet in packets.drain(..).filter(|packet| packet.kind != DISCONNECT) {
            role.take(&packet, &mut Vec::new());
        }
    }
}

async fn converse(
    link: &mut Link,
    role: &mut impl Role,
    mut packets: Vec<Packet>,
    world: &World,
    manner: &Manner,
    random: &mut Random,
) -> End {
    let (stays, life) = (manner.stays.clone(), world.now().life);
    let leaves = stays.map(|stays| Instant::now() + random.millis(stays));
    loop {
        for packet in packets.drain(..) {
            if packet.kind == DISCONNECT {
                world.wrong("disconnected", format!("{} got {packet:02x?}", role.name()));
            } else {
                role.take(&packet, &mut link.out);
            }
        }
        if link.closed() || world.cut(life) {
            return End::Closed;
        }
        let (now, state) = (Instant::now(), world.now());
        if state.phase == Phase::Over || !role.wanted(state) {
            disconnect(link).await;
            return End::Left;
        }
        if state.phase == Phase::Load && leaves.is_some_and(|leaves| leaves <= now) {
            if random.percent(manner.takeovers) {
                return End::TakeOver;
            }
            if random.percent(50) {
                disconnect(link).await;
            }
            return End::Left;
        }
        let due = role.tick(now, &mut link.out);
        let soonest = [due, leaves.filter(|_| state.phase == Phase::Load)];
        let soonest = soonest.into_iter().flatten().min();
        let wake = soonest.map_or(now + LOOK, |due| due.min(now + LOOK));
        link.turn(wake, &mut packets).await;
    }
}

/// DISCONNECT, as far as the connection takes it.
async fn disconnect(link: &mut Link) {
    link.out.extend([0xE0, 0]);
    let deadline = Instant::now() + Duration::from_millis(200);
    while !link.out.is_empty() && !link.closed() && Instant::now() < deadline {
        link.turn(Instant::now(), &mut Vec::new()).await;
        tokio::task::yield_now().await;
    }
}
