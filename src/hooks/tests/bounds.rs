//! The modules when a script asks too much of them, or the wrong thing: each has an end, and says so in a sentence.

use super::modules::{run, run_in, sandbox, says};
use super::*;
use std::time::{Duration, Instant};

#[test]
fn kv_is_bounded_and_apart_from_state() {
    assert_eq!(
        run("state.set('s', 1) return tostring(kv.get('\\0s')) .. #kv.keys()"),
        "nil0"
    );
    assert_eq!(run("kv.set('a', 1, 1e300) return kv.ttl('a')"), "inf");
    assert_eq!(
        run("kv.set('a', 1e308) local n, why = kv.incr('a', 1e308) return tostring(n) .. ' ' .. why"),
        "nil the sum is too large for a number"
    );
    assert_eq!(
        run("for n = 1, 30 do kv.set(string.format('k%02d', n), n) end
            local page = kv.keys('k', 10, 'k10') return page[1] .. page[10] .. #page"),
        "k11k2010"
    );
    assert_eq!(
        run(
            "for n = 1, 2000 do local ok, why = state.set('k' .. n, true) if not ok then return n .. ' ' .. why end end"
        ),
        "1001 full: delete something, or give values a time to live"
    );
    says(
        "kv.keys('', 0)",
        "kv.keys: argument 2 (limit) must be a whole number, 1 to 1000, it is number",
    );
    says(
        "kv.incr('a', '1')",
        "kv.incr: argument 2 (by) must be a number, it is string",
    );
    says("kv.incr('a', 0/0)", "kv.incr: argument 2 (by) must be a number");
    says(
        "kv.shared.set('a', 1, 'x')",
        "kv.shared.set: argument 3 (ttl) must be a number of seconds above 0",
    );
    says(
        "kv.set('a', { print })",
        "kv.set: argument 2 (value): a function has no form in JSON",
    );
    says(
        "local t = {} for n = 1, 2000 do t[n] = n end kv.set('a', t)",
        "it holds too much",
    );
    says("kv.set('a')", "kv.set: argument 2 (value) must be a string");
    assert_eq!(
        run("kv.set('a', json.decode('9007199254740993')) return tostring(kv.get('a'))"),
        "9007199254740993"
    );
}

#[test]
fn replacements_have_an_end() {
    let slow = "local t = ('a'):rep(100000)
        return pcall(re.gsub, 'a', t, ('x'):rep(100000))";
    let start = Instant::now();
    says(
        &format!("local ok, why = (function() {slow} end)() error(why)"),
        "re.gsub: the result has more than",
    );
    says(
        "re.gsub('(a+)', ('a'):rep(1000000), ('$1'):rep(100000))",
        "re.gsub: the result has more than",
    );
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    says(
        "re.gsub('a', 'aaa', function() return 1 end)",
        "what the function returned",
    );
    says("re.gsub('a', 'aaa', function() error('no') end)", "no");
    says(
        "re.gsub('a', 'aaa', 1)",
        "re.gsub: argument 3 (replacement) must be a string or a function",
    );
    // The function may use the same expression.
    assert_eq!(
        run("return (re.gsub('a', 'banana', function(m) return (re.gsub('a', 'a', 'o')) end))"),
        "bonono"
    );
    assert_eq!(
        run("return (re.gsub('(?P<x>a)(n)?', 'banana', '[$x|${2}]$$'))"),
        "b[a|n]$[a|n]$[a|]$"
    );
    assert_eq!(
        run("return table.concat(re.split('', 'abc'), '-') .. #re.split(',', '')"),
        "-a-b-c-1"
    );
}

#[test]
fn a_search_for_all_matches_ends_with_the_call() {
    // Each match is found by going to the end of the text: quadratic, however fast one search is.
    let sandbox = sandbox(&Arc::default());
    let start = Instant::now();
    let said = run_in(&sandbox, "return #re.split('a*b|a', ('a'):rep(1000000))");
    assert!(said.contains("longer than its budget"), "{said}");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    says(
        "local t = {} for n = 1, 50000 do t[n] = math.random() < 0.5 and 'a' or 'b' end
        return re.test('[ab]*a[ab]{200}c', table.concat(t))",
        "re.test: the expression takes too long on a text of 50000 bytes",
    );
}

#[test]
fn metrics_are_bounded_and_named_well() {
    says(
        "for n = 1, 2000 do metrics.counter('seen', { client = n }) end",
        "metrics.counter: the policy has 1000 series already",
    );
    says(
        "metrics.counter('x', { policy = 'me' })",
        "the label `policy` is taken",
    );
    says("metrics.histogram('x', { le = '1' })", "the label `le` is taken");
    says(
        "metrics.counter('x', { ['a b'] = 1 })",
        "`a b` is no name of a label",
    );
    says(
        "metrics.counter('x', { a = {} })",
        "metrics.counter: `a` must be a string, a number or a boolean, it is table",
    );
    says("metrics.counter('x', { 'a' })", "`1` is no name of a label");
    says(
        "metrics.counter('x', 1)",
        "metrics.counter: argument 2 (labels) must be a table of labels",
    );
    says(
        "metrics.counter('logins_total')",
        "ends in `_total`, which Prometheus adds by itself",
    );
    says(
        "metrics.histogram('x', { buckets = { 2, 1 } })",
        "`buckets` must rise",
    );
    says(
        "metrics.histogram('x', { buckets = {} })",
        "`buckets` must be a list of 1 to 32 numbers",
    );
    says(
        "metrics.histogram('x', { buckets = { 'a' } })",
        "`buckets` must be a list of finite numbers",
    );
    says(
        "metrics.histogram('x') metrics.histogram('x', { buckets = { 1 } })",
        "has other buckets",
    );
    says("metrics.counter('x'):inc(-1)", "a counter does not count down");
    says(
        "metrics.counter('x'):inc('a')",
        "inc: argument 1 (by) must be a number",
    );
    says(
        "metrics.gauge('x'):set()",
        "set: argument 1 (value) must be a number, it is nil",
    );
    says(
        "metrics.histogram('x'):observe(0/0)",
        "observe: argument 1 (value) must be a number",
    );
}

#[test]
fn caches_end_forget_what_was_not_used_and_are_bounded() {
    let services = Arc::new(Services::default());
    let sandbox = sandbox(&services);
    sandbox.host.clock.set(Duration::from_secs(100));
    run_in(&sandbox, "shared = nil");
    let body = "local c = cache.new{ ttl = 5, size = 3 }
        c:set('a', 1) c:set('b', { 2 }) c:set('c', false) c:get('a') c:set('d', 4)
        local said = tostring(c:get('a')) .. tostring(c:get('b')) .. tostring(c:get('c')) .. tostring(c:get('d'))
        c:set('a', 7, 50) c:set('d', nil)
        task.sleep(10)
        return said .. tostring(c:get('a')) .. tostring(c:get('c')) .. tostring(c:get('d')) .. tostring(c:delete('a')) .. tostring(c:delete('a'))";
    assert_eq!(run_in(&sandbox, body), "1nilfalse47nilniltruefalse");
    // Slots are used again, whatever the order of ends, deletions and evictions.
    let churn = "local c, seen = cache.new{ size = 50 }, 0
        for n = 1, 5000 do
            c:set('k' .. n % 97, n)
            if n % 3 == 0 then c:delete('k' .. n % 31) end
            local v = c:get('k' .. n % 97)
            if v ~= nil then assert(v == n) seen += 1 end
        end
        local left = 0
        for n = 0, 96 do if c:get('k' .. n) ~= nil then left += 1 end end
        return tostring(left <= 50 and left > 30) .. tostring(seen > 4000)";
    assert_eq!(run(churn), "truetrue");
    assert_eq!(
        run(
            "local c = cache.new() local v, why = c:fetch('a', function(key) return nil, 'no ' .. key end) return why"
        ),
        "no a"
    );
    says(
        "for n = 1, 1000 do cache.new{ size = 1000 } end",
        "make them once, while the script loads",
    );
    says(
        "cache.new{ size = 0 }",
        "cache.new: `size` must be a whole number above 0",
    );
    says(
        "cache.new{ ttl = 'x' }",
        "cache.new: `ttl` must be a number of seconds above 0, it is string",
    );
    says("cache.new(5)", "cache.new: argument 1 (options) must be a table");
    says(
        "cache.new():set('a', 1, 0)",
        "cache:set: argument 3 (ttl) must be a number of seconds above 0",
    );
    says(
        "cache.new():get()",
        "cache:get: argument 1 (key) must be a string, it is nil",
    );
    // What it holds counts as the state's memory.
    says(
        "local c = cache.new{ size = 100000 } for n = 1, 100000 do c:set('k' .. n, ('x'):rep(1000) .. n) end",
        "memory",
    );
}

#[test]
fn cbor_of_strangers_is_an_answer() {
    let decode = |hex: &str| {
        run(&format!(
            "local v, why = cbor.decode(crypto.hex_decode('{hex}')) return if v == nil then why else json.encode(v)"
        ))
    };
    assert_eq!(decode("8201"), "it ends too early");
    assert_eq!(decode("0101"), "there is more behind the value");
    assert_eq!(decode("1c"), "what begins at byte 1 is no CBOR");
    assert_eq!(decode("a1f97e0001"), "a map has a key that is no number");
    assert_eq!(
        decode(&("81".repeat(100) + "01")),
        "it nests deeper than 64 levels"
    );
    assert_eq!(decode("9bffffffffffffffff01"), "it ends too early");
    assert_eq!(decode("bf616101ff"), r#"{"a":1}"#);
    assert_eq!(decode("3bfffffffffffffffe"), "-1.8446744073709552e+19");
    assert_eq!(decode("3b7fffffffffffffff"), "-9223372036854775808");
    assert_eq!(decode("1b0020000000000001"), "9007199254740993");
    // One value, one text, in whatever order a table has its fields.
    let sorted = "local t = {} for n = 20, 1, -1 do t['k' .. n] = n end
        local u = {} for n = 1, 20 do u['k' .. n] = n end
        return tostring(cbor.encode(t) == cbor.encode(u))";
    assert_eq!(run(sorted), "true");
    says(
        "cbor.encode(print)",
        "cbor.encode: argument 1 (value) must be made of tables, strings, numbers and booleans",
    );
    says("cbor.bytes(1)", "cbor.bytes: argument 1 (text) must be a string");
}

#[test]
fn slow_hashes_say_what_they_do_not_take() {
    says(
        "crypto.bcrypt_hash('x', 99)",
        "crypto.bcrypt_hash: argument 2 (cost) must be a whole number, 4 to 14",
    );
    says(
        "crypto.bcrypt_hash()",
        "crypto.bcrypt_hash: argument 1 (password) must be a string, it is nil",
    );
    says(
        "crypto.argon2_verify('x')",
        "crypto.argon2_verify: argument 2 (hash) must be a string, it is nil",
    );
    says(
        "crypto.jwt_verify('x')",
        "crypto.jwt_verify: argument 2 (options) must be a table with `alg` and `key`, it is nil",
    );
    says(
        "crypto.jwt_verify('x', { alg = 'HS256', key = 's', leeway = -1 })",
        "`leeway` must be a number of seconds, 0 or more",
    );
    says(
        "crypto.jwt_verify('x', { alg = 'HS256', key = 's', iss = 'me' })",
        "there is no option `iss`",
    );
    says(
        "crypto.jwt_verify('x', { alg = 'HS256', key = 1 })",
        "`key` must be a string, it is number",
    );
    says(
        "crypto.jwt_sign('x', { alg = 'HS256', key = 's' })",
        "crypto.jwt_sign: argument 1 (claims) must be a table",
    );
    let nested = "local t = {} local at = t for n = 1, 60 do at.x = {} at = at.x end
        local token = crypto.jwt_sign(t, { alg = 'HS256', key = 's' })
        return type(crypto.jwt_verify(token, { alg = 'HS256', key = 's' }))";
    assert_eq!(run(nested), "table");
    says(
        "local t = crypto.jwt_sign({ exp = 'soon' }, { alg = 'HS256', key = 's' })
        local c, why = crypto.jwt_verify(t, { alg = 'HS256', key = 's' }) return why",
        "is no time",
    );
}

/// `on_load` is a plain call: it cannot wait.
#[test]
fn what_does_not_wait_works_while_a_policy_loads() {
    let body = "local c = cache.new()
        kv.set('a', 1) kv.incr('a') kv.shared.add('b', 1, 5) state.set('s', { 1 })
        assert(kv.get('a') == 2 and kv.cas('a', 2, 3) and kv.ttl('a') == math.huge and #kv.keys() == 1 and kv.delete('a'))
        c:set('x', 1) assert(c:fetch('y', function() return 2 end) == 2)
        assert(re.test('a', 'a') and re.gsub('a', 'a', 'b') == 'b' and #re.split(',', 'a,b') == 2)
        assert(cbor.decode(cbor.encode({ 1 }))[1] == 1 and json.get('[1]', '1') == 1 and json.set('[1]', '1', 2) == '[2]')
        metrics.counter('loaded'):inc()
        assert(#crypto.random(4) == 4 and crypto.jwt_sign({}, { alg = 'HS256', key = 'k' }))
        assert(time.parse_rfc3339(time.format(time.now())))
        local ok, why = pcall(crypto.argon2_hash, 'x')
        return tostring(why)";
    let sandbox = sandbox(&Arc::default());
    let function = sandbox.lua.load(body).set_name("=t").into_function().unwrap();
    let said: Result<String, _> = sandbox.call(&function, Duration::from_millis(500), None, ());
    let said = said.unwrap_or_else(|fault| fault.to_string());
    assert!(
        said.contains("crypto.argon2_hash waits, and this hook does not"),
        "{said}"
    );
}
