//! Databases of policies: PostgreSQL, MySQL and SQLite, each with a pool of connections that all shards share.
//!
//! *Invariants*: a connection that goes back to its pool has ended its statement and is as it was; one that has not is
//! closed. And nothing of an answer is kept beyond its limits: rows are counted as they come.

mod mysql;
mod pool;
mod postgres;
mod sqlite;
mod statement;

use super::Services;
use super::gate::{Crowd, Failed, Gate};
use crate::config::backends::SqlSettings;
use pool::Pool;
use sqlx::error::Error;
use sqlx::{AssertSqlSafe, SqlSafeStr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, PrimitiveDateTime};
use tokio::runtime::Handle;

/// A value that goes to a database or comes from one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SqlValue {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    Json(serde_json::Value),
}

impl SqlValue {
    /// About how many bytes it holds.
    fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(data) => data.len(),
            // As it came; its form in memory is larger by a small factor.
            Self::Json(value) => value.to_string().len(),
            _ => 8,
        }
    }

    /// What errors call it.
    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "json.null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a string",
            Self::Bytes(_) => "a string that is not UTF-8",
            Self::Json(_) => "a table",
        }
    }
}

/// What a statement came to.
#[derive(Debug, Default)]
pub(crate) struct SqlAnswer {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<SqlValue>>,
    pub(crate) affected: u64,
}

/// A kind of database.
trait Engine: sqlx::Database {
    /// Prepares a new connection: no statement takes longer than `timeout`, though nobody waits for it any more.
    fn connected(
        connection: &mut Self::Connection,
        timeout: Duration,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// The arguments for the parameters of a statement.
    fn bind(
        connection: &mut Self::Connection,
        sql: &str,
        parameters: &[SqlValue],
    ) -> impl Future<Output = Result<Self::Arguments, Failed>> + Send;

    /// The value in column `n`.
    fn decode(row: &Self::Row, n: usize) -> Result<SqlValue, Failed>;

    /// Bounds what the next statement may take on the database's side.
    fn until(
        connection: &mut Self::Connection,
        deadline: Instant,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// How many rows a statement changed.
    fn affected(done: &Self::QueryResult) -> u64;
}

#[derive(Debug)]
enum Connected {
    Postgres(Pool<sqlx::Postgres>),
    MySql(Pool<sqlx::MySql>),
    Sqlite(Pool<sqlx::Sqlite>),
}

/// A database.
pub(crate) struct Database {
    settings: SqlSettings,
    connected: Connected,
    gate: Arc<Gate>,
    handle: Handle,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("gate", &self.gate)
            .finish_non_exhaustive()
    }
}

impl Services {
    /// The database of these settings. Nothing is connected yet: a database that is down keeps nobody from starting.
    /// Files are relative to `base`.
    ///
    /// # Errors
    /// The URL is none, in words without its password.
    pub(super) fn database(
        &self,
        policy: &str,
        name: &str,
        settings: &SqlSettings,
        base: &Path,
    ) -> Result<Arc<Database>, String> {
        self.databases.get(policy, name, settings, || {
            let url = super::backends::filled_in(&settings.url)?;
            if let Some(ca) = &settings.ca {
                super::tls::certificates(&base.join(ca)).map_err(|why| format!("`ca`: {why}"))?;
            }
            // Pools start tasks of their own as they are made.
            let handle = self.handle().map_err(|error| error.to_string())?;
            let _context = handle.enter();
            Ok(Database {
                connected: connect(&url, settings, base)?,
                settings: settings.clone(),
                gate: Gate::new(name, Crowd::of(settings.in_flight)),
                handle: handle.clone(),
            })
        })
    }

    /// Runs one statement with its parameters.
    ///
    /// # Errors
    /// Why there is no answer, in words.
    pub(crate) async fn sql(
        &self,
        database: &Arc<Database>,
        statement: String,
        parameters: Vec<SqlValue>,
        rows: bool,
    ) -> Result<SqlAnswer, String> {
        statement::check(&statement)?;
        let visit = database.gate.enter(database.settings.timeout)?;
        let asked = database.clone();
        // Not given up with its caller: a connection is good again when its statement has ended, and clients that come
        // and go must not make the database accept a new connection each time. It has a time limit of its own.
        let work = async move { visit.make(asked.run(&statement, &parameters, rows)).await };
        let done = database.handle.spawn(work).await;
        done.map_err(|error| error.to_string())?
    }
}

fn connect(url: &str, settings: &SqlSettings, base: &Path) -> Result<Connected, String> {
    Ok(match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("postgres" | "postgresql") => {
            Connected::Postgres(Pool::new(postgres::options(url, settings, base)?, settings))
        }
        Some("mysql" | "mariadb") => {
            Connected::MySql(Pool::new(mysql::options(url, settings, base)?, settings))
        }
        Some("sqlite") => Connected::Sqlite(Pool::new(sqlite::options(url, settings, base)?, settings)),
        _ => return Err("its URL begins with none of postgres:, mysql: and sqlite:".to_owned()),
    })
}

impl Database {
    async fn run(&self, sql: &str, parameters: &[SqlValue], rows: bool) -> Result<SqlAnswer, Failed> {
        match &self.connected {
            Connected::Postgres(pool) => pool.run(sql, parameters, rows, &self.settings).await,
            Connected::MySql(pool) => pool.run(sql, parameters, rows, &self.settings).await,
            Connected::Sqlite(pool) => pool.run(sql, parameters, rows, &self.settings).await,
        }
    }
}

/// The statement is the policy's own text; what comes from strangers comes as parameters.
fn safe(sql: &str) -> sqlx::SqlStr {
    AssertSqlSafe(sql).into_sql_str()
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(_) | Error::Tls(_) | Error::PoolTimedOut | Error::PoolClosed | Error::WorkerCrashed => {
                Self::Gone(error.to_string())
            }
            // Connection lost, who are you, no more connections, statement given up, shutting down or starting.
            Error::Database(said)
                if said.code().is_some_and(|code| {
                    ["08", "28", "53", "57"]
                        .iter()
                        .any(|class| code.len() == 5 && code.starts_with(class))
                }) =>
            {
                Self::Gone(said.message().to_owned())
            }
            Error::Database(said) => Self::Said(said.message().to_owned()),
            other => Self::Said(other.to_string()),
        }
    }
}

/// The failure of a column that has no form in Lua.
fn unknown(column: &str, kind: &str) -> Failed {
    Failed::Said(format!(
        "column `{column}` has the type {kind}, which has no form in Lua; cast it to text in the query"
    ))
}

/// The failure of a statement that is given too many or too few parameters.
fn count(wanted: usize, given: usize) -> Result<(), Failed> {
    if wanted == given {
        return Ok(());
    }
    Err(Failed::Said(format!(
        "the statement has {wanted} parameters and was given {given} (a nil ends the list; write json.null for NULL)"
    )))
}

/// A moment, as RFC 3339 writes it.
fn moment(when: OffsetDateTime) -> Result<SqlValue, Failed> {
    let text = when
        .format(&Rfc3339)
        .map_err(|why| Failed::Said(why.to_string()))?;
    Ok(SqlValue::Text(text))
}

/// A date and a time of nowhere in particular: the same without a zone.
fn local(when: PrimitiveDateTime) -> Result<SqlValue, Failed> {
    let SqlValue::Text(mut text) = moment(when.assume_utc())? else {
        return Ok(SqlValue::Null);
    };
    text.truncate(text.trim_end_matches('Z').len());
    Ok(SqlValue::Text(text))
}
