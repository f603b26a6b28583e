use super::*;

fn said(source: &str) -> Vec<String> {
    crate::hooks::lua::sandbox::compile(source.as_bytes()).expect("the test's own script compiles");
    let findings = lint(source.as_bytes(), "a.lua");
    findings.iter().map(ToString::to_string).collect()
}

/// A policy with this body of a hook.
fn hook(head: &str, body: &str) -> String {
    let (name, parameters) = head.split_once('(').unwrap();
    format!("return {{\n{name} = function({parameters}\n{body}\nend,\n}}")
}

#[track_caller]
fn says(source: &str, wanted: &str) {
    assert_eq!(said(source), [wanted], "{source}");
}

#[track_caller]
fn passes(source: &str) {
    assert_eq!(said(source), [""; 0], "{source}");
}

#[test]
fn fields_that_do_not_exist() {
    says(
        &hook("publish(ctx, msg)", "return ctx.clientid and msg.topic"),
        "a.lua:3: `ctx` has no field `clientid`; write `client_id`",
    );
    says(
        &hook("publish(ctx, msg)", "local m = msg\nlog.info(m.paylod)"),
        "a.lua:4: `m` has no field `paylod`; write `payload`",
    );
    says(
        &hook("publish(ctx, msg)", "if msg['topik'] then return end"),
        "a.lua:3: `msg` has no field `topik`; write `topic`",
    );
    says(
        &hook(
            "connect(ctx, connect)",
            "return connect.will and connect.will.topc",
        ),
        "a.lua:3: `connect.will` has no field `topc`; write `topic`",
    );
    says(
        &hook(
            "authenticate(c)",
            "if c.tls.cm == 'x' then return 'allow' end return 'next'",
        ),
        "a.lua:3: `c.tls` has no field `cm`; write `cn`",
    );
    says(
        &hook(
            "subscribe(_, filters)",
            "for _, f in filters do log.info(f.filtr) end",
        ),
        "a.lua:3: `f` has no field `filtr`; write `filter`",
    );
    says(
        &hook("disconnect(ctx, event)", "log.info(`{event.bycause}`)"),
        "a.lua:3: `event` has no field `bycause`; it has `code`, `reason`, `by_client`, `received` or `sent`",
    );
    says(
        &hook("publish(ctx, msg)", "log.info(msg:upper())"),
        "a.lua:3: `msg` has no field `upper`; it has `topic`, `payload`, `size`, `qos`, `retain`, `properties`, `origin` or `id`",
    );
}

#[test]
fn fields_that_may_exist_after_all() {
    passes(&hook("publish(ctx, msg)", "ctx = { x = 1 }\nreturn ctx.x"));
    passes(&hook("publish(ctx, msg)", "local m = msg\nm = {}\nreturn m.x"));
    passes(&hook(
        "publish(ctx, msg)",
        "do local ctx = {}\nlog.info(ctx.x) end\nreturn nil",
    ));
    passes(&hook(
        "publish(ctx, msg)",
        "return ctx.attrs.anything.at.all, msg[ctx.client_id]",
    ));
    passes(&hook(
        "connect(ctx, connect)",
        "connect.mine = 1\nlog.info(connect.mine)",
    ));
    passes(&hook(
        "connect(ctx, connect)",
        "local c = connect\nc.mine = 1\nlog.info(connect.mine)",
    ));
    passes(
        "local lib = require 'lib'\nreturn { connect = function(_, connect)\nlib.change(connect)\nlog.info(connect.mine)\nend }",
    );
    passes(&hook(
        "publish(_, msg)",
        "local p = msg.properties\np['x-own'] = 1\nlog.info(p['x-own'])",
    ));
    passes(&hook("publish(_, msg)", "return msg.topic:upper() and nil"));
    // A function that is used elsewhere too may be given something else there.
    passes(
        "local function of(ctx, x) return ctx.anything and 'next' or x end\nlocal y = of({}, 1)\nreturn { authorize_publish = of, name = y }",
    );
    // And so may the parameters of a function that is no hook.
    passes("local function helper(ctx) return ctx.nothing end\nreturn { acked = function() helper({}) end }");
}

