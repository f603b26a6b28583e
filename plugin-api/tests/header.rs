//! The C header is what cbindgen makes of `src/abi`, it compiles as C and as C++, and it says what the description of the
//! hooks says.
//!
//! `DUNLIN_WRITE_HEADER=1 cargo test -p dunlin-plugin-api --test header` writes it anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use dunlin_plugin_api::describe::{Field, Type, records};
use dunlin_plugin_api::{Hook, Kind, abi};

const BEFORE: &str = include_str!("header/before.h");
const AFTER: &str = include_str!("header/after.h");

/// In the order in which a reader wants them.
const SOURCES: [&str; 8] = [
    "numbers", "hooks", "basic", "records", "events", "answers", "host", "plugin",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn committed() -> String {
    fs::read_to_string(root().join("include/dunlin_plugin.h")).unwrap_or_default()
}

fn generated() -> String {
    let mut config = cbindgen::Config {
        language: cbindgen::Language::C,
        cpp_compat: true,
        include_guard: Some("DUNLIN_PLUGIN_H".to_owned()),
        no_includes: true,
        header: Some(BEFORE.trim_end().to_owned()),
        trailer: Some(AFTER.trim_end().to_owned()),
        documentation_style: cbindgen::DocumentationStyle::C99,
        style: cbindgen::Style::Both,
        line_length: 110,
        ..cbindgen::Config::default()
    };
    config.sys_includes = vec![
        "stddef.h".to_owned(),
        "stdint.h".to_owned(),
        "string.h".to_owned(),
    ];
    config.export.prefix = Some("Dunlin".to_owned());
    config.usize_is_size_t = true;
    let mut builder = cbindgen::Builder::new();
    let mut names = Vec::new();
    for source in SOURCES {
        let path = root().join("src/abi").join(format!("{source}.rs"));
        let text = fs::read_to_string(&path).unwrap();
        names.extend(text.lines().filter_map(|line| {
            let rest = line.strip_prefix("pub struct ")?;
            Some(rest.trim_end_matches(" {").to_owned())
        }));
        builder = builder.with_src(path);
    }
    config.export.include = names;
    // None of these means anything in C.
    config.export.exclude = ["Entry", "ENTRY_SYMBOL", "ABOUT_SECTION"]
        .map(str::to_owned)
        .to_vec();
    let mut text = Vec::new();
    builder.with_config(config).generate().unwrap().write(&mut text);
    // Constants are written as C programmers write them.
    let text = String::from_utf8(text).unwrap();
    text.replace("#define Dunlin", "#define DUNLIN_")
}

#[test]
fn the_header_is_what_the_sources_say() {
    let now = generated();
    if std::env::var_os("DUNLIN_WRITE_HEADER").is_some() {
        fs::write(root().join("include/dunlin_plugin.h"), &now).unwrap();
    }
    assert!(
        now == committed(),
        "include/dunlin_plugin.h is not what src/abi says; write it anew with DUNLIN_WRITE_HEADER=1 cargo test -p dunlin-plugin-api --test header"
    );
}

fn compile(compiler: &str, file: &str, arguments: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join(file);
    fs::write(
        &source,
        include_str!("header/compiles.c").replace("SIZE_OF_VTABLE", &size_of::<abi::VTable>().to_string()),
    )
    .unwrap();
    let done = Command::new(compiler)
        .args(arguments)
        .args(["-Wall", "-Wextra", "-Werror", "-pedantic", "-c", "-o"])
        .arg(folder.path().join("object.o"))
        .arg("-I")
        .arg(root().join("include"))
        .arg(&source)
        .output()
        .unwrap_or_else(|error| panic!("no {compiler}: {error}; install a C and a C++ compiler"));
    assert!(
        done.status.success(),
        "{compiler}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

#[test]
fn the_header_compiles_as_c() {
    compile("cc", "plugin.c", &["-std=c99"]);
}

#[test]
fn the_header_compiles_as_cpp() {
    compile("c++", "plugin.cpp", &["-std=c++11"]);
}

/// The names of the fields of a struct, read from the header. Functions of a table count too.
fn fields(header: &str, name: &str) -> BTreeSet<String> {
    let begin = format!("typedef struct Dunlin{name} {{\n");
    let at = header
        .find(&begin)
        .unwrap_or_else(|| panic!("the header has no Dunlin{name}"));
    let body = &header[at + begin.len()..];
    let body = &body[..body.find("\n} Dunlin").unwrap()];
    let code: String = body
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    code.split(';')
        .filter(|field| !field.trim().is_empty())
        .map(|field| {
            let name = match field.split_once("(*") {
                Some((_, rest)) => rest.split(')').next().unwrap(),
                None => field.rsplit([' ', '*']).next().unwrap(),
            };
            name.to_owned()
        })
        .collect()
}

fn described(fields: &[Field]) -> BTreeSet<String> {
    fields.iter().map(|field| field.name.to_owned()).collect()
}

fn camel(name: &str) -> String {
    let word = |word: &str| word[..1].to_uppercase() + &word[1..];
    name.split('_').map(word).collect()
}

/// What the structs have besides what is described, and why.
fn ours(name: &str) -> BTreeSet<String> {
    let more: &[&str] = match name {
        // A field of Lua's `will = false`.
        "ConnectPatch" => &["remove_will"],
        // Told in batches: each has its own client.
        "SessionStart" | "SessionEnd" | "Disconnected" | "Acked" | "Dropped" => &["ctx"],
        _ => &[],
    };
    let always = ["struct_size", "reserved", "hook"];
    always.iter().chain(more).map(|name| (*name).to_owned()).collect()
}

#[test]
fn every_record_has_its_fields() {
    let header = committed();
    for record in records::ALL {
        let there: BTreeSet<_> = fields(&header, record.name)
            .difference(&ours(record.name))
            .cloned()
            .collect();
        assert_eq!(there, described(record.fields), "{}", record.name);
    }
}

#[test]
fn every_hook_has_its_event_and_its_function() {
    let header = committed();
    let table = fields(&header, "VTable");
    for hook in Hook::ALL {
        let number = format!(
            "#define DUNLIN_HOOK_{} {}\n",
            hook.name().to_uppercase(),
            *hook as u8
        );
        assert!(header.contains(&number), "{number}");
        let parameters = described(hook.description().parameters);
        if *hook == Hook::OnLoad {
            // It is `create`.
            assert!(parameters.is_subset(&fields(&header, "Setup")));
            continue;
        }
        assert!(table.contains(hook.name()), "{hook}");
        let event = fields(&header, &format!("{}Event", camel(hook.name())));
        if hook.kind() == Kind::Observe {
            assert!(event.contains("items") && event.contains("len"), "{hook}");
            let record = hook
                .description()
                .parameters
                .iter()
                .find_map(|parameter| match parameter.of {
                    Type::Record(record) if parameter.name == "event" => Some(record),
                    _ => None,
                });
            fields(&header, record.unwrap().name);
            continue;
        }
        let there: BTreeSet<_> = event.difference(&ours("")).cloned().collect();
        assert_eq!(there, parameters, "{hook}");
    }
    let life = [
        "struct_size",
        "reserved",
        "create",
        "self_test",
        "export_state",
        "quiesce",
        "destroy",
    ];
    for field in table {
        assert!(
            life.contains(&field.as_str()) || Hook::from_name(&field).is_some(),
            "the table has {field}, which is no hook"
        );
    }
}

#[test]
fn every_word_of_an_answer_has_a_number() {
    let outcome = fields(&committed(), "Outcome");
    for hook in Hook::ALL {
        for word in hook.description().words() {
            assert!(
                abi::verdict_of(word).is_some(),
                "{hook} may say {word:?}, which has no verdict"
            );
        }
    }
    assert!(outcome.contains("verdict") && outcome.contains("reason"));
}

#[test]
fn origins_have_their_numbers() {
    let header = committed();
    for (number, (origin, _)) in dunlin_plugin_api::describe::ORIGINS.iter().enumerate() {
        let line = format!("#define DUNLIN_ORIGIN_{} {number}\n", origin.to_uppercase());
        assert!(header.contains(&line), "{line}");
    }
}

#[test]
fn the_sources_are_all_there() {
    let files: BTreeSet<_> = fs::read_dir(Path::new(&root()).join("src/abi"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let known: BTreeSet<_> = SOURCES
        .iter()
        .chain(&["mod", "prefix"])
        .map(|name| format!("{name}.rs"))
        .collect();
    assert_eq!(files, known);
}
