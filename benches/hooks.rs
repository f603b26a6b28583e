//! What a hook costs: nanoseconds a call, the best of some rounds, so that what else the machine does counts little.
//!
//! `cargo bench --bench hooks`; it compiles two plugins in C, with cc.

#[path = "../tests/support/plugins.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "made for tests")]
mod support;

use bytes::Bytes;
use dunlin::codec::{ProtocolVersion, QoS};
use dunlin::config::hooks::{HookDefaults, PolicyEntry};
use dunlin::hooks::{
    AuthRequest, CacheRule, Client, ClientParts, Generation, Hook, HookMetrics, PublishDecision,
    PublishEvent, PublishRequest, ShardHooks,
};
use dunlin::message::Origin;
use std::collections::HashMap;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Many short rounds: one of them is not interrupted.
const ROUNDS: u32 = 100;

fn measure(name: &str, calls: u32, mut call: impl FnMut()) {
    let calls = (calls / ROUNDS).max(1);
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        (0..calls).for_each(|_| call());
        best = best.min(began.elapsed());
    }
    println!(
        "{name:<64} {:>9.1} ns",
        best.as_secs_f64() * 1e9 / f64::from(calls)
    );
}

fn client(id: &str) -> Arc<Client> {
    Client::new(ClientParts {
        instance: "mqtt-demo".into(),
        client_id: id.into(),
        username: Some("Signature|demo|mqtt-demo".into()),
        peer: "192.0.2.7:51234".into(),
        listener: "tcp".into(),
        tls: None,
        protocol_version: ProtocolVersion::V5,
    })
}

fn load(entries: &[PolicyEntry], base: &Path) -> ShardHooks {
    let generation = match Generation::load(1, entries, &HookDefaults::default(), base, &Arc::default()) {
        Ok(generation) => Arc::new(generation),
        Err(errors) => panic!("{errors:?}"),
    };
    match ShardHooks::instantiate(&generation, &Arc::new(HookMetrics::default()), 0, 16) {
        Ok(hooks) => hooks,
        Err(error) => panic!("{error}"),
    }
}

/// A chain of one compiled plugin, made of this C source.
fn plugin(source: &str) -> ShardHooks {
    let folder = std::env::temp_dir().join(format!("dunlin-bench-{}", std::process::id()));
    if let Err(error) = std::fs::create_dir_all(&folder) {
        panic!("{error}");
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
    support::compiled(&source, &["-O2"], &folder.join("p.so"));
    let hooks = load(&[PolicyEntry::compiled("p", "p.so")], &folder);
    let _ = std::fs::remove_dir_all(&folder);
    hooks
}

fn script(body: &str) -> ShardHooks {
    let folder = std::env::temp_dir().join(format!("dunlin-bench-{}", std::process::id()));
    let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(folder.join("p.lua"), body));
    if let Err(error) = written {
        panic!("{error}");
    }
    let hooks = load(&[PolicyEntry::new("p", "p.lua")], &folder);
    let _ = std::fs::remove_dir_all(&folder);
    hooks
}

fn publish(topic: &str) -> PublishRequest<'_> {
    PublishRequest {
        topic,
        qos: QoS::AtLeastOnce,
        retain: false,
        origin: Origin::Client,
        payload: b"{\"t\":20}",
    }
}

