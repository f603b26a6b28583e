//! SQLite.

use super::{Engine, SqlValue, count, safe};
use crate::config::backends::SqlSettings;
use crate::hooks::services::gate::Failed;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{Arguments, ConnectOptions, Either, Executor, Row, Statement, TypeInfo, ValueRef};
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// After how many steps of its machine a statement's time is looked at: some tens of microseconds.
const STEPS: i32 = 4096;

pub(super) fn options(
    url: &str,
    settings: &SqlSettings,
    base: &Path,
) -> Result<SqliteConnectOptions, String> {
    let options = SqliteConnectOptions::from_str(url)
        .map_err(|_| "its URL is none; write sqlite://file".to_owned())?
        .busy_timeout(settings.timeout)
        .disable_statement_logging();
    let file = options.get_filename().to_path_buf();
    // What lives in memory has a name of its own.
    let in_memory = url.contains(":memory:") || url.contains("mode=memory");
    Ok(if in_memory {
        options
    } else {
        options.filename(base.join(file))
    })
}

impl Engine for Sqlite {
    async fn connected(_: &mut SqliteConnection, _: Duration) -> Result<(), sqlx::Error> {
        Ok(())
    }

    async fn bind(
        connection: &mut SqliteConnection,
        sql: &str,
        parameters: &[SqlValue],
    ) -> Result<SqliteArguments, Failed> {
        let statement = connection.prepare(safe(sql)).await?;
        if let Some(Either::Right(wanted)) = statement.parameters() {
            count(wanted, parameters.len())?;
        }
        let mut arguments = SqliteArguments::default();
        for parameter in parameters {
            match parameter.clone() {
                SqlValue::Null => arguments.add(None::<i64>),
                SqlValue::Bool(value) => arguments.add(value),
                SqlValue::Int(value) => arguments.add(value),
                SqlValue::Float(value) => arguments.add(value),
                SqlValue::Text(value) => arguments.add(value),
                SqlValue::Bytes(value) => arguments.add(value),
                SqlValue::Json(value) => arguments.add(value.to_string()),
            }
            .map_err(|why| Failed::Said(why.to_string()))?;
        }
        Ok(arguments)
    }

    fn decode(row: &SqliteRow, n: usize) -> Result<SqlValue, Failed> {
        let raw = row.try_get_raw(n)?;
        if raw.is_null() {
            return Ok(SqlValue::Null);
        }
        let kind = raw.type_info().name().to_owned();
        Ok(match kind.as_str() {
            "BOOLEAN" => SqlValue::Bool(row.try_get(n)?),
            "INTEGER" => SqlValue::Int(row.try_get(n)?),
            "REAL" => SqlValue::Float(row.try_get(n)?),
            "BLOB" => SqlValue::Bytes(row.try_get(n)?),
            // Dates and times are text or numbers in SQLite, whatever their column is declared as.
            _ => SqlValue::Text(row.try_get_unchecked(n)?),
        })
    }

    async fn until(connection: &mut SqliteConnection, deadline: Instant) -> Result<(), sqlx::Error> {
        // Its thread computes until the statement ends, whoever waits for it.
        let mut handle = connection.lock_handle().await?;
        handle.set_progress_handler(STEPS, move || Instant::now() < deadline);
        Ok(())
    }

    fn affected(done: &sqlx::sqlite::SqliteQueryResult) -> u64 {
        done.rows_affected()
    }
}
