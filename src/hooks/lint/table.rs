//! The table that a policy returns, as it is written: which functions are hooks, and what it declares.

use super::facts::Facts;
use super::members::literal;
use super::{Place, Report, place, text};
use crate::hooks::describe::{policy, signature};
use crate::hooks::suggest;
use dunlin_plugin_api::Hook;
use dunlin_plugin_api::describe::Waits;
use full_moon::ast::{
    Ast, Block, Expression, Field, FunctionBody, Index, LastStmt, Parameter, Prefix, Stmt, Suffix,
    TableConstructor, Var, VarExpression,
};
use full_moon::tokenizer::TokenReference;
use std::collections::HashMap;

/// The functions that are hooks, and whether they may wait, by the place of their parameters.
#[derive(Debug, Default)]
pub(super) struct Hooks(HashMap<Place, (Hook, bool)>);

impl Hooks {
    pub(super) fn of(&self, body: &FunctionBody) -> Option<(Hook, bool)> {
        self.0.get(&place_of(body)).copied()
    }
}

fn place_of(body: &FunctionBody) -> Place {
    place(body.parameters_parentheses().tokens().0)
}

/// A policy's table.
pub(super) struct Policy<'a> {
    block: &'a Block,
    keys: Vec<Key<'a>>,
    /// Whether there may be more in it than can be seen.
    open: bool,
}

struct Key<'a> {
    name: String,
    at: &'a TokenReference,
    value: Value<'a>,
}

enum Value<'a> {
    Expression(&'a Expression),
    /// `function policy.name(...)`, and whether a colon stands before the name.
    Function(&'a FunctionBody, bool),
}

/// The table that the file returns, if it is written out.
pub(super) fn find<'a>(ast: &'a Ast, facts: &Facts) -> Option<Policy<'a>> {
    let block = ast.nodes();
    let Some(LastStmt::Return(end)) = block.last_stmt() else {
        return None;
    };
    let mut returned = end.returns().iter();
    let (Some(value), None) = (returned.next(), returned.next()) else {
        return None;
    };
    let mut policy = Policy {
        block,
        keys: Vec::new(),
        open: false,
    };
    match bare(value) {
        Expression::TableConstructor(table) => policy.written_out(table),
        Expression::Var(Var::Name(name)) => {
            let (declared, value) = local(block, &text(name))?;
            let Expression::TableConstructor(table) = bare(value?) else {
                return None;
            };
            if facts.reassigned.contains(&place(declared)) {
                return None;
            }
            policy.written_out(table);
            let seen = policy.added(&text(declared));
            // Writes elsewhere, in a branch or a function, may come to pass or not.
            policy.open |=
                facts.escaped.contains(&place(declared)) || facts.writes(place(declared)).len() > seen;
        }
        _ => return None,
    }
    Some(policy)
}

/// Without the parentheses and the type around it.
fn bare(expression: &Expression) -> &Expression {
    match expression {
        Expression::Parentheses { expression, .. } | Expression::TypeAssertion { expression, .. } => {
            bare(expression)
        }
        other => other,
    }
}

/// The last local of that name in the file's own block, and its value.
fn local<'a>(block: &'a Block, name: &str) -> Option<(&'a TokenReference, Option<&'a Expression>)> {
    let mut found = None;
    for statement in block.stmts() {
        let (names, values) = match statement {
            Stmt::LocalAssignment(local) => (local.names(), local.expressions()),
            Stmt::ConstAssignment(local) => (local.names(), local.expressions()),
            _ => continue,
        };
        if let Some(n) = names.iter().position(|declared| text(declared) == name) {
            found = names
                .iter()
                .nth(n)
                .map(|declared| (declared, values.iter().nth(n)));
        }
    }
    found
}

impl<'a> Policy<'a> {
    fn written_out(&mut self, table: &'a TableConstructor) {
        for field in table.fields() {
            let (name, at, value) = match field {
                Field::NameKey { key, value, .. } => (Some(text(key)), key, value),
                Field::ExpressionKey {
                    brackets, key, value, ..
                } => (literal(key), brackets.tokens().0, value),
                _ => continue,
            };
            match name {
                Some(name) => self.keys.push(Key {
                    name,
                    at,
                    value: Value::Expression(value),
                }),
                None => self.open = true,
            }
        }
    }

