//! The modules as scripts use them.

use super::*;
use crate::hooks::host::{Host, modules::Modules};
use crate::hooks::lua::sandbox::Sandbox;
use std::rc::Rc;
use std::time::Duration;

pub(super) fn sandbox(services: &Arc<Services>) -> Sandbox {
    Sandbox::new(
        Host::new("test", 16 << 20, services),
        Rc::new(Modules::loaded(&[])),
    )
    .unwrap()
}

/// Runs a body that may wait; what it returns, as text, or why it failed.
pub(super) fn run_in(sandbox: &Sandbox, body: &str) -> String {
    let function = sandbox.lua.load(body).set_name("=t").into_function().unwrap();
    let call = sandbox
        .wait::<mlua::Value>(&function, Duration::from_millis(500), None, ())
        .unwrap();
    match block(call) {
        Ok(value) => value.to_string().unwrap(),
        Err(fault) => fault.to_string(),
    }
}

pub(super) fn run(body: &str) -> String {
    run_in(&sandbox(&Arc::default()), body)
}

#[track_caller]
pub(super) fn says(body: &str, text: &str) {
    let said = run(body);
    assert!(said.contains(text), "{body}\n  said {said}");
}

#[test]
fn values_are_kept_counted_and_end() {
    assert_eq!(run("kv.set('a', 'x') return kv.get('a')"), "x");
    assert_eq!(run("kv.set('a', { b = { 1, 2 } }) return kv.get('a').b[2]"), "2");
    assert_eq!(run("kv.incr('n') kv.incr('n', 2.5) return kv.get('n')"), "3.5");
    assert_eq!(
        run("return tostring(kv.add('a', 1)) .. tostring(kv.add('a', 2)) .. kv.get('a')"),
        "truefalse1"
    );
    assert_eq!(
        run(
            "kv.set('a', 1) return tostring(kv.cas('a', 1, 2)) .. tostring(kv.cas('a', 1, 3)) .. kv.get('a')"
        ),
        "truefalse2"
    );
    assert_eq!(
        run("kv.set('a', 'x') local n, why = kv.incr('a') return why"),
        "the value is no number"
    );
    assert_eq!(
        run("kv.set('p/a', 1) kv.set('p/b', 1) kv.set('q', 1) return #kv.keys('p/')"),
        "2"
    );
    assert_eq!(run("kv.set('a', 1) kv.delete('a') return kv.get('a')"), "nil");
    says(
        "kv.set('a', print)",
        "kv.set: argument 2 (value) must be a string, a number",
    );
    says(
        "kv.set('a', 1, -1)",
        "kv.set: argument 3 (ttl) must be a number of seconds above 0",
    );
    says("kv.get(1)", "kv.get: argument 1 (key) must be a string");

    let services = Arc::new(Services::default());
    let sandbox = sandbox(&services);
    sandbox.host.clock.set(Duration::from_secs(100));
    assert_eq!(
        run_in(
            &sandbox,
            "kv.incr('w', 1, 10) kv.incr('w', 1, 10) return kv.ttl('w')"
        ),
        "10"
    );
    sandbox.host.clock.set(Duration::from_secs(109));
    assert_eq!(run_in(&sandbox, "return kv.incr('w', 1, 10)"), "3");
    sandbox.host.clock.set(Duration::from_secs(110));
    assert_eq!(run_in(&sandbox, "return kv.incr('w', 1, 10)"), "1");
}

#[test]
fn states_share_values_and_policies_do_not() {
    let services = Arc::new(Services::default());
    run_in(
        &sandbox(&services),
        "kv.set('a', 1) state.set('s', 2) kv.shared.set('a', 3)",
    );
    let again = sandbox(&services);
    assert_eq!(
        run_in(
            &again,
            "return kv.get('a') .. state.get('s') .. kv.shared.get('a') .. #kv.keys()"
        ),
        "1231"
    );
    let other = Host::new("other", 1 << 24, &services);
    let other = Sandbox::new(other, Rc::new(Modules::loaded(&[]))).unwrap();
    assert_eq!(
        run_in(
            &other,
            "return tostring(kv.get('a')) .. tostring(state.get('s')) .. kv.shared.get('a')"
        ),
        "nilnil3"
    );
}

#[test]
fn caches_forget_and_load() {
    let body = "local c = cache.new{ ttl = 5, size = 10 }
        local loads = 0
        local function load() task.sleep(0.001) loads += 1 return 'v' .. loads end
        local a = c:fetch('a', load) .. c:fetch('a', load)
        for n = 1, 100 do c:set('k' .. n, n) end
        return a .. tostring(c:get('k100')) .. tostring(c:get('a'))";
    assert_eq!(run(body), "v1v1100nil");
    says(
        "cache.new{ tll = 5 }",
        "cache.new: there is no option `tll`; there is `ttl` or `size`",
    );
}

