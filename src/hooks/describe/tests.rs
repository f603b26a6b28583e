//! The description against what is there: a real state, the readers of declarations and answers, and the files that are
//! made of it.

use super::*;
use crate::hooks::declare;
use crate::hooks::host::{Host, modules::Modules};
use crate::hooks::lua::sandbox::{Sandbox, compile};
use crate::hooks::policy::Image;
use dunlin_plugin_api::Hook;
use dunlin_plugin_api::describe::{ORIGINS, Record, Waits, records};
use mlua::{Table, Value};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

/// A state as policies get it.
pub(in crate::hooks) fn state() -> Sandbox {
    let host = Host::new("described", 64 << 20, &Arc::default());
    Sandbox::new(host, Rc::new(Modules::loaded(&[]))).unwrap()
}

#[test]
fn modules_have_what_is_described_and_nothing_else() {
    let lua = state().lua;
    for module in modules::ALL {
        let table: Table = lua.globals().get(module.name).unwrap();
        compare(module, &table);
    }
    for function in modules::GLOBALS {
        assert!(
            matches!(lua.globals().get(function.name), Ok(Value::Function(_))),
            "{}",
            function.name
        );
    }
    for name in modules::UNDESCRIBED {
        assert!(
            lua.globals().raw_get::<Value>(*name).unwrap().is_nil(),
            "`{name}` has come: describe it in src/hooks/describe/modules and take it out of UNDESCRIBED"
        );
    }
}

fn compare(module: &Module, table: &Table) {
    let there: BTreeSet<String> = table
        .pairs::<String, Value>()
        .map(|pair| pair.unwrap().0)
        .collect();
    let described: BTreeSet<String> = module.names().map(String::from).collect();
    assert_eq!(
        there, described,
        "`{}`: left is the state, right is src/hooks/describe/modules",
        module.name
    );
    for name in there {
        let is_function = matches!(table.raw_get(name.as_str()), Ok(Value::Function(_)));
        assert_eq!(
            is_function,
            module.function(&name).is_some(),
            "{}.{name}",
            module.name
        );
    }
    for (name, inner) in module.inner {
        compare(inner, &table.raw_get(*name).unwrap());
    }
}

/// A function that waits says so where nothing waits; one that does not never speaks of waiting.
#[test]
fn what_waits_is_what_says_so() {
    let sandbox = state();
    let call: mlua::Function = sandbox
        .lua
        .load("return function(f, ...) local ok, why = pcall(f, ...) return if ok then '' else tostring(why) end")
        .eval()
        .unwrap();
    for module in modules::ALL {
        let table: Table = sandbox.lua.globals().get(module.name).unwrap();
        for function in module.functions {
            let Ok(Value::Function(real)) = table.raw_get(function.name) else {
                continue;
            };
            let arguments: mlua::Variadic<&str> = (0..function.least()).map(|_| "x").collect();
            let why: String = call.call((real, arguments)).unwrap();
            let said = why.contains("waits, and this hook does not");
            assert_eq!(said, function.waits, "{}.{}: {why}", module.name, function.name);
        }
    }
}

#[test]
fn objects_have_their_methods() {
    let lua = state().lua;
    for (script, object) in [
        ("return cache.new()", "Cache"),
        ("return metrics.counter('a')", "Counter"),
        ("return metrics.gauge('b')", "Gauge"),
        ("return metrics.histogram('c')", "Histogram"),
    ] {
        let made: mlua::AnyUserData = lua.load(script).eval().unwrap();
        let described = modules::OBJECTS
            .iter()
            .find(|described| described.name == object)
            .unwrap();
        lua.globals().set("made", made).unwrap();
        for method in described.methods {
            let kind: String = lua
                .load(format!("return type(made.{})", method.name))
                .eval()
                .unwrap();
            assert_eq!(kind, "function", "{object}:{}", method.name);
        }
    }
}

/// What is said to a policy with this table.
fn declared(source: &str) -> Result<(), String> {
    let sandbox = state();
    let bytecode = compile(source.as_bytes()).unwrap();
    let table: Table = sandbox.load(&bytecode, "a.lua").unwrap().call(()).unwrap();
    let image = Image {
        name: "a".into(),
        file: "a.lua".into(),
        path: PathBuf::new(),
        hash: [0; 32],
        source: source.as_bytes().into(),
        bytecode: bytecode.into(),
    };
    declare::read(&table, &image)
        .map(drop)
        .map_err(|error| error.to_string())
}

