//! `dunlin.lua`: annotations for LuaLS (lua-language-server).

use super::modules;
use super::{Function, HEADER, Module, Notation, policy};
use dunlin_plugin_api::Hook;
use dunlin_plugin_api::describe::{Record, records};
use std::fmt::Write;

struct Annotated;

impl Notation for Annotated {
    const MAP: &'static str = "table";
    const FUNCTION: &'static str = "function";
    const INTEGER: &'static str = "integer";

    fn record(&self, name: &str) -> String {
        format!("dunlin.{name}")
    }

    fn list(&self, of: &str) -> String {
        if of.contains(' ') {
            format!("({of})[]")
        } else {
            format!("{of}[]")
        }
    }
}

/// The whole file.
pub(super) fn definitions() -> String {
    let mut out = format!(
        "---@meta dunlin\n\
         -- Types of Dunlin's hooks and modules, for LuaLS: {HEADER}.\n\
         -- Write `---@type dunlin.Policy` above the table that a policy returns.\n"
    );
    for record in records::ALL.iter().chain(modules::RECORDS) {
        write_record(&mut out, record);
    }
    for object in modules::OBJECTS {
        put(
            &mut out,
            format_args!(
                "\n---{}\n---@class dunlin.{name}\nlocal {name} = {{}}\n",
                object.doc,
                name = object.name
            ),
        );
        for method in object.methods {
            write_function(&mut out, &format!("{}:", object.name), method);
        }
    }
    write_policy(&mut out);
    for module in modules::ALL {
        write_module(&mut out, module);
        for (_, inner) in module.inner {
            write_module(&mut out, inner);
        }
    }
    for name in modules::UNDESCRIBED {
        put(&mut out, format_args!("\n---@type any\n{name} = nil\n"));
    }
    for global in modules::GLOBALS {
        write_function(&mut out, "", global);
    }
    out
}

fn write_record(out: &mut String, record: &Record) {
    put(
        out,
        format_args!("\n---{}\n---@class dunlin.{}\n", record.doc, record.name),
    );
    for field in record.fields {
        let of = Annotated.maybe(field.of, field.optional);
        put(
            out,
            format_args!("---@field {} {of} # {}\n", field.name, field.doc),
        );
    }
}

fn write_policy(out: &mut String) {
    out.push_str("\n---The table that a policy returns.\n---@class dunlin.Policy\n");
    for key in policy::KEYS {
        let of = Annotated.maybe(key.of, true);
        put(out, format_args!("---@field {} {of} # {}\n", key.name, key.doc));
    }
    for hook in Hook::ALL {
        let described = hook.description();
        let parameters: Vec<String> = described
            .parameters
            .iter()
            .map(|p| format!("{}: {}", p.name, Annotated.maybe(p.of, p.optional)))
            .collect();
        let answer = match Annotated.answer(described.results) {
            nothing if nothing == "nil" => String::new(),
            first => format!(": {first}, any?, any?"),
        };
        put(
            out,
            format_args!(
                "---@field {hook}? fun({}){answer} # {}\n",
                parameters.join(", "),
                hook.summary()
            ),
        );
    }
}

fn write_module(out: &mut String, module: &Module) {
    put(
        out,
        format_args!(
            "\n---{}\n---@class dunlin.module.{name}\n",
            module.doc,
            name = module.name
        ),
    );
    for value in module.values {
        let of = Annotated.of(value.of);
        put(
            out,
            format_args!("---@field {} {of} # {}\n", value.name, value.doc),
        );
    }
    put(out, format_args!("{} = {{}}\n", module.name));
    for function in module.functions {
        write_function(out, &format!("{}.", module.name), function);
    }
}

fn write_function(out: &mut String, prefix: &str, function: &Function) {
    let waits = if function.waits { "; waits" } else { "" };
    put(out, format_args!("\n---{}{waits}\n", function.doc));
    let mut names = Vec::new();
    for p in function.parameters {
        let mark = if p.optional { "?" } else { "" };
        put(
            out,
            format_args!("---@param {}{mark} {} # {}\n", p.name, Annotated.of(p.of), p.doc),
        );
        names.push(p.name);
    }
    if function.variadic {
        out.push_str("---@param ... any\n");
        names.push("...");
    }
    for result in function.results {
        let of = Annotated.maybe(result.of, result.optional);
        put(
            out,
            format_args!("---@return {of} {} # {}\n", result.name, result.doc),
        );
    }
    put(
        out,
        format_args!("function {prefix}{}({}) end\n", function.name, names.join(", ")),
    );
}

/// Writing to a String does not fail.
fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}