#[test]
fn expressions_match_in_linear_time() {
    assert_eq!(
        run(
            "local m = re.match('(?P<a>[0-9]+)-(b)?', 'x 12-') return m.a .. tostring(m[1]) .. tostring(m[2]) .. m[0]"
        ),
        "1212nil12-"
    );
    assert_eq!(
        run("return (re.gsub('[aeiou]', 'banana', '<$0>'))"),
        "b<a>n<a>n<a>"
    );
    assert_eq!(
        run("return (re.gsub('a', 'banana', function(m) if m[0] == 'a' then return 'o' end end))"),
        "bonono"
    );
    assert_eq!(
        run("return #re.split(',\\s*', 'a, b,c') .. tostring(re.test('^b', 'ab')) .. re.find('b', 'ab')"),
        "3false2"
    );
    assert_eq!(
        run("return tostring(re.test('(a+)+$', ('a'):rep(100000) .. 'b'))"),
        "false"
    );
    says("re.test('(', 'x')", "re.test: regex parse error");
    says("re.test('(a{1000}){1000}', 'x')", "the expression is too large");
}

#[test]
fn cbor_goes_there_and_back() {
    let there = "local t = cbor.decode(cbor.encode({ a = { 1, 2.5, 'x', true }, b = json.null, c = cbor.bytes('\\255') }))
        return json.encode({ t.a, t.b == json.null, t.c == '\\255' })";
    assert_eq!(run(there), r#"[[1,2.5,"x",true],true,true]"#);
    assert_eq!(
        run("return crypto.hex_encode(cbor.encode({ a = 1 }))"),
        "a1616101"
    );
    assert_eq!(
        run("local v, why = cbor.decode('\\129') return tostring(v) .. type(why)"),
        "nilstring"
    );
    assert_eq!(
        run("local v, why = cbor.decode(('\\129'):rep(100000)) return tostring(v) .. type(why)"),
        "nilstring"
    );
    let big = "return crypto.hex_encode(cbor.encode(json.decode('18446744073709551615')))";
    assert_eq!(run(big), "1bffffffffffffffff");
}

#[test]
fn big_integers_survive_an_edit() {
    let edit = r#"local t = json.decode('{"id":9007199254740993,"n":1}') t.n = 2
        return tostring(t.id) .. json.encode({ t.id }) .. tostring(t.id == json.decode('9007199254740993'))"#;
    assert_eq!(run(edit), "9007199254740993[9007199254740993]true");
}

#[test]
fn passwords_are_hashed_and_verified_elsewhere() {
    assert_eq!(
        run(
            "local h = crypto.argon2_hash('pw') return tostring(crypto.argon2_verify('pw', h)) .. tostring(crypto.argon2_verify('no', h))"
        ),
        "truefalse"
    );
    assert_eq!(
        run(
            "local h = crypto.bcrypt_hash('pw', 4) return tostring(crypto.bcrypt_verify('pw', h)) .. tostring(crypto.bcrypt_verify('no', h))"
        ),
        "truefalse"
    );
    says(
        "local v, why = crypto.argon2_verify('x', 'nonsense') return why",
        "the hash is none of argon2",
    );
    says(
        "local v, why = crypto.argon2_verify('x', '$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA') return why",
        "asks for more than",
    );
    says(
        "local v, why = crypto.bcrypt_verify('x', '$2b$31$abcdefghijklmnopqrstuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu') return why",
        "cost above 14",
    );
    assert_eq!(
        run("return #crypto.random(16) .. crypto.base64url_encode('\\255\\254')"),
        "16__4"
    );
}

#[test]
fn tokens_are_signed_and_verified() {
    let o = "{ alg = 'HS256', key = 's', issuer = 'me' }";
    let sign = |claims: &str| format!("local t = crypto.jwt_sign({claims}, {{ alg = 'HS256', key = 's' }})");
    let verify = |claims: &str| {
        run(&format!(
            "{} local c, why = crypto.jwt_verify(t, {o}) return if c then c.sub else why",
            sign(claims)
        ))
    };
    assert_eq!(verify("{ sub = 'a', iss = 'me', exp = time.now() + 60 }"), "a");
    assert_eq!(
        verify("{ sub = 'a', iss = 'me', exp = time.now() - 1 }"),
        "the token has expired"
    );
    assert_eq!(
        verify("{ sub = 'a', iss = 'me', nbf = time.now() + 9 }"),
        "the token is not valid yet"
    );
    assert_eq!(verify("{ sub = 'a', iss = 'you' }"), "InvalidIssuer");
    assert_eq!(verify("{ sub = 'a' }"), "Missing required claim: iss");
    says(
        &format!(
            "{} local c, why = crypto.jwt_verify(t, {{ alg = 'HS512', key = 's' }}) return why",
            sign("{}")
        ),
        "InvalidAlgorithm",
    );
    says("crypto.jwt_verify('x', { key = 's' })", "`alg` is missing");
    says(
        "crypto.jwt_verify('x', { alg = 'none', key = 's' })",
        "no algorithm `none`",
    );
}

#[test]
fn tokens_are_signed_with_keys_of_each_kind() {
    const KEYS: [(&str, &str, &str); 3] = [
        (
            "RS256",
            include_str!("keys/rs256.pem"),
            include_str!("keys/rs256.pub.pem"),
        ),
        (
            "ES256",
            include_str!("keys/es256.pem"),
            include_str!("keys/es256.pub.pem"),
        ),
        (
            "EdDSA",
            include_str!("keys/eddsa.pem"),
            include_str!("keys/eddsa.pub.pem"),
        ),
    ];
    for (algorithm, private, public) in KEYS {
        let body = |tail: &str| {
            format!(
                "local private, public = [[{private}]], [[{public}]]
                local token = crypto.jwt_sign({{ sub = 'a', id = json.int('9007199254740993') }}, {{ alg = '{algorithm}', key = private }})
                local function verify(token, options)
                    options.key = options.key or public
                    local claims, why = crypto.jwt_verify(token, options)
                    return claims and claims.sub .. claims.id or why
                end
                {tail}"
            )
        };
        let verify = |token: &str, options: &str| run(&body(&format!("return verify({token}, {options})")));
        assert_eq!(
            verify("token", &format!("{{ alg = '{algorithm}' }}")),
            "a9007199254740993"
        );
        assert_eq!(
            verify(
                "token:gsub('.$', function(c) return c == 'A' and 'Q' or 'A' end)",
                &format!("{{ alg = '{algorithm}' }}")
            ),
            "InvalidSignature",
            "{algorithm}"
        );
        // The public key is no secret: a token signed with it as one must not do.
        let forged = "crypto.jwt_sign({ sub = 'x' }, { alg = 'HS256', key = public })";
        assert_eq!(
            verify(forged, &format!("{{ alg = '{algorithm}' }}")),
            "InvalidAlgorithm"
        );
        assert!(
            verify("token", &format!("{{ alg = '{algorithm}', key = 'x' }}")).contains("the key is none")
        );
    }
}

#[test]
fn times_are_written_and_read() {
    assert_eq!(run("return time.format(0)"), "1970-01-01T00:00:00Z");
    assert_eq!(
        run("return time.format(1795440000.25)"),
        "2026-11-23T13:20:00.25Z"
    );
    assert_eq!(
        run("return time.format(1795440000, '%Y/%m/%d %H:%M:%S')"),
        "2026/11/23 13:20:00"
    );
    assert_eq!(run("return time.format(-1)"), "1969-12-31T23:59:59Z");
    for text in ["2026-11-23T13:20:00Z", "2026-11-23T15:20:00+02:00"] {
        assert_eq!(run(&format!("return time.parse_rfc3339('{text}')")), "1795440000");
    }
    assert_eq!(run("return time.parse_rfc3339(time.format(1.5))"), "1.5");
    says(
        "local t, why = time.parse_rfc3339('yesterday') return tostring(t) .. ' ' .. why",
        "nil ",
    );
    says(
        "time.format(1e300)",
        "time.format: argument 1 (seconds) must be a time in the years up to 9999",
    );
    says(
        "time.format('now')",
        "time.format: argument 1 (seconds) must be a number, it is string",
    );
    says("time.format(0, '%Q')", "time.format: argument 2 (format): ");
    says("time.format(0, ('%Y'):rep(200))", "longer than 256 bytes");
}

#[test]
fn metrics_count_over_states_and_reloads() {
    let services = Arc::new(Services::default());
    for _ in 0..2 {
        run_in(
            &sandbox(&services),
            "kv.set('a', 'xyz') metrics.counter('seen', { kind = 'a\\n\"' }):inc(2) metrics.gauge('level'):set(3)
            metrics.histogram('took', { buckets = { 1, 2 } }):observe(1.5)",
        );
    }
    let metrics = crate::metrics::Metrics::new(1);
    let exporter = crate::metrics::Exporter::new(metrics);
    exporter.register(Box::new(MetersOf(services)));
    let text = exporter.text().unwrap();
    for line in [
        "dunlin_policy_seen_total{kind=\"a\\n\\\"\",policy=\"test\"} 4",
        "dunlin_kv_entries{policy=\"test\",module=\"kv\"} 1",
        "dunlin_kv_refused_total{policy=\"test\",module=\"kv\"} 0",
        "dunlin_policy_level{policy=\"test\"} 3",
        "dunlin_policy_took_count{policy=\"test\"} 2",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    says("metrics.counter('a b')", "no name of a metric");
    says(
        "metrics.counter('x') metrics.gauge('x')",
        "a metric of another kind",
    );
}

#[test]
fn the_examples_in_the_docs_do_what_they_say() {
    let text = include_str!("../../../docs/modules.md");
    let examples: Vec<&str> = text
        .split("```lua\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert!(examples.len() >= 12, "{}", examples.len());
    for example in examples {
        assert_eq!(run(example), "nil", "{example}");
    }
}
