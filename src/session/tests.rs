//! What a persistent session holds, what it tells the store, and in which order.

use std::time::Duration;

use super::*;
use crate::codec::QoS;
use crate::message::{Delivery, MessageId, Origin, Publication};
use crate::store::{Page, Stored};
use crate::time::Millis;

fn settings(queue_messages: usize) -> Settings {
    Settings {
        maximum_qos: QoS::ExactlyOnce,
        qos_cap: QoS::ExactlyOnce,
        qos2_offline: true,
        persistent_sessions: true,
        retain_available: true,
        receive_maximum: 100,
        topic_alias_maximum: 0,
        outgoing_topic_alias_maximum: 0,
        maximum_packet_size: 1 << 20,
        server_keep_alive: None,
        minimum_keep_alive: 0,
        maximum_keep_alive: None,
        session_expiry_minimum: 0,
        session_expiry_maximum: None,
        message_expiry_minimum: 0,
        message_expiry_maximum: None,
        inflight: 100,
        wildcard_available: true,
        shared_available: true,
        subscription_ids_available: true,
        subscriptions: 100,
        outbox_bytes: 1 << 20,
        queue_messages,
        grace: Duration::from_millis(20),
    }
}

fn link(receive_maximum: u16) -> Negotiated {
    Negotiated {
        keep_alive: 0,
        receive_maximum,
        maximum_packet_size: u32::MAX,
        topic_alias_maximum: 0,
        problem_information: true,
        inbound_receive_maximum: 100,
        inbound_packet_size: 1 << 20,
    }
}

fn session(receive_maximum: u16) -> Session {
    Session::new(ProtocolVersion::V311, link(receive_maximum), None)
}

fn deliver(session: &mut Session, number: u8, qos: QoS, settings: &Settings) -> Outcome {
    let topic = TopicName::new("t").unwrap();
    let payload = [number];
    let publication = Publication::new(MessageId(1), &topic, &payload, qos, Origin::Client);
    let receiver = Receiver {
        qos,
        retain: false,
        subscription_ids: &[],
    };
    let of = Of {
        shard: 0,
        wait: 1,
        part: 0,
    };
    let mut receipt = || Some(Receipt::new(of));
    session.deliver(
        &publication,
        receiver,
        &mut Wires::default(),
        Millis(0),
        settings,
        &mut receipt,
    )
}

fn delivery(number: u8, qos: QoS) -> Delivery {
    let topic = TopicName::new("t").unwrap();
    let payload = [number];
    let publication = Publication::new(MessageId(1), &topic, &payload, qos, Origin::Client);
    let receiver = Receiver {
        qos,
        retain: false,
        subscription_ids: &[],
    };
    to_delivery(&publication, receiver)
}

/// The payloads of what would be written now, in order.
fn written(session: &mut Session) -> Vec<u8> {
    let mut bytes = Vec::new();
    let taken = session.outbox.write_to(|slices| {
        slices.iter().for_each(|slice| bytes.extend_from_slice(slice));
        Ok(slices.iter().map(|slice| slice.len()).sum())
    });
    taken.1.unwrap();
    // PUBLISH of QoS 1 and 2 to "t" with one byte: 30, 06, 00 01 't', id, payload.
    bytes.chunks(8).map(|packet| packet[7]).collect()
}

fn appended(leaving: &[Leaving]) -> Vec<(u8, Option<u16>)> {
    let of = |leaving: &Leaving| match leaving {
        Leaving::Append { delivery, sent, .. } => Some((delivery.message.payload[0], *sent)),
        Leaving::Sent(..) | Leaving::Over(_) => None,
    };
    leaving.iter().filter_map(of).collect()
}

