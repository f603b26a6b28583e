//! MySQL and MariaDB.

use super::{Engine, SqlValue, count, safe, unknown};
use crate::config::backends::SqlSettings;
use crate::hooks::services::gate::Failed;
use sqlx::mysql::{MySql, MySqlArguments, MySqlConnectOptions, MySqlConnection, MySqlRow, MySqlSslMode};
use sqlx::{Arguments, Column, ConnectOptions, Either, Executor, Row, Statement, TypeInfo, ValueRef};
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};
use time::{Date, OffsetDateTime, PrimitiveDateTime};

pub(super) fn options(url: &str, settings: &SqlSettings, base: &Path) -> Result<MySqlConnectOptions, String> {
    let options = MySqlConnectOptions::from_str(url)
        .map_err(|_| "its URL is none; write mysql://user@host/name".to_owned())?
        .disable_statement_logging();
    Ok(match &settings.ca {
        Some(ca) => options
            .ssl_mode(MySqlSslMode::VerifyIdentity)
            .ssl_ca(base.join(ca)),
        None => options,
    })
}

impl Engine for MySql {
    async fn connected(connection: &mut MySqlConnection, timeout: Duration) -> Result<(), sqlx::Error> {
        let (milliseconds, seconds) = (timeout.as_millis(), timeout.as_secs_f64());
        // The one is MySQL's, the other MariaDB's; who has neither ends a statement when it likes.
        for limit in [
            format!("SET SESSION max_execution_time = {milliseconds}"),
            format!("SET SESSION max_statement_time = {seconds}"),
        ] {
            match connection.execute(safe(&limit)).await {
                Ok(_) => break,
                Err(sqlx::Error::Database(_)) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    async fn bind(
        connection: &mut MySqlConnection,
        sql: &str,
        parameters: &[SqlValue],
    ) -> Result<MySqlArguments, Failed> {
        let statement = connection.prepare(safe(sql)).await?;
        if let Some(Either::Right(wanted)) = statement.parameters() {
            count(wanted, parameters.len())?;
        }
        let mut arguments = MySqlArguments::default();
        for parameter in parameters {
            match parameter.clone() {
                SqlValue::Null => arguments.add(None::<i64>),
                SqlValue::Bool(value) => arguments.add(value),
                SqlValue::Int(value) => arguments.add(value),
                SqlValue::Float(value) => arguments.add(value),
                SqlValue::Text(value) => arguments.add(value),
                SqlValue::Bytes(value) => arguments.add(value),
                SqlValue::Json(value) => arguments.add(sqlx::types::Json(value)),
            }
            .map_err(|why| Failed::Said(why.to_string()))?;
        }
        Ok(arguments)
    }

    fn decode(row: &MySqlRow, n: usize) -> Result<SqlValue, Failed> {
        let raw = row.try_get_raw(n)?;
        if raw.is_null() {
            return Ok(SqlValue::Null);
        }
        let kind = raw.type_info().name().to_owned();
        Ok(match kind.as_str() {
            "BOOLEAN" => SqlValue::Bool(row.try_get(n)?),
            "FLOAT" => SqlValue::Float(row.try_get::<f32, _>(n)?.into()),
            "DOUBLE" => SqlValue::Float(row.try_get(n)?),
            "JSON" => SqlValue::Json(row.try_get(n)?),
            "BINARY" | "VARBINARY" | "TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" => {
                SqlValue::Bytes(row.try_get(n)?)
            }
            // It comes as its digits.
            "DECIMAL" => SqlValue::Text(row.try_get_unchecked(n)?),
            "YEAR" => SqlValue::Int(row.try_get_unchecked::<u16, _>(n)?.into()),
            "BIT" => unsigned(row.try_get_unchecked(n)?),
            "DATE" => SqlValue::Text(row.try_get::<Date, _>(n)?.to_string()),
            "DATETIME" => super::local(row.try_get::<PrimitiveDateTime, _>(n)?)?,
            // The session's time zone is UTC.
            "TIMESTAMP" => super::moment(row.try_get::<OffsetDateTime, _>(n)?)?,
            kind if kind.contains("CHAR") || kind.contains("TEXT") || kind == "ENUM" || kind == "SET" => {
                SqlValue::Text(row.try_get_unchecked(n)?)
            }
            kind if kind.ends_with("INT UNSIGNED") => unsigned(row.try_get(n)?),
            kind if kind.ends_with("INT") => SqlValue::Int(row.try_get(n)?),
            other => return Err(unknown(row.column(n).name(), other)),
        })
    }

    async fn until(_: &mut MySqlConnection, _: Instant) -> Result<(), sqlx::Error> {
        Ok(())
    }

    fn affected(done: &sqlx::mysql::MySqlQueryResult) -> u64 {
        done.rows_affected()
    }
}

fn unsigned(value: u64) -> SqlValue {
    i64::try_from(value).map_or_else(|_| SqlValue::Json(value.into()), SqlValue::Int)
}
