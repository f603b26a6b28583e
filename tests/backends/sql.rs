use std::time::{Duration, Instant};

use crate::servers::{Maria, Postgres, silent};
use crate::support::publish;
use crate::{Cases, outcome, run};

const CASES: &str = r#"{
    kinds = function()
        return sql.open("main"):row([[select true as t, 1::int2 as small, 9007199254740993::int8 as big, 1.5::float8 as f,
            'text' as s, '\xff00'::bytea as b, null as nothing, '{"a":[1]}'::jsonb as j]])
    end,
    kinds_checked = function()
        local row = sql.open("main"):row([[select '\xff00'::bytea as b, null::text as nothing]])
        return crypto.hex_encode(row.b), row.nothing == json.null
    end,
    parameters = function(name)
        local db = sql.open("main")
        return db:query("select name, n from users where name = $1 or n > $2 order by n", { name, 1 })
    end,
    insert = function(name) return sql.open("main"):execute("insert into users values ($1, $2)", { name, 7 }) end,
    count = function() local row, why = sql.open("main"):row("select count(*) as n from users") return if row then row.n else nil, why end,
    none = function() return sql.open("main"):row("select 1 where false") end,
    syntax = function() return sql.open("main"):query("selekt") end,
    unknown = function() return sql.open("main"):row("select interval '1 day' as n") end,
    endless = function() return sql.open("main"):query("select generate_series(1, 1000000000)") end,
    large = function() return sql.open("main"):query("select repeat('x', 100000) as x from generate_series(1, 100)") end,
    all_kinds = function()
        return sql.open("main"):row([[select 1.50::numeric as decimal, 12345678901234567890.5::numeric as long,
            '2026-01-31T12:00:00.25Z'::timestamptz as moment, '2026-01-31T12:00:00'::timestamp as here, '2026-01-31'::date as day,
            '12:30:00'::time as hour, 'infinity'::timestamptz as forever, '0190f0a4-0000-7000-8000-000000000001'::uuid as id,
            array['a', null, 'c'] as list, array[1, 2]::int8[] as numbers, 'good'::mood as mood]])
    end,
    given_kinds = function()
        return sql.open("main"):row([[select $1::numeric::text as decimal, $2::timestamptz = '2026-01-31T12:00:00Z' as moment,
            $3::uuid::text as id, $4::int8::text as big, 'b' = any($5::text[]) as among, $6::jsonb->'a'->>0 as json,
            $7::bytea = '\xff00'::bytea as bytes, $8::mood::text as mood, $9::text is null as none, $10::date::text as day,
            $11::timestamptz = '2026-01-31T12:00:00Z' as seconds]],
            { 1.25, "2026-01-31T12:00:00Z", "0190f0a4-0000-7000-8000-000000000001", "9007199254740993", { "a", "b" },
              { a = { "x" } }, "\255\0", "good", json.null, "2026-01-31", 1769860800 })
    end,
    same = function(what)
        local value = if what == "number" then 5 elseif what == "text" then "abcdefgh" else json.null
        return sql.open("main"):row("select $1::int8 as n", { value })
    end,
    big = function()
        local db = sql.open("main")
        local row = db:row("select 9007199254740993::int8 as n")
        return row.n, db:row("select $1::int8 = 9007199254740993 as same", { row.n }).same
    end,
    few = function() return sql.open("main"):row("select $1::int4 + $2::int4 as n", { 1 }) end,
    begin = function() return sql.open("main"):execute("begin") end,
    pid = function() return sql.open("main"):row("select pg_backend_pid() as pid").pid end,
    wrong = function() return sql.open("main"):query(7) end,
    many = function() return sql.open("main"):query("select * from generate_series(1, 2000)") end,
    sleep = function() return sql.open("main"):execute("select pg_sleep(10)") end,
    other = function() return sql.open("other") end,
}"#;