#[test]
fn qos_2_goes_out_in_its_order_though_the_store_knows_the_later_one_first() {
    let (mut session, settings) = (session(10), settings(10));
    let mut ids = Vec::new();
    for number in 1..=3 {
        match deliver(&mut session, number, QoS::ExactlyOnce, &settings) {
            Outcome::Keep(in_store, Some(id)) => {
                in_store.set(At::Here(InboxSeq(u64::from(number))));
                ids.push(id);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(session.outbox.is_empty(), "nothing goes out before it is stored");
    for id in [ids[2], ids[1]] {
        assert!(
            session
                .send_reserved(id, &mut Wires::default(), Millis(0))
                .is_empty()
        );
        assert!(session.outbox.is_empty());
    }
    session.send_reserved(ids[0], &mut Wires::default(), Millis(0));
    assert_eq!(written(&mut session), [1, 2, 3]);
}

#[test]
fn what_overflows_goes_to_the_store_behind_what_is_held() {
    let (mut session, settings) = (session(1), settings(2));
    for number in 1..=3 {
        let outcome = deliver(&mut session, number, QoS::AtLeastOnce, &settings);
        assert!(matches!(outcome, Outcome::Sent | Outcome::Queued), "{outcome:?}");
    }
    let outcome = deliver(&mut session, 4, QoS::AtLeastOnce, &settings);
    assert!(matches!(outcome, Outcome::Spill), "{outcome:?}");
    let leaving = session.take_unstored(&settings);
    assert_eq!(appended(&leaving), [(1, Some(1)), (2, None), (3, None)]);
    let outcome = deliver(&mut session, 5, QoS::AtLeastOnce, &settings);
    assert!(matches!(outcome, Outcome::Store), "{outcome:?}");
    // Nothing is read while it is not known where the store has what is held.
    session.queue.clear();
    session.inflight = Inflight::default();
    assert!(!session.wants_inbox());
    for seq in 1..=3 {
        session.stored_at(InboxSeq(seq));
    }
    assert!(session.wants_inbox());
    assert_eq!(session.begin_reading(), InboxSeq(0));
    let page = Page {
        deliveries: (1..=4)
            .map(|seq| (InboxSeq(u64::from(seq)), delivery(seq, QoS::AtLeastOnce)))
            .collect(),
        upto: InboxSeq(4),
        more: false,
    };
    session.take_page(page, Some);
    let queued: Vec<u8> = session
        .queue
        .iter()
        .map(|held| held.delivery.message.payload[0])
        .collect();
    assert_eq!(queued, [4], "what is held, or over, is not taken twice");
    assert!(!session.spilled);
}

#[test]
fn a_session_goes_to_rest_in_its_order_and_with_its_packet_ids() {
    let (mut session, settings) = (session(1), settings(10));
    for number in 1..=3 {
        deliver(&mut session, number, QoS::AtLeastOnce, &settings);
    }
    let retained = delivery(9, QoS::AtLeastOnce);
    assert!(session.deliver_retained(retained, &settings).is_none());
    let leaving = session.leave(&settings);
    let receipts = leaving
        .iter()
        .filter(|leaving| matches!(leaving, Leaving::Append { receipt: Some(_), .. }));
    assert_eq!(receipts.count(), 3, "their publishers still wait");
    assert_eq!(
        appended(&leaving),
        [(1, Some(1)), (9, None), (2, None), (3, None)]
    );
}

#[test]
fn a_slow_client_has_no_grace_until_it_has_caught_up() {
    let (mut session, settings) = (session(10), settings(10));
    deliver(&mut session, 1, QoS::AtLeastOnce, &settings);
    assert!(session.wants_grace());
    let first = session.begin_grace();
    assert!(session.holds_unstored(first));
    session.end_grace();
    session.slow = true;
    session.take_unstored(&settings);
    assert!(!session.holds_unstored(session.newest()));
    let outcome = deliver(&mut session, 2, QoS::AtLeastOnce, &settings);
    assert!(matches!(outcome, Outcome::Keep(_, Some(2))), "{outcome:?}");
    for packet_id in [1, 2] {
        let ack = crate::codec::Ack {
            packet_id,
            reason: ReasonCode::SUCCESS,
            reason_string: None,
        };
        let finished = session.on_puback(&ack).unwrap();
        assert!(finished.arrived && finished.held.is_some());
    }
    assert!(!session.slow);
}

#[test]
fn what_comes_while_a_session_is_looked_up_is_read() {
    let mut session = Session::resume(Stored::default(), 1, ProtocolVersion::V5, link(10), None);
    assert!(
        session.wants_inbox(),
        "more may have come since the store was asked"
    );
    session.begin_reading();
    session.take_page(Page::default(), Some);
    // One is still on its way: new ones stay behind it.
    assert!(session.spilled && !session.wants_inbox());
    let outcome = deliver(&mut session, 1, QoS::AtLeastOnce, &settings(10));
    assert!(matches!(outcome, Outcome::Store), "{outcome:?}");
    session.inbox_came();
    assert!(session.wants_inbox());
}
