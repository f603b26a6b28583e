//! A policy in a state of its own: what a shard asks.

use super::answer::{RawSaid, Said};
use super::context::Contexts;
use super::convert::Converter;
use super::fault::Fault;
use super::kind;
use super::sandbox::Sandbox;
use super::waiting::Waiting;
use crate::hooks::client::Client;
use crate::hooks::declare::{self, Declaration};
use crate::hooks::error::LoadError;
use crate::hooks::host::{Host, modules::Modules};
use crate::hooks::policy::{Image, Limits};
use dunlin_plugin_api::Hook;
use mlua::{AnyUserData, FromLuaMulti, Function, IntoLuaMulti, Table, Value};
use serde_json::Value as Json;
use std::rc::Rc;
use std::sync::Arc;

/// A loaded policy: its state, and its functions by hook.
pub(crate) struct PolicyState {
    sandbox: Sandbox,
    limits: Limits,
    functions: Vec<Option<Function>>,
    table: Table,
    /// The script as a function: where line counts are found.
    main: Function,
    contexts: Contexts,
}

impl PolicyState {
    /// Builds the state, runs the script, checks what it declares, and runs its `on_load`.
    ///
    /// # Errors
    /// With file and line, when any of that fails.
    pub(crate) fn build(
        image: &Image,
        limits: &Limits,
        settings: &Json,
        modules: Rc<Modules>,
        host: Host,
        previous: &Json,
    ) -> Result<(Self, Declaration, Json), LoadError> {
        let file = &*image.file;
        let refused = |fault: Fault| {
            let fault = fault.of_file(file);
            LoadError::new(fault.file.unwrap_or_default(), fault.line, fault.message)
        };
        let broken = |error: mlua::Error| refused(Fault::from_lua(&error, None));
        let sandbox = Sandbox::new(host, modules).map_err(broken)?;
        let main = sandbox.load(&image.bytecode, file).map_err(broken)?;
        let returned: Value = sandbox
            .call(&main, limits.load_budget, None, ())
            .map_err(refused)?;
        let Value::Table(table) = returned else {
            let got = kind(&returned);
            return Err(LoadError::new(
                file,
                None,
                format!("the script returns {got}, not its table of hooks"),
            )
            .help("end it with `return { authorize_publish = function(ctx, topic) ... end }`"));
        };
        let declaration = declare::read(&table, image)?;
        let functions = Hook::ALL
            .iter()
            .map(|hook| table.raw_get::<Option<Function>>(hook.name()).map_err(broken))
            .collect::<Result<Vec<_>, _>>()?;
        let contexts = Contexts::new(sandbox.limits.clone());
        let state = Self {
            sandbox,
            limits: *limits,
            functions,
            table,
            main,
            contexts,
        };
        let mut handed_over = Json::Null;
        if let Some(on_load) = state.function(Hook::OnLoad) {
            let Sandbox {
                lua, limits: held, ..
            } = &state.sandbox;
            let made = |value: &Json| match value {
                Json::Null => Ok(Value::Nil),
                value => Converter::new(lua, held).make_lua(value),
            };
            let arguments = (made(settings).map_err(broken)?, made(previous).map_err(broken)?);
            let returned: Value = state
                .sandbox
                .call(on_load, limits.load_budget, None, arguments)
                .map_err(refused)?;
            let read = Converter::small(lua, held).make_json(&returned);
            handed_over = read.map_err(|error| {
                let why = Fault::from_lua(&error, None).message;
                LoadError::new(
                    file,
                    None,
                    format!("what `on_load` hands over cannot be kept: {why}"),
                )
            })?;
        }
        state.sandbox.loaded();
        Ok((state, declaration, handed_over))
    }

    /// The policy's function for `hook`.
    #[inline]
    pub(crate) fn function(&self, hook: Hook) -> Option<&Function> {
        self.functions.get(hook as usize)?.as_ref()
    }

    /// The script itself.
    pub(crate) fn main(&self) -> &Function {
        &self.main
    }

    /// A function of the policy that is no hook.
    pub(crate) fn named(&self, name: &str) -> Option<Function> {
        self.table.raw_get::<Option<Function>>(name).ok().flatten()
    }

    /// The state, for making arguments.
    #[inline]
    pub(crate) fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// Calls `function` under the limits of the entry.
    #[inline]
    pub(crate) fn call<R: FromLuaMulti>(
        &self,
        function: &Function,
        arguments: impl IntoLuaMulti,
    ) -> Result<R, Fault> {
        self.sandbox
            .call(function, self.limits.budget, self.limits.instructions, arguments)
    }

    /// Calls `function` under the limits of the entry, and reads what it answers.
    #[inline]
    pub(crate) fn ask(&self, function: &Function, arguments: impl IntoLuaMulti) -> Result<Said, Fault> {
        self.sandbox
            .ask(function, self.limits.budget, self.limits.instructions, arguments)
    }

    /// Calls `function` in a coroutine that may wait, for an answer.
    pub(crate) fn ask_waiting(
        &self,
        function: &Function,
        arguments: impl IntoLuaMulti,
    ) -> Result<Waiting<RawSaid>, Fault> {
        let Limits {
            budget, instructions, ..
        } = self.limits;
        self.sandbox
            .ask_waiting(function, budget, instructions, arguments)
    }

    /// Tells the policy that it is about to be dropped. What goes wrong in it is logged: nothing depends on it.
    pub(crate) fn unload(&self, reason: &str) {
        let Some(function) = self.function(Hook::OnUnload) else {
            return;
        };
        if let Err(fault) = self.call::<()>(function, reason) {
            tracing::warn!(policy = &*self.sandbox.host.policy, "on_unload failed: {fault}");
        }
    }

    /// Calls `with` with the `ctx` of `client`.
    #[inline]
    pub(crate) fn with_context<R>(
        &self,
        client: &Arc<Client>,
        with: impl FnOnce(&AnyUserData) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        let _about = self.sandbox.host.asked.about(client);
        let made = self.contexts.with(&self.sandbox.lua, client, with);
        made.unwrap_or_else(|error| Err(Fault::from_lua(&error, None)))
    }
}