#[test]
fn hooks_are_found_however_they_are_written() {
    let wanted = "a.lua:2: `ctx` has no field `x`; it has `client_id`, `username`, `group_id`, `device_id`, `instance`, `peer`, `listener`, `tls`, `protocol_version` or `attrs`";
    for source in [
        "return { acked = function(ctx)\nlog.info(ctx.x) end }",
        "return { ['acked'] = function(ctx)\nlog.info(ctx.x) end }",
        "local function f(ctx)\nlog.info(ctx.x) end\nreturn { acked = f }",
        "local f = function(ctx)\nlog.info(ctx.x) end\nreturn ({ acked = f })",
        "local policy = {} function policy.acked(ctx)\nlog.info(ctx.x) end\nreturn policy",
        "local policy = {} policy.acked = function(ctx)\nlog.info(ctx.x) end\nreturn policy :: any",
        "local policy: any = { acked = function(ctx)\nlog.info(ctx.x) end } return policy",
    ] {
        says(source, wanted);
    }
    says(
        "local policy = {}\nfunction policy:acked(ctx) end\nreturn policy",
        "a.lua:2: `acked` is defined with a colon, which puts `self` before its parameters; write `.acked`",
    );
}

#[test]
fn modules_and_their_functions() {
    for (line, wanted) in [
        (
            "crypto.hmc('sha1', '', '')",
            "`crypto` has no function `hmc`; write `crypto.hmac`",
        ),
        (
            "local c = crypto\nc.sha3('')",
            "`crypto` has no function `sha3`; write `crypto.sha1`",
        ),
        ("jsn.decode('')", "`jsn` is not defined; did you mean `json`?"),
        ("io.open('x')", "`io` is not defined; policies run without it"),
        ("string.fmt('x')", "`string` has no function `fmt`; it has `byte`"),
        (
            "crypto:md5('x')",
            "`crypto:md5` hands `crypto` over as the first argument; write `crypto.md5`",
        ),
        (
            "crypto.hmac('sha1', 'x')",
            "`crypto.hmac` is called with 2 arguments; write `crypto.hmac(algorithm, key, data)`",
        ),
        (
            "local h = crypto.md5\nh()",
            "`crypto.md5` is called with 0 arguments; write `crypto.md5(data)`",
        ),
        (
            "mqtt.kick()",
            "`mqtt.kick` is called with 0 arguments; write `mqtt.kick(client_id, code?, reason?, options?)`",
        ),
        (
            "mqtt.kick('a', 1, 'b', {}, 2)",
            "`mqtt.kick` is called with 5 arguments",
        ),
        (
            "mqtt.publish { tpic = 'a' }",
            "`tpic` is no field of a message; write `topic`",
        ),
        (
            "mqtt.p2p('a', { topic = 'a', qs = 1 })",
            "`qs` is no field of a message; write `qos`",
        ),
    ] {
        let said = said(&format!("{line}\nreturn {{ acked = print }}"));
        assert!(
            matches!(said.as_slice(), [only] if only.contains(wanted)),
            "{line}: {said:?}"
        );
    }
    for line in [
        "local function two() return 'a', 'b' end\ncrypto.hmac('md5', two())",
        "local function all(...) return crypto.hmac(...) end\nall()",
        "log.info('x')\nlog.info('x', { a = 1 })\nprint() print(1, 2, 3)",
        "local crypto = { own = print }\ncrypto.own()",
        "local v: vector = vector.create(1, 2, 3)\nassert(v.x and math.tau and json.null)",
        "kv.shared.get('a')\ntask.spawn(function() http.get('http://x') end)",
        "local topic = 'a'\nprint(topic.anything)",
        "for topic in { a = 1 } do print(topic.b) end",
        "mqtt.kick('a')\nmqtt.kick('a', 0x98)\nmqtt.kick('a', nil, 'b')",
        "task.spawn(print, 1, 2, 3, 4)",
    ] {
        passes(&format!("{line}\nreturn {{ acked = print }}"));
    }
}

