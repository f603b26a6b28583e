//! Instances: nothing of one is seen from another, and a client comes to the one that it names.

use std::net::SocketAddr;

use crate::support::websocket::WebSocket;
use crate::support::{Connect, packets::*};
use crate::{ONE, Product, TWO, device, device_in};

#[test]
fn topics_client_ids_sessions_and_retained_messages_do_not_cross() {
    let product = Product::start(&[]);
    let mut one = device(V311, "same").resume().to(&product.broker);
    let mut two = device_in(TWO, V311, "same").resume().to(&product.broker);
    one.subscribe("T1/#", 1);
    two.subscribe("T1/#", 1);
    two.subscribe("#", 1);
    // Neither took the other's place.
    one.ping();
    two.ping();
    let mut sender = device(V311, "sender").to(&product.broker);
    sender.publish(publish("T1/a", "of one").qos(1, 1).retain());
    sender.expect_ack(PUBACK, 1, 0);
    let message = one.expect_message("of one");
    one.acknowledge(&message);
    two.expect_nothing(100);
    // What waits.
    one.disconnect();
    two.disconnect();
    sender.publish(publish("T1/b", "offline").qos(1, 2));
    sender.expect_ack(PUBACK, 2, 0);
    let mut two = device_in(TWO, V311, "same").resume().to(&product.broker);
    assert!(two.connack.session_present);
    two.expect_nothing(100);
    let mut one = device(V311, "same").resume().to(&product.broker);
    one.expect_message("offline");
    // What is retained.
    let mut late = device_in(TWO, V311, "late").to(&product.broker);
    late.subscribe("T1/a", 1);
    late.expect_nothing(100);
    let mut late = device(V311, "late").to(&product.broker);
    late.subscribe("T1/a", 1);
    late.expect_message("of one");
}

#[test]
fn a_shared_subscription_has_members_of_one_instance() {
    let product = Product::start(&[]);
    let mut one = device(V5, "a").to(&product.broker);
    let mut two = device_in(TWO, V5, "b").to(&product.broker);
    one.subscribe("$share/workers/T1/#", 0);
    two.subscribe("$share/workers/T1/#", 0);
    let mut sender = device(V5, "sender").to(&product.broker);
    for n in 0..10 {
        sender.publish(publish("T1/a", n.to_string()));
    }
    for n in 0..10 {
        one.expect_message(&n.to_string());
    }
    two.expect_nothing(50);
}

#[test]
fn an_unknown_instance_is_refused() {
    let product = Product::start(&[]);
    let (_, connack) = device_in("mqtt-nowhere", V5, "a").answer(&product.broker);
    assert_eq!(connack.code(), 0x87);
    let (_, connack) = device_in("mqtt-nowhere", V311, "a").answer(&product.broker);
    assert_eq!(connack.code(), 5);
    device_in(ONE, V311, "a").to(&product.broker);
    let log = product.broker.log();
    assert!(log.contains("there is no instance"), "{log}");
}

/// A WebSocket to this host.
fn web_socket(address: SocketAddr, host: &str) -> WebSocket {
    WebSocket::open_at(address, host, V5, "")
}

#[test]
fn a_web_socket_host_says_the_instance() {
    let ws = crate::support::broker::free_address();
    let bind = format!("listeners.ws.bind=\"{ws}\"");
    let product = Product::start(&[&bind]);
    let connect = |host: &str, connect: Connect| {
        let mut socket = web_socket(ws, host);
        socket.send(&connect.bytes());
        socket.expect(CONNACK).code()
    };
    let two = format!("{TWO}.mqtt.localhost:{}", ws.port());
    let inside = format!("{}-internal-vpc.mqtt.localhost", TWO.to_uppercase());
    // Clients of both instances with one client id: none takes another's place.
    let mut one = device(V5, "twin").to(&product.broker);
    assert_eq!(connect(&two, device(V5, "twin")), 0);
    one.ping();
    assert_eq!(connect(&inside, device(V5, "b")), 0);
    // The user name has to agree.
    assert_eq!(connect(&two, device_in(TWO, V5, "c")), 0);
    assert_eq!(connect(&two, device_in(ONE, V5, "c")), 0x87);
    // A bare IP address, and the broker's own names, leave it to the user name.
    for host in [ws.to_string(), "localhost:8083".to_owned(), "[::1]:80".to_owned()] {
        assert_eq!(connect(&host, device_in(TWO, V5, "d")), 0, "{host}");
        assert_eq!(connect(&host, device(V5, "e")), 0, "{host}");
    }
    assert_eq!(connect("mqtt-nowhere.mqtt.localhost", device(V5, "f")), 0x87);
    assert_eq!(connect("example.org", device_in(TWO, V5, "g")), 0x87);
}

#[test]
fn a_listener_may_belong_to_an_instance() {
    let ws = crate::support::broker::free_address();
    let bind = format!("listeners.ws.bind=\"{ws}\"");
    let of = format!("listeners.ws.instance={TWO}");
    let product = Product::start(&[&bind, &of]);
    let mut one = device(V5, "twin").to(&product.broker);
    let mut two = web_socket(ws, "anything.at.all");
    two.send(&device(V5, "twin").bytes());
    assert_eq!(two.expect(CONNACK).code(), 0);
    one.ping();
    let mut other = web_socket(ws, "localhost");
    other.send(&device_in(ONE, V5, "a").bytes());
    assert_eq!(other.expect(CONNACK).code(), 0x87);
}

