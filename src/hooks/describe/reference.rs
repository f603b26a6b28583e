//! The reference part of `docs/hooks.md`.

use super::modules;
use super::{Function, Notation, policy, signature};
use dunlin_plugin_api::describe::{DEFAULT_ORIGINS, Field, ORIGINS, Record, Waits, records};
use dunlin_plugin_api::{Hook, Kind};
use std::fmt::Write;

/// What stands above and below it in the file.
pub(crate) const BEGIN: &str = "<!-- generated: begin -->";
pub(crate) const END: &str = "<!-- generated: end -->";

/// `text` with the reference between its markers, if it has them.
pub(crate) fn put_into(text: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!(
        "{before}{BEGIN}\n\n{}\n{END}{after}",
        text_of_reference()
    ))
}

struct Words;

impl Notation for Words {
    const MAP: &'static str = "table";
    const FUNCTION: &'static str = "function";
    const INTEGER: &'static str = "integer";

    fn record(&self, name: &str) -> String {
        name.to_owned()
    }

    fn list(&self, of: &str) -> String {
        format!("list of {of}")
    }
}

fn text_of_reference() -> String {
    let mut out = String::new();
    overview(&mut out);
    for hook in Hook::ALL {
        section(&mut out, *hook);
    }
    out.push_str("### Keys of the table that are no hooks\n\n| key | is |\n| --- | --- |\n");
    for key in policy::KEYS {
        row(&mut out, &[&format!("`{}`", key.name), key.doc]);
    }
    out.push_str("\n### Origins\n\n| origin | is |\n| --- | --- |\n");
    for (name, doc) in ORIGINS {
        row(&mut out, &[&format!("`{name}`"), doc]);
    }
    out.push_str("\n### Types\n\nA field with a `?` may be nil.\n");
    for record in records::ALL.iter().chain(modules::RECORDS) {
        record_section(&mut out, record);
    }
    out.push_str("\n### Modules\n\nAn argument with a `?` may be left out. A function that *waits* can be called in hooks that may wait and in tasks. [modules.md](modules.md) says more about those that need no backend.\n");
    for module in modules::ALL {
        put(
            &mut out,
            format_args!("\n**`{}`**: {}\n\n", module.name, module.doc),
        );
        out.push_str("| function | gives | does |\n| --- | --- | --- |\n");
        for function in module.functions {
            function_row(&mut out, &format!("{}.", module.name), function);
        }
        for value in module.values {
            row(
                &mut out,
                &[&format!("`{}.{}`", module.name, value.name), "", value.doc],
            );
        }
        for (name, inner) in module.inner {
            row(&mut out, &[&format!("`{}.{name}`", module.name), "", inner.doc]);
        }
    }
    for object in modules::OBJECTS {
        put(
            &mut out,
            format_args!("\n**{}**: {}\n\n", object.name, object.doc),
        );
        out.push_str("| function | gives | does |\n| --- | --- | --- |\n");
        for method in object.methods {
            function_row(&mut out, ":", method);
        }
    }
    out.push_str("\n**By themselves**\n\n| function | gives | does |\n| --- | --- | --- |\n");
    for function in modules::GLOBALS {
        function_row(&mut out, "", function);
    }
    out
}

fn overview(out: &mut String) {
    out.push_str("| hook | kind | is about | waits |\n| --- | --- | --- | --- |\n");
    for hook in Hook::ALL {
        let waits = match hook.description().waits {
            Waits::Always => "yes",
            Waits::IfDeclared => "if declared",
            Waits::Never => "no",
        };
        let name = format!("[`{hook}`](#{hook})");
        row(out, &[&name, hook.kind().name(), hook.summary(), waits]);
    }
    out.push('\n');
}

fn section(out: &mut String, hook: Hook) {
    let described = hook.description();
    put(
        out,
        format_args!(
            "<a id=\"{hook}\"></a>\n### `{hook}{}`\n\n{} {}\n\n",
            signature(described.parameters, false),
            hook.summary(),
            described.notes
        ),
    );
    // A summary without notes leaves a blank behind.
    if described.notes.is_empty() {
        let end = out.trim_end().len();
        out.truncate(end);
        out.push_str("\n\n");
    }
    fields(out, "parameter", described.parameters);
    out.push_str("\n| return | means |\n| --- | --- |\n");
    for form in described.results {
        let text = match form.text {
            "nothing" | "nothing, or a value" => form.text.to_owned(),
            code => format!("`{code}`"),
        };
        row(out, &[&text, form.doc]);
    }
    out.push('\n');
    let mut asides = Vec::new();
    match described.waits {
        Waits::Always if hook.kind() != Kind::Observe => asides.push("It may wait.".to_owned()),
        Waits::Always | Waits::Never => {}
        Waits::IfDeclared => asides.push(format!(
            "It may wait if the policy says `waits = {{ \"{hook}\" }}`."
        )),
    }
    if !described.cached_by.is_empty() {
        asides.push(format!(
            "Answers can be cached by {}.",
            code_list(described.cached_by)
        ));
    }
    if described.origins {
        asides.push(format!(
            "It is asked about messages of {}, unless `origins` says otherwise.",
            code_list(DEFAULT_ORIGINS)
        ));
    }
    asides.push(match described.fallback {
        [] => format!("When it fails: {}.", described.failure),
        words => format!(
            "When it fails: {}; `on_error` and `on_timeout` can be {}.",
            described.failure,
            code_list(words)
        ),
    });
    put(out, format_args!("{}\n\n", asides.join(" ")));
}

fn record_section(out: &mut String, record: &Record) {
    put(out, format_args!("\n**{}**: {}\n\n", record.name, record.doc));
    fields(out, "field", record.fields);
}

fn fields(out: &mut String, what: &str, fields: &[Field]) {
    put(out, format_args!("| {what} | type | is |\n| --- | --- | --- |\n"));
    for field in fields {
        let mark = if field.optional { "?" } else { "" };
        // A bar would end the cell of the table.
        let of = Words.of(field.of).replace(" | ", " or ");
        row(out, &[&format!("`{}`{mark}", field.name), &of, field.doc]);
    }
}

fn function_row(out: &mut String, prefix: &str, function: &Function) {
    let name = format!("`{prefix}{}{}`", function.name, function.signature());
    let gives: Vec<String> = function
        .results
        .iter()
        .map(|result| Words.maybe(result.of, result.optional))
        .collect();
    let waits = if function.waits { "; *waits*" } else { "" };
    row(
        out,
        &[&name, &gives.join(", "), &format!("{}{waits}", function.doc)],
    );
}

fn code_list(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match words.as_slice() {
        [most @ .., before, last] => {
            let most: String = most.iter().map(|word| format!("{word}, ")).collect();
            format!("{most}{before} and {last}")
        }
        few => few.concat(),
    }
}

fn row(out: &mut String, cells: &[&str]) {
    put(out, format_args!("| {} |\n", cells.join(" | ")));
}

/// Writing to a String does not fail.
fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}
