//! What operators set up outlives the broker.

use serde_json::Value;

use crate::support::{self, Broker};
use crate::{answer, ctl};

fn says(broker: &Broker, args: &[&str]) -> String {
    let socket = broker.data().join("dunlin.sock");
    let answer = answer(ctl(args).arg("--socket").arg(socket));
    assert_eq!((answer.code, &*answer.err), (0, ""), "{args:?}: {answer:?}");
    answer.out
}

fn json(broker: &Broker, args: &[&str]) -> Value {
    let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
    serde_json::from_str(&says(broker, &args)).unwrap()
}

#[test]
fn instances_names_and_credentials_are_there_after_a_restart_and_what_was_deleted_is_not() {
    let data = support::broker::folder();
    let broker = Broker::start_on(&data, &[]);
    let made = json(
        &broker,
        &["instance", "create", "--name", "kept", "--set", "limits.tps=7"],
    );
    let id = made["id"].as_str().unwrap();
    let gone = json(&broker, &["instance", "create"])["id"]
        .as_str()
        .unwrap()
        .to_owned();
    says(&broker, &["group", "create", "GID_kept", "-i", id]);
    says(&broker, &["group", "create", "GID_gone", "-i", &gone]);
    says(
        &broker,
        &["instance", "set", "mqtt-cn-dunlindemo", "limits.subscriptions=3"],
    );
    let key = json(&broker, &["key", "create", "-i", id]);
    let device = json(&broker, &["credential", "register", "GID_kept@@@1", "-i", id]);
    let apply = [
        "token",
        "apply",
        "--actions",
        "R",
        "--resources",
        "a/#",
        "--expire",
        "600",
        "-i",
        id,
    ];
    let (token, revoked) = (json(&broker, &apply), json(&broker, &apply));
    let (token, revoked) = (
        token["token"].as_str().unwrap(),
        revoked["token"].as_str().unwrap(),
    );
    says(&broker, &["token", "revoke", revoked, "-i", id]);
    says(&broker, &["instance", "delete", &gone]);
    let before = json(&broker, &["instance", "show", id]);
    broker.stop();

    let broker = Broker::start_on(&data, &[]);
    let after = json(&broker, &["instance", "show", id]);
    assert_eq!(after, before);
    assert_eq!(
        (&after["name"], &after["settings"]["limits.tps"]["value"]),
        (&"kept".into(), &"7".into())
    );
    let shown = json(&broker, &["instance", "show", "mqtt-cn-dunlindemo"]);
    assert_eq!(shown["settings"]["limits.subscriptions"]["by"], "operator");
    assert_eq!(json(&broker, &["group", "list", "-i", id])[0]["name"], "GID_kept");
    assert_eq!(json(&broker, &["key", "list", "--secrets", "-i", id]), key);
    assert_eq!(
        json(&broker, &["credential", "get", "GID_kept@@@1", "-i", id]),
        device
    );
    assert_eq!(says(&broker, &["token", "query", token, "-i", id]), "true\n");
    assert_eq!(says(&broker, &["token", "query", revoked, "-i", id]), "false\n");
    assert_eq!(json(&broker, &["instance", "list"]).as_array().unwrap().len(), 2);
    drop(broker);
    std::fs::remove_dir_all(data).unwrap();
}
