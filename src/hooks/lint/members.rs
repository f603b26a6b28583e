//! Chains such as `a.b(c):d()`: what stands behind a dot, and what is called with what.

use super::scope::Known;
use super::walk::{Use, Walk, Within};
use super::{Place, answers, text};
use crate::hooks::describe::{Function, Module};
use crate::hooks::suggest;
use dunlin_plugin_api::describe::{Field, Record, Type, Waits};
use full_moon::ast::{Call, Expression, FunctionArgs, Index, MethodCall, Prefix, Suffix};
use full_moon::tokenizer::{TokenReference, TokenType};

impl Walk<'_, '_> {
    /// `a.b(c):d()`: what it comes to.
    pub(super) fn chain<'s>(
        &mut self,
        prefix: &Prefix,
        suffixes: impl Iterator<Item = &'s Suffix>,
        using: Use,
    ) -> Known {
        let suffixes: Vec<&Suffix> = suffixes.collect();
        let first = if suffixes.is_empty() { using } else { Use::Seen };
        let mut known = match prefix {
            Prefix::Name(name) => self.name(name, first),
            Prefix::Expression(inner) => self.expression(inner, first),
            _ => Known::Nothing,
        };
        for (n, suffix) in suffixes.iter().enumerate() {
            let so_far = || shown(prefix, suffixes.get(..n).unwrap_or_default());
            known = match suffix {
                Suffix::Index(index) => self.index(known, index, so_far),
                Suffix::Call(Call::AnonymousCall(arguments)) => {
                    let at = last_token(prefix, suffixes.get(..n).unwrap_or_default());
                    self.called(known, arguments, at);
                    made_by(known)
                }
                Suffix::Call(Call::MethodCall(call)) => {
                    if let (0, Prefix::Name(name)) = (n, prefix)
                        && let Some(local) = self.found(name)
                    {
                        self.learned.escaped.insert(local.root);
                    }
                    self.method(known, call, so_far);
                    Known::Nothing
                }
                _ => Known::Nothing,
            };
        }
        if let (Known::Record(_, root) | Known::List(_, root), Use::Handed) = (known, using) {
            self.learned.escaped.insert(root);
        }
        known
    }

    fn index(&mut self, known: Known, index: &Index, shown: impl Fn() -> String) -> Known {
        if let Index::Brackets { expression, .. } = index {
            self.expression(expression, Use::Handed);
        }
        let (Some(name), Some(at)) = (literal_key(index), token_of(index)) else {
            return match known {
                Known::List(of, root) => Known::of(of, root),
                _ => Known::Nothing,
            };
        };
        self.member(known, &name, at, shown)
    }

    /// What stands behind `known` and a dot; reports a name that is not there.
    fn member(&mut self, known: Known, name: &str, at: &TokenReference, shown: impl Fn() -> String) -> Known {
        match known {
            Known::Module(module) => {
                if let Some(function) = module.function(name) {
                    return Known::Function(Some(module), function);
                }
                if let Some((_, inner)) = module.inner.iter().find(|(inner, _)| *inner == name) {
                    return Known::Module(inner);
                }
                if !module.values.iter().any(|value| value.name == name) {
                    let help = instead(name, module.names().collect(), &format!("{}.", module.name));
                    self.report
                        .add(at, format!("`{}` has no function `{name}`", module.name), help);
                }
                Known::Nothing
            }
            Known::Library(library) => {
                if !library.names.contains(&name) {
                    let help = instead(name, library.names.to_vec(), &format!("{}.", library.name));
                    self.report
                        .add(at, format!("`{}` has no function `{name}`", library.name), help);
                }
                Known::Nothing
            }
            Known::Record(record, root) => match record.field(name) {
                Some(field) => Known::of(field.of, root),
                None => {
                    self.unknown_field(record, root, name, at, shown);
                    Known::Nothing
                }
            },
            _ => Known::Nothing,
        }
    }

    fn unknown_field(
        &mut self,
        record: &'static Record,
        root: Place,
        name: &str,
        at: &TokenReference,
        shown: impl Fn() -> String,
    ) {
        // A plain table may have been given the field by the script.
        let may_have = |written: &String| *written == name;
        if !record.guarded
            && (self.facts.writes(root).iter().any(may_have) || self.facts.escaped.contains(&root))
        {
            return;
        }
        let names = record.fields.iter().map(|field| field.name).collect();
        self.report.add(
            at,
            format!("`{}` has no field `{name}`", shown()),
            instead(name, names, ""),
        );
    }

    /// A call of `known`; `at` is its name.
    fn called(&mut self, known: Known, arguments: &FunctionArgs, at: Option<&TokenReference>) {
        let Known::Function(module, function) = known else {
            self.arguments(arguments, Use::Handed);
            return;
        };
        // Functions of the host change no table of the script.
        self.arguments(arguments, Use::Seen);
        let Some(at) = at else { return };
        let name = full_name(module, function);
        self.count(&name, function, arguments, at);
        self.may_wait(&name, function, at);
        for (parameter, value) in function.parameters.iter().zip(given(arguments)) {
            if let (Type::Record(record), Expression::TableConstructor(table)) = (parameter.of, value) {
                answers::fields(record, table, self.report);
            }
        }
        if let (Some(parameter), FunctionArgs::TableConstructor(table)) =
            (function.parameters.first(), arguments)
            && let Type::Record(record) = parameter.of
        {
            answers::fields(record, table, self.report);
        }
    }

    fn arguments(&mut self, arguments: &FunctionArgs, using: Use) {
        match arguments {
            FunctionArgs::Parentheses { arguments, .. } => {
                for argument in arguments {
                    self.expression(argument, using);
                }
            }
            FunctionArgs::TableConstructor(table) => self.table(table),
            _ => {}
        }
    }

    fn count(&mut self, name: &str, function: &Function, arguments: &FunctionArgs, at: &TokenReference) {
        let (given, more) = match arguments {
            FunctionArgs::Parentheses { arguments, .. } => {
                (arguments.len(), arguments.iter().last().is_some_and(is_open))
            }
            _ => (1, false),
        };
        // A call in the last place, or `...`, stands for any number of values, none included.
        let (least, most) = (function.least(), function.most());
        let sure = if more { given.saturating_sub(1) } else { given };
        if (given < least && !more) || most.is_some_and(|most| sure > most) {
            let plural = if given == 1 { "" } else { "s" };
            self.report.add(
                at,
                format!("`{name}` is called with {given} argument{plural}"),
                format!("write `{name}{}`", function.signature()),
            );
        }
    }

    fn may_wait(&mut self, name: &str, function: &Function, at: &TokenReference) {
        if !function.waits {
            return;
        }
        let task = "move the call into `task.spawn(function() ... end)`";
        match self.within {
            Within::File => self.report.add(
                at,
                format!("`{name}` waits, which a script cannot do while it loads"),
                task,
            ),
            Within::Hook(hook, false) => {
                let declare = hook.description().waits == Waits::IfDeclared;
                let help = if declare {
                    format!("say `waits = {{ \"{hook}\" }}` in the policy's table, or {task}")
                } else {
                    task.to_owned()
                };
                self.report
                    .add(at, format!("`{name}` waits, and `{hook}` does not"), help);
            }
            Within::Hook(_, true) | Within::Other => {}
        }
    }

    fn method(&mut self, known: Known, call: &MethodCall, shown: impl Fn() -> String) {
        self.arguments(call.args(), Use::Handed);
        let name = text(call.name());
        match known {
            Known::Module(module) => {
                if module.function(&name).is_some() {
                    self.report.add(
                        call.name(),
                        format!("`{0}:{name}` hands `{0}` over as the first argument", module.name),
                        format!("write `{}.{name}`", module.name),
                    );
                } else {
                    self.member(known, &name, call.name(), shown);
                }
            }
            Known::Object(object) => match object.methods.iter().find(|method| method.name == name) {
                Some(method) => {
                    let name = format!("{}:{}", shown(), method.name);
                    self.count(&name, method, call.args(), call.name());
                    self.may_wait(&name, method, call.name());
                }
                None => {
                    let names = object.methods.iter().map(|method| method.name).collect();
                    let message = format!("`{}` has no function `{name}`", shown());
                    self.report.add(
                        call.name(),
                        message,
                        instead(&name, names, &format!("{}:", shown())),
                    );
                }
            },
            Known::Record(record, root) => {
                if record.field(&name).is_none() {
                    self.unknown_field(record, root, &name, call.name(), shown);
                }
                self.learned.escaped.insert(root);
            }
            _ => {}
        }
    }
}

