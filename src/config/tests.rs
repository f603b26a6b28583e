use std::time::Duration;

use super::*;

const NO_ENV: [(&str, &str); 0] = [];

/// A folder with a configuration file and the files that it may name.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new(text: &str) -> Self {
        let files = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        std::fs::write(files.path("dunlin.toml"), text).unwrap();
        std::fs::write(files.path("a.pem"), "").unwrap();
        std::fs::write(files.path("a.lua"), "").unwrap();
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn load(&self, overrides: &[&str], env: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
        Config::load(Some(&self.path("dunlin.toml")), &overrides, env.iter().copied())
    }

    /// The sentences, with the folder's name left out.
    fn problems(&self, overrides: &[&str], env: &[(&str, &str)]) -> Vec<String> {
        let folder = format!("{}/", self.folder.path().display());
        match self.load(overrides, env) {
            Ok(_) => Vec::new(),
            Err(error) => error
                .to_string()
                .lines()
                .map(|line| line.replace(&folder, ""))
                .collect(),
        }
    }
}

const TCP: &str = "[listeners.tcp]\nbind = '127.0.0.1:1883'\n";

/// Each file's text (a TCP listener on lines 1 and 2 comes before it) and all that is said about it.
#[rustfmt::skip]
const WRONG: &[(&str, &[&str])] = &[
    // Notation.
    ("[limits]\nconnections = \n", &["dunlin.toml:4:15: this is not TOML: string values must be quoted, expected literal string"]),
    ("[mqtt]\nmaximum_qos = 1\nmaximum_qos = 2\n", &["dunlin.toml:5:1: this is not TOML: duplicate key"]),
    ("[limits]\nconnections = 99999999999999999999\n", &["dunlin.toml:4:15: the number 99999999999999999999 is too large; write at most 9223372036854775807"]),
    // Unknown names.
    ("[limts]\nconnections = 1\n", &["dunlin.toml:3:2: there is no section `limts`; did you mean `limits`?"]),
    ("[limits]\nconections = 1\n", &["dunlin.toml:4:1: there is no setting `limits.conections`; did you mean `connections`?"]),
    ("[log]\nzebra = 1\n", &["dunlin.toml:4:1: there is no setting `log.zebra`; there are level, format"]),
    ("[[policy]]\nname = 'a'\nscript = 'a.lua'\nbudgit = '5ms'\n", &["dunlin.toml:6:1: there is no setting `policy[0].budgit`; did you mean `budget`?"]),
    // Wrong types and values.
    ("[limits]\nconnections = 'many'\n", &["dunlin.toml:4:15: `limits.connections` is the text \"many\"; write a whole number of 1 or more, or \"unlimited\""]),
    ("[limits]\nconnections = 0\n", &["dunlin.toml:4:15: `limits.connections` is the number 0; write a whole number of 1 or more, or \"unlimited\""]),
    ("[limits]\nconnections = -1\n", &["dunlin.toml:4:15: `limits.connections` is the number -1; write a whole number of 1 or more, or \"unlimited\""]),
    ("[limits]\nmailbox = 1.5\n", &["dunlin.toml:4:11: `limits.mailbox` is the number 1.5; write a whole number of 0 or more"]),
    ("[limits]\npacket_size = '64 kilos'\n", &["dunlin.toml:4:15: `limits.packet_size` is the text \"64 kilos\"; write a size, for example \"64KiB\" or \"1MiB\""]),
    ("[limits]\nconnect_timeout = 10\n", &["dunlin.toml:4:19: `limits.connect_timeout` is the number 10; write a duration with its unit, for example \"10s\", \"500ms\" or \"3d\""]),
    ("[limits]\noffline_age = 'never'\n", &["dunlin.toml:4:15: `limits.offline_age` is the text \"never\"; write a duration with its unit, for example \"10s\" or \"3d\", or \"unlimited\""]),
    ("[mqtt]\nsys_interval = 'off'\n", &["dunlin.toml:4:16: `mqtt.sys_interval` is the text \"off\"; write a duration with its unit, for example \"10s\", or \"none\""]),
    ("[mqtt]\nreceive_maximum = 70000\n", &["dunlin.toml:4:19: `mqtt.receive_maximum` is the number 70000; write a whole number from 0 to 65535"]),
    ("[mqtt]\nretain_available = 'yes'\n", &["dunlin.toml:4:20: `mqtt.retain_available` is the text \"yes\"; write true or false"]),
    ("[server]\ndata = true\n", &["dunlin.toml:4:8: `server.data` is true; write text in quotes"]),
    ("[log]\nformat = 'jason'\n", &["dunlin.toml:4:10: `log.format` is \"jason\"; did you mean \"json\"? The choices are \"text\", \"json\""]),
    ("[log]\nformat = 7\n", &["dunlin.toml:4:10: `log.format` is the number 7; write one of \"text\", \"json\""]),
    ("[policy]\nname = 'a'\n", &["dunlin.toml:3:1: `policy` is a table; write a list of tables, each under its own [[...]]"]),
    ("[[limits]]\n", &["dunlin.toml:3:1: `limits` is a list; write a table"]),
    ("[[policy]]\nname = 'a'\n", &["dunlin.toml:3:1: `policy[0]` has neither a `script` nor a `plugin`; add `script = ...` or `plugin = ...`"]),
    // Listeners.
    ("[listeners.ws]\nbind = 'localhost:8083'\n", &["dunlin.toml:4:8: `listeners.ws.bind` is the text \"localhost:8083\"; write an IP address and a port, for example \"127.0.0.1:1883\" or \"[::]:1883\""]),
    ("[listeners.ws]\nbind = '0.0.0.0:99999'\n", &["dunlin.toml:4:8: `listeners.ws.bind`: 99999 is no port; ports go from 0 to 65535 (0: the system picks one)"]),
    ("[listeners.ws]\nbind = 8083\n", &["dunlin.toml:4:8: `listeners.ws.bind` is the number 8083; write an IP address and a port, for example \"127.0.0.1:1883\" or \"[::]:1883\""]),
    ("[listeners.ws]\n", &["dunlin.toml:3:1: listener `ws` has no `bind`; add `bind = \"0.0.0.0:8083\"`"]),
    ("[listeners.wsx]\nbind = '0.0.0.0:8083'\n", &["dunlin.toml:3:1: listener `wsx` has no kind; did you mean `[listeners.ws]`? Else add `kind = \"tcp\"`"]),
    ("[listeners.office]\nbind = '0.0.0.0:8083'\n", &["dunlin.toml:3:1: listener `office` has no kind; add `kind = ` and one of \"tcp\", \"tls\", \"ws\", \"wss\", \"unix\""]),
    ("[listeners.office]\nkind = 'quic'\n", &["dunlin.toml:4:8: `listeners.office.kind` is \"quic\"; write one of \"tcp\", \"tls\", \"ws\", \"wss\", \"unix\""]),
    ("[listeners.ws]\nbind = '0.0.0.0:1883'\n", &["dunlin.toml:4:8: listener `ws` is bound to 0.0.0.0:1883, where listener `tcp` is already (127.0.0.1:1883); give it another port"]),
    ("[listeners.ws]\nbind = '127.0.0.1:9883'\n", &["dunlin.toml:4:8: listener `ws` is bound to 127.0.0.1:9883, where the admin port is already (127.0.0.1:9883); give it another port"]),
    ("[admin]\nbind = '127.0.0.1:1883'\n", &["dunlin.toml:4:8: the admin port is bound to 127.0.0.1:1883, where listener `tcp` is already (127.0.0.1:1883); give it another port"]),
    ("[listeners.unix]\n", &["dunlin.toml:3:1: listener `unix` has no `path`; add `path = \"/run/dunlin/mqtt.sock\"`"]),
    ("[listeners.unix]\nbind = '127.0.0.1:1'\n", &["dunlin.toml:4:8: listener `unix` is unix and has no address; write `path` instead of `bind`"]),
    ("[listeners.unix]\npath = 'x'\nmode = '0999'\n", &["dunlin.toml:5:8: `listeners.unix.mode` is the text \"0999\"; write the rights in octal as text, for example \"0660\""]),
    ("[listeners.unix]\npath = '/x'\n[listeners.u2]\nkind = 'unix'\npath = '/x'\n", &["dunlin.toml:4:8: listener `unix` has the path of listener `u2`; give it another"]),
    ("[listeners.ws]\nbind = '127.0.0.1:1'\npath = '/mqtt'\n", &["dunlin.toml:5:8: listener `ws` is ws and has no path; `path` is for unix (a WebSocket is answered on any path)"]),
    ("[listeners.tls]\nbind = '127.0.0.1:1'\ncert = 'a.pem'\n", &["dunlin.toml:5:8: listener `tls` has a `cert` without its `key`; add `key = \"FILE\"`"]),
    ("[listeners.tls]\nbind = '127.0.0.1:1'\nkey = 'a.pem'\n", &["dunlin.toml:5:7: listener `tls` has a `key` without its `cert`; add `cert = \"FILE\"`"]),
    ("[listeners.tls]\nbind = '127.0.0.1:1'\ncert = 'b.pem'\nkey = 'a.pem'\n", &["dunlin.toml:5:8: `listeners.tls.cert`: there is no file b.pem; create it or correct the path"]),
    ("[listeners.tls]\nbind = '127.0.0.1:1'\ncert = '.'\nkey = 'a.pem'\n", &["dunlin.toml:5:8: `listeners.tls.cert`: . is not a file; correct the path"]),
    ("[listeners.tls]\nbind = '127.0.0.1:1'\nclient_auth = 'required'\n", &["dunlin.toml:5:15: listener `tls` checks client certificates against nothing; add `client_ca = \"registered\"` or `\"FILE\"`"]),
    ("[listeners.tls]\nbind = '127.0.0.1:1'\nclient_ca = 'a.pem'\n", &["dunlin.toml:5:13: listener `tls` has a `client_ca` and asks for no certificate; add `client_auth = \"required\"` or `\"optional\"`"]),
    ("[listeners.ws]\nbind = '127.0.0.1:1'\ncert = 'a.pem'\nkey = 'a.pem'\n", &[
        "dunlin.toml:5:8: listener `ws` is ws, without TLS; take `cert` out, or make its kind tls or wss",
        "dunlin.toml:6:7: listener `ws` is ws, without TLS; take `key` out, or make its kind tls or wss"]),
    ("[listeners.ws]\nbind = '127.0.0.1:1'\nclient_auth = 'optional'\n", &["dunlin.toml:5:15: listener `ws` is ws, without TLS; take `client_auth` out, or make its kind tls or wss"]),
    // What contradicts or is not there.
    ("[admin]\nbind = '0.0.0.0:9883'\n", &["dunlin.toml:4:8: the admin port asks nobody who they are, and 0.0.0.0 is not this machine alone; write \"127.0.0.1:9883\", or add `allow_remote = true`"]),
    ("[mqtt]\nmaximum_qos = 3\n", &["dunlin.toml:4:15: `mqtt.maximum_qos` is 3; write 0, 1 or 2"]),
    ("[mqtt]\nreceive_maximum = 0\n", &["dunlin.toml:4:19: `mqtt.receive_maximum` is 0; write a whole number from 1 to 65535"]),
    ("[limits]\ninflight = 0\n", &["dunlin.toml:4:12: `limits.inflight` is 0; write a whole number from 1 to 65535"]),
    ("[limits]\nmailbox = 0\n", &["dunlin.toml:4:11: `limits.mailbox` is 0; write a whole number of 1 or more"]),
    ("[limits]\nconnect_timeout = '0s'\n", &["dunlin.toml:4:19: `limits.connect_timeout` is 0; write for example \"10s\""]),
    ("[mqtt]\nsys_interval = '0s'\n", &["dunlin.toml:4:16: `mqtt.sys_interval` is 0; write for example \"10s\", or \"none\""]),
    ("[limits]\nconnect_packet_size = 1\n", &["dunlin.toml:4:23: `limits.connect_packet_size` is 1 bytes; write from 64 to 268435460 bytes, which is MQTT's largest packet"]),
    ("[limits]\npayload_size = '1MiB'\n", &["dunlin.toml:4:16: `limits.payload_size` (1048576 bytes) is more than `limits.packet_size` (131072 bytes), so no such payload can come; raise packet_size"]),
    ("[mqtt]\nserver_keep_alive = '1.5s'\n", &["dunlin.toml:4:21: `mqtt.server_keep_alive` is 1s 500ms; write whole seconds, at most \"65535s\""]),
    ("[mqtt]\nminimum_keep_alive = '10m'\n", &["dunlin.toml:4:22: `mqtt.minimum_keep_alive` (10m) is more than `mqtt.maximum_keep_alive` (8m); lower it"]),
    ("[mqtt]\nsession_expiry_maximum = '1m'\n", &["dunlin.toml:4:26: `mqtt.session_expiry_minimum` (10m) is more than `mqtt.session_expiry_maximum` (1m); lower it"]),
    ("[mqtt]\nsession_expiry_maximum = '4294967295s'\n", &["dunlin.toml:4:26: `mqtt.session_expiry_maximum` is longer than MQTT can say; write at most \"4294967294s\", or \"unlimited\""]),
    ("[instance]\nid = 'a b'\n", &["dunlin.toml:4:6: `instance.id` is \"a b\"; write 3 to 64 letters, digits, `-` and `_`"]),
    ("[instance]\ngroups = ['GID_ok1', 'fleet']\n", &["dunlin.toml:4:22: \"fleet\": a group's id begins with GID_ or GID- and has 7 to 64 letters, digits, `-` and `_`"]),
    ("[instance]\ntopics = ['a', 'a/b', 'A']\n", &[
        "dunlin.toml:4:16: \"a/b\": a parent topic is one level of 1 to 64 letters, digits, `-` and `_`",
        "dunlin.toml:4:23: there is the parent topic a already; names differ in more than case"]),
    ("[instances.x]\n", &["dunlin.toml:3:1: the instance \"x\": an instance's name has 3 to 64 letters, digits, `-` and `_`"]),
    ("[instances.one]\nname = 'Same'\n[instances.two]\nname = 'same'\n", &["dunlin.toml:5:1: the instances one and two are both called same in the region local; names differ in more than case"]),
    ("[instances.one]\nedition = 'gold'\n", &["dunlin.toml:4:11: `instances.one.edition` is \"gold\"; write one of \"lite\", \"standard\", \"professional\", \"platinum\""]),
    ("[instances.one.limits]\nsubscription = 5\n", &["dunlin.toml:3:1: the instance one: dunlin.toml:4:16: there is no setting `limits.subscription`; did you mean `subscriptions`?"]),
    ("[instances.one.limits]\nconnections = 5\n", &["dunlin.toml:3:1: the instance one: `limits.connections` holds for the whole broker and cannot be set for one instance; set it in [limits]"]),
    ("[limits]\ntopic_length = 2\n", &["dunlin.toml:4:16: `limits.topic_length_minimum` (3) is more than `limits.topic_length` (2), so that no topic is left; lower it"]),
    ("[product]\nqos_ignored_above = 7\n", &["dunlin.toml:4:21: `product.qos_ignored_above` is 7; write 0, 1 or 2"]),
    ("[instances.one.mqtt]\nreceive_maximum = 0\n", &["dunlin.toml:3:1: the instance one: `mqtt.receive_maximum` is 0; write a whole number from 1 to 65535"]),
    ("[instances.one.limits]\npacket_size = 10\n", &[
        "dunlin.toml:3:1: the instance one: `limits.packet_size` is 10 bytes; write from 64 to 268435460 bytes, which is MQTT's largest packet",
        "dunlin.toml:3:1: the instance one: `limits.payload_size` (65536 bytes) is more than `limits.packet_size` (10 bytes), so no such payload can come; raise packet_size"]),
    ("[log]\nlevel = 'loud'\n", &["dunlin.toml:4:9: `log.level` is \"loud\"; write error, warn, info, debug, trace or off, or per module, for example \"info,dunlin::hooks=debug\""]),
    ("[log]\nlevel = 'info,dunlin=loud'\n", &["dunlin.toml:4:9: `log.level` is \"info,dunlin=loud\"; write error, warn, info, debug, trace or off, or per module, for example \"info,dunlin::hooks=debug\""]),
    ("[server]\ndata = 'a.pem'\n", &["dunlin.toml:4:8: a.pem is not a folder; name one for Dunlin's data"]),
    ("[[policy]]\nname = 'a'\nscript = 'b.lua'\n", &["dunlin.toml:5:10: `policy[0].script`: there is no file b.lua; create it or correct the path"]),
    ("[[policy]]\nname = 'a'\nscript = 'a.lua'\n[[policy]]\nname = 'a'\nscript = 'a.lua'\n", &["dunlin.toml:7:8: there are two policies `a`; give this one another name"]),
    ("[[policy]]\nname = 'a'\nscript = 'a.lua'\nbudget = '2days'\n", &["dunlin.toml:6:10: `budget` of policy `a` is 2days; write at most \"1d\""]),
    // All of it at once, in the order of the lines; an entry that cannot be read does not shift those behind it.
    ("[limits]\nconections = 1\nconnect_timeout = 5\n[[policy]]\nname = 'a'\n[[policy]]\nname = 'b'\nscript = 'b.lua'\nbudget = 5\n[admin]\nbind = '1.2.3.4:1'\n", &[
        "dunlin.toml:4:1: there is no setting `limits.conections`; did you mean `connections`?",
        "dunlin.toml:5:19: `limits.connect_timeout` is the number 5; write a duration with its unit, for example \"10s\", \"500ms\" or \"3d\"",
        "dunlin.toml:6:1: `policy[0]` has neither a `script` nor a `plugin`; add `script = ...` or `plugin = ...`",
        "dunlin.toml:10:10: `policy[1].script`: there is no file b.lua; create it or correct the path",
        "dunlin.toml:11:10: `policy[1].budget` is the number 5; write a duration with its unit, for example \"10s\", \"500ms\" or \"3d\"",
        "dunlin.toml:13:8: the admin port asks nobody who they are, and 1.2.3.4 is not this machine alone; write \"127.0.0.1:1\", or add `allow_remote = true`"]),
];

