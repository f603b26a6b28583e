//! Databases of policies: PostgreSQL, MySQL and SQLite, each with a pool of connections that all shards share.

use super::Services;
use super::backends::filled_in;
use super::gate::Gate;
use crate::config::backends::SqlSettings;
use sqlx::mysql::{MySql, MySqlConnectOptions, MySqlPool, MySqlPoolOptions};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, Postgres};
use sqlx::sqlite::{Sqlite, SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use sqlx::{Column, Row, TypeInfo, ValueRef};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

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

/// What a statement came to.
#[derive(Debug, Default)]
pub(crate) struct SqlAnswer {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<SqlValue>>,
    pub(crate) affected: u64,
}

#[derive(Debug)]
enum Pool {
    Postgres(PgPool),
    MySql(MySqlPool),
    Sqlite(SqlitePool),
}

/// A database.
pub(crate) struct Database {
    name: String,
    settings: SqlSettings,
    pool: Pool,
    gate: Gate,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Services {
    /// The database of these settings. Nothing is connected yet: a database that is down keeps nobody from starting.
    ///
    /// # Errors
    /// The URL is none, in words without its password.
    pub(crate) fn database(&self, name: &str, settings: &SqlSettings) -> Result<Arc<Database>, String> {
        let key = format!(
            "{name} {} {:?} {} {}",
            settings.url, settings.timeout, settings.pool, settings.rows
        );
        if let Some(known) = self.databases.get(&key) {
            return Ok(known.clone());
        }
        // Pools start tasks of their own as they are made.
        let handle = self.handle().map_err(|error| error.to_string())?;
        let _context = handle.enter();
        let database = Arc::new(Database {
            name: name.to_owned(),
            pool: pool(&filled_in(&settings.url)?, settings)?,
            settings: settings.clone(),
            gate: Gate::default(),
        });
        Ok(self.databases.entry(key).or_insert(database).clone())
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
        let pass = database.gate.enter(&database.name, database.settings.in_flight)?;
        let asked = database.clone();
        // Not given up with its caller: a connection is good again only when its statement has ended, and that has a
        // time limit of its own.
        let work = async move { asked.run(&statement, &parameters, rows).await };
        let handle = self.handle().map_err(|error| error.to_string())?;
        let done = handle.spawn(work).await.map_err(|error| error.to_string())?;
        drop(pass);
        match done {
            Ok(answer) => {
                database.gate.succeeded();
                Ok(answer)
            }
            Err(Failed::Database(why)) => {
                // It said no, so it lives.
                database.gate.succeeded();
                Err(format!("{}: {why}", database.name))
            }
            Err(Failed::Gone(why)) => {
                database.gate.failed();
                Err(format!("{}: {why}", database.name))
            }
        }
    }
}

fn pool(url: &str, settings: &SqlSettings) -> Result<Pool, String> {
    let none = |_| {
        "its URL is none; write postgres://user@host/name, mysql://user@host/name or sqlite://file".to_owned()
    };
    let (most, timeout) = (settings.pool.max(1), settings.timeout);
    let idle = Duration::from_secs(600);
    match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("postgres" | "postgresql") => {
            let options = PgConnectOptions::from_str(url).map_err(none)?;
            let limit = timeout.as_millis().to_string();
            let options = options.options([("statement_timeout", limit)]);
            let pool = PgPoolOptions::new()
                .max_connections(most)
                .acquire_timeout(timeout)
                .idle_timeout(idle);
            Ok(Pool::Postgres(pool.connect_lazy_with(options)))
        }
        Some("mysql" | "mariadb") => {
            let options = MySqlConnectOptions::from_str(url).map_err(none)?;
            let pool = MySqlPoolOptions::new()
                .max_connections(most)
                .acquire_timeout(timeout)
                .idle_timeout(idle);
            Ok(Pool::MySql(pool.connect_lazy_with(options)))
        }
        Some("sqlite") => {
            let options = SqliteConnectOptions::from_str(url)
                .map_err(none)?
                .busy_timeout(timeout);
            let pool = SqlitePoolOptions::new()
                .max_connections(most)
                .acquire_timeout(timeout);
            Ok(Pool::Sqlite(pool.connect_lazy_with(options)))
        }
        _ => Err("its URL begins with none of postgres:, mysql: and sqlite:".to_owned()),
    }
}

/// Why a statement came to nothing.
enum Failed {
    /// The database said so.
    Database(String),
    /// There is no talking to it.
    Gone(String),
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed => Failed::Gone(error.to_string()),
            other => Failed::Database(other.to_string()),
        }
    }
}

