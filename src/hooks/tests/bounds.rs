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
