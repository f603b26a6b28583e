//! The ways in which files change: what is bad changes nothing and is reported, what is good is in force, and it is
//! always the last save that counts.

use std::fs;
use std::path::Path;

use crate::support::{Client, Connect, PUBACK, V5, publish, sleep, unique};
use crate::{Demo, millis_until, signed};

const NOT_AUTHORIZED: u8 = 0x87;

/// A policy with which everybody may use these topics and nothing else; ten lines with one topic.
fn allowing(topics: &[&str]) -> String {
    let list: String = topics
        .iter()
        .map(|topic| format!("\t[{topic:?}] = true,\n"))
        .collect();
    format!(
        "local allowed = {{\n{list}}}\n\
         local function decide(_, topic)\n\
         \tif allowed[topic] then\n\
         \t\treturn \"allow\"\n\
         \tend\n\
         \treturn \"deny\", \"not in this version\"\n\
         end\n\
         return {{ name = \"acl\", authorize_publish = decide, authorize_subscribe = decide }}\n"
    )
}

/// As many editors save: to a new file, renamed over the old one.
fn save(path: &Path, text: &str) {
    let new = path.with_extension("lua.new");
    fs::write(&new, text).unwrap();
    fs::rename(new, path).unwrap();
}

/// Waits until a subscription to `filter` is answered with this code; milliseconds.
#[track_caller]
fn until(demo: &Demo, client: &mut Client, filter: &str, code: u8) -> u128 {
    let what = format!("{filter} answered with {code:#04x}");
    millis_until(&what, &demo.broker, || client.subscribe(filter, 0).code() == code)
}

fn member(demo: &Demo) -> Client {
    signed(V5, &unique("GID_e@@@")).to(&demo.broker)
}

#[test]
fn a_bad_policy_of_whatever_kind_is_reported_and_changes_nothing() {
    let demo = Demo::start(&[]);
    let mut client = member(&demo);
    let good = allowing(&["v/1"]);
    save(&demo.acl(), &good);
    until(&demo, &mut client, "v/1", 0);
    let bad = [
        (format!("{}\nif then\n", allowing(&["v/2"])), "acl.lua:12"),
        (format!("local x = nil\nlocal y = x.z\n{good}"), "acl.lua:2"),
        ("return 5\n".to_owned(), "acl.lua"),
        // A hook that there is not, and a file that is just being written.
        (
            "return { name = \"acl\", authorize_publsh = function() end }\n".to_owned(),
            "acl.lua",
        ),
        (String::new(), "acl.lua"),
    ];
    for (text, place) in bad {
        let seen = demo.broker.log().len();
        fs::write(demo.acl(), &text).unwrap();
        millis_until(&format!("{place} reported"), &demo.broker, || {
            demo.broker.log()[seen..]
                .lines()
                .any(|line| line.contains("ERROR") && line.contains(place))
        });
        assert_eq!(client.subscribe("v/1", 0).code(), 0, "after {text}");
        assert_eq!(client.subscribe("v/2", 0).code(), NOT_AUTHORIZED);
    }
    save(&demo.acl(), &allowing(&["v/3"]));
    assert!(until(&demo, &mut client, "v/3", 0) < 1000);
}

// Whoever takes a change back within the time that it takes to load it gets what the file says.
#[test]
fn the_last_save_counts_however_quickly_it_follows() {
    let demo = Demo::start(&[]);
    let mut client = member(&demo);
    let versions = [allowing(&["v/0"]), allowing(&["v/1"])];
    for round in 0..20 {
        let last = round % 2;
        for n in [last, 1 - last, last] {
            save(&demo.acl(), &versions[n]);
            sleep(round as u64 * 7 % 130);
        }
        until(&demo, &mut client, &format!("v/{last}"), 0);
        until(&demo, &mut client, &format!("v/{}", 1 - last), NOT_AUTHORIZED);
    }
}

// The same while the broker starts, which is when a change is easily missed.
#[test]
fn an_edit_right_after_the_start_can_be_taken_back() {
    for _ in 0..10 {
        let demo = Demo::start(&[]);
        let original = fs::read_to_string(demo.acl()).unwrap();
        save(&demo.acl(), &allowing(&["v/1"]));
        let mut client = member(&demo);
        until(&demo, &mut client, "v/1", 0);
        save(&demo.acl(), &original);
        until(&demo, &mut client, "v/1", NOT_AUTHORIZED);
    }
}

