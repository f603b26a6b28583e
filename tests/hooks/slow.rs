//! A policy that computes for milliseconds, asked by a crowd: who has nothing to do with it goes on.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::Scripted;
use crate::support::{Client, Connect, PUBACK, publish};

/// Four milliseconds for `slow/...`, nothing for the rest.
const SCRIPT: &str = "return { authorize_publish = function(ctx, topic)
  if string.sub(topic, 1, 4) == 'slow' then
    local t = os.clock()
    while os.clock() - t < 0.004 do end
  end
  return 'allow'
end }";

const CROWD: usize = 60;
const ROUNDS: u16 = 5;

/// How long the broker took to answer somebody about whom no policy is asked.
fn round_trip(client: &mut Client) -> Duration {
    let began = Instant::now();
    client.ping();
    began.elapsed()
}

#[track_caller]
fn expect_success(client: &mut Client, id: u16) {
    let ack = client.expect(PUBACK);
    assert!(ack.id == id && ack.code() < 0x80, "{ack:?}");
}

#[test]
fn clients_of_a_slow_policy_take_turns_and_others_do_not_wait_for_them() {
    let broker = Scripted::with(
        SCRIPT,
        "budget = \"20ms\"",
        &["server.shards=1", "policy_watch.window=\"0s\""],
    );
    let mut crowd: Vec<Client> = (0..CROWD)
        .map(|n| Connect::v5(format!("crowd{n}")).to(&broker.broker))
        .collect();
    // Enough of them, one after the other, for the broker to notice.
    for id in 1..=200 {
        crowd[0].publish(publish("slow/0", "x").qos(1, id));
        expect_success(&mut crowd[0], id);
        if broker.broker.log().contains("wait their turn") {
            break;
        }
    }
    broker.until_log("wait their turn");

    let mut other = Connect::v5("other").to(&broker.broker);
    let mut slowest = Duration::ZERO;
    for round in 1..=ROUNDS {
        for (n, client) in crowd.iter_mut().enumerate() {
            let message = publish(format!("slow/{n}"), "x").qos(1, 1000 + round);
            client.stream().write_all(&message.bytes(5)).unwrap();
        }
        let began = Instant::now();
        // The crowd needs half a second at least; all the while somebody else asks.
        while began.elapsed() < Duration::from_millis(300) {
            slowest = slowest.max(round_trip(&mut other));
        }
        for client in &mut crowd {
            expect_success(client, 1000 + round);
        }
    }
    println!("{CROWD} clients of a policy of 4 ms: the slowest answer to another took {slowest:?}");
    // In line with all of them it would be 240 ms.
    assert!(slowest < Duration::from_millis(100), "{slowest:?}");
    // In the order in which they came, none lost: each still has its session.
    for client in &mut crowd {
        client.ping();
    }
}