/// What a call gives, as far as that is an object.
fn made_by(known: Known) -> Known {
    match known {
        Known::Function(
            _,
            Function {
                results:
                    [
                        Field {
                            of: of @ Type::Object(_),
                            optional: false,
                            ..
                        },
                    ],
                ..
            },
        ) => Known::of(*of, 0),
        _ => Known::Nothing,
    }
}

/// Whether an expression may be any number of values.
fn is_open(last: &Expression) -> bool {
    match last {
        Expression::FunctionCall(_) => true,
        Expression::Symbol(token) => text(token) == "...",
        _ => false,
    }
}

fn given(arguments: &FunctionArgs) -> impl Iterator<Item = &Expression> {
    let list = match arguments {
        FunctionArgs::Parentheses { arguments, .. } => Some(arguments.iter()),
        _ => None,
    };
    list.into_iter().flatten()
}

fn full_name(module: Option<&Module>, function: &Function) -> String {
    match module {
        Some(module) => format!("{}.{}", module.name, function.name),
        None => function.name.to_owned(),
    }
}

/// What to write instead of a name that is none.
pub(super) fn instead(name: &str, known: Vec<&str>, prefix: &str) -> String {
    match suggest::nearest(name, known.iter().copied()) {
        Some(nearest) => format!("write `{prefix}{nearest}`"),
        None => format!("it has {}", suggest::list(known)),
    }
}