#[test]
fn a_file_that_is_gone_changes_nothing() {
    let demo = Demo::start(&[]);
    let mut client = member(&demo);
    save(&demo.acl(), &allowing(&["v/1"]));
    until(&demo, &mut client, "v/1", 0);
    fs::remove_file(demo.acl()).unwrap();
    sleep(700);
    assert_eq!(client.subscribe("v/1", 0).code(), 0);
    member(&demo).ping();
    save(&demo.acl(), &allowing(&["v/2"]));
    until(&demo, &mut client, "v/2", 0);
}

#[test]
fn a_policy_written_in_pieces_is_in_force_once_it_is_whole() {
    let demo = Demo::start(&[]);
    let mut client = member(&demo);
    let text = allowing(&["v/1"]);
    for end in [20, text.len() / 2, text.len()] {
        fs::write(demo.acl(), &text[..end]).unwrap();
        sleep(20);
    }
    until(&demo, &mut client, "v/1", 0);
    assert_eq!(client.subscribe("v/2", 0).code(), NOT_AUTHORIZED);
}

#[test]
fn a_symbolic_link_that_is_swapped_is_noticed() {
    let demo = Demo::start(&[]);
    let mut client = member(&demo);
    for version in ["one", "two"] {
        let folder = demo.folder.join(version);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("acl.lua"), allowing(&[version])).unwrap();
        let link = demo.folder.join("new-link");
        std::os::unix::fs::symlink(folder.join("acl.lua"), &link).unwrap();
        fs::rename(link, demo.acl()).unwrap();
        until(&demo, &mut client, version, 0);
    }
}

#[test]
fn a_file_behind_a_symbolic_link_is_watched() {
    let demo = Demo::start(&[]);
    let mut client = member(&demo);
    let elsewhere = demo.folder.join("far/away/acl.lua");
    fs::create_dir_all(elsewhere.parent().unwrap()).unwrap();
    fs::write(&elsewhere, allowing(&["one"])).unwrap();
    fs::remove_file(demo.acl()).unwrap();
    std::os::unix::fs::symlink(&elsewhere, demo.acl()).unwrap();
    until(&demo, &mut client, "one", 0);
    fs::write(&elsewhere, allowing(&["two"])).unwrap();
    until(&demo, &mut client, "two", 0);
}

#[test]
fn new_credentials_count_for_new_connections_and_nobody_is_disconnected() {
    let demo = Demo::start(&[]);
    let mut client = member(&demo);
    save(
        &demo.folder.join("scripts/auth.lua"),
        "return { name = \"auth\", authenticate = function(ctx, username, password)\n\
         \tif password == \"open sesame\" then return \"allow\" end\n\
         \treturn \"deny\", 0x86, \"another word\"\n\
         end }\n",
    );
    let open = Connect::v5(unique("GID_e@@@"))
        .username("x")
        .password("open sesame");
    let millis = millis_until("the new policy", &demo.broker, || {
        open.answer(&demo.broker).1.code() == 0
    });
    assert!(millis < 1000, "the new policy was in force after {millis} ms");
    let (_, connack) = signed(V5, &unique("GID_e@@@")).answer(&demo.broker);
    assert_eq!(connack.code(), 0x86);
    client.ping();
}

// What takes too long is cut off and counts as no; others hardly notice.
#[test]
fn a_policy_that_never_ends_denies_and_holds_up_nobody() {
    let demo = Demo::start(&[]);
    let (mut client, mut other) = (member(&demo), member(&demo));
    save(
        &demo.acl(),
        "return { name = \"acl\",\n\
         \tauthorize_publish = function(_, topic)\n\
         \t\tif topic == \"endless\" then while true do end end\n\
         \t\treturn \"allow\"\n\
         \tend,\n\
         \tauthorize_subscribe = function() return \"allow\" end,\n}\n",
    );
    until(&demo, &mut client, "anything", 0);
    client.publish(publish("endless", "x").qos(1, 1));
    let millis = millis_until("a ping", &demo.broker, || {
        other.ping();
        true
    });
    assert!(millis < 500, "the ping took {millis} ms");
    client.expect_ack(PUBACK, 1, NOT_AUTHORIZED);
}
