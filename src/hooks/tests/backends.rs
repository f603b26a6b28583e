//! Backends as an entry declares them. What they do is tested against real servers in tests/backends.

use super::*;
use crate::config::backends::SqlSettings;

fn chain(entry: &str) -> Chain {
    let mut chain = Chain::of(&["return {}"]);
    chain.entries = vec![entry_of(entry)];
    chain
}

fn entry_of(text: &str) -> PolicyEntry {
    toml::from_str(&format!("name = 'a'\nscript = 'a.lua'\n{text}")).unwrap()
}

#[test]
fn settings_that_cannot_work_are_refused_with_what_to_write() {
    for (entry, why) in [
        (
            "http.allow = ['http://x']",
            "`http://x` in `http.allow` is no place; write \"host\"",
        ),
        ("http.ca = 'none.pem'", "`http.ca`: "),
        (
            "redis.main.url = 'nonsense'",
            "policy `a`: `redis.main`: its URL is none; write redis://",
        ),
        (
            "sql.main.url = 'oracle://x'",
            "`sql.main`: its URL begins with none of postgres:",
        ),
        (
            "sql.main.url = 'postgres://u:${DUNLIN_NO_SUCH}@h/d'",
            "the environment has no DUNLIN_NO_SUCH",
        ),
        (
            "sql.main = { url = 'postgres://h/d', ca = 'none.pem' }",
            "`sql.main`: `ca`: ",
        ),
    ] {
        let said = chain(entry).error();
        assert!(said.contains(why), "{entry}: {said}");
    }
}

#[test]
fn settings_do_not_show_their_password() {
    let settings: SqlSettings = toml::from_str("url = 'postgres://u:tell-nobody@h/d'").unwrap();
    assert!(!format!("{settings:?}").contains("tell-nobody"));
    let wrong = chain("redis.main.url = 'redis://u:tell-nobody@h:port'").error();
    assert!(!wrong.contains("tell-nobody"), "{wrong}");
}

#[test]
fn a_backend_that_is_not_there_keeps_nobody_from_loading() {
    let script = "local db, cache = sql.open('main'), redis.open('main') return { authorize_publish = function() end }";
    let mut chain = Chain::of(&[script]);
    let declared =
        entry_of("sql.main.url = 'postgres://127.0.0.1:1/x'\nredis.main.url = 'redis://127.0.0.1:1'");
    chain.entries = vec![declared];
    chain.load().unwrap();
    chain.entries = vec![entry_of("sql.users.url = 'sqlite::memory:'")];
    let said = chain.error();
    assert!(
        said.contains("no `sql.main`, it has `users`; write [policy.sql.main]"),
        "{said}"
    );
}