#[test]
fn globals_are_not_made() {
    says(
        "x = 1\nreturn { acked = print, name = x }",
        "a.lua:1: `x` is assigned to, and is no local variable; declare it with `local x`",
    );
    says(
        "function f() end\nreturn { acked = f }",
        "a.lua:1: `function f` defines a global; write `local function f`",
    );
    says(
        &hook("acked()", "count += 1"),
        "a.lua:3: `count` is assigned to, and is no local variable; declare it with `local count`",
    );
    passes("local x\nx = 1\nlocal function f() x += 1 end\nreturn { acked = f, name = tostring(x) }");
    passes("local f\nfunction f() end\nreturn { acked = f }");
    passes("local a = 1\nrepeat local b = a\nuntil b\nfor i = 1, 2 do i = 3 end\nreturn { acked = print }");
}

#[test]
fn messages_and_clients_are_not_assigned_to() {
    says(
        &hook("publish(ctx, msg)", "msg.payload = 'x'"),
        "a.lua:3: `msg.payload` cannot be assigned to; return what is to change: `return { payload = ... }`",
    );
    says(
        &hook("publish(ctx, msg)", "ctx.seen = true"),
        "a.lua:3: `ctx.seen` cannot be assigned to; keep it in a table of your own",
    );
}

#[test]
fn parameters_that_the_hook_does_not_have_or_does_not_get() {
    says(
        &hook("publish(ctx, msg, more)", "return nil"),
        "a.lua:2: `more` is parameter 3 of `publish`, which is called with 2; its parameters are `(ctx?, msg)`",
    );
    let size = "return if #payload > size then 'deny' else 'next'";
    says(
        &hook("authorize_publish(_, _, _, _, size, payload)", size),
        "a.lua:2: `payload` is always nil: the policy does not declare that it wants the payload; write `payload = { \"authorize_publish\" }` into its table",
    );
    let with = |declares: &str| {
        format!(
            "return {{ {declares},\nauthorize_publish = function(_, _, _, _, size, payload) {size} end }}"
        )
    };
    passes(&with("payload = { 'authorize_publish' }"));
    passes(&with("payload = table.clone({})"));
    passes(&with("[tostring(1)] = nil, payload = nil :: any"));
    passes(&hook(
        "authorize_publish(_, _, _, _, size, payload)",
        "return 'next'",
    ));
    let cached = |by: &str| {
        format!(
            "return {{ cache = {{ authorize_publish = {{ ttl = 1, by = {{ {by} }} }} }},\nauthorize_publish = function(ctx, topic, qos) return if qos > 1 then 'deny' else 'next' end }}"
        )
    };
    says(
        &cached("'topic'"),
        "a.lua:2: `qos` is always nil: `cache.authorize_publish.by` does not list \"qos\"; list it, or do without it",
    );
    passes(&cached("'topic', 'qos'"));
}

#[test]
fn waiting_where_nothing_waits() {
    says(
        &hook("deliver(ctx, msg)", "task.sleep(1)"),
        "a.lua:3: `task.sleep` waits, and `deliver` does not; move the call into `task.spawn(function() ... end)`",
    );
    says(
        &hook("publish(ctx, msg)", "task.sleep(1)"),
        "a.lua:3: `task.sleep` waits, and `publish` does not; say `waits = { \"publish\" }` in the policy's table, or move the call into `task.spawn(function() ... end)`",
    );
    says(
        "task.sleep(1)\nreturn { acked = print }",
        "a.lua:1: `task.sleep` waits, which a script cannot do while it loads; move the call into `task.spawn(function() ... end)`",
    );
    passes("return { waits = { 'publish' }, publish = function() task.sleep(1) end }");
    passes("local waits = { 'publish' }\nreturn { waits = waits, publish = function() task.sleep(1) end }");
    passes(&hook("authenticate(ctx)", "task.sleep(1) return 'next'"));
    passes(&hook("deliver(ctx)", "task.spawn(function() task.sleep(1) end)"));
    passes(
        "local policy = { publish = function() task.sleep(1) end }\nif _VERSION then policy.waits = { 'publish' } end\nreturn policy",
    );
}