#[test]
fn statements_kinds_and_a_database_that_goes_and_comes_back() {
    let mut server = Postgres::start();
    server.setup("create type mood as enum ('good', 'bad'); create table users (name text, n int); insert into users values ('a', 1), ('b', 2)");
    let entry = format!(
        "[policy.sql.main]\nurl = \"{}\"\ntimeout = \"800ms\"\npool = 2",
        server.url()
    );
    let cases = Cases::start(CASES, &entry);
    let kinds = cases.run("kinds_checked", "");
    assert_eq!(
        serde_json::json!(kinds.results),
        serde_json::json!(["ff00", true]),
        "{kinds:?}"
    );
    let rows = cases.run("parameters", "' or true --");
    assert_eq!(
        rows.results[0],
        serde_json::json!([{"name": "b", "n": 2}]),
        "{rows:?}"
    );
    assert_eq!(cases.run("insert", "c").results[0], 1);
    assert_eq!(cases.run("count", "").results[0], 3);
    assert!(cases.run("none", "").results[0].is_null());
    assert!(cases.run("syntax", "").why().contains("syntax error"));
    assert!(
        cases
            .run("unknown", "")
            .why()
            .contains("column `n` has the type INTERVAL, which has no form in Lua; cast it to text")
    );
    assert_eq!(
        cases.run("all_kinds", "").results[0],
        serde_json::json!({ "decimal": "1.5", "long": "12345678901234567890.5", "moment": "2026-01-31T12:00:00.25Z",
            "here": "2026-01-31T12:00:00", "day": "2026-01-31", "hour": "12:30:00", "forever": "infinity",
            "id": "0190f0a4-0000-7000-8000-000000000001", "list": ["a", null, "c"], "numbers": [1, 2], "mood": "good" })
    );
    assert_eq!(
        cases.run("given_kinds", "").results[0],
        serde_json::json!({ "decimal": "1.25", "moment": true, "id": "0190f0a4-0000-7000-8000-000000000001",
            "big": "9007199254740993", "among": true, "json": "x", "bytes": true, "mood": "good", "none": true,
            "day": "2026-01-31", "seconds": true })
    );
    // One statement, given values of other kinds: bytes of the one are never read as the other.
    for _ in 0..3 {
        assert!(cases.run("same", "").results[0]["n"].is_null());
        assert_eq!(cases.run("same", "number").results[0]["n"], 5);
        let text = cases.run("same", "text");
        assert!(
            text.why()
                .contains("parameter 1 is a string, which does not fit the type INT8"),
            "{text:?}"
        );
    }
    assert_eq!(
        serde_json::json!(cases.run("big", "").results),
        serde_json::json!([9007199254740993_i64, true])
    );
    assert!(
        cases
            .run("few", "")
            .why()
            .contains("has 2 parameters and was given 1")
    );
    assert!(
        cases
            .run("begin", "")
            .why()
            .contains("`begin` would change the connection")
    );
    assert!(
        cases
            .run("wrong", "")
            .why()
            .contains("sql:query: argument 1 (statement) must be a string")
    );
    let endless = cases.run("endless", "");
    assert!(
        endless.why().contains("more than 1000 rows") && endless.took < Duration::from_secs(5),
        "{endless:?}"
    );
    assert!(cases.run("large", "").why().contains("larger than 1048576 bytes"));
    assert!(
        cases
            .run("many", "")
            .why()
            .contains("more than 1000 rows; add LIMIT")
    );
    assert!(
        cases
            .run("other", "")
            .why()
            .contains("no `sql.other`, it has `main`")
    );

    // Two that sleep take both connections; they are given up in time, and the connections are good again.
    let (mut one, mut two, mut third) = (cases.client(), cases.client(), cases.client());
    one.publish(publish("case/sleep", ""));
    two.publish(publish("case/sleep", ""));
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(300) {
        let refused = run(&mut third, "other", "");
        assert!(refused.took < Duration::from_millis(20), "{refused:?}");
    }
    for client in [&mut one, &mut two] {
        let slept = outcome(client);
        assert!(
            slept.results[0].is_null() && slept.took < Duration::from_secs(2),
            "{slept:?}"
        );
    }
    assert_eq!(cases.run("count", "").results[0], 3);

    server.stop();
    for _ in 0..6 {
        let down = cases.run("count", "");
        assert!(
            down.results[0].is_null() && down.took < Duration::from_secs(2),
            "{down:?}"
        );
    }
    let down = cases.run("count", "");
    assert!(
        down.why().contains("main is down") && down.took < Duration::from_millis(50),
        "{down:?}"
    );
    // While one call in two seconds goes to see, it hears at once that nobody is there.
    std::thread::sleep(Duration::from_secs(2));
    let asked = cases.run("count", "");
    assert!(
        asked.why().contains("refused") && asked.took < Duration::from_millis(100),
        "{asked:?}"
    );
    server.begin();
    let began = Instant::now();
    while cases.run("count", "").results[0] != 3 {
        assert!(began.elapsed() < Duration::from_secs(15), "it does not come back");
    }
    println!(
        "PostgreSQL was used again {:?} after it came back",
        began.elapsed()
    );
}