fn main() {
    let one = client("GID_fleet@@@truck-7");
    let many: Vec<Arc<Client>> = (0..10_000)
        .map(|n| client(&format!("GID_fleet@@@truck-{n}")))
        .collect();

    let mut none = load(&[], Path::new("."));
    measure("no policy has the hook: wants()", 1_000_000, || {
        black_box(none.wants(black_box(Hook::Publish)));
    });
    measure("no policy has the hook: authorize_publish()", 1_000_000, || {
        black_box(none.authorize_publish(&one, &publish("a")));
    });

    let mut native = plugin("tests/abi/c/fixture.c");
    measure("compiled plugin, authorize_publish: ALLOW", 1_000_000, || {
        black_box(native.authorize_publish(&one, &publish("devices/truck-7/up")));
    });
    let mut next = many.iter().cycle();
    measure(
        "compiled plugin, authorize_publish: ALLOW, 10,000 clients",
        1_000_000,
        || {
            if let Some(client) = next.next() {
                black_box(native.authorize_publish(client, &publish("devices/truck-7/up")));
            }
        },
    );

    let mut trivial = script("return { authorize_publish = function(ctx, topic) return 'allow' end }");
    measure("authorize_publish: return 'allow'", 100_000, || {
        black_box(trivial.authorize_publish(&one, &publish("devices/truck-7/up")));
    });
    let mut lua = script(
        "local allowed = { demo = true, devices = true, plant = true }
         return { authorize_publish = function(ctx, topic, qos, retain, size)
             if size > 65536 or retain then return 'deny', 'no' end
             local first = string.match(topic, '^[^/]*')
             return if allowed[first] then 'allow' else 'next'
         end }",
    );
    measure(
        "authorize_publish: a pattern, a table, two comparisons",
        100_000,
        || {
            black_box(lua.authorize_publish(&one, &publish("devices/truck-7/up")));
        },
    );
    let mut reads = script(
        "return { authorize_publish = function(ctx, topic) return if ctx.client_id == 'x' then 'deny' else 'allow' end }",
    );
    measure(
        "authorize_publish: reads ctx.client_id, one client",
        100_000,
        || {
            black_box(reads.authorize_publish(&one, &publish("devices/truck-7/up")));
        },
    );
    let mut next = many.iter().cycle();
    measure(
        "authorize_publish: reads ctx.client_id, 10,000 clients",
        100_000,
        || {
            if let Some(client) = next.next() {
                black_box(reads.authorize_publish(client, &publish("devices/truck-7/up")));
            }
        },
    );

    let base = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut auth = PolicyEntry::new("auth", "scripts/auth.lua");
    auth.settings.insert("instance".into(), "mqtt-demo".into());
    let keys: toml::Table = [("demo".to_owned(), toml::Value::from("XXXXX"))]
        .into_iter()
        .collect();
    auth.settings.insert("keys".into(), keys.into());
    let entries = [auth, PolicyEntry::new("acl", "scripts/acl.lua")];
    let mut shipped = load(&entries, base);
    measure("acl.lua, first rule fits", 100_000, || {
        black_box(shipped.authorize_publish(&one, &publish("demo/x")));
    });
    measure("acl.lua, second rule with a placeholder fits", 100_000, || {
        black_box(shipped.authorize_publish(&one, &publish("devices/GID_fleet@@@truck-7/up")));
    });
    let mut next = many.iter().cycle();
    measure("acl.lua, no rule fits, 10,000 clients", 100_000, || {
        if let Some(client) = next.next() {
            black_box(shipped.authorize_publish(client, &publish("other/x")));
        }
    });
    // What the connection does with an answer that may be cached.
    let mut cache: HashMap<Box<str>, (Instant, PublishDecision)> = HashMap::new();
    let answer = shipped.authorize_publish(&one, &publish("demo/x"));
    let ttl = answer.cache.map_or(Duration::ZERO, |CacheRule { ttl, .. }| ttl);
    let now = Instant::now();
    cache.insert("demo/x".into(), (now + ttl, answer.decision));
    measure(
        "acl.lua, cached beside the connection (a HashMap, SipHash)",
        1_000_000,
        || {
            black_box(
                cache
                    .get(black_box("demo/x"))
                    .filter(|(until, _)| *until > now)
                    .map(|(_, decision)| decision),
            );
        },
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else {
        panic!("no runtime")
    };
    let password = b"DiKPTDBWa5OhUR4Sda7CWzXMWTc=";
    measure("auth.lua, signature checked", 20_000, || {
        let request = AuthRequest {
            client: &one,
            password: Some(password),
            method: None,
            data: None,
        };
        black_box(runtime.block_on(shipped.chain().authenticate(&request)));
    });

    let mut transform =
        script("return { publish = function(ctx, msg) if msg.size > 100 then return 'drop' end end }");
    let event = PublishEvent {
        topic: "devices/truck-7/up".into(),
        payload: Bytes::from_static(b"{\"t\":20}"),
        qos: QoS::AtLeastOnce,
        retain: false,
        properties: Arc::default(),
        origin: dunlin::message::Origin::Client,
        id: dunlin::message::MessageId(0),
    };
    measure("publish: reads msg.size, passes", 100_000, || {
        black_box(transform.publish(Some(&one), event.clone()));
    });
    let mut stamp = plugin("tests/support/stamp.c");
    measure("compiled plugin, publish: another payload", 100_000, || {
        black_box(stamp.publish(Some(&one), event.clone()));
    });
    let mut rewrite =
        script("return { publish = function(ctx, msg) return { topic = 'x/' .. msg.topic } end }");
    measure("publish: rewrites the topic", 100_000, || {
        black_box(rewrite.publish(Some(&one), event.clone()));
    });
    let mut json = script(
        "return { publish = function(ctx, msg) local v = json.decode(msg.payload) v.t += 1 return { payload = json.encode(v) } end }",
    );
    measure(
        "publish: decodes, edits and encodes a small JSON payload",
        50_000,
        || {
            black_box(json.publish(Some(&one), event.clone()));
        },
    );

    let generation = shipped.generation().clone();
    let metrics = Arc::new(HookMetrics::default());
    measure(
        "building the states of auth.lua and acl.lua in a shard",
        20,
        || {
            black_box(ShardHooks::instantiate(&generation, &metrics, 0, 16).is_ok());
        },
    );
    measure("loading and checking auth.lua and acl.lua", 1, || {
        black_box(Generation::load(1, &entries, &HookDefaults::default(), base, &Arc::default()).is_ok());
    });
}
