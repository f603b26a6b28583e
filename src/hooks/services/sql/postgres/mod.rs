//! PostgreSQL.
//!
//! The server says which type each parameter has, and the value is made to fit: sqlx keeps a prepared statement by its text
//! alone, and sends values in their binary form. Were the types taken from the first call's values, a later call with
//! others would have its bytes read as something they are not.

mod decode;
mod encode;

use super::{Engine, SqlValue, count, safe};
use crate::config::backends::SqlSettings;
use crate::hooks::services::gate::Failed;
use sqlx::postgres::{
    PgArguments, PgConnectOptions, PgConnection, PgQueryResult, PgRow, PgSslMode, Postgres,
};
use sqlx::{ConnectOptions, Either, Executor, Statement};
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};

pub(super) fn options(url: &str, settings: &SqlSettings, base: &Path) -> Result<PgConnectOptions, String> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| "its URL is none; write postgres://user@host/name".to_owned())?
        .disable_statement_logging();
    Ok(match &settings.ca {
        Some(ca) => options
            .ssl_mode(PgSslMode::VerifyFull)
            .ssl_root_cert(base.join(ca)),
        None => options,
    })
}

impl Engine for Postgres {
    async fn connected(connection: &mut PgConnection, timeout: Duration) -> Result<(), sqlx::Error> {
        // Here and not among the connection's options: pools in between do not let those through.
        let limit = format!("SET statement_timeout = {}", timeout.as_millis());
        connection.execute(safe(&limit)).await.map(|_| ())
    }

    async fn bind(
        connection: &mut PgConnection,
        sql: &str,
        parameters: &[SqlValue],
    ) -> Result<PgArguments, Failed> {
        let statement = connection.prepare(safe(sql)).await?;
        let wanted = match statement.parameters() {
            Some(Either::Left(kinds)) => kinds,
            _ => &[],
        };
        count(wanted.len(), parameters.len())?;
        let mut arguments = PgArguments::default();
        for (n, (kind, value)) in wanted.iter().zip(parameters).enumerate() {
            encode::add(&mut arguments, n + 1, kind, value)?;
        }
        Ok(arguments)
    }

    fn decode(row: &PgRow, n: usize) -> Result<SqlValue, Failed> {
        decode::value(row, n)
    }

    async fn until(_: &mut PgConnection, _: Instant) -> Result<(), sqlx::Error> {
        Ok(())
    }

    fn affected(done: &PgQueryResult) -> u64 {
        done.rows_affected()
    }
}