#[test]
fn objects_are_followed() {
    let of = |body: &str| {
        format!(
            "local db = sql.open('users')\nlocal c = cache.new {{ ttl = 5 }}\nreturn {{ deliver = function()\n{body}\nend }}"
        )
    };
    says(
        &of("db:query('SELECT 1')"),
        "a.lua:4: `db:query` waits, and `deliver` does not; move the call into `task.spawn(function() ... end)`",
    );
    says(
        &of("c:gett('a')"),
        "a.lua:4: `c` has no function `gett`; write `c:get`",
    );
    says(
        &of("c:set('a')"),
        "a.lua:4: `c:set` is called with 1 argument; write `c:set(key, value, ttl?)`",
    );
    passes(&of(
        "task.spawn(function() db:row('SELECT 1', { 1 }) end)\nc:set('a', 1)",
    ));
}

#[test]
fn hooks_and_answers_that_do_not_exist() {
    says(
        "return {\n  authorise_publish = function() end,\n}",
        "a.lua:2: unknown hook `authorise_publish`; write `authorize_publish`",
    );
    let answers = |answer: &str| hook("authorize_publish(ctx, topic)", &format!("return {answer}"));
    for (answer, wanted) in [
        (
            "'alow'",
            "a.lua:3: `\"alow\"` is no answer of `authorize_publish`; write `\"allow\"`",
        ),
        (
            "if topic == 'a' then 'allow' else 'denny'",
            "a.lua:3: `\"denny\"` is no answer of `authorize_publish`; write `\"deny\"`",
        ),
        (
            "topic == 'a' and 'pass' or 'deny'",
            "a.lua:3: `\"pass\"` is no answer of `authorize_publish`; return `\"allow\"`, `\"deny\"`, `\"disconnect\"` or `\"next\"`",
        ),
        (
            "true",
            "a.lua:3: `true` is no answer of `authorize_publish`; return `\"allow\"`, `\"deny\"`, `\"disconnect\"` or `\"next\"`",
        ),
        (
            "nil",
            "a.lua:3: `nil` is no answer of `authorize_publish`; return `\"allow\"`, `\"deny\"`, `\"disconnect\"` or `\"next\"`",
        ),
        (
            "",
            "a.lua:3: nothing is no answer of `authorize_publish`; return `\"allow\"`, `\"deny\"`, `\"disconnect\"` or `\"next\"`",
        ),
    ] {
        says(&answers(answer), wanted);
    }
    passes(&answers("topic == 'a' and 'allow' or nil or 'next'"));
    passes(&answers("topic"));
    passes(&answers("(function() return 'whatever' end)() or 'next'"));
    says(
        &hook("publish(_, msg)", "return { topc = 'a' }"),
        "a.lua:3: `topc` is no field of this table; write `topic`",
    );
    says(
        &hook(
            "publish(_, msg)",
            "return { more = { { topic = 'a', payloat = '' } } }",
        ),
        "a.lua:3: `payloat` is no field of a message; write `payload`",
    );
    says(
        &hook("authenticate()", "return 'allow', { atrs = {} }"),
        "a.lua:3: `atrs` is no field of what a login brings; write `attrs`",
    );
    passes(&hook(
        "authenticate()",
        "return 'allow', { attrs = { anything = 1 } }",
    ));
    passes(&hook("subscribe()", "return { { filter = 'a' } }"));
    passes(&hook("on_tick()", "return 5"));
    passes(&hook("on_load()", "return 'anything'"));
    passes(&hook("session_end()", "return 'whatever'"));
}

#[test]
fn all_of_a_file_is_said_at_once_and_in_order() {
    let source = "x = 1\nreturn {\n  publsh = function() end,\n  publish = function(ctx, msg)\n    return ctx.user, jsn.x, crypto.y, msg.z\n  end,\n}";
    let lines: Vec<_> = lint(source.as_bytes(), "a.lua")
        .iter()
        .map(|f| f.line.unwrap())
        .collect();
    assert_eq!(lines, [1, 3, 5, 5, 5, 5]);
}

