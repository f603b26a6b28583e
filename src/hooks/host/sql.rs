//! `sql`: databases that the policy's entry names. Each statement waits; what comes from strangers goes in as parameters.

use super::Host;
use super::arguments::{text, wrong};
use crate::hooks::lua::convert::{BigInteger, Converter};
use crate::hooks::services::{Database, SqlAnswer, SqlValue};
use crate::hooks::suggest;
use mlua::{Lua, LuaSerdeExt, Table, UserData, UserDataMethods, Value};
use std::sync::Arc;

/// An opened database.
struct Opened {
    host: Host,
    database: Arc<Database>,
}

type Answer = (Value, Option<String>);

impl UserData for Opened {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_async_method(
            "query",
            |lua, this, (statement, parameters): (Value, Option<Table>)| async move {
                let answer = run(&lua, &this, "sql:query", statement, parameters, true).await?;
                let list = |answer: SqlAnswer| {
                    let list = lua.create_table_with_capacity(answer.rows.len(), 0)?;
                    let mut converter = Converter::new(&lua, &this.host.limits);
                    for (n, row) in answer.rows.iter().enumerate() {
                        list.raw_set(n + 1, row_table(&mut converter, &answer.columns, row)?)?;
                    }
                    list.set_metatable(Some(lua.array_metatable()))?;
                    Ok(Value::Table(list))
                };
                made(answer, list)
            },
        );
        methods.add_async_method(
            "row",
            |lua, this, (statement, parameters): (Value, Option<Table>)| async move {
                let answer = run(&lua, &this, "sql:row", statement, parameters, true).await?;
                made(answer, |answer| match answer.rows.first() {
                    Some(row) => {
                        let mut converter = Converter::new(&lua, &this.host.limits);
                        row_table(&mut converter, &answer.columns, row).map(Value::Table)
                    }
                    None => Ok(Value::Nil),
                })
            },
        );
        methods.add_async_method(
            "execute",
            |lua, this, (statement, parameters): (Value, Option<Table>)| async move {
                let answer = run(&lua, &this, "sql:execute", statement, parameters, false).await?;
                made(answer, |answer| Ok(Value::Number(answer.affected as f64)))
            },
        );
    }
}

fn made(
    answer: Result<SqlAnswer, String>,
    make: impl FnOnce(SqlAnswer) -> mlua::Result<Value>,
) -> mlua::Result<Answer> {
    match answer {
        Ok(answer) => Ok((make(answer)?, None)),
        Err(why) => Ok((Value::Nil, Some(why))),
    }
}

pub(super) fn module(lua: &Lua, host: &Host) -> mlua::Result<Table> {
    let module = lua.create_table()?;
    let held = host.clone();
    let open = lua.create_function(move |_, name: Value| {
        let name = text(&name, "sql.open", 1, "name")?;
        let opened = held.backends.sql.get(&*name).ok_or_else(|| {
            let known = suggest::list(held.backends.sql.keys().map(String::as_str));
            let known = if known.is_empty() { "none".to_owned() } else { known };
            mlua::Error::runtime(format!(
                "sql.open: the policy's entry has no `sql.{name}`, it has {known}; write [policy.sql.{name}] with url = \"postgres://...\"",
                name = &*name
            ))
        })?;
        Ok(Opened { host: held.clone(), database: opened.clone() })
    })?;
    module.raw_set("open", open)?;
    module.set_readonly(true);
    Ok(module)
}

async fn run(
    lua: &Lua,
    opened: &Opened,
    called: &str,
    statement: Value,
    parameters: Option<Table>,
    rows: bool,
) -> mlua::Result<Result<SqlAnswer, String>> {
    opened.host.limits.may_wait(lua, called)?;
    let statement = text(&statement, called, 1, "statement")?.to_owned();
    let mut values = Vec::new();
    if let Some(parameters) = parameters {
        opened.host.limits.work(parameters.raw_len().saturating_mul(64))?;
        for n in 1..=parameters.raw_len() {
            values.push(parameter(lua, &opened.host, &parameters.raw_get(n)?, called)?);
        }
    }
    Ok(opened
        .host
        .services
        .sql(&opened.database, statement, values, rows)
        .await)
}

fn parameter(lua: &Lua, host: &Host, value: &Value, called: &str) -> mlua::Result<SqlValue> {
    Ok(match value {
        Value::Nil => SqlValue::Null,
        value if value.is_null() => SqlValue::Null,
        Value::Boolean(b) => SqlValue::Bool(*b),
        Value::Integer(n) => SqlValue::Int(*n),
        Value::Number(n) if n.fract() == 0.0 && n.abs() <= 9_007_199_254_740_992.0 => {
            SqlValue::Int(*n as i64)
        }
        Value::Number(n) => SqlValue::Float(*n),
        Value::String(text) => match text.to_str() {
            Ok(text) => SqlValue::Text((*text).to_owned()),
            Err(_) => SqlValue::Bytes(text.as_bytes().to_vec()),
        },
        Value::UserData(data) if data.is::<BigInteger>() => {
            let number = &data.borrow::<BigInteger>()?.0;
            number
                .as_i64()
                .map_or_else(|| SqlValue::Text(number.to_string()), SqlValue::Int)
        }
        Value::Table(_) => SqlValue::Json(Converter::new(lua, &host.limits).make_json(value)?),
        other => return Err(wrong(other, called, 2, "parameters", "a list of values")),
    })
}

/// A row as a table, within the time of the call.
fn row_table(converter: &mut Converter<'_>, columns: &[String], row: &[SqlValue]) -> mlua::Result<Table> {
    let table = converter.lua().create_table_with_capacity(0, columns.len())?;
    for (column, value) in columns.iter().zip(row) {
        converter.step(0)?;
        let value = match value {
            SqlValue::Null => Value::NULL,
            SqlValue::Bool(b) => Value::Boolean(*b),
            SqlValue::Int(n) => converter.make_lua(&(*n).into())?,
            SqlValue::Float(n) => Value::Number(*n),
            SqlValue::Text(text) => Value::String(converter.string(text)?),
            SqlValue::Bytes(data) => Value::String(converter.string(data)?),
            SqlValue::Json(json) => converter.make_lua(json)?,
        };
        table.raw_set(column.as_str(), value)?;
    }
    Ok(table)
}