#[test]
fn every_mistake_has_its_sentence_and_its_line() {
    let mut wrong = Vec::new();
    for (text, expected) in WRONG {
        let said = Files::new(&format!("{TCP}{text}")).problems(&[], &[]);
        if said != *expected {
            wrong.push(format!(
                "{text}\n  said      {said:#?}\n  expected  {expected:#?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn without_a_listener_there_is_nothing_to_serve() {
    let expected = ["dunlin.toml: no listener is open; add `[listeners.tcp]` with `bind = \"0.0.0.0:1883\"`"];
    assert_eq!(Files::new("").problems(&[], &[]), expected);
    assert_eq!(
        Files::new(TCP).problems(&["listeners.tcp.enabled=false"], &[]),
        expected
    );
}

#[test]
fn a_file_that_is_not_there_or_not_text_is_named() {
    let files = Files::new("");
    let said = Config::load(Some(&files.path("no.toml")), &[], NO_ENV)
        .unwrap_err()
        .to_string();
    assert!(
        said.ends_with("no.toml: there is no such file; name the configuration with --config FILE"),
        "{said}"
    );
    std::fs::write(files.path("dunlin.toml"), b"# \xff").unwrap();
    assert_eq!(
        files.problems(&[], &[]),
        ["dunlin.toml: the file is not UTF-8 from byte 2 on"]
    );
}

#[test]
fn columns_count_letters_and_not_bytes() {
    let said = Files::new(&format!("instance = {{ id = '企鹅', nam = 1 }}\n{TCP}")).problems(&[], &[]);
    assert_eq!(
        said,
        [
            "dunlin.toml:1:19: `instance.id` is \"企鹅\"; write 3 to 64 letters, digits, `-` and `_`",
            "dunlin.toml:1:25: there is no setting `instance.nam`; did you mean `name`?"
        ]
    );
}

#[test]
fn each_layer_covers_the_one_before() {
    let files = Files::new(&format!(
        "{TCP}[limits]\nsubscriptions = 1\nconnections = 1\nsessions = 1\n"
    ));
    let env = [
        ("DUNLIN_LIMITS__CONNECTIONS", "2"),
        ("DUNLIN_LIMITS__SESSIONS", "2"),
        ("HOME", "/"),
    ];
    let config = files.load(&["limits.sessions=3"], &env).unwrap();
    let limits = config.limits;
    assert_eq!(
        (limits.subscriptions, limits.connections, limits.sessions),
        (1, 2, 3)
    );
    assert_eq!(limits.client_id_length, 64);
    assert_eq!(config.source, Source::File(files.path("dunlin.toml")));
}

#[test]
fn an_override_opens_a_listener_that_the_file_does_not() {
    let config = Files::new(TCP)
        .load(
            &["listeners.ws.bind=\"127.0.0.1:0\""],
            &[("DUNLIN_LISTENERS__TLS__BIND", "127.0.0.1:0")],
        )
        .unwrap();
    let opened: Vec<_> = config
        .listeners()
        .iter()
        .map(|listener| (listener.kind, listener.tls.is_some()))
        .collect();
    assert_eq!(
        opened,
        [
            (ListenerKind::Tcp, false),
            (ListenerKind::Tls, true),
            (ListenerKind::Ws, false)
        ]
    );
}

#[test]
fn a_value_is_toml_or_a_bare_word() {
    let files = Files::new(&format!("{TCP}[[policy]]\nname = 'acl'\nscript = 'a.lua'\n"));
    let set = [
        "listeners.tcp.bind=127.0.0.1:18830",
        "instance.id=123",
        "mqtt.retain_available=false",
        "mqtt.sys_interval=1.5s",
        "limits.packet_size=200000",
        "limits.connections=unlimited",
        "policy.acl.budget=7ms",
        "policy.0.settings.keys.\"a.b\"='s=e'",
        "policy.acl.settings.list=[1, 'x']",
    ];
    let config = files.load(&set, &[]).unwrap();
    assert_eq!(
        config.listeners["tcp"].bind,
        Some("127.0.0.1:18830".parse().unwrap())
    );
    assert_eq!(config.instance.id, "123");
    assert!(!config.mqtt.retain_available);
    assert_eq!(config.mqtt.sys_interval, Some(Duration::from_millis(1500)));
    assert_eq!(
        (config.limits.packet_size, config.limits.connections),
        (200_000, usize::MAX)
    );
    assert_eq!(config.policy[0].budget, Duration::from_millis(7));
    assert_eq!(config.policy[0].settings["keys"]["a.b"].as_str(), Some("s=e"));
    assert_eq!(config.policy[0].settings["list"][1].as_str(), Some("x"));
}

#[test]
fn a_wrong_override_is_named_and_its_value_is_not_shown() {
    let files = Files::new(TCP);
    let set = [
        "listeners.tcp.bind=here",
        "limits.conections=5",
        "log.level",
        "a b=1",
        "policy.auth.settings.keys.K=SECRET",
        "instance.id=\"x",
        "server.shards.x=1",
    ];
    assert_eq!(
        files.problems(
            &set,
            &[("DUNLIN_MQTT__MAXIMUM_QOS", "high"), ("DUNLIN_LOG__", "x")]
        ),
        [
            "DUNLIN_LOG__: the name has an empty part between underscores",
            "--set log.level: there is no `=`; write --set KEY=VALUE, for example --set log.level=debug",
            "--set a b: `a b` is not a key; write its parts with dots between, for example listeners.tcp.bind",
            "--set instance.id: the value is not TOML: invalid basic string, expected `\"`",
            "--set listeners.tcp.bind: `listeners.tcp.bind` is the text \"here\"; write an IP address and a port, for example \"127.0.0.1:1883\" or \"[::]:1883\"",
            "DUNLIN_MQTT__MAXIMUM_QOS: `mqtt.maximum_qos` is the text \"high\"; write a whole number from 0 to 255",
            "--set limits.conections: there is no setting `limits.conections`; did you mean `connections`?",
            "--set policy.auth.settings.keys.K: `policy` is a table; write a list of tables, each under its own [[...]]",
            "--set server.shards.x: `server.shards` is a table; write a whole number of 0 or more",
        ]
    );
    let files = Files::new(&format!("{TCP}[[policy]]\nname = 'acl'\nscript = 'a.lua'\n"));
    assert_eq!(
        files.problems(&["policy.auth.budget=1ms"], &[]),
        ["--set policy.auth.budget: there is no entry `auth`; there are acl"]
    );
}

#[test]
fn variables_that_container_platforms_set_are_not_ours() {
    let env = [
        ("DUNLIN_PORT", "tcp://10.0.0.1:1883"),
        ("DUNLIN_SERVICE_HOST", "10.0.0.1"),
        ("DUNLIN_CONFIG", "x"),
    ];
    assert!(Files::new(TCP).load(&[], &env).is_ok());
}

#[test]
fn relative_paths_are_relative_to_the_file_that_says_them() {
    let files = Files::new(&format!(
        "{TCP}[listeners.unix]\npath = 'm.sock'\n[listeners.tls]\nbind = '127.0.0.1:0'\ncert = 'a.pem'\nkey = 'a.pem'\n[[policy]]\nname = 'a'\nscript = 'a.lua'\n"
    ));
    let config = files.load(&[], &[]).unwrap();
    assert_eq!(config.server.data, files.path("data"));
    assert_eq!(config.policy[0].script, files.path("a.lua"));
    assert_eq!(config.listeners["unix"].path, Some(files.path("m.sock")));
    assert_eq!(config.listeners["tls"].cert, Some(files.path("a.pem")));
    let config = files.load(&["server.data=here"], &[]).unwrap();
    assert_eq!(config.server.data, PathBuf::from("here"));
}

#[test]
fn authorities_for_clients_are_in_a_file_or_registered() {
    let load = |written: &str| {
        let files = Files::new(&format!(
            "{TCP}[listeners.tls]\nbind = '127.0.0.1:0'\nclient_auth = 'optional'\nclient_ca = '{written}'\n"
        ));
        std::fs::write(files.path("a.pem"), "").unwrap();
        std::fs::write(files.path("registered"), "").unwrap();
        let config = files.load(&[], &[]).unwrap();
        (files.path(written), config.listeners["tls"].client_ca.clone())
    };
    let (path, of_file) = load("a.pem");
    assert_eq!(of_file, Some(ClientCa::File(path)));
    assert_eq!(load("registered").1, Some(ClientCa::Registered));
    let (path, of_file) = load("./registered");
    assert_eq!(of_file, Some(ClientCa::File(path)));
}

#[test]
fn a_second_listener_of_a_kind_has_a_name_of_its_own() {
    let config = Files::new(&format!(
        "{TCP}[listeners.office]\nkind = 'tcp'\nbind = '127.0.0.1:1884'\n"
    ))
    .load(&[], &[]);
    let listeners = config.unwrap().listeners();
    assert_eq!(listeners[0].name, "office");
    assert_eq!(listeners[0].kind, ListenerKind::Tcp);
    assert_eq!(
        listeners[0].endpoint,
        Endpoint::Tcp("127.0.0.1:1884".parse().unwrap())
    );
}

#[test]
fn port_0_is_never_taken_twice() {
    let files = Files::new("[listeners.tcp]\nbind = '127.0.0.1:0'\n[listeners.ws]\nbind = '127.0.0.1:0'\n");
    assert!(files.load(&["admin.bind=127.0.0.1:0"], &[]).is_ok());
}

#[test]
fn what_ships_is_good() {
    let config = load::load(None, Layers::default()).unwrap();
    assert!(matches!(config.source, Source::BuiltIn | Source::File(_)));
    assert_eq!(config.limits.payload_size, 1 << 20);
    let names: Vec<_> = config
        .listeners()
        .into_iter()
        .map(|listener| listener.name)
        .collect();
    assert_eq!(names, ["tcp", "tls", "ws", "wss"]);
    assert_eq!(
        config.policy[0].settings["keys"]["DemoAccessKey"].as_str(),
        Some("DemoAccessSecret")
    );

    let open = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/dunlin.open.toml"));
    let config = Config::load(Some(open), &[], NO_ENV).unwrap();
    assert_eq!(config.listeners().len(), 1);
    assert_eq!(config.policy_defaults.authenticate, hooks::Verdict::Allow);
    assert_eq!(config.limits.subscriptions, usize::MAX);
    assert_eq!(config.mqtt.session_expiry_maximum, None);
}

#[test]
fn the_defaults_are_the_products() {
    let config = Config::default();
    let limits = &config.limits;
    assert_eq!((limits.packet_size, limits.payload_size), (128 << 10, 64 << 10));
    assert_eq!(
        (limits.client_id_length, limits.topic_length, limits.subscriptions),
        (64, 64, 30)
    );
    assert_eq!(limits.offline_messages, 1_000_000);
    assert_eq!(limits.offline_age, Some(Duration::from_secs(259_200)));
    assert_eq!(config.mqtt.maximum_keep_alive, Some(Duration::from_secs(480)));
    assert_eq!(config.mqtt.session_expiry_minimum, Duration::from_secs(600));
    assert_eq!(config.policy_defaults.authenticate, hooks::Verdict::Deny);
}

#[test]
fn no_secret_is_shown_by_debug() {
    let config = load::load(None, Layers::default()).unwrap();
    assert!(!format!("{config:?}").contains("DemoAccess"));
}

#[test]
fn the_admin_socket_is_in_the_data_folder_or_where_the_file_says() {
    let socket = |text: &str, overrides: &[&str]| {
        let files = Files::new(&format!("[listeners.tcp]\nbind = \"127.0.0.1:0\"\n{text}"));
        let socket = files.load(overrides, &NO_ENV).unwrap().admin_socket();
        socket.map(|path| match path.strip_prefix(files.folder.path()) {
            Ok(below) => below.to_path_buf(),
            Err(_) => path,
        })
    };
    assert_eq!(socket("", &[]), Some("data/dunlin.sock".into()));
    assert_eq!(
        socket("[admin]\nsocket = \"run/ctl\"", &[]),
        Some("run/ctl".into())
    );
    assert_eq!(socket("[admin]\nsocket = \"none\"", &[]), None);
    assert_eq!(socket("", &["admin.socket=/run/x"]), Some("/run/x".into()));
    assert_eq!(socket("", &["server.data=/d"]), Some("/d/dunlin.sock".into()));
}

#[test]
fn what_sets_an_instance_apart_is_known_with_who_set_it() {
    let files = Files::new(
        "[listeners.tcp]\nbind = '127.0.0.1:1883'\n[limits]\ntps = 5\n[instances.mqtt-a.limits]\ntps = 7\noffline_messages = 9\n[instances.mqtt-a]\nname = 'abc'\n",
    );
    let config = files.load(&[], &[]).unwrap();
    let own = [("limits.tps", "100")];
    let differences = config.differences("mqtt-a", Edition::Lite, own);
    let of = |name: &str| {
        differences
            .get(name)
            .map(|found| (found.value.as_str(), found.by))
    };
    assert_eq!(of("limits.tps"), Some(("100", SetBy::Operator)));
    assert_eq!(of("limits.offline_messages"), Some(("9", SetBy::Configuration)));
    assert_eq!(of("product.mqtt5"), Some(("false", SetBy::Edition)));
    assert_eq!(of("name"), None);
    assert!(config.differences("mqtt-b", Edition::Platinum, []).is_empty());
}