macro_rules! run_on {
    ($name:ident, $database:ty, $decode:ident) => {
        async fn $name(
            connection: &mut PoolConnection<$database>,
            statement: &str,
            parameters: &[SqlValue],
            rows: bool,
            most: usize,
        ) -> Result<SqlAnswer, Failed> {
            // The statement is the policy's own text; what comes from strangers comes as parameters.
            let mut query = sqlx::query(sqlx::AssertSqlSafe(statement));
            for parameter in parameters {
                query = match parameter.clone() {
                    SqlValue::Null => query.bind(None::<String>),
                    SqlValue::Bool(value) => query.bind(value),
                    SqlValue::Int(value) => query.bind(value),
                    SqlValue::Float(value) => query.bind(value),
                    SqlValue::Text(value) => query.bind(value),
                    SqlValue::Bytes(value) => query.bind(value),
                    SqlValue::Json(value) => query.bind(sqlx::types::Json(value)),
                };
            }
            if !rows {
                let done = query.execute(&mut **connection).await?;
                return Ok(SqlAnswer {
                    affected: done.rows_affected(),
                    ..SqlAnswer::default()
                });
            }
            let mut answer = SqlAnswer::default();
            for row in query.fetch_all(&mut **connection).await? {
                if answer.columns.is_empty() {
                    answer.columns = row
                        .columns()
                        .iter()
                        .map(|column| column.name().to_owned())
                        .collect();
                }
                if answer.rows.len() >= most {
                    return Err(Failed::Database(format!(
                        "the answer has more than {most} rows; add LIMIT"
                    )));
                }
                let values = (0..row.columns().len()).map(|n| $decode(&row, n));
                answer.rows.push(values.collect::<Result<_, _>>()?);
            }
            Ok(answer)
        }
    };
}

run_on!(run_postgres, Postgres, decode_postgres);
run_on!(run_mysql, MySql, decode_mysql);
run_on!(run_sqlite, Sqlite, decode_sqlite);

impl Database {
    async fn run(&self, statement: &str, parameters: &[SqlValue], rows: bool) -> Result<SqlAnswer, Failed> {
        let (timeout, most) = (self.settings.timeout, self.settings.rows);
        macro_rules! within {
            ($pool:expr, $run:ident) => {{
                let mut connection = $pool.acquire().await?;
                match tokio::time::timeout(
                    timeout,
                    $run(&mut connection, statement, parameters, rows, most),
                )
                .await
                {
                    Ok(done) => done,
                    Err(_late) => {
                        // It is still busy with the statement, so it is no good to anybody.
                        connection.close_on_drop();
                        Err(Failed::Gone(format!("no answer within {timeout:?}")))
                    }
                }
            }};
        }
        match &self.pool {
            Pool::Postgres(pool) => within!(pool, run_postgres),
            Pool::MySql(pool) => within!(pool, run_mysql),
            Pool::Sqlite(pool) => within!(pool, run_sqlite),
        }
    }
}

fn unknown(name: &str, kind: &str) -> Failed {
    Failed::Database(format!(
        "column `{name}` has the type {kind}, which has no form in Lua; cast it to text in the query"
    ))
}

fn decode_postgres(row: &sqlx::postgres::PgRow, n: usize) -> Result<SqlValue, Failed> {
    let raw = row.try_get_raw(n)?;
    if raw.is_null() {
        return Ok(SqlValue::Null);
    }
    Ok(match raw.type_info().name() {
        "BOOL" => SqlValue::Bool(row.try_get(n)?),
        "INT2" => SqlValue::Int(row.try_get::<i16, _>(n)?.into()),
        "INT4" => SqlValue::Int(row.try_get::<i32, _>(n)?.into()),
        "INT8" => SqlValue::Int(row.try_get(n)?),
        "FLOAT4" => SqlValue::Float(row.try_get::<f32, _>(n)?.into()),
        "FLOAT8" => SqlValue::Float(row.try_get(n)?),
        "TEXT" | "VARCHAR" | "CHAR" | "BPCHAR" | "NAME" | "CITEXT" => SqlValue::Text(row.try_get(n)?),
        "BYTEA" => SqlValue::Bytes(row.try_get(n)?),
        "JSON" | "JSONB" => SqlValue::Json(row.try_get(n)?),
        "VOID" => SqlValue::Null,
        other => return Err(unknown(row.column(n).name(), other)),
    })
}

fn decode_mysql(row: &sqlx::mysql::MySqlRow, n: usize) -> Result<SqlValue, Failed> {
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
        kind if kind.contains("CHAR") || kind.contains("TEXT") || kind == "ENUM" => {
            SqlValue::Text(row.try_get(n)?)
        }
        kind if kind.ends_with("INT UNSIGNED") => {
            let value: u64 = row.try_get(n)?;
            i64::try_from(value).map_or_else(|_| SqlValue::Json(value.into()), SqlValue::Int)
        }
        kind if kind.ends_with("INT") => SqlValue::Int(row.try_get(n)?),
        other => return Err(unknown(row.column(n).name(), other)),
    })
}

fn decode_sqlite(row: &sqlx::sqlite::SqliteRow, n: usize) -> Result<SqlValue, Failed> {
    let raw = row.try_get_raw(n)?;
    if raw.is_null() {
        return Ok(SqlValue::Null);
    }
    let kind = raw.type_info().name().to_owned();
    Ok(match kind.as_str() {
        "BOOLEAN" => SqlValue::Bool(row.try_get(n)?),
        "INTEGER" => SqlValue::Int(row.try_get(n)?),
        "REAL" => SqlValue::Float(row.try_get(n)?),
        "TEXT" => SqlValue::Text(row.try_get(n)?),
        "BLOB" => SqlValue::Bytes(row.try_get(n)?),
        _ => SqlValue::Text(row.try_get_unchecked(n)?),
    })
}
