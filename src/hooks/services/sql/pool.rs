//! Connections to one database, and what is done with one.

use super::{Engine, SqlAnswer, SqlValue, safe};
use crate::config::backends::SqlSettings;
use crate::hooks::services::gate::Failed;
use futures_util::TryStreamExt;
use sqlx::error::Error;
use sqlx::pool::{PoolConnection, PoolOptions};
use sqlx::{Column, ColumnIndex, ConnectOptions, Connection, Executor, IntoArguments, Row};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// A pool, and what it connects with.
#[derive(Debug)]
pub(super) struct Pool<E: sqlx::Database> {
    pool: sqlx::Pool<E>,
    options: <E::Connection as Connection>::Options,
    first: tokio::sync::Mutex<()>,
    handle: Handle,
}

impl<E: sqlx::Database> Drop for Pool<E> {
    fn drop(&mut self) {
        // Says good-bye to the server; without it, servers log a client that vanished.
        let pool = self.pool.clone();
        self.handle.spawn(async move { pool.close().await });
    }
}

/// How long an idle connection is believed to be alive.
const FRESH: Duration = Duration::from_secs(1);
/// After how long without use a connection is closed.
const IDLE: Duration = Duration::from_secs(600);

impl<E: Engine> Pool<E> {
    /// A pool that connects with its first use; to be made within the services' runtime.
    pub(super) fn new(options: <E::Connection as Connection>::Options, settings: &SqlSettings) -> Self {
        let timeout = settings.timeout;
        let pool = PoolOptions::new()
            .max_connections(settings.pool.max(1))
            .acquire_timeout(timeout)
            .idle_timeout(IDLE)
            .after_connect(move |connection: &mut E::Connection, _| {
                Box::pin(E::connected(connection, timeout))
            })
            // A round trip for each statement is too much for what hardly ever happens.
            .test_before_acquire(false)
            .before_acquire(|connection: &mut E::Connection, kept| {
                Box::pin(async move {
                    if kept.idle_for > FRESH {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            });
        Self {
            pool: pool.connect_lazy_with(options.clone()),
            options,
            first: tokio::sync::Mutex::new(()),
            handle: Handle::current(),
        }
    }

    async fn acquire(&self) -> Result<Held<E>, Error> {
        if self.pool.size() == 0 {
            // The pool tries until its time is over and then says only that it is. Whoever is first asks by itself, and
            // hears at once why there is no connection.
            let _others_wait = self.first.lock().await;
            if self.pool.size() == 0 {
                self.options.connect().await?.close().await?;
            }
        }
        Ok(Held {
            connection: self.pool.acquire().await?,
            spoilt: true,
        })
    }
}

impl<E: Engine> Pool<E>
where
    for<'c> &'c mut E::Connection: Executor<'c, Database = E>,
    E::Arguments: IntoArguments<E>,
    usize: ColumnIndex<E::Row>,
{
    pub(super) async fn run(
        &self,
        sql: &str,
        parameters: &[SqlValue],
        rows: bool,
        settings: &SqlSettings,
    ) -> Result<SqlAnswer, Failed> {
        let deadline = Instant::now() + settings.timeout;
        let mut held = self.acquire().await?;
        E::until(&mut held.connection, deadline).await?;
        let done = run(&mut *held.connection, sql, parameters, rows, settings).await;
        // A statement that was refused or has ended leaves the connection as it was.
        held.spoilt = !matches!(done, Ok(_) | Err(Ended::Refused(_)));
        done.map_err(|ended| match ended {
            Ended::Refused(failed) | Ended::Amid(failed) => failed,
        })
    }
}

/// How a statement came to nothing.
enum Ended {
    /// Before or as a whole.
    Refused(Failed),
    /// In the middle, with more to come.
    Amid(Failed),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        // A plan that fits its table no more stays with the connection that has it.
        let stale = |code: &str| matches!(code, "0A000" | "26000");
        let whole = match &error {
            Error::Database(said) => !said.code().is_some_and(|code| stale(&code)),
            _ => false,
        };
        match Failed::from(error) {
            failed @ Failed::Said(_) if whole => Self::Refused(failed),
            failed => Self::Amid(failed),
        }
    }
}

async fn run<E: Engine>(
    connection: &mut E::Connection,
    sql: &str,
    parameters: &[SqlValue],
    rows: bool,
    settings: &SqlSettings,
) -> Result<SqlAnswer, Ended>
where
    for<'c> &'c mut E::Connection: Executor<'c, Database = E>,
    E::Arguments: IntoArguments<E>,
    usize: ColumnIndex<E::Row>,
{
    let arguments = E::bind(connection, sql, parameters)
        .await
        .map_err(Ended::Refused)?;
    let query = sqlx::query_with(safe(sql), arguments);
    let mut answer = SqlAnswer::default();
    if !rows {
        answer.affected = E::affected(&connection.execute(query).await?);
        return Ok(answer);
    }
    let mut size = 0;
    let mut found = connection.fetch(query);
    while let Some(row) = found.try_next().await? {
        if answer.columns.is_empty() {
            answer.columns = row
                .columns()
                .iter()
                .map(|column| column.name().to_owned())
                .collect();
        }
        let values = (0..row.columns().len()).map(|n| E::decode(&row, n));
        let values: Vec<SqlValue> = values.collect::<Result<_, _>>().map_err(Ended::Amid)?;
        size += values.iter().map(SqlValue::size).sum::<usize>();
        if answer.rows.len() >= settings.rows {
            let most = settings.rows;
            return Err(Ended::Amid(Failed::Said(format!(
                "the answer has more than {most} rows; add LIMIT"
            ))));
        }
        if size > settings.response {
            let most = settings.response;
            return Err(Ended::Amid(Failed::Said(format!(
                "the answer is larger than {most} bytes"
            ))));
        }
        answer.rows.push(values);
    }
    Ok(answer)
}

/// A connection that is closed unless it is known to be good.
struct Held<E: sqlx::Database> {
    connection: PoolConnection<E>,
    spoilt: bool,
}

impl<E: sqlx::Database> Drop for Held<E> {
    fn drop(&mut self) {
        if self.spoilt {
            self.connection.close_on_drop();
        }
    }
}
