//! That each check can fail, and does not when it should not.

use crate::{LONGEST_FILE, Source, layer_faults, length_faults, policy_faults, unsafe_faults};

fn faults_of(check: fn(&[Source]) -> Vec<String>, path: &str, text: &str) -> usize {
    check(&[Source::new(path, text)]).len()
}

#[test]
fn the_layer_check_can_fail() {
    let faults = |path, text| faults_of(layer_faults, path, text);
    for (path, text) in [
        ("src/topic/mod.rs", "use crate::codec::QoS;"),
        ("src/topic/mod.rs", "use super::codec::QoS;"),
        ("src/topic/name.rs", "fn f() { super::super::server::run() }"),
        (
            "src/codec/frame.rs",
            "use crate::{time::Now, shard::{Shard, Other}};",
        ),
        ("src/codec/frame.rs", "use crate::{time::{Now, Then}, server};"),
        ("src/codec/frame.rs", "use crate::transport::Stream;"),
        (
            "src/time.rs",
            "#[cfg(test)] mod tests { fn f() { } } use crate::server::run;",
        ),
        ("src/time.rs", "#[cfg(test)] mod tests; use crate::server::run;"),
        ("src/time.rs", "const A: &str = \"//\"; use crate::server::run;"),
        (
            "src/time.rs",
            "const A: char = '\"'; use crate::server::run; const B: char = '\"';",
        ),
        ("src/time.rs", "const A: &str = r#\"\"#; use crate::server::run;"),
        (
            "src/time.rs",
            "fn f<'a>(a: &'a str) { crate :: server :: run(a) }",
        ),
        ("src/server/mod.rs", "use crate::cli::Cli;"),
        ("src/novel/mod.rs", ""),
    ] {
        assert_eq!(faults(path, text), 1, "{path}: {text}");
    }
    for (path, text) in [
        (
            "src/server/mod.rs",
            "use crate::{shard, topic::TopicName}; use crate::server::x;",
        ),
        ("src/message/mod.rs", "use crate::codec::QoS;"),
        (
            "src/topic/name.rs",
            "use super::filter; use super::super::topic::x;",
        ),
        (
            "src/topic/mod.rs",
            "// use crate::server;\n/* crate::server /* */ crate::server */",
        ),
        (
            "src/topic/mod.rs",
            "const A: &str = \"crate::server \\\" crate::server\";",
        ),
        (
            "src/topic/mod.rs",
            "#[cfg(test)]\nmod tests { use crate::server; fn f() { } }",
        ),
        ("src/topic/tests.rs", "use crate::server;"),
        ("src/main.rs", "use crate::server;"),
    ] {
        assert_eq!(faults(path, text), 0, "{path}: {text}");
    }
}

#[test]
fn the_policy_check_can_fail() {
    let faults = |path, text| faults_of(policy_faults, path, text);
    for (path, text) in [
        ("src/session/mod.rs", "struct AclTable;"),
        ("src/session/mod.rs", "fn check_acl() {}"),
        ("src/session/mod.rs", "use hmac::Mac;"),
        ("src/session/mod.rs", "use sha1::Sha1;"),
        ("src/session/mod.rs", "if name.starts_with(\"Signature|\") {}"),
        ("src/connection/mod.rs", "let access_key = 1;"),
        ("src/connection/mod.rs", "let AccessKeyId = 1;"),
        ("src/router/mod.rs", "enum RuleAction { Drop }"),
        ("src/transport/websocket/x.rs", "use hmac::Mac;"),
        ("src/server/reload.rs", "(\"scripts/acl.lua\", acl)"),
    ] {
        assert_eq!(faults(path, text), 1, "{path}: {text}");
    }
    for (path, text) in [
        ("src/hooks/acl.rs", "struct Acl; use hmac::Mac;"),
        ("src/session/mod.rs", "// Not the acl's business."),
        (
            "src/session/mod.rs",
            "#[cfg(test)] mod tests { const ACL: u8 = 1; }",
        ),
        (
            "src/session/mod.rs",
            "struct Oracle; let miracle = \"spectacle\";",
        ),
        ("src/transport/websocket/x.rs", "use sha1::{Digest, Sha1};"),
        (
            "src/server/reload.rs",
            "(\"scripts/acl.lua\", include_str!(\"../../scripts/acl.lua\"))",
        ),
    ] {
        assert_eq!(faults(path, text), 0, "{path}: {text}");
    }
}

#[test]
fn the_length_check_can_fail() {
    assert_eq!(
        faults_of(length_faults, "src/x.rs", &"\n".repeat(LONGEST_FILE + 1)),
        1
    );
    assert_eq!(
        faults_of(length_faults, "src/x.rs", &"\n".repeat(LONGEST_FILE)),
        0
    );
}

#[test]
fn the_unsafe_check_can_fail() {
    let faults = |path, text| faults_of(unsafe_faults, path, text);
    assert_eq!(faults("src/codec/mod.rs", "unsafe { x() }"), 1);
    assert_eq!(
        faults("src/codec/mod.rs", "#[cfg(test)] mod tests { unsafe fn x() {} }"),
        1
    );
    assert_eq!(
        faults(
            "src/codec/mod.rs",
            "#![deny(unsafe_code)] // unsafe\nconst A: &str = \"unsafe\";"
        ),
        0
    );
    assert_eq!(faults("src/hooks/native/mod.rs", "unsafe { x() }"), 0);
    assert_eq!(faults("plugin-api/src/lib.rs", "unsafe { x() }"), 0);
}