#[test]
fn a_database_that_is_not_there_keeps_nobody_from_starting() {
    let (address, _listener) = silent();
    let entry = format!("[policy.sql.main]\nurl = \"postgres://x@{address}/x\"\ntimeout = \"300ms\"");
    let cases = Cases::start(CASES, &entry);
    let got = cases.run("count", "");
    assert!(
        got.results[0].is_null() && got.took < Duration::from_secs(2),
        "{got:?}"
    );
}

#[test]
fn sqlite_is_a_file() {
    let folder = crate::support::broker::folder();
    let file = folder.join("users.db");
    let entry = format!(
        "[policy.sql.main]\nurl = \"sqlite://{}?mode=rwc\"",
        file.display()
    );
    let cases = Cases::start(
        r#"{
            make = function() local db = sql.open("main") db:execute("create table t (a text, n integer, x real, b blob)") return db:execute("insert into t values (?, ?, ?, ?)", { "t", 9, 1.5, "\255" }) end,
            read = function() local row = sql.open("main"):row("select a, n, x, length(b) as l, null as none from t") return row.a, row.n, row.x, row.l, row.none == json.null end,
        }"#,
        &entry,
    );
    assert_eq!(cases.run("make", "").results[0], 1);
    let row = cases.run("read", "");
    assert_eq!(
        serde_json::json!(row.results),
        serde_json::json!(["t", 9, 1.5, 1, true]),
        "{row:?}"
    );
    let _ = std::fs::remove_dir_all(folder);
}

#[test]
fn two_hundred_at_once_on_few_connections_that_outlive_a_reload() {
    let server = Postgres::start();
    let entry = format!("[policy.sql.main]\nurl = \"{}\"\npool = 1", server.url());
    let mut cases = Cases::start(
        r#"{ nap = function() return sql.open("main"):row("select pg_sleep(0.005), pg_backend_pid() as pid").pid end }"#,
        &entry,
    );
    let mut clients: Vec<_> = (0..200).map(|_| cases.client()).collect();
    let began = Instant::now();
    for client in &mut clients {
        client.publish(publish("case/nap", ""));
    }
    let pids: Vec<i64> = clients
        .iter_mut()
        .map(|client| outcome(client).results[0].as_i64().unwrap())
        .collect();
    println!("200 statements of 5 ms on one connection: {:?}", began.elapsed());
    let first = pids[0];
    assert!(pids.iter().all(|pid| *pid == first), "{pids:?}");
    cases.edit();
    assert_eq!(
        cases.run("nap", "").results[0],
        first,
        "the connection is another"
    );
}