    /// What the file's own block adds to the table in the local `table`; how many writes that are.
    fn added(&mut self, table: &str) -> usize {
        let mut seen = 0;
        for statement in self.block.stmts() {
            match statement {
                Stmt::Assignment(assignment) => {
                    for (variable, value) in assignment.variables().iter().zip(assignment.expressions()) {
                        if let Var::Expression(path) = variable
                            && let Some((name, at)) = field_of(path, table)
                        {
                            seen += 1;
                            self.set(name, at, Value::Expression(value));
                        }
                    }
                }
                Stmt::FunctionDeclaration(function) => {
                    let mut names = function.name().names().iter();
                    let (first, second, third) = (names.next(), names.next(), names.next());
                    let method = function.name().method_name();
                    if let (Some(first), Some(at), None) = (first, second.or(method), third)
                        && text(first) == table
                    {
                        seen += 1;
                        let is_method = second.is_none();
                        self.set(text(at), at, Value::Function(function.body(), is_method));
                    }
                }
                _ => {}
            }
        }
        seen
    }

    fn set(&mut self, name: String, at: &'a TokenReference, value: Value<'a>) {
        self.keys.retain(|key| key.name != name);
        self.keys.push(Key { name, at, value });
    }

    fn key(&self, name: &str) -> Option<&Key<'a>> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// Whether the list under `key` may name `hook`; only a list that is written out is known.
    fn may_name(&self, key: &str, hook: Hook) -> bool {
        match self.key(key).map(|key| &key.value) {
            None => self.open,
            Some(Value::Expression(value)) => {
                list(value).is_none_or(|words| words.iter().any(|w| w == hook.name()))
            }
            Some(Value::Function(..)) => true,
        }
    }

    /// The function under a key, if it is a hook's and nobody else's.
    fn function(&self, key: &Key<'a>, facts: &Facts) -> Option<&'a FunctionBody> {
        let value = match key.value {
            Value::Function(body, _) => return Some(body),
            Value::Expression(value) => bare(value),
        };
        match value {
            Expression::Function(function) => Some(function.body()),
            Expression::Var(Var::Name(name)) => {
                let (declared, body) = local_function(self.block, &text(name))?;
                let declared = place(declared);
                let its_own = facts.reads(declared) == 1 && !facts.reassigned.contains(&declared);
                its_own.then_some(body)
            }
            _ => None,
        }
    }

    /// The inputs that cached answers of `hook` depend on, where that is written out.
    fn cached_by(&self, hook: Hook) -> Option<Vec<String>> {
        let Value::Expression(cache) = &self.key("cache")?.value else {
            return None;
        };
        list(field(field(cache, hook.name())?, "by")?)
    }
}

/// The last function of that name in the file's own block.
fn local_function<'a>(block: &'a Block, name: &str) -> Option<(&'a TokenReference, &'a FunctionBody)> {
    let mut found = None;
    for statement in block.stmts() {
        match statement {
            Stmt::LocalFunction(function) if text(function.name()) == name => {
                found = Some((function.name(), function.body()));
            }
            Stmt::ConstFunction(function) if text(function.name()) == name => {
                found = Some((function.name(), function.body()));
            }
            Stmt::LocalAssignment(local) if local.names().iter().any(|declared| text(declared) == name) => {
                let mut pairs = local.names().iter().zip(local.expressions());
                found = pairs.find_map(|(declared, value)| match bare(value) {
                    Expression::Function(function) if text(declared) == name => {
                        Some((declared, function.body()))
                    }
                    _ => None,
                });
            }
            _ => {}
        }
    }
    found
}

/// `table.name` or `table["name"]`, on the left of an assignment.
fn field_of<'a>(path: &'a VarExpression, table: &str) -> Option<(String, &'a TokenReference)> {
    let Prefix::Name(first) = path.prefix() else {
        return None;
    };
    let mut suffixes = path.suffixes();
    let (Some(Suffix::Index(index)), None) = (suffixes.next(), suffixes.next()) else {
        return None;
    };
    if text(first) != table {
        return None;
    }
    match index {
        Index::Dot { name, .. } => Some((text(name), name)),
        Index::Brackets { brackets, expression } => Some((literal(expression)?, brackets.tokens().0)),
        _ => None,
    }
}

