//! The walk over the tree: scopes, and what is known of each expression.

use super::facts::Facts;
use super::scope::{Known, Local, Scopes};
use super::table::Hooks;
use super::{Place, Report, answers, place, standard, text};
use crate::hooks::describe::{Function, Module, modules};
use crate::hooks::suggest;
use dunlin_plugin_api::Hook;
use dunlin_plugin_api::describe::{Record, Type};
use full_moon::ast::luau::IfConditionBinding;
use full_moon::ast::punctuated::Punctuated;
use full_moon::ast::{
    Ast, BinOp, Block, Call, Expression, Field, FunctionArgs, FunctionBody, FunctionName, Index, LastStmt,
    MethodCall, Parameter, Prefix, Stmt, Suffix, TableConstructor, Var, VarExpression,
};
use full_moon::tokenizer::{TokenReference, TokenType};

/// What becomes of the file's variables.
pub(super) fn learn(ast: &Ast) -> Facts {
    let before = Facts::default();
    let mut report = Report {
        file: "",
        seen: Default::default(),
        findings: Vec::new(),
    };
    let mut walk = Walk::new(&before, Hooks::default(), &mut report);
    walk.block(ast.nodes());
    walk.learned
}

/// Reports what is wrong, given what becomes of the variables and which functions are hooks.
pub(super) fn check(ast: &Ast, facts: &Facts, hooks: Hooks, report: &mut Report<'_>) {
    Walk::new(facts, hooks, report).block(ast.nodes());
}

/// What an expression's value is used for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// It goes somewhere out of sight, where a table may be changed.
    Handed,
    /// It is looked at, or kept in a local that is followed.
    Seen,
}

/// The function that is being walked.
#[derive(Clone, Copy)]
enum Within {
    /// The body of the file.
    File,
    /// A hook, and whether it may wait.
    Hook(Hook, bool),
    /// A function of the script's own: who calls it, and when, is not known.
    Other,
}

struct Walk<'a, 'r> {
    facts: &'a Facts,
    hooks: Hooks,
    report: &'a mut Report<'r>,
    learned: Facts,
    scopes: Scopes,
    within: Within,
}

impl<'a, 'r> Walk<'a, 'r> {
    fn new(facts: &'a Facts, hooks: Hooks, report: &'a mut Report<'r>) -> Self {
        Self {
            facts,
            hooks,
            report,
            learned: Facts::default(),
            scopes: Scopes::default(),
            within: Within::File,
        }
    }

    fn block(&mut self, block: &Block) {
        let mark = self.scopes.mark();
        self.open_block(block);
        self.scopes.back(mark);
    }

    /// A block whose locals stay visible: `repeat ... until` looks at them.
    fn open_block(&mut self, block: &Block) {
        for statement in block.stmts() {
            self.statement(statement);
        }
        if let Some(LastStmt::Return(end)) = block.last_stmt() {
            if let Within::Hook(hook, _) = self.within {
                answers::check(hook, end, self.report);
            }
            for value in end.returns() {
                self.expression(value, Use::Seen);
            }
        }
    }