#[test]
fn an_instance_comes_and_goes_while_others_are_served() {
    let product = Product::start(&[]);
    let mut bystander = device(V5, "bystander").to(&product.broker);
    bystander.subscribe("T1/#", 0);
    let (done, said) = product.ctl(&[
        "--json",
        "instance",
        "create",
        "--name",
        "third",
        "--edition",
        "standard",
    ]);
    assert!(done, "{said}");
    let made: serde_json::Value = serde_json::from_str(&said).unwrap();
    let id = made["id"].as_str().unwrap();
    assert!(made["public"].as_str().unwrap().starts_with(id), "{said}");
    for (what, name) in [("group", "GID_Test"), ("topic", "T1")] {
        let (done, said) = product.ctl(&[what, "create", name, "-i", id]);
        assert!(done, "{said}");
    }
    let mut first = device_in(id, V311, "a").resume().to(&product.broker);
    assert_eq!(first.subscribe("T1/#", 1).codes, [1]);
    let (done, said) = product.ctl(&["instance", "delete", id]);
    assert!(done, "{said}");
    first.expect_close();
    let (_, connack) = device_in(id, V311, "a").answer(&product.broker);
    assert_eq!(connack.code(), 5);
    bystander.publish(publish("T1/a", "still here"));
    bystander.expect_message("still here");
}

/// How many pairs of each instance there are, and how much each says.
const PAIRS: usize = 40;
const MESSAGES: usize = 200;

/// Both instances at full speed with the same client ids, topics and P2P names: nothing crosses, nothing is lost.
#[test]
fn nothing_crosses_under_load() {
    let product = Product::start(&["limits.client_tps=unlimited", "server.shards=2"]);
    let broker = &product.broker;
    let pair = |instance: &'static str, n: usize| {
        let mut reader = device_in(instance, V311, &format!("r{n}")).to(broker);
        reader.subscribe(&format!("T1/t{n}"), 1);
        reader.subscribe("T2/+/all", 0);
        let mut writer = device_in(instance, V311, &format!("w{n}")).to(broker);
        let to = [format!("T1/t{n}"), format!("T1/p2p/GID_Test@@@r{n}")];
        for message in 0..MESSAGES {
            let payload = format!("{instance} {n} {message}");
            writer.publish(publish(&to[message % 2], payload).qos(1, message as u16 + 1));
        }
        for message in 0..MESSAGES {
            writer.expect_ack(PUBACK, message as u16 + 1, 0);
        }
        // By two ways, each of them in order.
        let mut next = [0, 1];
        for _ in 0..MESSAGES {
            let message = reader.expect(PUBLISH);
            let way = usize::from(message.topic().contains("/p2p/"));
            let expected = format!("{instance} {n} {}", next[way]);
            assert_eq!(String::from_utf8_lossy(&message.payload), expected);
            next[way] += 2;
            reader.acknowledge(&message);
        }
        reader.expect_nothing(20);
    };
    std::thread::scope(|scope| {
        for n in 0..PAIRS {
            for instance in [ONE, TWO] {
                let pair = &pair;
                scope.spawn(move || pair(instance, n));
            }
        }
    });
}

/// What a stranger writes into a user name must not bring it, or others, into an instance that nobody named.
#[test]
fn a_connect_hook_that_fails_lets_nobody_into_the_default_instance() {
    let product = Product::start(&[]);
    for wrong in [String::new(), "x".repeat(600), "a b".into()] {
        for _ in 0..40 {
            let (_, connack) = device_in(&wrong, V5, "stranger").answer(&product.broker);
            assert_eq!(connack.code(), 0x87, "{wrong:?}");
        }
    }
    // Nobody else's login has suffered from it.
    device_in(TWO, V5, "a").to(&product.broker);
    // A hook that throws refuses, whatever the policy answers elsewhere.
    std::fs::write(
        product.folder.join("by_user.lua"),
        crate::POLICY.replace("local parts", "error('no')\n\t\tlocal parts"),
    )
    .unwrap();
    let began = std::time::Instant::now();
    while device_in(TWO, V5, "b").answer(&product.broker).1.code() != 0x88 {
        assert!(began.elapsed().as_secs() < 10, "{}", product.broker.log_tail());
        crate::support::sleep(20);
    }
    assert_eq!(device(V5, "c").answer(&product.broker).1.code(), 0x88);
}

#[test]
fn a_policys_limit_is_that_of_the_instance_it_was_asked_about() {
    let folder = crate::support::broker::folder();
    let script = folder.join("limit.lua");
    std::fs::write(
        &script,
        "return { name = \"limit\", limit = function(instance, name) if name ~= \"connections\" then return nil end \
         if instance == \"mqtt-test-two\" then return 1 end error(\"nothing known of it\") end }",
    )
    .unwrap();
    let more = format!("[[policy]]\nname = \"limit\"\nscript = {script:?}\n");
    let product = Product::with(&more, &["server.shards=1"]);
    let _one = device_in(TWO, V5, "a").to(&product.broker);
    assert_eq!(device_in(TWO, V5, "b").answer(&product.broker).1.code(), 0x97);
    let _others: Vec<_> = (0..5)
        .map(|n| device(V5, &format!("c{n}")).to(&product.broker))
        .collect();
    let _ = std::fs::remove_dir_all(folder);
}
