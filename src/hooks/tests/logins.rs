//! What policies say of a client before it is in, and of its login afterwards.

use super::*;
use crate::codec::{Connect, ConnectProperties, ProtocolVersion};

fn connect(client_id: &str) -> Connect {
    Connect {
        version: ProtocolVersion::V5,
        client_id: client_id.to_owned(),
        clean_start: true,
        keep_alive: 60,
        username: None,
        password: None,
        will: None,
        properties: ConnectProperties::default(),
    }
}

/// What becomes of a CONNECT with this client id, and whose client it is then.
fn connected(scripts: &[&str], client_id: &str) -> (ConnectChange, String) {
    let shard = Chain::of(scripts).shard();
    let chain = shard.hooks.chain().clone();
    let mut client = client(client_id);
    let change = block(chain.connect(&mut client, &mut connect(client_id)));
    (change, client.instance.to_string())
}

const MOVES: &str = r#"return { connect = function(ctx, connect)
    if connect.client_id == "moves" then return { instance = "mqtt-" .. #ctx.instance } end
    if connect.client_id == "none" then return { instance = "" } end
    if connect.client_id == "long" then return { instance = string.rep("i", 513) } end
    if connect.client_id == "number" then return { instance = 7 } end
end }"#;

#[test]
fn connect_says_which_instance_a_client_is_of() {
    let (change, instance) = connected(&[MOVES], "moves");
    assert_eq!((change, &*instance), (ConnectChange::Pass, "mqtt-9"));
    // Who is asked next sees the client as one of that instance.
    let (_, instance) = connected(&[MOVES, MOVES], "moves");
    assert_eq!(instance, "mqtt-6");
    let (_, instance) = connected(&[MOVES], "stays");
    assert_eq!(instance, "mqtt-demo");
}

#[test]
fn an_instance_that_cannot_be_one_is_no_answer() {
    for client_id in ["none", "long", "number"] {
        let chain = Chain::of(&[MOVES]);
        let shard = chain.shard();
        let hooks = shard.hooks.chain().clone();
        let mut client = client(client_id);
        block(hooks.connect(&mut client, &mut connect(client_id)));
        assert_eq!(
            (&*client.instance, shard.totals("a").errors),
            ("mqtt-demo", 1),
            "{client_id}"
        );
    }
}
