//! The walk over the tree: scopes, and what is known of each expression.

use super::facts::Facts;
use super::members::{literal_key, shown, token_of};
use super::scope::{Known, Local, Scopes};
use super::table::Hooks;
use super::{Place, Report, answers, place, standard, text};
use crate::hooks::describe::modules;
use dunlin_plugin_api::Hook;
use full_moon::ast::luau::IfConditionBinding;
use full_moon::ast::punctuated::Punctuated;
use full_moon::ast::{
    Ast, BinOp, Block, Expression, Field, FunctionBody, FunctionName, Index, LastStmt, Parameter, Prefix,
    Stmt, Suffix, TableConstructor, Var, VarExpression,
};
use full_moon::tokenizer::TokenReference;

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
pub(super) enum Use {
    /// It goes somewhere out of sight, where a table may be changed.
    Handed,
    /// It is looked at, or kept in a local that is followed.
    Seen,
}

/// The function that is being walked.
#[derive(Clone, Copy)]
pub(super) enum Within {
    /// The body of the file.
    File,
    /// A hook, and whether it may wait.
    Hook(Hook, bool),
    /// A function of the script's own: who calls it, and when, is not known.
    Other,
}

/// Where the walk is, and what it knows.
pub(super) struct Walk<'a, 'r> {
    pub(super) facts: &'a Facts,
    hooks: Hooks,
    pub(super) report: &'a mut Report<'r>,
    pub(super) learned: Facts,
    scopes: Scopes,
    pub(super) within: Within,
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
    pub(super) fn found(&self, name: &TokenReference) -> Option<Local> {
        self.scopes.find(&text(name)).cloned()
    }

    pub(super) fn expression(&mut self, expression: &Expression, using: Use) -> Known {
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

    pub(super) fn table(&mut self, table: &TableConstructor) {
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

    pub(super) fn name(&mut self, name: &TokenReference, using: Use) -> Known {
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
}
