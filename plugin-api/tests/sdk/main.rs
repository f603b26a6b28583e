//! The safe face, through the mock host: the whole way over the C ABI and back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    unsafe_code,
    missing_docs
)]

mod declaring;
mod ending;
mod everything;

use dunlin_plugin_api::abi;
use dunlin_plugin_api::prelude::*;
use dunlin_plugin_api::sdk::mock::{Failure, MockConnect};
use everything::{Everything, everywhere};
use serde_json::json;
use std::sync::Mutex;
use std::time::Duration;

fn mock() -> MockHost<Everything> {
    MockHost::new(r#"{ "word": "x" }"#).unwrap()
}

fn device() -> MockClient {
    MockClient::new("GID_a@@@7").username("u")
}

#[test]
fn settings_are_typed_and_refusals_have_words() {
    let refused = |settings: &str| MockHost::<Everything>::new(settings).unwrap_err();
    assert_eq!(refused("{}"), "the settings: missing field `word`");
    assert!(refused(r#"{ "word": "x", "wrod": 1 }"#).contains("unknown field `wrod`"));
    assert_eq!(refused(r#"{ "word": "" }"#), "the setting `word` is empty");
    assert_eq!(refused(r#"{ "word": "untested" }"#), "not that word");
    assert_eq!(
        refused(r#"{ "word": "x", "panics": true }"#),
        "the plugin panicked: as asked"
    );
}

#[test]
fn a_certificate_is_known_with_its_authority() {
    let mock = mock();
    let says = |device: MockClient| match mock.authenticate(&device, Some("certificate"), None) {
        Ok(Login::Deny { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    let plain = device().certificate("truck-7", &[], "f0");
    assert_eq!(says(plain.clone()), r#"["truck-7","01",null,null,null]"#);
    let signed = plain.signed("0A", "CA", 1_800_000_000);
    assert_eq!(says(signed), r#"["truck-7","0A","CA",null,1800000000]"#);
}

#[test]
fn logins_answer_now_and_later_and_not_at_all() {
    let mock = mock();
    let login = |username| mock.authenticate(&device(), Some(username), Some(b"\0pw"));
    let Ok(Login::Allow(grant)) = login("now") else {
        panic!()
    };
    assert_eq!(grant.attrs, json!({ "role": "meter" }));
    assert_eq!(
        (grant.any_client_id, &*grant.depends),
        (true, &["key/a".to_owned(), "group/GID_a".to_owned()][..])
    );
    assert_eq!(grant.acl, [["allow", "publish", "a/#"]]);
    assert_eq!((grant.expires_at, grant.keep_alive), (Some(1.5), Some(u16::MAX)));
    assert_eq!(
        (grant.maximum_packet_size, grant.data),
        (Some(0), Some(Vec::new()))
    );
    assert_eq!(login("later"), Ok(Login::deny("later")));
    assert_eq!(login("failed"), Err(Failure::Error("no backend".to_owned())));
    assert_eq!(login("panic"), Err(Failure::Panic));
    assert!(matches!(login("dropped"), Err(Failure::Error(why)) if why.contains("dropped")));
    assert!(matches!(login("forgotten"), Err(Failure::Error(_))));
    assert!(matches!(login("both"), Err(Failure::Error(_))));
    assert_eq!(login("twice"), Ok(Login::allow()));
    assert_eq!(mock.stale_completions(), 0);
    assert_eq!(mock.authenticate(&device(), None, None), Ok(Login::Next));
    let Ok(Login::Continue { data, state }) = login("scram") else {
        panic!()
    };
    assert_eq!(data, b"\0pw");
    assert_eq!(
        mock.auth_continue(&device(), "m", b"", Some(&state)),
        Ok(Login::allow())
    );
    assert_eq!(mock.unload(), 0);
}

#[test]
fn every_other_hook_goes_there_and_back() {
    let mock = mock();
    let c = device();
    let m = NewMessage {
        qos: 1,
        properties: everywhere(),
        ..NewMessage::new("a/b", vec![0, 1, 255])
    };
    assert_eq!(mock.on_tick(1.0), Ok(Some(2.0)));
    assert_eq!(
        mock.authorize_publish(&c, "later", 0, false, b"x"),
        Ok(Access::Allow)
    );
    assert!(matches!(
        mock.authorize_publish(&c, "end", 0, false, b"x"),
        Ok(Access::Disconnect { .. })
    ));
    assert!(matches!(
        mock.authorize_publish(&c, "wrong", 0, false, b"x"),
        Err(Failure::Wrong(_))
    ));
    assert_eq!(
        mock.authorize_subscribe(&c, "a/#", 2, None),
        Ok(Access::AllowAt(1))
    );
    assert_eq!(mock.authorize_deliver(&c, "a"), Ok(Access::deny("")));
    assert_eq!(mock.p2p(&c, "d", &m), Ok(Access::deny("d")));
    let Ok(Change::Patch(patch)) = mock.publish(&c, &m) else {
        panic!()
    };
    assert_eq!((patch.topic.as_deref(), patch.qos), (Some("A/B"), Some(2)));
    assert_eq!(patch.properties, Some(everywhere()));
    assert_eq!(patch.more[1].properties, everywhere());
    // `publish` may wait only where WAITS names it.
    assert_eq!(
        mock.publish(&c, &NewMessage::new("later", "")),
        Err(Failure::MayNotWait)
    );
    assert!(mock.control(&c, &m).is_err());
    let Ok(Change::Patch(patch)) = mock.deliver(&c, &m) else {
        panic!()
    };
    assert_eq!((patch.payload, patch.properties), (Some(Vec::new()), None));
    assert_eq!(mock.offline(&c, &m), Ok(Change::Drop("pushed".to_owned())));
    let Ok(Change::Patch(patch)) = mock.will(&c, &m) else {
        panic!()
    };
    assert_eq!((patch.retain, patch.topic), (Some(true), None));
    let Ok(Change::Patch(routed)) = mock.route(&c, &m, 3) else {
        panic!()
    };
    assert_eq!(
        (routed.topics, routed.clients),
        (vec!["3".to_owned()], vec!["c".to_owned()])
    );
    let Ok(Change::Patch(told)) = mock.connack(&c, 0, true) else {
        panic!()
    };
    assert_eq!(told.reason_string.as_deref(), Some(""));
    let filter = Filter {
        filter: "a".to_owned(),
        qos: Some(1),
        no_local: Some(true),
        retain_as_published: Some(false),
        retain_handling: Some(2),
    };
    let Ok(Some(filters)) = mock.subscribe(&c, std::slice::from_ref(&filter)) else {
        panic!()
    };
    assert_eq!((&filters[0], filters[1].qos), (&filter, None));
    assert_eq!(
        mock.unsubscribe(&c, &["a", "b"]),
        Ok(Some(vec!["A".to_owned(), "B".to_owned()]))
    );
    assert_eq!(mock.limit("i", "clients"), Ok(Some(0.0)));
    assert_eq!(mock.limit("i", "other"), Ok(None));
    let batch = [
        m.clone(),
        NewMessage::new("b", ""),
        NewMessage { qos: 2, ..m.clone() },
    ];
    assert_eq!(
        mock.rule_action(&json!({}), &batch),
        Ok(Batch::Each(vec![
            ActionResult::Retry(30.0),
            ActionResult::Done,
            ActionResult::DeadLetter("never".to_owned())
        ]))
    );
    assert!(matches!(
        mock.expiring(&c, 1.0, true),
        Ok(Controlling::Disconnect { code: Some(0x98), .. })
    ));
    let Ok(Controlling::Do(done)) = mock.expiring(&c, 1.0, false) else {
        panic!()
    };
    assert_eq!((done.expires_at, done.messages.len()), (Some(2.0), 1));
    assert_eq!(
        (done.attrs, done.acl),
        (Some(json!({ "role": "reader" })), Some(Vec::new()))
    );
    // No word about them is another thing than a word that there are none.
    assert_eq!(done.depends, None);
    let Ok(Controlling::Do(done)) = mock.expiring(&c, 2.0, false) else {
        panic!()
    };
    assert_eq!(done.depends, Some(Vec::new()));
}

#[test]
fn connects_are_changed_refused_and_sent_on() {
    let mock = mock();
    let connect = |client_id: &str| MockConnect {
        client_id: client_id.to_owned(),
        keep_alive: 60,
        session_expiry: Some(u32::MAX),
        will: Some(ConnectWill {
            topic: Some("w".to_owned()),
            delay: Some(5),
            ..ConnectWill::default()
        }),
        ..MockConnect::default()
    };
    let Ok(Connecting::Patch(patch)) = mock.connect(&device(), &connect("a")) else {
        panic!()
    };
    assert_eq!(
        (patch.client_id.as_deref(), patch.keep_alive),
        (Some("a-2"), Some(30))
    );
    assert_eq!(
        (patch.session_expiry, patch.clean_start),
        (Some(u32::MAX), Some(true))
    );
    assert_eq!(patch.will, connect("a").will);
    assert_eq!(patch.instance.as_deref(), Some("mqtt-b"));
    assert!(matches!(
        mock.connect(&device(), &connect("no")),
        Ok(Connecting::Reject { code: 0x85, .. })
    ));
    assert!(matches!(
        mock.connect(&device(), &connect("go")),
        Ok(Connecting::Redirect {
            permanently: true,
            ..
        })
    ));
}

#[test]
fn observers_are_told_and_their_panics_stay_inside() {
    let mock = mock();
    mock.session_start(&device(), true).unwrap();
    assert_eq!(
        mock.metrics()[0].labels,
        [("client".to_owned(), "GID_a@@@7".to_owned())]
    );
    assert_eq!(mock.dropped(&device(), "t", "queue full", 2), Err(Failure::Panic));
}

#[test]
fn tracing_reaches_the_log() {
    assert!(mock().logged(Level::Info, "created policy=\"mock\""));
}

#[test]
fn state_goes_from_one_generation_to_the_next() {
    let state = State {
        version: 3,
        bytes: vec![0, 255],
    };
    let first = MockHost::<Everything>::reloaded(r#"{ "word": "x" }"#, Some(&state)).unwrap();
    assert_eq!(first.export_state(), Some(state));
    assert_eq!(mock().export_state(), None);
}

#[test]
fn the_host_does_what_it_is_asked() {
    let mock = mock();
    let host = mock.host().unwrap();
    assert_eq!(host.kv_get(Space::Own, b"k"), Ok(None));
    let long = vec![7; 1000];
    host.kv_set(Space::Own, b"k", &long, Some(Duration::from_secs(1)))
        .unwrap();
    assert_eq!(host.kv_get(Space::Own, b"k"), Ok(Some(long)));
    assert_eq!(host.kv_get(Space::Shared, b"k"), Ok(None));
    mock.advance(Duration::from_secs(1));
    assert_eq!(host.kv_get(Space::Own, b"k"), Ok(None));
    assert_eq!(host.kv_incr(Space::Own, b"n", 2.5, None), Ok(2.5));
    assert_eq!(host.kv_incr(Space::Own, b"n", 1.0, None), Ok(3.5));
    assert_eq!(host.kv_delete(Space::Own, b"n"), Ok(true));
    assert_eq!(host.kv_delete(Space::Own, b"n"), Ok(false));
    assert_eq!(host.monotonic(), Duration::from_secs(1));
    assert_eq!(host.config("settings").unwrap().unwrap(), r#"{ "word": "x" }"#);
    assert_eq!(host.config("other"), Ok(None));
    let mut bytes = [0; 16];
    host.random(&mut bytes).unwrap();
    assert_ne!(bytes, [0; 16]);
    host.publish("", &NewMessage::new("a", "b")).unwrap();
    assert_eq!(
        host.publish("", &NewMessage::new("a/#", "b")),
        Err(Refused::Invalid)
    );
    host.send("i", "c", &NewMessage::new("a", "b")).unwrap();
    assert_eq!(mock.published()[1].client_id.as_deref(), Some("c"));
    host.kick("", "c", Some(0x98), "why").unwrap();
    assert_eq!(host.kick("", "c", Some(1), "why"), Err(Refused::Invalid));
    host.reauthorize("i", None).unwrap();
    assert_eq!(mock.reauthorized(), [("i".to_owned(), None)]);
    mock.add_session(
        "c",
        Session {
            connected: true,
            subscriptions: 1,
            queued: 2,
        },
    );
    for name in ["b", "c", "a"] {
        mock.set_record(
            "i",
            "group",
            name,
            json!({ "name": name, "long": "x".repeat(300) }),
        );
    }
    mock.set_record("i", "group", "c", serde_json::Value::Null);
    let found = host.registry_get("i", "group", "a").unwrap().unwrap();
    assert_eq!(
        (&found["name"], found["long"].as_str().unwrap().len()),
        (&json!("a"), 300)
    );
    assert_eq!(host.registry_get("i", "group", "c"), Ok(None));
    assert_eq!(host.registry_get("", "group", "a"), Ok(None));
    let names = |after, most| {
        let list = host.registry_list("i", "group", after, most)?;
        Ok(list.into_iter().map(|(name, _)| name).collect::<Vec<_>>())
    };
    assert_eq!(names(None, 10), Ok(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(names(None, 1), Ok(vec!["a".to_owned()]));
    assert_eq!(names(Some("a"), 1), Ok(vec!["b".to_owned()]));
    assert_eq!(names(None, 0), Err(Refused::Invalid));
    assert_eq!(host.registry_list("i", "key", None, 1), Ok(Vec::new()));
    let (tell, told) = std::sync::mpsc::channel();
    let again = tell.clone();
    host.session("", "c", move |session| tell.send(session).unwrap())
        .unwrap();
    host.session("", "d", move |session| again.send(session).unwrap())
        .unwrap();
    assert_eq!(told.recv().unwrap().unwrap().queued, 2);
    assert_eq!(told.recv().unwrap(), None);
}

#[test]
fn timers_are_called_once_and_cancelled_at_the_end() {
    let mock = mock();
    let host = mock.host().unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    for (delay, name) in [(30, "never"), (2, "second"), (1, "first")] {
        let tell = tell.clone();
        host.after(Duration::from_secs(delay), move || tell.send(name).unwrap())
            .unwrap();
    }
    drop(tell);
    mock.advance(Duration::from_secs(10));
    drop(host);
    mock.unload();
    assert_eq!(told.iter().collect::<Vec<_>>(), ["first", "second"]);
}

#[test]
fn a_declaration_says_what_the_trait_says() {
    let declared = MockHost::<Everything>::declared();
    // SAFETY: it was made above and lives until the end of this test.
    let read = unsafe { abi::read_prefix(declared.as_ptr()) }.unwrap();
    assert_eq!(read.magic.to_le_bytes(), *b"DUNLIN\0\0");
    assert_eq!((read.abi_major, read.abi_minor, read.min_minor), (1, 1, 0));
    assert_eq!(read.hooks.count_ones() as usize, Hook::ALL.len());
    assert_eq!(read.payload, 1 << abi::HOOK_AUTHORIZE_PUBLISH);
    assert_ne!(read.waits & (1 << abi::HOOK_AUTHENTICATE), 0);
    assert_eq!(read.waits & (1 << abi::HOOK_PUBLISH), 0);
    assert_eq!(read.flags, abi::FLAG_THREADS | abi::FLAG_THREAD_LOCALS);
    assert_eq!((read.caches_len, read.origins_len, read.owns.len), (1, 1, 1));
    // SAFETY: the declaration's lists live as long as the image.
    unsafe {
        assert_eq!((*read.origins).origins, 0b1001);
        assert_eq!((*read.caches).by.items()[0].bytes(), Some(&b"filter"[..]));
        let table = abi::read_prefix(read.vtable).unwrap();
        assert!(table.create.is_some() && table.rule_action.is_some());
    }
}

#[test]
fn what_is_not_declared_is_not_called() {
    struct Nothing;
    impl Plugin for Nothing {
        type Settings = serde_json::Value;
        const HOOKS: &'static [Hook] = &[];
        fn create(_: Host, _: Setup<Self::Settings>) -> Result<Self, Error> {
            Ok(Nothing)
        }
    }
    let mock = MockHost::<Nothing>::new("{}").unwrap();
    assert_eq!(mock.limit("i", "n"), Err(Failure::NotDeclared));
}

#[test]
fn a_host_without_functions_refuses_and_is_not_called_after_the_end() {
    let mock = mock();
    let host = mock.host().unwrap();
    assert!(host.now() > Duration::ZERO);
    let of_plugin = {
        struct Keeps;
        static HOST: Mutex<Option<Host>> = Mutex::new(None);
        impl Plugin for Keeps {
            type Settings = serde_json::Value;
            const HOOKS: &'static [Hook] = &[];
            fn create(host: Host, _: Setup<Self::Settings>) -> Result<Self, Error> {
                *HOST.lock().unwrap() = Some(host);
                Ok(Keeps)
            }
        }
        MockHost::<Keeps>::new("{}").unwrap().unload();
        HOST.lock().unwrap().take().unwrap()
    };
    assert_eq!(of_plugin.now(), Duration::ZERO);
    assert_eq!(of_plugin.kv_get(Space::Own, b"k"), Err(Refused::NotServing));
}
