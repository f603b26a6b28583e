//! What a hook returns where it is written out: words that are no answer, tables with fields that nobody reads.

use super::members::{instead, literal};
use super::{Report, text};
use crate::hooks::suggest;
use dunlin_plugin_api::describe::{Description, Form, Record, Says, Type};
use dunlin_plugin_api::{Hook, Kind};
use full_moon::ast::{BinOp, Expression, Field, Return, TableConstructor};
use full_moon::tokenizer::TokenReference;

/// Checks one `return` of `hook`.
pub(super) fn check(hook: Hook, end: &Return, report: &mut Report<'_>) {
    let described = hook.description();
    let is_free = described.results.iter().any(|form| form.says == Says::Anything);
    if is_free || hook.kind() == Kind::Observe || hook == Hook::OnUnload {
        return;
    }
    let mut values = end.returns().iter();
    let Some(first) = values.next() else {
        if !described.may_say_nothing() {
            wrong(hook, end.token(), "nothing", report);
        }
        return;
    };
    each(first, &mut |value| answer(hook, value, report));
    let word = literal(first);
    let form = described
        .results
        .iter()
        .find(|form| matches!(form.says, Says::Word(known) if word.as_deref() == Some(known)));
    if let (
        Some(Form {
            with: Some(record), ..
        }),
        Some(Expression::TableConstructor(table)),
    ) = (form, values.next())
    {
        fields(record, table, report);
    }
}

/// Calls `found` with each expression that `value` may come to.
fn each<'a>(value: &'a Expression, found: &mut dyn FnMut(&'a Expression)) {
    match value {
        Expression::Parentheses { expression, .. } | Expression::TypeAssertion { expression, .. } => {
            each(expression, found);
        }
        Expression::IfExpression(branches) => {
            each(branches.if_expression(), found);
            for branch in branches.else_if_expressions().into_iter().flatten() {
                each(branch.expression(), found);
            }
            each(branches.else_expression(), found);
        }
        // The left side of `and` is returned only when it is false or nil, which a literal seldom is.
        Expression::BinaryOperator {
            binop: BinOp::And(_),
            rhs,
            ..
        } => each(rhs, found),
        Expression::BinaryOperator {
            lhs,
            binop: BinOp::Or(_),
            rhs,
        } => {
            each(lhs, &mut |left| {
                if !is_symbol(left, "nil") && !is_symbol(left, "false") {
                    found(left);
                }
            });
            each(rhs, found);
        }
        other => found(other),
    }
}

fn is_symbol(value: &Expression, symbol: &str) -> bool {
    matches!(value, Expression::Symbol(token) if text(token) == symbol)
}

fn answer(hook: Hook, value: &Expression, report: &mut Report<'_>) {
    let described = hook.description();
    let says = |wanted: fn(&Says) -> bool| described.results.iter().any(|form| wanted(&form.says));
    match value {
        Expression::String(token) => match literal(value) {
            Some(word) if !described.words().any(|known| known == word) => {
                let help = match suggest::nearest(&word, described.words()) {
                    Some(nearest) => format!("write `\"{nearest}\"`"),
                    None => forms(described),
                };
                report.add(token, format!("`\"{word}\"` is no answer of `{hook}`"), help);
            }
            _ => {}
        },
        Expression::Number(token) if !says(|says| *says == Says::Number) => {
            wrong(hook, token, &text(token), report);
        }
        Expression::Symbol(token) => match text(token).as_str() {
            "nil" if described.may_say_nothing() => {}
            symbol @ ("nil" | "true" | "false") => wrong(hook, token, symbol, report),
            _ => {}
        },
        Expression::TableConstructor(table) => {
            let record = described.results.iter().find_map(|form| match form.says {
                Says::Table(record) => Some(record),
                _ => None,
            });
            match record {
                Some(record) => fields(record, table, report),
                None if says(|says| matches!(says, Says::List(_))) => {}
                None => wrong(hook, table.braces().tokens().0, "a table", report),
            }
        }
        _ => {}
    }
}

fn wrong(hook: Hook, at: &TokenReference, what: &str, report: &mut Report<'_>) {
    let shown = match what {
        "nothing" | "a table" => what.to_owned(),
        code => format!("`{code}`"),
    };
    report.add(
        at,
        format!("{shown} is no answer of `{hook}`"),
        forms(hook.description()),
    );
}

fn forms(described: &Description) -> String {
    let forms = described.results.iter().map(|form| match form.says {
        Says::Nothing => "nothing".to_owned(),
        Says::Word(word) => format!("`\"{word}\"`"),
        Says::Number => "a number".to_owned(),
        Says::Table(_) | Says::List(_) => format!("`{}`", form.text),
        Says::Anything => "anything".to_owned(),
    });
    let forms: Vec<String> = forms.collect();
    match forms.as_slice() {
        [only] => format!("return {only}"),
        [most @ .., last] => format!("return {} or {last}", most.join(", ")),
        [] => String::new(),
    }
}

/// Reports fields of a table that is written out and read as `record`.
pub(super) fn fields(record: &Record, table: &TableConstructor, report: &mut Report<'_>) {
    for field in table.fields() {
        let (name, at, value) = match field {
            Field::NameKey { key, value, .. } => (text(key), key, value),
            Field::ExpressionKey {
                brackets, key, value, ..
            } => match literal(key) {
                Some(name) => (name, brackets.tokens().0, value),
                None => continue,
            },
            _ => continue,
        };
        match record.field(&name) {
            None => {
                let names = record.fields.iter().map(|field| field.name).collect();
                let help = instead(&name, names, "");
                report.add(at, format!("`{name}` is no field of {}", what(record)), help);
            }
            Some(known) => nested(known.of, value, report),
        }
    }
}

fn what(record: &Record) -> &str {
    match record.name {
        "NewMessage" => "a message",
        "Properties" => "a message's properties",
        "Grant" => "what a login brings",
        "ConnectWill" => "a will",
        _ => "this table",
    }
}

fn nested(of: Type, value: &Expression, report: &mut Report<'_>) {
    let Expression::TableConstructor(table) = value else {
        return;
    };
    match of {
        Type::Record(record) => fields(record, table, report),
        Type::List(of) => {
            for item in table.fields() {
                if let Field::NoKey(value) = item {
                    nested(*of, value, report);
                }
            }
        }
        Type::Either(types) => {
            if let Some(of) = types.iter().find(|of| matches!(of, Type::Record(_))) {
                nested(*of, value, report);
            }
        }
        _ => {}
    }
}