#[test]
fn declarations_are_taken_as_described() {
    for hook in Hook::ALL {
        let described = hook.description();
        let takes =
            |declaration: String| declared(&format!("return {{ {hook} = print, {declaration} }}")).is_ok();
        assert!(takes(String::new()), "{hook} is not called");
        assert_eq!(
            takes(format!("waits = {{ '{hook}' }}")),
            described.waits == Waits::IfDeclared,
            "{hook}: waits"
        );
        assert_eq!(
            takes(format!("payload = {{ '{hook}' }}")),
            described.payload,
            "{hook}: payload"
        );
        assert_eq!(
            takes(format!("origins = {{ {hook} = {{ 'client' }} }}")),
            described.origins,
            "{hook}: origins"
        );
        let by = |input: &str| {
            takes(format!(
                "cache = {{ {hook} = {{ ttl = 1, by = {{ '{input}' }} }} }}"
            ))
        };
        for parameter in described.parameters {
            let cached = described.cached_by.contains(&parameter.name);
            assert_eq!(by(parameter.name), cached, "{hook}: cached by {}", parameter.name);
        }
    }
    for (origin, _) in ORIGINS {
        let declares = format!("return {{ publish = print, origins = {{ publish = {{ '{origin}' }} }} }}");
        assert_eq!(declared(&declares), Ok(()), "{origin}");
    }
    let why = declared("return { qqqqqqqqqqqqqqqq = 1 }").unwrap_err();
    let keys = policy::KEYS.iter().map(|key| key.name);
    let known: BTreeSet<&str> = Hook::ALL.iter().map(|hook| hook.name()).chain(keys).collect();
    assert_eq!(listed(&why), known, "the keys of a policy's table");
}

/// The words in backticks behind `it knows` or `it has`.
fn listed(why: &str) -> BTreeSet<&str> {
    let (_, list) = why.split_once("; it ").unwrap_or_default();
    list.split('`').skip(1).step_by(2).collect()
}

/// What a reader of answers says to a table with a field that nobody knows: it lists those that there are.
#[test]
fn tables_are_read_as_described() {
    use crate::hooks::lua::answer::{Said, change, control_answer, login_vote, route_change};
    use crate::hooks::lua::connect::{connack_change, connect_change};
    use crate::hooks::lua::filters::filters_of;
    use crate::hooks::lua::message::new_message;
    let sandbox = state();
    let value = |script: &str| -> Value { sandbox.lua.load(format!("return {script}")).eval().unwrap() };
    let said = |script: &str| Said::of_values(&sandbox.lua.load(format!("return {script}")).eval().unwrap());
    let to_json = |_: &Value| Ok(serde_json::Value::Null);
    const WRONG: &str = "{ qqqqqqqqqqqqqqqq = 1 }";
    let nested = |field: &str| format!("{{ {field} = {WRONG} }}");
    let cases: [(Option<String>, &Record); 11] = [
        (
            fault(change(Hook::Publish, &said(WRONG))),
            &records::PUBLISH_PATCH,
        ),
        (
            fault(change(Hook::Deliver, &said(WRONG))),
            &records::DELIVER_PATCH,
        ),
        (fault(change(Hook::Will, &said(WRONG))), &records::WILL_PATCH),
        (
            fault(change(Hook::Publish, &said(&nested("properties")))),
            &records::PROPERTIES,
        ),
        (fault(new_message("it", &value(WRONG))), &records::NEW_MESSAGE),
        (fault(route_change(&said(WRONG))), &records::ROUTED),
        (fault(connect_change(&said(WRONG))), &records::CONNECT_PATCH),
        (
            fault(connect_change(&said(&nested("will")))),
            &records::CONNECT_WILL,
        ),
        (fault(connack_change(&said(WRONG))), &records::CONNACK_PATCH),
        (
            fault(control_answer(Hook::Control, &said(WRONG), &to_json)),
            &records::CONTROLLED,
        ),
        (
            fault(login_vote(
                "authenticate",
                &said(&format!("'allow', {WRONG}")),
                &to_json,
            )),
            &records::GRANT,
        ),
    ];
    for (why, record) in cases {
        let why = why.unwrap();
        assert_eq!(listed(&why), names(record), "{}: {why}", record.name);
    }
    let why = fault(filters_of(&said(&format!("{{ {WRONG} }}")), 1)).unwrap();
    assert_eq!(listed(&why), names(&records::FILTER));
}

fn fault<T>(answer: Result<T, crate::hooks::lua::fault::Fault>) -> Option<String> {
    answer.err().map(|fault| fault.message)
}

