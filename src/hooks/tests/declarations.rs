//! What a policy's file may say, and what is said to it.

use super::*;

fn error(script: &str) -> String {
    Chain::of(&[script]).error()
}

#[test]
fn every_mistake_has_a_place_and_a_way_out() {
    for (script, said) in [
        (
            "local x = = 1",
            "a.lua:1: Expected identifier when parsing expression, got '='",
        ),
        ("\n\nerror('no')", "a.lua:3: no"),
        (
            "return 5",
            "a.lua: the script returns number, not its table of hooks; end it with `return {",
        ),
        ("", "a.lua: the script returns nil, not its table of hooks"),
        (
            "return {}",
            "a.lua: the policy has no hooks; return a table such as",
        ),
        (
            "return {\n  authorise_publish = function() end,\n}",
            "a.lua:2: unknown hook `authorise_publish`; write `authorize_publish`",
        ),
        (
            "return {\n  frobnicate = function() end,\n}",
            "a.lua:2: unknown hook `frobnicate`; it knows `on_load`, `on_unload`",
        ),
        (
            "return {\n  publish = function() end,\n  waits = { 'deliver' },\n}",
            "a.lua:3: `waits` lists hooks out of `authorize_publish`, `publish` or `authorize_subscribe`",
        ),
        (
            "return { control = function() end, owns = { 'a/b' } }",
            "a.lua:1: `owns` lists control topics, which begin with `$SYS/`; write `owns = { \"$SYS/uploadToken\" }`",
        ),
        (
            "return { publish = function() end, origins = { publish = { 'clients' } } }",
            "a.lua:1: `origins.publish` lists origins out of `broker`, `client`, `script` or `will`",
        ),
        (
            "return { connect = function() end, origins = { connect = { 'client' } } }",
            "a.lua:1: `connect` in `origins` is not one of `authorize_publish`",
        ),
        (
            "return { publish = 'yes' }",
            "a.lua:1: `publish` is a string, not a function; write `publish = function(...) ... end`",
        ),
        (
            "return { function() end }",
            "the policy's table has an entry under a number; its keys are names of hooks",
        ),
        (
            "return { name = 5, publish = print }",
            "`name` is a number, not a string",
        ),
        (
            "return { publish = print, payload = { 'publish' } }",
            "`payload` lists hooks out of `authorize_publish`",
        ),
        (
            "return { publish = print, payload = { 'authorize_publish' } }",
            "`payload` names `authorize_publish`, which the policy does not have",
        ),
        (
            "return { publish = print, cache = 1 }",
            "`cache` is not a table; write `cache = {",
        ),
        (
            "return { publish = print, cache = { publish = { ttl = 1, by = {} } } }",
            "answers of `publish` cannot be cached",
        ),
        (
            "return { authorize_publish = print, cache = { authorize_publish = { ttl = 0, by = {} } } }",
            "`cache.authorize_publish.ttl` must be a number of seconds above 0",
        ),
        (
            "return { authorize_publish = print, cache = { authorize_publish = { ttl = 1 } } }",
            "`cache.authorize_publish.by` must list the inputs",
        ),
        (
            "return { authorize_publish = print, cache = { authorize_publish = { ttl = 1, by = { 'payload' } } } }",
            "`payload` in `cache.authorize_publish.by` is no input of `authorize_publish`; it has `topic`, `qos`, `retain` or `size`",
        ),
        (
            "return { authorize_publish = print, cache = { authorize_publish = { tll = 1, by = {} } } }",
            "unknown field `tll` in `cache.authorize_publish`; it has `ttl` and `by`",
        ),
        (
            "return { authorize_publish = print, payload = { 'authorize_publish' }, cache = { authorize_publish = { ttl = 1, by = {} } } }",
            "wants the payload, so its answers cannot be cached",
        ),
        (
            "return {\n  publish = print,\n  on_load = function(settings)\n    error('the setting `x` is missing')\n  end,\n}",
            "a.lua:4: the setting `x` is missing",
        ),
        (
            "while true do end",
            "a.lua:1: the call took longer than its budget of 100ms",
        ),
        (
            "return { publish = print, on_load = function() while true do end end }",
            "the call took longer than its budget of 100ms",
        ),
        (
            "local s = ('x'):rep(1e9)",
            "out of memory: the state reached its `memory` limit",
        ),
        (
            "return { publish = print, x = jsn }",
            "a.lua:1: `jsn` is not defined; did you mean `json`?",
        ),
        (
            "io.open('/etc/passwd')",
            "a.lua:1: `io` is not defined; policies run without it",
        ),
        (
            "loadstring('return 1')()",
            "a.lua:1: `loadstring` is not defined; policies run without it",
        ),
        ("debug.info(1, 's')", "a.lua:1: `debug` is not defined"),
        (
            "os.execute('true')",
            "a.lua:1: `os` has no function `execute`; it has `clock`, `date`, `difftime` or `time`",
        ),
        ("string.rep = nil", "a.lua:1: attempt to modify a readonly table"),
        (
            "crypto.hmac = print",
            "a.lua:1: attempt to modify a readonly table",
        ),
        (
            "require('../x')",
            "a.lua:1: require: `../x` does not name a file beside the script",
        ),
        ("require('gone')", "a.lua:1: require: gone.lua: cannot be read"),
    ] {
        let error = error(script);
        assert!(error.contains(said), "{script}\n  said {error}\n  not  {said}");
    }
}

