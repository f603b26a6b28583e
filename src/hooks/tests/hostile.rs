//! Scripts that would take the broker down. Each is stopped within its budget and a little more, and the next call on the
//! same hooks works.

use super::*;
use std::time::{Duration, Instant};

const BUDGET: Duration = Duration::from_millis(20);
/// On a loaded machine the thread may not run at all for a while; what is looked for is the hang.
const SLACK: Duration = Duration::from_millis(200);

/// Runs `attack` as the body of a hook when the topic is `attack`, and returns how long that took.
fn survive(attack: &str) -> Duration {
    let script = format!(
        "local text = ('a'):rep(300000)
         local kept
         return {{ authorize_publish = function(ctx, topic)
             if topic == 'attack' then
                 {attack}
                 return 'allow'
             end
             return 'deny', 'well'
         end }}"
    );
    let mut chain = Chain::of(&[&script]);
    chain.entries[0].budget = BUDGET;
    let mut shard = chain.shard();
    let mut worst = Duration::ZERO;
    for _ in 0..2 {
        let began = Instant::now();
        assert_eq!(
            shard.may_publish("attack"),
            denied("policy `a` failed"),
            "{attack}"
        );
        worst = worst.max(began.elapsed());
        assert_eq!(shard.may_publish("t"), denied("well"), "after {attack}");
    }
    assert!(worst < BUDGET + SLACK, "{attack} took {worst:?}");
    let totals = shard.totals("a");
    assert_eq!(totals.errors + totals.timeouts, 2, "{attack}");
    worst
}