/// The value under a key of a table that is written out.
fn field<'a>(table: &'a Expression, name: &str) -> Option<&'a Expression> {
    let Expression::TableConstructor(table) = bare(table) else {
        return None;
    };
    table.fields().iter().find_map(|field| match field {
        Field::NameKey { key, value, .. } if text(key) == name => Some(value.as_ref()),
        _ => None,
    })
}

/// The strings of a list that is written out.
fn list(value: &Expression) -> Option<Vec<String>> {
    let Expression::TableConstructor(table) = bare(value) else {
        return None;
    };
    let word = |field: &Field| match field {
        Field::NoKey(value) => literal(value),
        _ => None,
    };
    table.fields().iter().map(word).collect()
}

/// Reports what is wrong with the table, and says which functions are hooks.
pub(super) fn check(policy: &Policy<'_>, facts: &Facts, report: &mut Report<'_>) -> Hooks {
    let mut hooks = Hooks::default();
    for key in &policy.keys {
        let Some(hook) = Hook::from_name(&key.name) else {
            unknown(key, report);
            continue;
        };
        let Some(body) = policy.function(key, facts) else {
            continue;
        };
        let waits = match hook.description().waits {
            Waits::Always => true,
            Waits::Never => false,
            Waits::IfDeclared => policy.may_name("waits", hook),
        };
        hooks.0.insert(place_of(body), (hook, waits));
        if let Value::Function(_, true) = key.value {
            report.add(
                key.at,
                format!("`{hook}` is defined with a colon, which puts `self` before its parameters"),
                format!("write `.{hook}`"),
            );
            continue;
        }
        parameters(policy, hook, body, facts, report);
    }
    hooks
}

fn unknown(key: &Key<'_>, report: &mut Report<'_>) {
    let name = key.name.as_str();
    let known = || {
        Hook::ALL
            .iter()
            .map(|hook| hook.name())
            .chain(policy::KEYS.iter().map(|key| key.name))
    };
    if known().any(|known| known == name) {
        return;
    }
    let help = match suggest::nearest(name, known()) {
        Some(nearest) => format!("write `{nearest}`"),
        None => format!("it knows {}", suggest::list(known())),
    };
    report.add(key.at, format!("unknown hook `{name}`"), help);
}

/// Parameters that the hook does not have, and those that are nil because of what the policy declares.
fn parameters(policy: &Policy<'_>, hook: Hook, body: &FunctionBody, facts: &Facts, report: &mut Report<'_>) {
    let described = hook.description();
    let cached_by = policy.cached_by(hook);
    for (n, parameter) in body.parameters().iter().enumerate() {
        let Parameter::Name(name) = parameter else {
            continue;
        };
        let Some(known) = described.parameters.get(n) else {
            report.add(
                name,
                format!(
                    "`{}` is parameter {} of `{hook}`, which is called with {}",
                    text(name),
                    n + 1,
                    described.parameters.len()
                ),
                format!("its parameters are `{}`", signature(described.parameters, false)),
            );
            return;
        };
        if facts.reads(place(name)) == 0 || facts.reassigned.contains(&place(name)) {
            continue;
        }
        if known.name == "payload" && !policy.may_name("payload", hook) {
            report.add(
                name,
                format!(
                    "`{}` is always nil: the policy does not declare that it wants the payload",
                    text(name)
                ),
                format!("write `payload = {{ \"{hook}\" }}` into its table"),
            );
        }
        let hidden = |by: &Vec<String>| !by.iter().any(|input| input == known.name);
        if described.cached_by.contains(&known.name) && cached_by.as_ref().is_some_and(hidden) {
            report.add(
                name,
                format!(
                    "`{}` is always nil: `cache.{hook}.by` does not list \"{}\"",
                    text(name),
                    known.name
                ),
                "list it, or do without it",
            );
        }
    }
}
