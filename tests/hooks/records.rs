//! Logins that rest on records of the registry. The broker serves in this process, so that the test can change records.

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dunlin::config::Config;
use dunlin::server::serve_with;
use dunlin::store::registry::{Expect, RecordKey, Registry};
use serde_json::{Value, json};

use crate::support::broker::{folder, free_address, root};
use crate::support::{
    AUTH, AUTHENTICATION_DATA, AUTHENTICATION_METHOD, Broker, CONNACK, Client, Connect, PUBACK, PUBLISH,
    auth, prop_text, publish,
};

/// A broker with one policy, whose registry is at hand.
struct Inside {
    broker: Broker,
    registry: Arc<Registry>,
    folder: PathBuf,
}

const INSTANCE: &str = "mqtt-test";

impl Inside {
    /// It serves until this process ends.
    fn start(script: &str) -> Inside {
        let folder = folder();
        let open = std::fs::read_to_string(root().join("dunlin.open.toml")).unwrap();
        let block = "\n[[policy]]\nname = \"policy\"\nscript = \"policy.lua\"\n";
        std::fs::write(folder.join("dunlin.toml"), open + block).unwrap();
        std::fs::write(folder.join("policy.lua"), script).unwrap();
        let address: SocketAddr = free_address();
        let settings = [
            format!("listeners.tcp.bind=\"{address}\""),
            format!("server.data={:?}", folder.join("data").to_str().unwrap()),
            format!("instance.id={INSTANCE:?}"),
            "admin.enabled=false".to_owned(),
        ];
        let config = Config::load::<_, String, String>(Some(&folder.join("dunlin.toml")), &settings, []);
        let config = config.unwrap();
        let registry = Arc::new(Registry::default());
        let serving = Arc::clone(&registry);
        std::thread::spawn(move || serve_with(&config, &serving).unwrap());
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(began.elapsed() < Duration::from_secs(20));
            std::thread::sleep(Duration::from_millis(5));
        }
        Inside {
            broker: Broker::at(address),
            registry,
            folder,
        }
    }

    fn change(&self, name: &str, value: Option<Value>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let key = RecordKey::new(INSTANCE, "key", name);
        let done = match value {
            Some(value) => {
                let value = value.as_object().unwrap().clone();
                runtime.block_on(self.registry.put(key, value, Expect::Whatever))
            }
            None => runtime.block_on(self.registry.remove(key)),
        };
        done.unwrap();
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Who connects with a user name rests on the key of that name, and goes on for as long as that is good.
const KEYS: &str = r#"
local function good(name)
    local key = registry.get("mqtt-test", "key", name)
    return key ~= nil and not key.disabled
end
return {
    authenticate = function(ctx, username)
        if ctx.client_id == "slow" then
            local was = good(username)
            task.sleep(0.3)
            return if was then "allow" else "deny", { depends = { "key/" .. username } }
        end
        if not good(username) then return "deny" end
        return "allow", { attrs = { key = username }, depends = { "key/" .. username } }
    end,
    auth_continue = function(ctx, method, data) return "allow", { depends = { "key/" .. data } } end,
    expiring = function(ctx, expires_at, ended)
        local key = ctx.attrs.key
        if key == "waits" then
            -- What was true when it was asked is no longer when it answers.
            local was = good(key)
            task.sleep(0.2)
            if was then return { expires_at = time.now() + 86400 } end
        elseif key ~= nil and good(key) then
            return { expires_at = time.now() + 86400, messages = { { topic = "$SYS/notice", payload = "still good" } } }
        end
        return { messages = { { topic = "$SYS/notice", payload = tostring(ended), qos = 1 } } }
    end,
    owns = { "$SYS/uploadToken" },
    control = function(ctx, msg) return { attrs = { key = msg.payload }, depends = { "key/" .. msg.payload } } end,
}"#;

fn connect(inside: &Inside, client_id: &str, key: &str) -> Client {
    Connect::v5(client_id).username(key).to(&inside.broker)
}

/// It is told that its login has ended, and then that its connection ends, within a second.
#[track_caller]
fn is_ended(client: &mut Client) {
    let began = Instant::now();
    let notice = client.expect(PUBLISH);
    assert_eq!((notice.topic(), &*notice.payload), ("$SYS/notice", &b"true"[..]));
    client.expect_disconnect(0x87);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[test]
fn a_login_ends_with_its_record() {
    let inside = Inside::start(KEYS);
    for key in ["a", "b", "c"] {
        inside.change(key, Some(json!({})));
    }
    let mut one = connect(&inside, "one", "a");
    let mut other = connect(&inside, "other", "b");
    let mut third = connect(&inside, "third", "c");
    // A change that leaves it good leaves the client in.
    inside.change("a", Some(json!({ "note": "still good" })));
    assert_eq!(one.expect(PUBLISH).payload, b"still good");
    one.ping();
    inside.change("a", Some(json!({ "disabled": true })));
    is_ended(&mut one);
    inside.change("b", None);
    is_ended(&mut other);
    third.ping();
    third.expect_nothing(200);
}

#[test]
fn a_login_rests_on_what_its_renewal_says() {
    let inside = Inside::start(KEYS);
    for key in ["old", "new", "newest"] {
        inside.change(key, Some(json!({})));
    }
    let mut client = Connect::v5("c")
        .username("old")
        .property(prop_text(AUTHENTICATION_METHOD, "token"))
        .to(&inside.broker);
    client.publish(publish("$SYS/uploadToken", "new").qos(1, 7));
    client.expect_ack(PUBACK, 7, 0);
    inside.change("old", None);
    client.expect_nothing(200);
    client.ping();
    // The same for who authenticates again.
    let again = [
        prop_text(AUTHENTICATION_METHOD, "token"),
        prop_text(AUTHENTICATION_DATA, "newest"),
    ]
    .concat();
    client.send(&auth(0x19, &again));
    client.expect(AUTH);
    inside.change("new", None);
    client.expect_nothing(200);
    client.ping();
    inside.change("newest", None);
    is_ended(&mut client);
}

#[test]
fn a_change_that_comes_while_policies_are_asked_is_not_missed() {
    let inside = Inside::start(KEYS);
    inside.change("a", Some(json!({})));
    let mut slow = Client::open(&inside.broker, 5);
    slow.send(&Connect::v5("slow").username("a").bytes());
    std::thread::sleep(Duration::from_millis(100));
    // It was good when the policy looked, and is not when the client comes in.
    inside.change("a", None);
    assert_eq!(slow.expect(CONNACK).code(), 0);
    is_ended(&mut slow);

    inside.change("waits", Some(json!({})));
    let mut client = connect(&inside, "c", "waits");
    inside.change("waits", Some(json!({ "note": 1 })));
    std::thread::sleep(Duration::from_millis(100));
    // The policy is being asked about the first change, and will say that all is well.
    inside.change("waits", None);
    is_ended(&mut client);
}

#[test]
fn without_a_policy_that_says_otherwise_the_connection_ends() {
    let inside = Inside::start(
        r#"return { authenticate = function(ctx, username) return "allow", { depends = { "key/" .. username } } end }"#,
    );
    let mut one = connect(&inside, "one", "a");
    let mut old = Connect::v311("old").username("a").to(&inside.broker);
    // It appears.
    inside.change("a", Some(json!({})));
    one.expect_disconnect(0x87);
    old.expect_close();
    assert!(inside.broker.alive());
}
