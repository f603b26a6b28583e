//! TPS of an instance: what is over is not taken, and never acknowledged.

use std::time::{Duration, Instant};

use crate::support::{Client, packets::*};
use crate::{Product, TWO, device, device_in};

const HUNDRED: &str = "instances.mqtt-test-two.limits.tps=100";

/// Publishes as fast as it can for a while; answers with how many seconds it took.
fn flood(client: &mut Client, messages: u16, qos: u8) -> Duration {
    let began = Instant::now();
    for n in 0..messages {
        client.publish(publish("T2/nobody", n.to_string()).qos(qos, n + 1));
    }
    client.send(&pingreq());
    began.elapsed()
}

/// What came until the answer to its ping: codes of acknowledgements.
fn acknowledged(client: &mut Client) -> Vec<u8> {
    let mut codes = Vec::new();
    loop {
        let packet = client.receive();
        match packet.kind {
            PINGRESP => return codes,
            PUBACK | PUBREC => codes.push(packet.code()),
            other => panic!("{other}: {packet:02x?}"),
        }
    }
}

#[test]
fn what_is_over_is_not_acknowledged() {
    let product = Product::start(&[HUNDRED, "limits.client_tps=unlimited"]);
    // QoS 1 of a clean session costs 2: fifty a second. A 3.x client that waits for more has to come again.
    let mut old = device_in(TWO, V311, "old").to(&product.broker);
    for n in 1..=1000 {
        if !old.try_send(&publish("T2/nobody", "x").qos(1, n).bytes(V311)) {
            break;
        }
    }
    let mut taken = 0;
    while let Some(packet) = old.receive_or_close() {
        assert_eq!((packet.kind, packet.id, packet.code()), (PUBACK, taken + 1, 0));
        taken += 1;
    }
    // Fifty of one second; of more than one on a machine that is busy with something else.
    assert!((50..1000).contains(&taken), "{taken}");
    // Of QoS 0 nothing is owed.
    let mut old = device_in(TWO, V311, "old").to(&product.broker);
    flood(&mut old, 1000, 0);
    assert!(acknowledged(&mut old).is_empty());
    // A 5.0 client is told.
    let mut new = device_in(TWO, V5, "new").to(&product.broker);
    flood(&mut new, 1000, 1);
    let told = acknowledged(&mut new);
    let over = told.iter().filter(|code| **code == 0x97).count();
    assert!(told.len() == 1000 && over > 500, "{over} of {}", told.len());
    // Nobody is disconnected, and another instance has no limit.
    let mut free = device(V311, "free").to(&product.broker);
    flood(&mut free, 1000, 1);
    assert_eq!(acknowledged(&mut free).len(), 1000);
}

/// A device that says little is not to suffer for long from one that says much.
#[test]
fn a_3_x_client_that_met_the_limit_goes_on_when_it_comes_again() {
    let product = Product::start(&[HUNDRED, "limits.client_tps=unlimited"]);
    let mut noisy = device_in(TWO, V311, "noisy").to(&product.broker);
    let mut quiet = device_in(TWO, V311, "quiet").to(&product.broker);
    flood(&mut noisy, 300, 0);
    assert!(acknowledged(&mut noisy).is_empty());
    let began = Instant::now();
    let mut sent = 0;
    while sent < 5 {
        assert!(began.elapsed() < Duration::from_secs(30));
        quiet.publish(publish("T2/nobody", "x").qos(1, 7));
        match quiet.receive_or_close() {
            Some(packet) => {
                assert_eq!((packet.kind, packet.code()), (PUBACK, 0));
                sent += 1;
            }
            None => quiet = device_in(TWO, V311, "quiet").to(&product.broker),
        }
        crate::support::sleep(100);
    }
}

#[test]
fn where_it_is_wanted_a_3_x_client_just_waits() {
    let product = Product::start(&[HUNDRED, "limits.client_tps=unlimited", "product.on_excess=ignore"]);
    let mut old = device_in(TWO, V311, "old").to(&product.broker);
    let began = Instant::now();
    flood(&mut old, 1000, 1);
    let taken = acknowledged(&mut old);
    let seconds = began.elapsed().as_secs() as usize + 2;
    assert!(taken.iter().all(|code| *code == 0), "{taken:02x?}");
    assert!(
        (50..=50 * seconds).contains(&taken.len()),
        "{} in {seconds} s",
        taken.len()
    );
}

#[test]
fn messages_weigh_as_the_product_has_it() {
    let product = Product::start(&[HUNDRED, "limits.client_tps=unlimited"]);
    // Each alone in a second: 100 of QoS 0, 50 of QoS 1, 20 of QoS 1 in a persistent session, 20 of QoS 2.
    let mut reader = device_in(TWO, V5, "reader").to(&product.broker);
    let mut counts = Vec::new();
    for (qos, persistent) in [(1, false), (1, true), (2, false)] {
        let connect = device_in(TWO, V5, &format!("w{qos}{persistent}"));
        let connect = if persistent { connect.expiry(3600) } else { connect };
        let mut client = connect.to(&product.broker);
        let taken = (0..10).find_map(|_| {
            // From the beginning of a second, and within it: a machine that is too busy for that tries again.
            let now = std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap();
            std::thread::sleep(Duration::from_millis(1010 - u64::from(now.subsec_millis())));
            let began = Instant::now();
            flood(&mut client, 200, qos);
            let taken = acknowledged(&mut client)
                .iter()
                .filter(|code| **code != 0x97)
                .count();
            (began.elapsed() < Duration::from_millis(900)).then_some(taken)
        });
        let taken = taken.expect("ten seconds in which this machine did not send 200 messages");
        counts.push(taken);
    }
    reader.ping();
    assert_eq!(counts, [50, 20, 20]);
}

#[test]
fn a_limit_that_is_changed_while_running_holds_at_once() {
    let product = Product::start(&["limits.client_tps=unlimited"]);
    let mut client = device(V5, "a").to(&product.broker);
    flood(&mut client, 500, 1);
    assert!(acknowledged(&mut client).iter().all(|code| *code == 0x10));
    let (done, said) = product.ctl(&["instance", "set", crate::ONE, "limits.tps=10"]);
    assert!(done, "{said}");
    flood(&mut client, 500, 1);
    assert!(
        acknowledged(&mut client)
            .iter()
            .filter(|code| **code == 0x97)
            .count()
            > 400
    );
    let (done, said) = product.ctl(&["instance", "unset", crate::ONE, "limits.tps"]);
    assert!(done, "{said}");
    flood(&mut client, 500, 1);
    assert!(acknowledged(&mut client).iter().all(|code| *code == 0x10));
}
