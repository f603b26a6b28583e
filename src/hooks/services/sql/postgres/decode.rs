//! Values of PostgreSQL.

use crate::hooks::services::gate::Failed;
use crate::hooks::services::sql::{SqlValue, local, moment, unknown};
use serde_json::Value as Json;
use sqlx::postgres::{PgRow, PgTypeInfo, PgTypeKind};
use sqlx::types::{BigDecimal, Uuid};
use sqlx::{Column, Decode, Postgres, Row, TypeInfo, ValueRef};
use time::{Date, Duration, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

pub(super) fn value(row: &PgRow, n: usize) -> Result<SqlValue, Failed> {
    let raw = row.try_get_raw(n)?;
    if raw.is_null() {
        return Ok(SqlValue::Null);
    }
    let kind = raw.type_info().into_owned();
    let column = || row.column(n).name();
    of_kind(row, n, &kind)?.ok_or_else(|| unknown(column(), kind.name()))
}

fn of_kind(row: &PgRow, n: usize, kind: &PgTypeInfo) -> Result<Option<SqlValue>, Failed> {
    if let PgTypeKind::Domain(inner) = kind.kind() {
        return of_kind(row, n, inner);
    }
    if matches!(kind.kind(), PgTypeKind::Enum(_)) {
        return Ok(Some(SqlValue::Text(get(row, n)?)));
    }
    Ok(Some(match kind.name() {
        "BOOL" => SqlValue::Bool(get(row, n)?),
        "INT2" => SqlValue::Int(get::<i16>(row, n)?.into()),
        "INT4" => SqlValue::Int(get::<i32>(row, n)?.into()),
        "INT8" => SqlValue::Int(get(row, n)?),
        "OID" => SqlValue::Int(get::<sqlx::postgres::types::Oid>(row, n)?.0.into()),
        "FLOAT4" => SqlValue::Float(get::<f32>(row, n)?.into()),
        "FLOAT8" => SqlValue::Float(get(row, n)?),
        // More digits than a number of Lua has; without zeros at the end, of which sqlx knows only about how many there are.
        "NUMERIC" => SqlValue::Text(get::<BigDecimal>(row, n)?.normalized().to_plain_string()),
        "TEXT" | "VARCHAR" | "CHAR" | "BPCHAR" | "NAME" | "CITEXT" | "UNKNOWN" => {
            SqlValue::Text(get(row, n)?)
        }
        "BYTEA" => SqlValue::Bytes(get(row, n)?),
        "JSON" | "JSONB" => SqlValue::Json(get(row, n)?),
        "UUID" => SqlValue::Text(get::<Uuid>(row, n)?.to_string()),
        "TIMESTAMPTZ" => timestamp(row, n, |when| moment(when.assume_utc()))?,
        "TIMESTAMP" => timestamp(row, n, local)?,
        "DATE" => date(row, n)?,
        "TIME" => SqlValue::Text(of_day(get(row, n)?)),
        "VOID" => SqlValue::Null,
        "TEXT[]" | "VARCHAR[]" | "NAME[]" | "BPCHAR[]" => list::<String>(row, n)?,
        "INT2[]" => list::<i16>(row, n)?,
        "INT4[]" => list::<i32>(row, n)?,
        "INT8[]" => list::<i64>(row, n)?,
        "FLOAT8[]" => list::<f64>(row, n)?,
        "BOOL[]" => list::<bool>(row, n)?,
        _ => return Ok(None),
    }))
}

/// The value as such a type, which its kind has already been found to be.
fn get<'r, T: Decode<'r, Postgres>>(row: &'r PgRow, n: usize) -> Result<T, Failed> {
    T::decode(row.try_get_raw(n)?)
        .map_err(|why| Failed::Said(format!("column `{}`: {why}", row.column(n).name())))
}

fn list<'r, T>(row: &'r PgRow, n: usize) -> Result<SqlValue, Failed>
where
    Vec<Option<T>>: Decode<'r, Postgres>,
    Json: From<Option<T>>,
{
    let items: Vec<Option<T>> = get(row, n)?;
    Ok(SqlValue::Json(items.into_iter().map(Json::from).collect()))
}

/// The beginning of PostgreSQL's time.
fn epoch() -> PrimitiveDateTime {
    let unix = OffsetDateTime::UNIX_EPOCH.to_offset(UtcOffset::UTC);
    PrimitiveDateTime::new(unix.date(), unix.time()).saturating_add(Duration::days(10_957))
}

fn bytes<const N: usize>(row: &PgRow, n: usize) -> Result<[u8; N], Failed> {
    let raw = row.try_get_raw(n)?;
    let bytes = raw.as_bytes().map_err(|why| Failed::Said(why.to_string()))?;
    bytes
        .try_into()
        .map_err(|_| Failed::Said("a time of an unknown form".to_owned()))
}

/// Microseconds since the epoch. sqlx would panic on `infinity` and on the year 10000.
fn timestamp(
    row: &PgRow,
    n: usize,
    write: impl FnOnce(PrimitiveDateTime) -> Result<SqlValue, Failed>,
) -> Result<SqlValue, Failed> {
    match i64::from_be_bytes(bytes(row, n)?) {
        i64::MAX => Ok(SqlValue::Text("infinity".to_owned())),
        i64::MIN => Ok(SqlValue::Text("-infinity".to_owned())),
        since => match epoch().checked_add(Duration::microseconds(since)) {
            Some(when) => write(when),
            None => Err(unknown(row.column(n).name(), "TIMESTAMP beyond the year 9999")),
        },
    }
}

fn of_day(time: Time) -> String {
    let (hour, minute, second, rest) = time.as_hms_micro();
    let text = format!("{hour:02}:{minute:02}:{second:02}");
    if rest == 0 {
        text
    } else {
        format!("{text}.{rest:06}")
    }
}

/// Days since the epoch.
fn date(row: &PgRow, n: usize) -> Result<SqlValue, Failed> {
    Ok(SqlValue::Text(match i32::from_be_bytes(bytes(row, n)?) {
        i32::MAX => "infinity".to_owned(),
        i32::MIN => "-infinity".to_owned(),
        since => {
            let day: Option<Date> = epoch().date().checked_add(Duration::days(since.into()));
            let beyond = || unknown(row.column(n).name(), "DATE beyond the year 9999");
            day.ok_or_else(beyond)?.to_string()
        }
    }))
}
