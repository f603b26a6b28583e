//! A policy in a state of its own: what a shard asks.

use super::answer::Said;
use super::context::Contexts;
use super::convert::Converter;
use super::fault::Fault;
use super::kind;
use super::sandbox::Sandbox;
use crate::hooks::client::Client;
use crate::hooks::declare::{self, Declaration};
use crate::hooks::error::LoadError;
use crate::hooks::host::{Host, modules::Modules};
use crate::hooks::policy::{Image, Limits};
use crate::hooks::services::Services;
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
        services: &Arc<Services>,
    ) -> Result<(Self, Declaration), LoadError> {
        let file = &*image.file;
        let refused = |fault: Fault| {
            let fault = fault.of_file(file);
            LoadError::new(fault.file.unwrap_or_default(), fault.line, fault.message)
        };
        let broken = |error: mlua::Error| refused(Fault::from_lua(&error, None));
        let sandbox =
            Sandbox::new(Host::new(&image.name, limits.memory, services), modules).map_err(broken)?;
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
            contexts,
        };
        if let Some(on_load) = state.function(Hook::OnLoad) {
            let settings = Converter::new(&state.sandbox.lua, &state.sandbox.limits)
                .make_lua(settings)
                .map_err(broken)?;
            state
                .sandbox
                .call::<()>(on_load, limits.load_budget, None, settings)
                .map_err(refused)?;
        }
        state.sandbox.loaded();
        Ok((state, declaration))
    }

    /// The policy's function for `hook`.
    #[inline]
    pub(crate) fn function(&self, hook: Hook) -> Option<&Function> {
        self.functions.get(hook as usize)?.as_ref()
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

    /// Calls `with` with the `ctx` of `client`.
    #[inline]
    pub(crate) fn with_context<R>(
        &self,
        client: &Arc<Client>,
        with: impl FnOnce(&AnyUserData) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        let made = self.contexts.with(&self.sandbox.lua, client, with);
        made.unwrap_or_else(|error| Err(Fault::from_lua(&error, None)))
    }
}
