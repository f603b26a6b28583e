//! group and topic.

use crate::Administered;

const SCRIPT: &str = "return { authorize_publish = function() return 'allow' end }";

fn start() -> Administered {
    let settings = [
        "instance.groups=[\"GID_file\"]",
        "instance.topics=[\"file\"]",
        "limits.groups=3",
        "limits.parent_topics=3",
    ];
    Administered::with(SCRIPT, &settings)
}

#[track_caller]
fn refused(broker: &Administered, args: &[&str], code: i32, sentence: &str) {
    let answer = broker.ask(args);
    assert!(
        answer.code == code && answer.err.contains(sentence),
        "{args:?}: {answer:?}"
    );
}

#[test]
fn groups_are_made_listed_and_deleted() {
    let broker = start();
    assert_eq!(broker.says(&["group", "create", "GID_one"]), "GID_one: made\n");
    assert_eq!(
        broker.json(&["group", "create", "GID-two"]),
        serde_json::json!({})
    );
    let text = broker.says(&["group", "list"]);
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines[0], ["NAME", "FROM", "CREATED"]);
    assert_eq!((lines[1][0], lines[1][1]), ("GID-two", "created"));
    assert_eq!(lines[2], ["GID_file", "configuration", "-"]);
    assert_eq!(lines[3][..2], ["GID_one", "created"]);
    assert_eq!(broker.json(&["group", "list"])[2]["origin"], "created");

    let create = |name: &'static str| ["group", "create", name];
    refused(&broker, &create("GID_one"), 1, "has the group GID_one already");
    refused(&broker, &create("GID_file"), 1, "has the group GID_file already");
    refused(
        &broker,
        &create("GID_three"),
        1,
        "3 groups, as many as it may (limits.groups)",
    );
    refused(
        &broker,
        &create("one"),
        2,
        "a group's id begins with GID_ or GID-",
    );
    let delete = |name: &'static str| ["group", "delete", name];
    refused(
        &broker,
        &delete("GID_file"),
        1,
        "the group GID_file is named by the configuration",
    );
    refused(&broker, &delete("GID_nope"), 1, "has no group `GID_nope`");
    refused(
        &broker,
        &["group", "list", "-i", "nobody"],
        1,
        "there is no instance `nobody`",
    );
    assert_eq!(broker.says(&delete("GID_one")), "GID_one: deleted\n");
    // There is room again.
    broker.says(&create("GID_three"));
}

#[test]
fn parent_topics_are_unique_whatever_their_case() {
    let broker = start();
    broker.says(&["topic", "create", "Sensors"]);
    let create = |name: &'static str| ["topic", "create", name];
    refused(
        &broker,
        &create("sensors"),
        1,
        "there is the parent topic Sensors already",
    );
    refused(
        &broker,
        &create("FILE"),
        1,
        "there is the parent topic file already",
    );
    refused(&broker, &create("a/b"), 2, "a parent topic is one level");
    refused(&broker, &create("+"), 2, "a parent topic is one level");
    broker.says(&create("third"));
    refused(
        &broker,
        &create("fourth"),
        1,
        "as many as it may (limits.parent_topics)",
    );
    let delete = |name: &'static str| ["topic", "delete", name];
    refused(
        &broker,
        &delete("file"),
        1,
        "the parent topic file is named by the configuration",
    );
    refused(&broker, &delete("SENSORS"), 1, "has no parent topic `SENSORS`");
    broker.says(&delete("Sensors"));
    let names = broker.json(&["topic", "list"]);
    assert_eq!(
        (&names[0]["name"], &names[1]["name"]),
        (&"file".into(), &"third".into())
    );
}