fn names(record: &Record) -> BTreeSet<&'static str> {
    record.fields.iter().map(|field| field.name).collect()
}

#[test]
fn ctx_and_msg_have_what_is_described() {
    let folder = tempfile::tempdir().unwrap();
    let read = |record: &Record, of: &str| {
        let reads: Vec<String> = record
            .fields
            .iter()
            .map(|field| format!("local _ = {of}.{}", field.name))
            .collect();
        format!(
            "{}\nlocal ok, why = pcall(function(x) return x.qqqqqqqqqqqqqqqq end, {of})\nequal(ok, false)\nerror(why, 0)",
            reads.join("\n")
        )
    };
    let tests = format!(
        "test('ctx', function() local ctx = client({{}})\n{} end)\ntest('msg', function() local msg = message({{}})\n{} end)",
        read(&records::CONTEXT, "ctx"),
        read(&records::MESSAGE, "msg"),
    );
    std::fs::write(folder.path().join("a.lua"), "return { acked = print }").unwrap();
    std::fs::write(folder.path().join("a_test.lua"), tests).unwrap();
    let report = crate::hooks::prove::run(Path::new("a.lua"), folder.path(), "").unwrap();
    for (test, record) in report.tests.iter().zip([&records::CONTEXT, &records::MESSAGE]) {
        let why = &test.failure.as_ref().unwrap().message;
        assert_eq!(listed(why), names(record), "{why}");
    }
}

/// Every type that is named is described.
#[test]
fn types_lead_somewhere() {
    let mut named = BTreeSet::new();
    let mut note = |of: Type| {
        let mut todo = vec![of];
        while let Some(of) = todo.pop() {
            match of {
                Type::Record(record) => drop(named.insert(record.name)),
                Type::Object(name) => drop(named.insert(name)),
                Type::List(of) => todo.push(*of),
                Type::Either(types) => todo.extend(types),
                _ => {}
            }
        }
    };
    let all: Vec<&Record> = records::ALL.iter().chain(modules::RECORDS).copied().collect();
    all.iter()
        .flat_map(|record| record.fields)
        .for_each(|field| note(field.of));
    for hook in Hook::ALL {
        hook.description()
            .parameters
            .iter()
            .for_each(|parameter| note(parameter.of));
        for form in hook.description().results {
            if let Says::Table(record) = form.says {
                note(Type::Record(record));
            }
        }
    }
    for function in modules::ALL.iter().flat_map(|module| module.functions) {
        function
            .parameters
            .iter()
            .chain(function.results)
            .for_each(|field| note(field.of));
    }
    let objects = modules::OBJECTS.iter().map(|object| object.name);
    let known: BTreeSet<&str> = all.iter().map(|record| record.name).chain(objects).collect();
    assert_eq!(named.difference(&known).count(), 0, "{named:?} {known:?}");
}

#[test]
fn the_definitions_are_luau() {
    let [(_, luau), (_, annotated)] = editor_types();
    // What declares globals is a language of its own; without that word the rest is types.
    let types: String = luau
        .lines()
        .map(|line| match line.strip_prefix("declare function ") {
            Some(function) => {
                let (name, rest) = function.split_once('(').unwrap();
                let (parameters, results) = rest.split_once("): ").unwrap();
                format!(
                    "type _{name} = ({}) -> {results}\n",
                    parameters.replace("...: any", "...any")
                )
            }
            None => match line.strip_prefix("declare ") {
                Some(module) => format!("type _{}\n", module.replacen(':', " =", 1)),
                None => format!("{line}\n"),
            },
        })
        .collect();
    compile(types.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{types}"));
    compile(annotated.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{annotated}"));
}

/// `DUNLIN_UPDATE=1` writes the files instead of comparing them.
#[test]
fn what_is_made_of_it_is_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<(PathBuf, String)> = editor_types()
        .into_iter()
        .map(|(name, text)| (root.join("scripts/types").join(name), text))
        .collect();
    let docs = root.join("docs/hooks.md");
    let text = std::fs::read_to_string(&docs).unwrap();
    let made = reference::put_into(&text).expect("docs/hooks.md lost the markers of its generated part");
    files.push((docs, made));
    let update = std::env::var_os("DUNLIN_UPDATE").is_some();
    for (path, made) in files {
        if update {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &made).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            there == made,
            "{} is not what the description says; run: DUNLIN_UPDATE=1 cargo test --lib describe",
            path.display()
        );
    }
}