#[test]
fn mariadb_answers_as_the_others_do() {
    let server = Maria::start();
    let entry = format!(
        "[policy.sql.main]\nurl = \"{}\"\ntimeout = \"800ms\"",
        server.url()
    );
    let cases = Cases::start(
        r#"{
            make = function()
                local db = sql.open("main")
                local made, why = db:execute([[create table t (name varchar(20), n int, big bigint unsigned, x double, amount decimal(10, 2),
                    b varbinary(10), yes boolean, moment timestamp, here datetime, day date, mood enum('good', 'bad'))]])
                if not made then return nil, why end
                return db:execute("insert into t values (?, ?, 18446744073709551615, ?, ?, ?, ?, '2026-01-31 12:00:00', '2026-01-31 12:00:00', '2026-01-31', 'good')",
                    { "a", 7, 1.5, "2.50", "\255", true })
            end,
            read = function(name)
                local row, why = sql.open("main"):row("select * from t where name = ?", { name })
                if not row then return nil, why end
                row.b = crypto.hex_encode(row.b)
                return row
            end,
            sleep = function() return sql.open("main"):row("select sleep(10)") end,
            begin = function() return sql.open("main"):execute("start transaction") end,
        }"#,
        &entry,
    );
    assert_eq!(cases.run("make", "").results[0], 1);
    assert_eq!(
        cases.run("read", "a").results[0],
        serde_json::json!({ "name": "a", "n": 7, "big": 18446744073709551615_u64, "x": 1.5, "amount": "2.50", "b": "ff", "yes": true,
            "moment": "2026-01-31T12:00:00Z", "here": "2026-01-31T12:00:00", "day": "2026-01-31", "mood": "good" })
    );
    assert!(cases.run("read", "' or true -- ").results[0].is_null());
    let slept = cases.run("sleep", "");
    assert!(slept.took < Duration::from_secs(2), "{slept:?}");
    assert!(
        cases
            .run("begin", "")
            .why()
            .contains("would change the connection")
    );
    assert_eq!(cases.run("read", "a").results[0]["n"], 7);
}

#[test]
fn a_statement_of_sqlite_that_never_ends_is_ended() {
    let cases = Cases::start(
        r#"{
            endless = function() return sql.open("main"):row("with recursive n(x) as (select 1 union all select x + 1 from n) select count(*) from n") end,
            quick = function() return sql.open("main"):row("select ? as x", { "y" }).x end,
            two = function() return sql.open("main"):execute("create table a (b); create table c (d)") end,
        }"#,
        "[policy.sql.main]\nurl = \"sqlite://here.db?mode=rwc\"\ntimeout = \"300ms\"\npool = 2",
    );
    let (mut one, mut other) = (cases.client(), cases.client());
    one.publish(publish("case/endless", ""));
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(200) {
        assert_eq!(run(&mut other, "quick", "").results[0], "y");
    }
    let ended = outcome(&mut one);
    assert!(
        ended.results[0].is_null() && ended.took < Duration::from_secs(1),
        "{ended:?}"
    );
    for _ in 0..3 {
        assert!(cases.run("endless", "").took < Duration::from_secs(1));
    }
    assert_eq!(cases.run("quick", "").results[0], "y");
    assert!(cases.run("two", "").why().contains("more than one statement"));
    assert!(
        cases.folder.join("here.db").exists(),
        "it is not beside the configuration"
    );
}

#[test]
fn a_password_is_not_told() {
    let server = Postgres::start();
    server.setup("create role someone login password 'right'");
    server.ask_for_passwords();
    let url = format!("postgres://someone:tell-nobody@{}/postgres", server.address);
    let cases = Cases::start(CASES, &format!("[policy.sql.main]\nurl = \"{url}\""));
    let refused = cases.run("count", "");
    assert!(
        refused.why().contains("password authentication failed"),
        "{refused:?}"
    );
    assert!(!refused.why().contains("tell-nobody") && !cases.broker.log_tail().contains("tell-nobody"));
}