#[test]
fn all_scripts_are_looked_at() {
    let mut chain = Chain::of(&["x", "return { publish = print }", "y ="]);
    chain.entries.push(PolicyEntry::new("b", "b.lua"));
    chain.entries.push(PolicyEntry::new("d", "missing.lua"));
    let errors = chain.load().err().unwrap();
    assert_eq!(
        errors.iter().map(|e| &*e.file).collect::<Vec<_>>(),
        ["a.lua", "c.lua", "b.lua", "missing.lua"]
    );
    assert!(errors[2].message.contains("two policies are called `b`"));
    assert_eq!(check(&chain.entries, chain.path()), errors);
}

#[test]
fn settings_reach_on_load() {
    let script = "local seen return {
        on_load = function(settings) seen = `{settings.name} {settings.list[2]} {settings.deep.on} {settings.when}` end,
        authorize_publish = function() return 'deny', seen end }";
    let mut chain = Chain::of(&[script]);
    chain.entries[0].settings =
        toml::from_str("name = 'x'\nlist = [1, 2]\nwhen = 2026-01-01\n[deep]\non = true").unwrap();
    assert_eq!(chain.shard().may_publish("t"), denied("x 2 true 2026-01-01"));
}

#[test]
fn shared_code_is_required_checked_and_hashed() {
    let chain = Chain::of(&[
        "local u = require('lib/u') return { authorize_publish = function() return 'deny', u.word end }",
    ]);
    assert!(chain.error().contains("cannot be read"));
    std::fs::create_dir(chain.path().join("lib")).unwrap();
    let module = chain.path().join("lib/u.lua");
    std::fs::write(&module, "return { word = 'one' }").unwrap();
    let before = chain.load().unwrap();
    assert_eq!(chain.shard().may_publish("t"), denied("one"));
    assert!(before.files().any(|file| file == module));
    std::fs::write(&module, "return { word = 'two' }").unwrap();
    assert_ne!(before.hash(), chain.load().unwrap().hash());
    std::fs::write(&module, "\nreturn = 1").unwrap();
    assert!(chain.error().contains("lib/u.lua:2: "), "{}", chain.error());
    std::fs::write(&module, "return require('lib/u')").unwrap();
    assert!(
        chain.error().contains("`lib/u` requires itself"),
        "{}",
        chain.error()
    );
    // What is served is what was checked, whatever the file holds by now.
    let metrics = Arc::new(HookMetrics::default());
    let hooks = ShardHooks::instantiate(&before, &metrics, 0, 0).unwrap();
    assert_eq!(
        Shard {
            hooks,
            metrics,
            client: client("c")
        }
        .may_publish("t"),
        denied("one")
    );
}

#[test]
fn credentials_come_from_the_policy() {
    let with = |body: &str| {
        Chain::of(&[&format!("return {{ credentials = function(id) {body} end }}")])
            .load()
            .unwrap()
    };
    assert_eq!(
        with("return 'u-' .. id, 'p'").credentials("x"),
        Some(Ok(("u-x".into(), "p".into())))
    );
    let wrong = with("return 1")
        .credentials("x")
        .unwrap()
        .unwrap_err()
        .to_string();
    assert_eq!(
        wrong,
        "a.lua: `credentials` did not return a user name and a password; return two strings: `return username, password`"
    );
    assert!(
        with("error('no key for ' .. id)")
            .credentials("x")
            .unwrap()
            .is_err_and(|e| e.message == "no key for x")
    );
    assert_eq!(
        Chain::of(&["return { publish = print }"])
            .load()
            .unwrap()
            .credentials("x"),
        None
    );
}

#[test]
fn a_byte_order_mark_is_no_mistake() {
    assert!(Chain::of(&["\u{FEFF}return { publish = print }"]).load().is_ok());
}

#[test]
fn limits_that_leave_nothing_are_refused() {
    let mut chain = Chain::of(&["return { publish = print }"]);
    chain.entries[0].budget = std::time::Duration::ZERO;
    assert!(
        chain
            .error()
            .contains("`budget` and `load_budget` must be longer than nothing")
    );
    chain.entries[0] = PolicyEntry::new("a", "a.lua");
    chain.entries[0].breaker.rate = f64::NAN;
    assert!(chain.error().contains("`breaker.rate` is a share of calls"));
}
