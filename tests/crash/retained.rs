//! What a new subscriber gets of retained messages, against what was acknowledged.

use std::collections::HashSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::drive::open;
use crate::message::{Header, payload, takes_away};
use crate::support::{Connect, PUBLISH, Packet, SUBACK, subscribe, unique};
use crate::world::World;

const PATIENCE: Duration = Duration::from_secs(5);
/// How long one that was taken away has for coming back.
const QUIET: Duration = Duration::from_millis(60);

/// Looks once; whoever publishes retained messages waits, so that the newer ones cannot hide that one is missing.
pub async fn look(world: Rc<World>) {
    world.looks.set(true);
    judge(&world).await;
    world.looks.set(false);
}

/// What a death interrupts says nothing.
async fn judge(world: &World) {
    let Some(address) = world.now().address else {
        return;
    };
    let Ok((mut link, _, mut packets)) = open(address, &Connect::v5(unique("look"))).await else {
        return;
    };
    // The last that was acknowledged by now, or a later one.
    let floors: Vec<Option<u64>> = {
        let ledger = world.ledger.borrow();
        let streams = ledger.streams.iter();
        streams.map(|stream| stream.acknowledged.checked_sub(1)).collect()
    };
    link.out.extend(subscribe(5, 1, &[("keep/#", 0)], &[]));
    let (began, mut asked, mut came) = (Instant::now(), None, HashSet::new());
    loop {
        for packet in packets.drain(..) {
            match packet.kind {
                SUBACK => asked = Some(Instant::now()),
                PUBLISH if packet.retain() => check(world, &floors, &packet, &mut came),
                _ => {}
            }
        }
        let missing = missing(world, &floors, &came);
        let quiet = asked.is_some_and(|asked| asked.elapsed() > QUIET);
        if missing.is_empty() && quiet {
            world.ledger.borrow_mut().counts.retained += came.len() as u64;
            return;
        }
        if began.elapsed() > PATIENCE {
            for what in missing {
                world.wrong("retained message lost", what);
            }
            return;
        }
        if link.closed() {
            world.ledger.borrow_mut().counts.interrupted += 1;
            return;
        }
        link.turn(Instant::now() + QUIET / 4, &mut packets).await;
    }
}

fn check(world: &World, floors: &[Option<u64>], packet: &Packet, came: &mut HashSet<usize>) {
    let topic = packet.topic();
    let header = Header::read(&packet.payload);
    let header = header.filter(|header| header.stream < floors.len());
    let Some(Header { stream, number }) = header else {
        return world.wrong(
            "changed",
            format!("{topic} is retained as {:02x?}", packet.payload),
        );
    };
    let (told, floor) = {
        let ledger = world.ledger.borrow();
        let same = ledger.streams[stream].topic == topic && packet.payload == payload(stream, number, true);
        let told = ledger.told(stream, number);
        (told, if same { floors[stream] } else { Some(u64::MAX) })
    };
    if !came.insert(stream) {
        world.wrong("retained twice", told);
    } else if floor.is_some_and(|floor| number < floor) {
        let floor = floor.unwrap_or_default();
        let newer = world.ledger.borrow().told(stream, floor);
        let what = format!("{told} is retained, and not {newer} or a later one");
        world.wrong("old retained message", what);
    }
}

/// Topics whose message must be there and is not.
fn missing(world: &World, floors: &[Option<u64>], came: &HashSet<usize>) -> Vec<String> {
    let ledger = world.ledger.borrow();
    let streams = ledger.streams.iter().enumerate();
    let missing = streams.filter_map(|(n, stream)| {
        let floor = floors.get(n).copied().flatten()?;
        let taken = (floor..stream.sent()).any(|number| takes_away(n, number));
        (stream.retained && !taken && !came.contains(&n)).then(|| ledger.told(n, floor))
    });
    missing.collect()
}
