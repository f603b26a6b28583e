use std::time::{Duration, Instant};

use crate::servers::{Postgres, silent};
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
    numeric = function() return sql.open("main"):row("select 1.5::numeric as n") end,
    many = function() return sql.open("main"):query("select * from generate_series(1, 2000)") end,
    sleep = function() return sql.open("main"):execute("select pg_sleep(10)") end,
    other = function() return sql.open("other") end,
}"#;

#[test]
fn statements_kinds_and_a_database_that_goes_and_comes_back() {
    let mut server = Postgres::start();
    server.setup("create table users (name text, n int); insert into users values ('a', 1), ('b', 2)");
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
            .run("numeric", "")
            .why()
            .contains("column `n` has the type NUMERIC")
    );
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
