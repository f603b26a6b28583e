//! What can be done to a store. Numbers choose among what is there when their turn comes.

use proptest::collection::vec;
use proptest::prelude::*;

/// One call.
#[derive(Clone, Debug)]
pub enum Step {
    Commit(Vec<Act>),
    /// Pages of this size.
    Read(usize),
    Save {
        session: usize,
        next_packet_id: u16,
        /// With a revision of an earlier save, if there is one.
        stale: bool,
    },
    Discard(usize),
    Forget(usize),
    /// Time passes, and the store is tidied.
    Pass(u64),
    Reopen,
}

/// One change of a batch.
#[derive(Clone, Debug)]
pub enum Act {
    Append {
        session: usize,
        sent: bool,
        /// In so many milliseconds, where messages expire.
        expires_in: Option<u64>,
    },
    /// From one of the places that the session ever had to so many further on.
    Acknowledge {
        session: usize,
        from: usize,
        count: usize,
    },
    Sent {
        session: usize,
        which: usize,
    },
    Released {
        session: usize,
        which: usize,
    },
    Received {
        session: usize,
        packet_id: u16,
    },
    Forgotten {
        session: usize,
        packet_id: u16,
    },
    Retain {
        instance: usize,
        topic: usize,
        some: bool,
        expires_in: Option<u64>,
    },
}

fn act() -> impl Strategy<Value = Act> {
    let session = || 0..6_usize;
    let expires_in = || prop::option::weighted(0.4, 1..20_000_u64);
    prop_oneof![
        8 => (session(), prop::bool::weighted(0.3), expires_in()).prop_map(|(session, sent, expires_in)| {
            Act::Append { session, sent, expires_in }
        }),
        3 => (session(), any::<usize>(), 0..4_usize).prop_map(|(session, from, count)| {
            Act::Acknowledge { session, from, count }
        }),
        4 => (session(), any::<usize>()).prop_map(|(session, which)| Act::Sent { session, which }),
        3 => (session(), any::<usize>()).prop_map(|(session, which)| Act::Released { session, which }),
        2 => (session(), 1..3_u16).prop_map(|(session, packet_id)| Act::Received { session, packet_id }),
        2 => (session(), 1..3_u16).prop_map(|(session, packet_id)| Act::Forgotten { session, packet_id }),
        2 => (0..2_usize, 0..4_usize, prop::bool::weighted(0.7), expires_in()).prop_map(
            |(instance, topic, some, expires_in)| Act::Retain { instance, topic, some, expires_in }
        ),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => vec(act(), 1..8).prop_map(Step::Commit),
        3 => (1..6_usize).prop_map(Step::Read),
        3 => (0..6_usize, any::<u16>(), prop::bool::weighted(0.3)).prop_map(|(session, next_packet_id, stale)| {
            Step::Save { session, next_packet_id, stale }
        }),
        1 => (0..6_usize).prop_map(Step::Discard),
        1 => prop::bool::weighted(0.3).prop_flat_map(|whole| (0..2_usize).prop_map(move |instance| {
            if whole { Step::Forget(instance) } else { Step::Reopen }
        })),
        3 => (1..8_000_u64).prop_map(Step::Pass),
        2 => Just(Step::Reopen),
    ]
}

pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 1..40)
}