#[test]
fn a_required_file_is_no_policy() {
    let source =
        b"local units = {}\nfunction units.frobnicate(ctx) return ctx.anything, jsn end\nreturn units";
    let said = lint_module(source, "lib/units.lua");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].message.contains("jsn"));
}

#[test]
fn what_cannot_be_parsed_or_is_too_large_is_left_to_the_compiler() {
    assert_eq!(lint(b"local x = = 1", "a.lua"), []);
    assert_eq!(lint(b"x = 1 -- \xff", "a.lua"), []);
    let large = format!("x = 1 --{}", " ".repeat(MAX_SOURCE));
    assert_eq!(lint(large.as_bytes(), "a.lua"), []);
    assert_eq!(lint(b"\xEF\xBB\xBFx = 1", "a.lua").len(), 1);
}

/// The stack is deep enough for whatever Luau compiles: an overflow would end the process.
#[test]
fn deep_nesting_does_no_harm() {
    let many = |n: usize, open: &str, middle: &str, close: &str| {
        format!(
            "local x = {}{middle}{}\nreturn {{ acked = print, x }}",
            open.repeat(n),
            close.repeat(n)
        )
    };
    for n in [100, 330, 495, 900, 990, 20_000, 60_000] {
        for source in [
            many(n, "(", "1", ")"),
            many(n, "{", "", "}"),
            many(n, "not ", "1", ""),
            many(n, "1 + ", "1", ""),
            many(n, "1 .. ", "1", ""),
            many(n, "- ", "1", ""),
            many(n, "function() return ", "1", " end"),
            many(n, "if 1 then 1 else ", "1", ""),
            format!("{}{}", "do ".repeat(n), "end ".repeat(n)),
            format!("if 1 then{} end", " elseif 1 then".repeat(n)),
            format!("local f{}", "()".repeat(n)),
            format!("local f = f{}", "()".repeat(n)),
            format!("local f = f{}", ".a".repeat(n)),
            format!("local f: {}number{}", "{".repeat(n), "}".repeat(n)),
        ] {
            // Nothing else is linted: what does not compile is refused before.
            if crate::hooks::lua::sandbox::compile(source.as_bytes()).is_ok() {
                let _ = lint(source.as_bytes(), "a.lua");
            }
        }
    }
}

#[test]
fn the_shipped_policies_pass_and_it_takes_little_time() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["scripts", "src/cli/templates"].map(|folder| root.join(folder));
    let files = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap());
    for path in files.map(|file| file.unwrap().path()) {
        let name = path.file_name().unwrap().to_str().unwrap();
        if !name.ends_with(".lua") || name.ends_with("_test.lua") {
            continue;
        }
        let source = std::fs::read(&path).unwrap();
        let began = std::time::Instant::now();
        let found = lint(&source, name);
        let took = began.elapsed();
        println!("{name}: {} bytes in {took:?}", source.len());
        assert_eq!(found, [], "{name}");
        assert!(took < std::time::Duration::from_secs(1), "{name} took {took:?}");
    }
}

#[test]
fn what_is_standard_is_what_a_state_has() {
    use crate::hooks::describe::tests::state;
    let lua = state().lua;
    let globals = lua.globals();
    let known: std::collections::BTreeSet<&str> = standard::globals().collect();
    for pair in globals.pairs::<String, mlua::Value>() {
        let (name, value) = pair.unwrap();
        assert!(
            known.contains(name.as_str()),
            "`{name}` is in a state and not in lint/standard.rs"
        );
        if let (mlua::Value::Table(table), Some(library)) = (value, standard::library(&name)) {
            let mut names: Vec<String> = table
                .pairs::<String, mlua::Value>()
                .map(|pair| pair.unwrap().0)
                .collect();
            names.sort();
            assert_eq!(names, library.names, "lint/standard.rs, `{name}`");
        }
    }
    for name in standard::FUNCTIONS
        .iter()
        .chain(standard::LIBRARIES.iter().map(|library| &library.name))
    {
        assert!(
            globals.contains_key(*name).unwrap(),
            "`{name}` is in lint/standard.rs and not in a state"
        );
    }
}