    fn statement(&mut self, statement: &Stmt) {
        match statement {
            Stmt::LocalAssignment(local) => self.declare(local.names(), local.expressions()),
            Stmt::ConstAssignment(local) => self.declare(local.names(), local.expressions()),
            Stmt::LocalFunction(function) => {
                self.scopes.declare(function.name(), None, Known::Nothing);
                self.function(function.body(), None);
            }
            Stmt::ConstFunction(function) => {
                self.scopes.declare(function.name(), None, Known::Nothing);
                self.function(function.body(), None);
            }
            Stmt::FunctionDeclaration(function) => {
                self.defined(function.name());
                let of = function.name().method_name();
                self.function(function.body(), of);
            }
            Stmt::Assignment(assignment) => {
                for value in assignment.expressions() {
                    self.expression(value, Use::Handed);
                }
                for variable in assignment.variables() {
                    self.assigned(variable);
                }
            }
            Stmt::CompoundAssignment(assignment) => {
                self.expression(assignment.rhs(), Use::Handed);
                self.assigned(assignment.lhs());
            }
            Stmt::FunctionCall(call) => {
                self.chain(call.prefix(), call.suffixes(), Use::Seen);
            }
            Stmt::Do(body) => self.block(body.block()),
            Stmt::While(body) => {
                self.expression(body.condition(), Use::Seen);
                self.block(body.block());
            }
            Stmt::Repeat(body) => {
                let mark = self.scopes.mark();
                self.open_block(body.block());
                self.expression(body.until(), Use::Seen);
                self.scopes.back(mark);
            }
            Stmt::If(branches) => {
                self.condition(branches.binding(), branches.condition(), branches.block());
                for branch in branches.else_if().into_iter().flatten() {
                    self.condition(branch.binding(), branch.condition(), branch.block());
                }
                if let Some(block) = branches.else_block() {
                    self.block(block);
                }
            }
            Stmt::NumericFor(body) => {
                for value in [Some(body.start()), Some(body.end()), body.step()]
                    .into_iter()
                    .flatten()
                {
                    self.expression(value, Use::Seen);
                }
                let mark = self.scopes.mark();
                self.scopes.declare(body.index_variable(), None, Known::Nothing);
                self.block(body.block());
                self.scopes.back(mark);
            }
            Stmt::GenericFor(body) => {
                let (mut over, mut list) = (Known::Nothing, None);
                for value in body.expressions() {
                    (over, list) = (self.kept(value), self.alias(value));
                }
                let mark = self.scopes.mark();
                for (n, name) in body.names().iter().enumerate() {
                    let known = match over {
                        Known::List(of, root) if n == 1 => Known::of(of, root),
                        _ => Known::Nothing,
                    };
                    self.local(name, list, known);
                }
                self.block(body.block());
                self.scopes.back(mark);
            }
            // Types, and what this grammar may learn in time.
            _ => {}
        }
    }

    /// `if a then`, or `if local b = a then`, whose local is seen in the branch alone.
    fn condition(&mut self, binding: Option<&IfConditionBinding>, condition: &Expression, block: &Block) {
        let mark = self.scopes.mark();
        self.look_at(binding, condition);
        self.block(block);
        self.scopes.back(mark);
    }

    fn look_at(&mut self, binding: Option<&IfConditionBinding>, condition: &Expression) {
        match binding {
            None => {
                self.expression(condition, Use::Seen);
            }
            Some(binding) => {
                let (known, root) = (self.kept(condition), self.alias(condition));
                self.local(binding.name(), root, known);
            }
        }
    }

    /// An expression whose value goes into a local: followed there if nothing was done to it on the way.
    fn kept(&mut self, value: &Expression) -> Known {
        let plain = matches!(value, Expression::Var(_) | Expression::FunctionCall(_));
        self.expression(value, if plain { Use::Seen } else { Use::Handed })
    }

    fn declare(&mut self, names: &Punctuated<TokenReference>, values: &Punctuated<Expression>) {
        let values: Vec<(Known, Option<Place>)> = values
            .iter()
            .map(|value| (self.kept(value), self.alias(value)))
            .collect();
        for (n, name) in names.iter().enumerate() {
            let (known, root) = values.get(n).copied().unwrap_or_default();
            self.local(name, root, known);
        }
    }

