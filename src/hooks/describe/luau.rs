//! `dunlin.d.luau`: definitions for luau-lsp.

use super::modules;
use super::{Function, HEADER, Module, Notation, Object, policy};
use dunlin_plugin_api::Hook;
use dunlin_plugin_api::describe::{Field, Record, records};
use std::fmt::Write;

struct Luau;

impl Notation for Luau {
    const MAP: &'static str = "{ [any]: any }";
    const FUNCTION: &'static str = "(...any) -> ...any";
    const INTEGER: &'static str = "number";

    fn record(&self, name: &str) -> String {
        name.to_owned()
    }

    fn list(&self, of: &str) -> String {
        format!("{{ {of} }}")
    }
}

/// The whole file.
pub(super) fn definitions() -> String {
    let mut out = format!(
        "-- Types of Dunlin's hooks and modules, for luau-lsp (`--definitions=dunlin.d.luau`): {HEADER}.\n\
         --\n\
         --     local policy: Policy = {{}}\n\
         --     function policy.authorize_publish(ctx, topic) return \"next\" end\n\
         --     return policy\n"
    );
    for record in records::ALL.iter().chain(modules::RECORDS) {
        write_record(&mut out, record);
    }
    for object in modules::OBJECTS {
        write_object(&mut out, object);
    }
    write_policy(&mut out);
    for module in modules::ALL {
        write_module(&mut out, module);
    }
    for name in modules::UNDESCRIBED {
        put(&mut out, format_args!("\ndeclare {name}: any\n"));
    }
    for global in modules::GLOBALS {
        let (parameters, results) = (parameters(global), results(global));
        put(
            &mut out,
            format_args!(
                "\n-- {}\ndeclare function {}({parameters}): {results}\n",
                global.doc, global.name
            ),
        );
    }
    out
}

fn write_record(out: &mut String, record: &Record) {
    put(
        out,
        format_args!("\n-- {}\nexport type {} = {{\n", record.doc, record.name),
    );
    for Field {
        name,
        of,
        optional,
        doc,
    } in record.fields
    {
        let of = Luau.maybe(*of, *optional);
        put(out, format_args!("\t-- {doc}\n\t{name}: {of},\n"));
    }
    out.push_str("}\n");
}

fn write_policy(out: &mut String) {
    out.push_str("\n-- The table that a policy returns.\nexport type Policy = {\n");
    for key in policy::KEYS {
        let of = Luau.maybe(key.of, true);
        put(out, format_args!("\t-- {}\n\t{}: {of},\n", key.doc, key.name));
    }
    for hook in Hook::ALL {
        let described = hook.description();
        let parameters: Vec<String> = described
            .parameters
            .iter()
            .map(|p| format!("{}: {}", p.name, Luau.maybe(p.of, p.optional)))
            .collect();
        // A function that returns nothing on some way out fits no list of results that begins with a type.
        let answer = match described.may_say_nothing() {
            true => "...any".to_owned(),
            false => format!("({}, ...any)", Luau.answer(described.results)),
        };
        put(
            out,
            format_args!(
                "\t-- {}\n\t{hook}: (({}) -> {answer})?,\n",
                hook.summary(),
                parameters.join(", ")
            ),
        );
    }
    out.push_str("}\n");
}

fn write_object(out: &mut String, object: &Object) {
    put(
        out,
        format_args!("\n-- {}\nexport type {} = {{\n", object.doc, object.name),
    );
    for method in object.methods {
        let (parameters, results) = (parameters(method), results(method));
        let rest = if parameters.is_empty() {
            String::new()
        } else {
            format!(", {parameters}")
        };
        put(
            out,
            format_args!(
                "\t-- {}\n\t{}: (self: {}{rest}) -> {results},\n",
                method.doc, method.name, object.name
            ),
        );
    }
    out.push_str("}\n");
}

fn write_module(out: &mut String, module: &Module) {
    put(
        out,
        format_args!("\n-- {}\ndeclare {}: {{\n", module.doc, module.name),
    );
    write_members(out, module, "\t");
    for (name, inner) in module.inner {
        put(out, format_args!("\t-- {}\n\t{name}: {{\n", inner.doc));
        write_members(out, inner, "\t\t");
        out.push_str("\t},\n");
    }
    out.push_str("}\n");
}

fn write_members(out: &mut String, module: &Module, indent: &str) {
    for function in module.functions {
        let (parameters, results) = (parameters(function), results(function));
        let waits = if function.waits { "; waits" } else { "" };
        put(
            out,
            format_args!(
                "{indent}-- {}{waits}\n{indent}{}: ({parameters}) -> {results},\n",
                function.doc, function.name
            ),
        );
    }
    for value in module.values {
        put(
            out,
            format_args!(
                "{indent}-- {}\n{indent}{}: {},\n",
                value.doc,
                value.name,
                Luau.of(value.of)
            ),
        );
    }
}

fn parameters(function: &Function) -> String {
    let named = function
        .parameters
        .iter()
        .map(|p| format!("{}: {}", p.name, Luau.maybe(p.of, p.optional)));
    let more = function.variadic.then(|| "...any".to_owned());
    // In the type of a function value `...any` has no name, in a declared function it is `...: any`.
    let is_global = modules::GLOBALS.contains(function);
    let more = more.map(|more| if is_global { "...: any".to_owned() } else { more });
    named.chain(more).collect::<Vec<_>>().join(", ")
}

fn results(function: &Function) -> String {
    let types: Vec<String> = function
        .results
        .iter()
        .map(|result| Luau.maybe(result.of, result.optional))
        .collect();
    match types.as_slice() {
        [only] if !only.contains("->") => only.clone(),
        types => format!("({})", types.join(", ")),
    }
}

/// Writing to a String does not fail.
fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}
