//! Tests beside policies: what they can use, what they show, and that a reload runs them.

use super::*;
use crate::hooks::prove::{self, Report};
use std::time::Duration;

fn run(policy: &str, tests: &str) -> Report {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("p.lua"), policy).unwrap();
    std::fs::write(folder.path().join("p_test.lua"), tests).unwrap();
    prove::run(Path::new("p.lua"), folder.path(), "").unwrap()
}

fn failures(policy: &str, tests: &str) -> Vec<String> {
    let report = run(policy, tests);
    let failed = report.tests.into_iter().filter_map(|test| test.failure);
    failed
        .map(|failure| {
            format!(
                "{}:{}: {}",
                failure.file.unwrap_or_default(),
                failure.line.unwrap_or(0),
                failure.message
            )
        })
        .collect()
}

const POLICY: &str = r#"
local limit
return {
    on_load = function(settings) limit = settings.limit or 2 end,
    authenticate = function(ctx, username)
        local answer, why = http_get(ctx.client_id)
        if answer then return "allow" end
        return "deny", 0x86, why
    end,
    authorize_publish = function(ctx, topic)
        local n = kv.incr(ctx.client_id, 1, 10)
        if topic == "nonsense" then return "alow" end
        return if n <= limit then "allow" else "deny"
    end,
    will = function(ctx, msg) return { payload = msg.topic .. msg.payload } end,
}"#;

#[test]
fn tests_have_a_ctx_a_clock_and_stubs() {
    let policy = POLICY.replace("http_get(ctx.client_id)", "state.get(ctx.client_id)");
    let tests = r#"
        local c = client({ client_id = "GID_a@@@1", attrs = { role = "x" } })
        test("a window ends", function()
            set_time(1000)
            local p = policy({ limit = 1 })
            equal({ p.authorize_publish(c, "t"), p.authorize_publish(c, "t") }, { "allow", "deny" })
            advance(10)
            equal(p.authorize_publish(c, "t"), "allow")
            task.sleep(3600)
            equal(time.now(), 4610)
        end)
        test("stubs answer and remember", function()
            stub("state.get", function(id) return if id == "GID_a@@@1" then "yes" else nil, "down" end)
            local p = policy({})
            equal(p.authenticate(c), "allow")
            equal({ p.authenticate(client({ client_id = "b" })) }, { "deny", 0x86, "down" })
            equal(calls("state.get"), { { "GID_a@@@1" }, { "b" } })
        end)
        test("the ctx is the real one", function()
            equal(c.group_id .. c.attrs.role, "GID_ax")
            expect_error(function() return c.clientid end, "did you mean `client_id`?")
            expect_error(function() client({ clientid = "x" }) end, "no field `clientid`")
        end)
        test("a message", function()
            equal(policy({}).will(c, message({ topic = "t", payload = "p" })), { payload = "tp" })
        end)
    "#;
    assert_eq!(failures(&policy, tests), Vec::<String>::new());
    let report = run(
        &policy,
        "test('x', function() policy({}).authorize_publish(client({}), 't') end)",
    );
    assert_eq!(report.coverage["authorize_publish"]["allow"], 1);
    assert!(report.coverage["will"].is_empty());
}

#[test]
fn a_test_has_a_registry_of_its_own() {
    let policy = r#"return { authenticate = function(ctx, username)
        local key = registry.get(ctx.instance, "key", username)
        if key == nil or key.disabled then return "deny" end
        return "allow", { attrs = { keys = #registry.list(ctx.instance, "key") }, depends = { "key/" .. username } }
    end }"#;
    let tests = r#"
        test("a record", function()
            local p, c = policy(), client({})
            equal((p.authenticate(c, "AK")), "deny")
            record("mqtt-test", "key", "AK", { secret = "s" })
            record("mqtt-test", "key", "BK", { disabled = true })
            equal({ p.authenticate(c, "AK") }, { "allow", { attrs = { keys = 2 }, depends = { "key/AK" } } })
            equal((p.authenticate(c, "BK")), "deny")
            record("mqtt-test", "key", "AK", nil)
            equal((p.authenticate(c, "AK")), "deny")
            expect_error(function() record("mqtt-test", "key", "AK", { 1, 2 }) end, "has named fields")
        end)
        test("another test", function()
            equal(#registry.list("mqtt-test", "key"), 0)
        end)
    "#;
    assert_eq!(failures(policy, tests), Vec::<String>::new());
}

#[test]
fn failures_have_a_place() {
    let tests = "test('one', function() equal(1, 2) end)
test('two', function() policy({}).authorize_publish(client({}), 'nonsense') end)
test('three', function() while true do end end)
test('four', function() error('four') end)";
    let failed = failures(POLICY, tests);
    assert_eq!(failed[0], "p_test.lua:1: got 1, wanted 2");
    assert!(
        failed[1].contains("authorize_publish returned \"alow\"; did you mean \"allow\"?"),
        "{failed:?}"
    );
    assert!(failed[2].contains("took longer than its budget"), "{failed:?}");
    assert_eq!(failed[3], "p_test.lua:4: four");
}

#[test]
fn a_generation_whose_tests_fail_is_refused() {
    let chain = Chain::of(&[&publish_policy("return 'allow'")]);
    std::fs::write(
        chain.path().join("a_test.lua"),
        "test('it allows', function() equal(policy().authorize_publish(client({}), 't'), 'allow') end)",
    )
    .unwrap();
    assert_eq!(
        prove::prove(&chain.load().unwrap(), Duration::from_secs(5)),
        Ok(())
    );
    std::fs::write(chain.path().join("a.lua"), publish_policy("return 'deny'")).unwrap();
    let errors = prove::prove(&chain.load().unwrap(), Duration::from_secs(5)).unwrap_err();
    assert_eq!(
        errors[0].to_string(),
        "a_test.lua:1: the test \"it allows\" fails: got \"deny\", wanted \"allow\""
    );
    let late = prove::prove(&chain.load().unwrap(), Duration::ZERO).unwrap_err();
    assert!(late[0].message.contains("did not get its turn"), "{late:?}");
}

/// The broker does not wait for `on_load`, so a test that passes must not either.
#[test]
fn on_load_does_not_wait_in_tests_either() {
    let policy = "return { on_load = function() task.sleep(1) end, authorize_publish = function() return 'allow' end }";
    let failed = failures(policy, "test('it loads', function() policy() end)");
    assert!(
        failed.len() == 1 && failed[0].contains("task.sleep waits"),
        "{failed:?}"
    );
}