    /// The local whose value, or part of its value, this expression is, if it is nothing else.
    fn alias(&self, value: &Expression) -> Option<Place> {
        match value {
            Expression::Var(Var::Name(name)) => self.found(name).map(|local| local.root),
            Expression::Var(Var::Expression(path)) => match path.prefix() {
                Prefix::Name(name) if path.suffixes().all(|suffix| matches!(suffix, Suffix::Index(_))) => {
                    self.found(name).map(|local| local.root)
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Declares a local, of which something is known for as long as it is not assigned to. `root` is where the local is
    /// declared that holds its value already.
    fn local(&mut self, name: &TokenReference, root: Option<Place>, known: Known) {
        if self.facts.reassigned.contains(&place(name)) {
            self.scopes.declare(name, None, Known::Nothing);
        } else {
            self.scopes.declare(name, root, known);
        }
    }

    /// A function's body; `method` is the name behind the colon of one that has a `self`.
    fn function(&mut self, body: &FunctionBody, method: Option<&TokenReference>) {
        let hook = self.hooks.of(body);
        let outside = std::mem::replace(
            &mut self.within,
            hook.map_or(Within::Other, |(hook, waits)| Within::Hook(hook, waits)),
        );
        let mark = self.scopes.mark();
        if let Some(method) = method {
            self.scopes.declare_self(method);
        }
        let described = hook.map_or(&[][..], |(hook, _)| hook.description().parameters);
        for (n, parameter) in body.parameters().iter().enumerate() {
            if let Parameter::Name(name) = parameter {
                let known = described
                    .get(n)
                    .map_or(Known::Nothing, |p| Known::of(p.of, place(name)));
                self.local(name, None, known);
            }
        }
        self.block(body.block());
        self.scopes.back(mark);
        self.within = outside;
    }

    /// `function name()`, `function a.b()`, `function a:b()`
    fn defined(&mut self, name: &FunctionName) {
        let mut names = name.names().iter();
        let Some(first) = names.next() else { return };
        match (names.next().or(name.method_name()), self.found(first)) {
            (Some(field), Some(local)) => self.write(local.root, Some(text(field))),
            (Some(_), None) => {
                self.global(first);
            }
            (None, Some(local)) => {
                self.learned.reassigned.insert(local.declared);
            }
            (None, None) => {
                let name = text(first);
                self.report.add(
                    first,
                    format!("`function {name}` defines a global"),
                    format!("write `local function {name}`"),
                );
                self.learned.globals.insert(name);
            }
        }
    }

    fn assigned(&mut self, variable: &Var) {
        match variable {
            Var::Name(name) => match self.found(name) {
                Some(local) => {
                    self.learned.reassigned.insert(local.declared);
                }
                None => {
                    let text = text(name);
                    self.report.add(
                        name,
                        format!("`{text}` is assigned to, and is no local variable"),
                        format!("declare it with `local {text}`"),
                    );
                    self.learned.globals.insert(text);
                }
            },
            Var::Expression(path) => self.assigned_field(path),
            _ => {}
        }
    }

    /// `a.b.c = value`
    fn assigned_field(&mut self, path: &VarExpression) {
        let suffixes: Vec<&Suffix> = path.suffixes().collect();
        let Some((last, before)) = suffixes.split_last() else {
            return;
        };
        let shown = shown(path.prefix(), before);
        let known = self.chain(path.prefix(), before.iter().copied(), Use::Seen);
        let Suffix::Index(index) = last else { return };
        let field = literal_key(index);
        if let Index::Brackets { expression, .. } = index {
            self.expression(expression, Use::Handed);
        }
        match known {
            Known::Record(record, _) if record.guarded => {
                let (Some(at), name) = (token_of(index), field.unwrap_or("...".into())) else {
                    return;
                };
                let help = match record.name {
                    "Message" => format!("return what is to change: `return {{ {name} = ... }}`"),
                    _ => "keep it in a table of your own".to_owned(),
                };
                self.report
                    .add(at, format!("`{shown}.{name}` cannot be assigned to"), help);
            }
            Known::Record(_, root) | Known::List(_, root) => self.write(root, field),
            _ => {
                // A table in a local, of which nothing is known so far: the policy's own, perhaps.
                if let (Prefix::Name(name), true) = (path.prefix(), before.is_empty())
                    && let Some(local) = self.scopes.find(&text(name)).cloned()
                {
                    self.write(local.root, field);
                }
            }
        }
    }

    fn write(&mut self, root: Place, field: Option<String>) {
        match field {
            Some(field) => self.learned.written.entry(root).or_default().push(field),
            None => {
                self.learned.escaped.insert(root);
            }
        }
    }

    /// The local of that name, which is not being read.
    fn found(&self, name: &TokenReference) -> Option<Local> {
        self.scopes.find(&text(name)).cloned()
    }

    fn expression(&mut self, expression: &Expression, using: Use) -> Known {
        match expression {
            Expression::Var(Var::Name(name)) => return self.name(name, using),
            Expression::Var(Var::Expression(path)) => {
                return self.chain(path.prefix(), path.suffixes(), using);
            }
            Expression::FunctionCall(call) => {
                return self.chain(call.prefix(), call.suffixes(), using);
            }
            Expression::Parentheses { expression, .. } | Expression::TypeAssertion { expression, .. } => {
                return self.expression(expression, using);
            }
            Expression::BinaryOperator { lhs, binop, rhs } => {
                // `and` and `or` come to one of their sides; everything else makes a value of its own.
                let chooses = matches!(binop, BinOp::And(_) | BinOp::Or(_));
                let using = if chooses { using } else { Use::Seen };
                self.expression(lhs, using);
                self.expression(rhs, using);
            }
            Expression::UnaryOperator { expression, .. } => {
                self.expression(expression, Use::Seen);
            }
            Expression::Function(function) => self.function(function.body(), None),
            Expression::TableConstructor(table) => self.table(table),
            Expression::InterpolatedString(string) => {
                for value in string.expressions() {
                    self.expression(value, Use::Seen);
                }
            }
            Expression::IfExpression(branches) => {
                self.choice(
                    branches.binding(),
                    branches.condition(),
                    branches.if_expression(),
                    using,
                );
                for other in branches.else_if_expressions().into_iter().flatten() {
                    self.choice(other.binding(), other.condition(), other.expression(), using);
                }
                self.expression(branches.else_expression(), using);
            }
            _ => {}
        }
        Known::Nothing
    }

    /// `if a then b`, as an expression.
    fn choice(
        &mut self,
        binding: Option<&IfConditionBinding>,
        condition: &Expression,
        value: &Expression,
        using: Use,
    ) {
        let mark = self.scopes.mark();
        self.look_at(binding, condition);
        self.expression(value, using);
        self.scopes.back(mark);
    }

    fn table(&mut self, table: &TableConstructor) {
        for field in table.fields() {
            match field {
                Field::ExpressionKey { key, value, .. } => {
                    self.expression(key, Use::Handed);
                    self.expression(value, Use::Handed);
                }
                Field::NameKey { value, .. } => {
                    self.expression(value, Use::Handed);
                }
                Field::NoKey(value) => {
                    self.expression(value, Use::Handed);
                }
                _ => {}
            }
        }
    }

    fn name(&mut self, name: &TokenReference, using: Use) -> Known {
        let Some(local) = self.scopes.find(&text(name)).cloned() else {
            return self.global(name);
        };
        *self.learned.reads.entry(local.declared).or_default() += 1;
        if using == Use::Handed {
            self.learned.escaped.insert(local.root);
        }
        match local.known {
            Known::Record(record, root) if !record.guarded && self.facts.escaped.contains(&root) => {
                Known::Nothing
            }
            known => known,
        }
    }

    fn global(&mut self, token: &TokenReference) -> Known {
        let name = text(token);
        if let Some(module) = modules::ALL.iter().find(|module| module.name == name) {
            return Known::Module(module);
        }
        if let Some(function) = modules::GLOBALS.iter().find(|function| function.name == name) {
            return Known::Function(None, function);
        }
        if let Some(library) = standard::library(&name) {
            return Known::Library(library);
        }
        let known = modules::UNDESCRIBED.contains(&name.as_str())
            || standard::FUNCTIONS.contains(&name.as_str())
            || self.facts.globals.contains(&name);
        if !known {
            self.report.add(
                token,
                format!("`{name}` is not defined"),
                standard::instead_of(&name),
            );
        }
        Known::Nothing
    }

    /// `a.b(c):d()`: what it comes to.
    fn chain<'s>(
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
                    Known::Nothing
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
        self.count(module, function, arguments, at);
        self.may_wait(module, function, at);
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

    fn count(
        &mut self,
        module: Option<&Module>,
        function: &Function,
        arguments: &FunctionArgs,
        at: &TokenReference,
    ) {
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
            let name = full_name(module, function);
            let plural = if given == 1 { "" } else { "s" };
            self.report.add(
                at,
                format!("`{name}` is called with {given} argument{plural}"),
                format!("write `{name}{}`", function.signature()),
            );
        }
    }

    fn may_wait(&mut self, module: Option<&Module>, function: &Function, at: &TokenReference) {
        if !function.waits {
            return;
        }
        let name = full_name(module, function);
        let task = "move the call into `task.spawn(function() ... end)`";
        match self.within {
            Within::File => self.report.add(
                at,
                format!("`{name}` waits, which a script cannot do while it loads"),
                task,
            ),
            Within::Hook(hook, false) => {
                let declare = hook.description().waits == dunlin_plugin_api::describe::Waits::IfDeclared;
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
fn literal_key(index: &Index) -> Option<String> {
    match index {
        Index::Dot { name, .. } => Some(text(name)),
        Index::Brackets { expression, .. } => literal(expression),
        _ => None,
    }
}

fn token_of(index: &Index) -> Option<&TokenReference> {
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
fn shown(prefix: &Prefix, suffixes: &[&Suffix]) -> String {
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