/// The name behind a dot, or in brackets where it is written out.
pub(super) fn literal_key(index: &Index) -> Option<String> {
    match index {
        Index::Dot { name, .. } => Some(text(name)),
        Index::Brackets { expression, .. } => literal(expression),
        _ => None,
    }
}

pub(super) fn token_of(index: &Index) -> Option<&TokenReference> {
    match index {
        Index::Dot { name, .. } => Some(name),
        Index::Brackets { brackets, .. } => Some(brackets.tokens().0),
        _ => None,
    }
}

/// A string that is written out, without escapes.
pub(super) fn literal(expression: &Expression) -> Option<String> {
    let Expression::String(token) = expression else {
        return None;
    };
    match token.token().token_type() {
        TokenType::StringLiteral { literal, .. } if !literal.contains('\\') => Some(literal.to_string()),
        _ => None,
    }
}

/// A chain as it is written, as far as it consists of names.
pub(super) fn shown(prefix: &Prefix, suffixes: &[&Suffix]) -> String {
    let mut shown = match prefix {
        Prefix::Name(name) => text(name),
        _ => "...".to_owned(),
    };
    for suffix in suffixes {
        match suffix {
            Suffix::Index(index) => match literal_key(index) {
                Some(key) => shown = format!("{shown}.{key}"),
                None => shown.push_str("[...]"),
            },
            _ => shown.push_str("(...)"),
        }
    }
    shown
}

/// The last name of a chain.
fn last_token<'s>(prefix: &'s Prefix, suffixes: &[&'s Suffix]) -> Option<&'s TokenReference> {
    match (suffixes.last(), prefix) {
        (Some(Suffix::Index(index)), _) => token_of(index),
        (None, Prefix::Name(name)) => Some(name),
        _ => None,
    }
}