macro_rules! hostile {
    ($($name:ident: $attack:expr;)*) => { $(#[test] fn $name() { println!("{:>30} {:?}", stringify!($name), survive($attack)); })* };
}

hostile! {
    endless_loop: "while true do end";
    endless_repeat: "repeat local x = 1 until false";
    huge_for: "for i = 1, 1e18 do end";
    loop_inside_pcall: "while true do pcall(function() while true do end end) end";
    pcall_that_returns_after_the_end: "pcall(function() while true do end end)";
    loop_in_error_handler: "xpcall(function() error('x') end, function() while true do end end)";
    error_in_error_handler: "local function h() error('again') end xpcall(h, function(e) xpcall(h, h) error(e) end) error('x')";
    loop_in_coroutine: "while true do coroutine.wrap(function() while true do end end)() end";
    coroutine_flood: "local t = {} while true do local c = coroutine.create(function() coroutine.yield() end) coroutine.resume(c) t[#t + 1] = c end";
    coroutines_in_coroutines: "local function go() return coroutine.wrap(go)() end go()";
    deep_recursion: "local function f(n) return f(n + 1) + 1 end f(1)";
    tail_recursion: "local function f() return f() end f()";
    catastrophic_pattern: "text:find('.-.-.-b')";
    catastrophic_pattern_in_pcall: "while true do pcall(string.find, text, '.-.-.-b') end";
    catastrophic_gsub: "text:gsub('a-a-a-b', '')";
    catastrophic_gmatch: "for _ in text:gmatch('a.-a.-b') do end";
    long_set_in_a_pattern: "local set = '[' .. ('b'):rep(60000) .. ']*' text:match(set) while true do pcall(string.match, text, set) end";
    plain_search_of_a_long_needle: "local needle = ('a'):rep(150000) .. 'b' while true do text:find(needle, 1, true) end";
    search_without_specials: "local needle = ('a'):rep(150000) .. 'b' while true do text:find(needle) end";
    split_by_a_long_separator: "local s = ('a'):rep(150000) .. 'b' while true do pcall(string.split, text, s) end";
    string_rep_of_a_billion: "local s = ('x'):rep(1e9)";
    string_rep_again_and_again: "while true do local s = ('x'):rep(4000000) end";
    string_rep_caught: "while true do pcall(string.rep, 'x', 1e9) end";
    concatenation_doubles: "local s = 'x' while true do s = s .. s end";
    big_strings_made_and_dropped: "local s = ('x'):rep(3000000) while true do local t = s .. 'y' end";
    unbounded_table: "local t = {} local i = 0 while true do i += 1 t[i] = i end";
    unbounded_table_of_tables: "local t = {} while true do t = { t, {}, {} } end";
    unbounded_table_kept: "kept = kept or {} while true do kept[#kept + 1] = {} end";
    table_create: "local t = table.create(1e8, 0)";
    table_concat: "local t = table.create(100000, text) local s = table.concat(t)";
    table_move: "table.move({}, 1, 2e9, 2)  while true do end";
    table_move_caught: "while true do pcall(table.move, {}, 1, 2000000000, 2) end";
    table_unpack: "while true do pcall(table.unpack, {}, 1, 1e7) end";
    table_insert_in_front: "local t = table.create(400000, 0) while true do table.insert(t, 1, 0) table.remove(t, 1) end";
    sort_with_a_looping_comparator: "table.sort({ 3, 2, 1 }, function() while true do end end)";
    sort_with_a_lying_comparator: "local t = table.create(100000, 1) while true do pcall(table.sort, t, function() return true end) end";
    sort_of_a_long_table: "local t = {} for i = 1, 200000 do t[i] = (i * 7919) % 200003 end while true do table.sort(t) t[1], t[2] = t[2], t[1] end";
    sort_with_a_host_comparator: "local t = table.create(200000, 1) while true do table.sort(t, rawequal) end";
    looping_metamethods: "local m = {} m.__index = function(t, k) return t[k + 1] end local x = setmetatable({}, m)[1]";
    looping_comparison: "local m = { __lt = function(a, b) while true do end end } local a = setmetatable({}, m) local b = a < setmetatable({}, m)";
    looping_tostring: "tostring(setmetatable({}, { __tostring = function() while true do end end }))";
    looping_iterator: "for _ in function() return 1 end do end";
    looping_iter_metamethod: "for _ in setmetatable({}, { __iter = function() return function() return 1 end end }) do end";
    looping_length: "local t = setmetatable({}, { __len = function() while true do end end }) local n = #t";
    buffers: "while true do buffer.create(8000000) end";
    buffer_too_large: "buffer.create(1e9)";
    hashing: "local s = ('x'):rep(1000000) while true do crypto.sha256(s) end";
    host_functions_with_wrong_types: "while true do pcall(crypto.hmac, {}, 1, print) pcall(json.decode, print) pcall(topic.matches) pcall(log.info) end";
    json_of_a_long_list: "local t = table.create(300000, 1) while true do pcall(json.encode, t) end";
    json_of_a_cycle: "local t = {} t.t = t json.encode(t)";
    json_deep: "local s = ('['):rep(1000000) while true do json.decode(s) end";
    json_with_many_names: "local s = '{' .. ('\"aaaaaaaaaaaaaa\":{},'):rep(30000) .. '\"a\":1}' while true do json.decode(s) end";
    json_bomb: "local s = '[' .. ('[1],'):rep(200000) .. '1]' while true do json.decode(s) end";
    filters: "local s = ('+/'):rep(30000) .. '#' while true do topic.overlaps(s, s) end";
    string_format: "while true do local s = ('%s%s%s%s'):format(text, text, text, text) end";
    error_with_a_strange_value: "error(setmetatable({}, { __tostring = function() error('x') end }))";
    error_with_nil: "error(nil)";
    yield_outside: "coroutine.yield()";
}

#[test]
fn steps_are_limited_too() {
    let mut chain = Chain::of(&[&publish_policy(
        "for i = 1, tonumber(topic) do end return 'allow'",
    )]);
    chain.entries[0].instructions = Some(10_000);
    let mut shard = chain.shard();
    assert_eq!(shard.may_publish("9000"), PublishDecision::Allow);
    assert_eq!(shard.may_publish("11000"), denied("policy `a` failed"));
    assert_eq!(shard.may_publish("9000"), PublishDecision::Allow);
    assert_eq!(shard.totals("a").timeouts, 1);
}

#[test]
fn a_state_that_ran_out_of_memory_is_built_again() {
    let script = "local n = 0 return { authorize_publish = function(ctx, topic)
        n += 1
        if topic == 'attack' then local s = ('x'):rep(1e9) end
        return 'deny', tostring(n)
    end }";
    let mut shard = Chain::of(&[script]).shard();
    assert_eq!(shard.may_publish("t"), denied("1"));
    assert_eq!(shard.may_publish("t"), denied("2"));
    assert_eq!(shard.may_publish("attack"), denied("policy `a` failed"));
    assert_eq!(shard.may_publish("t"), denied("1"));
    assert_eq!(shard.totals("a").rebuilt, 1);
}

#[test]
fn messages_kept_by_a_script_do_not_keep_payloads() {
    let script = "local kept = {} return { publish = function(ctx, msg) table.insert(kept, msg) end }";
    let mut shard = Chain::of(&[script]).shard();
    let payload = bytes::Bytes::from(vec![0; 1 << 20]);
    for _ in 0..100 {
        let event = PublishEvent {
            topic: "t".into(),
            payload: payload.clone(),
            qos: QoS::AtMostOnce,
            retain: false,
            properties: Arc::default(),
            origin: crate::message::Origin::Client,
            id: crate::message::MessageId(0),
        };
        shard.hooks.publish(Some(&shard.client), event);
    }
    assert!(payload.is_unique());
}

#[test]
fn topics_and_payloads_of_strangers_as_patterns() {
    // The careless policy that this is about: it uses what it was sent as a pattern.
    let script = "return { payload = { 'authorize_publish' }, authorize_publish = function(ctx, topic, qos, retain, size, payload)
        if payload:match(topic) then return 'allow' end return 'deny', 'no' end }";
    let mut chain = Chain::of(&[script]);
    chain.entries[0].budget = BUDGET;
    let mut shard = chain.shard();
    let payload = vec![b'a'; 1 << 20];
    for topic in [
        ".-.-.-b".to_owned(),
        format!("[{}]*x", "b".repeat(60_000)),
        ".*".repeat(500),
        "a?".repeat(400) + "b",
    ] {
        let began = Instant::now();
        shard.ask_publish(&topic, &payload);
        let took = began.elapsed();
        assert!(took < BUDGET + SLACK, "{} took {took:?}", &topic[..7]);
    }
    assert_eq!(shard.ask_publish("x", b"y").decision, denied("no"));
}
