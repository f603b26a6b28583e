//! Values for PostgreSQL, in the types that the server asks for.

use crate::hooks::services::gate::Failed;
use crate::hooks::services::sql::SqlValue;
use serde_json::Value as Json;
use sqlx::Arguments;
use sqlx::TypeInfo;
use sqlx::postgres::{PgArguments, PgTypeInfo, PgTypeKind};
use sqlx::types::{BigDecimal, Uuid};
use std::str::FromStr;
use time::format_description::well_known::{Iso8601, Rfc3339};
use time::{Date, OffsetDateTime, PrimitiveDateTime, Time};

/// Adds parameter number `n`, which the server takes as `kind`.
pub(super) fn add(
    arguments: &mut PgArguments,
    n: usize,
    kind: &PgTypeInfo,
    value: &SqlValue,
) -> Result<(), Failed> {
    let name = kind.name();
    match fit(arguments, kind, value) {
        Some(added) => added.map_err(|why| Failed::Said(format!("parameter {n}: {why}"))),
        None => Err(Failed::Said(format!(
            "parameter {n} is {}, which does not fit the type {name}; {}",
            value.kind(),
            help(name)
        ))),
    }
}

fn help(name: &str) -> String {
    match name {
        "TEXT" | "VARCHAR" | "CHAR" | "BPCHAR" | "NAME" => {
            "give a string, with tostring(...) if need be".to_owned()
        }
        "BOOL" => "give true or false".to_owned(),
        "INT2" | "INT4" | "INT8" | "OID" => "give a whole number that is not too large".to_owned(),
        "FLOAT4" | "FLOAT8" | "NUMERIC" => "give a number".to_owned(),
        "TIMESTAMPTZ" => "give seconds since 1970, or a string like \"2026-01-31T12:00:00Z\"".to_owned(),
        "TIMESTAMP" => "give a string like \"2026-01-31T12:00:00\"".to_owned(),
        "DATE" => "give a string like \"2026-01-31\"".to_owned(),
        "TIME" => "give a string like \"12:00:00\"".to_owned(),
        "UUID" => "give a string like \"0190f0a4-...\"".to_owned(),
        "JSON" | "JSONB" => "give a table, or a string that is JSON".to_owned(),
        name if name.ends_with("[]") => "give a list of such values".to_owned(),
        name => format!(
            "give a string and write `$1::text::{}` in the statement",
            name.to_lowercase()
        ),
    }
}

type Added = Result<(), sqlx::error::BoxDynError>;

/// Adds the value if it can be such a type.
fn fit(arguments: &mut PgArguments, kind: &PgTypeInfo, value: &SqlValue) -> Option<Added> {
    use SqlValue::{Bool, Bytes, Float, Int, Json as Table, Null, Text};
    if let PgTypeKind::Domain(inner) = kind.kind() {
        return fit(arguments, inner, value);
    }
    if matches!(kind.kind(), PgTypeKind::Enum(_)) {
        return match value {
            Null => Some(arguments.add(None::<&str>)),
            Text(text) => Some(arguments.add(text.as_str())),
            _ => None,
        };
    }
    Some(match (kind.name(), value) {
        (_, Null) => arguments.add(None::<&str>),
        ("BOOL", Bool(value)) => arguments.add(value),
        ("INT2", _) => arguments.add(i16::try_from(whole(value)?).ok()?),
        ("INT4", _) => arguments.add(i32::try_from(whole(value)?).ok()?),
        ("INT8", _) => arguments.add(whole(value)?),
        ("OID", _) => arguments.add(sqlx::postgres::types::Oid(u32::try_from(whole(value)?).ok()?)),
        #[allow(clippy::cast_possible_truncation)]
        ("FLOAT4", _) => arguments.add(number(value)? as f32),
        ("FLOAT8", _) => arguments.add(number(value)?),
        ("NUMERIC", Int(value)) => arguments.add(BigDecimal::from(*value)),
        ("NUMERIC", Float(value)) => arguments.add(BigDecimal::from_str(&value.to_string()).ok()?),
        ("NUMERIC", Text(value)) => arguments.add(BigDecimal::from_str(value).ok()?),
        ("TEXT" | "VARCHAR" | "CHAR" | "BPCHAR" | "NAME" | "CITEXT" | "UNKNOWN", Text(value)) => {
            arguments.add(value.as_str())
        }
        ("BYTEA", Text(value)) => arguments.add(value.as_bytes()),
        ("BYTEA", Bytes(value)) => arguments.add(value.as_slice()),
        ("JSON" | "JSONB", Table(value)) => arguments.add(value),
        ("JSON" | "JSONB", Text(value)) => arguments.add(serde_json::from_str::<Json>(value).ok()?),
        ("JSON" | "JSONB", Bool(value)) => arguments.add(Json::from(*value)),
        ("JSON" | "JSONB", Int(value)) => arguments.add(Json::from(*value)),
        ("JSON" | "JSONB", Float(value)) => arguments.add(Json::from(*value)),
        ("TIMESTAMPTZ", Text(value)) => arguments.add(OffsetDateTime::parse(value, &Rfc3339).ok()?),
        ("TIMESTAMPTZ", _) => arguments.add(moment(number(value)?)?),
        ("TIMESTAMP", Text(value)) => arguments.add(PrimitiveDateTime::parse(value, &Iso8601::DEFAULT).ok()?),
        ("DATE", Text(value)) => arguments.add(Date::parse(value, &Iso8601::DATE).ok()?),
        ("TIME", Text(value)) => arguments.add(Time::parse(value, &Iso8601::TIME).ok()?),
        ("UUID", Text(value)) => arguments.add(Uuid::parse_str(value).ok()?),
        ("TEXT[]" | "VARCHAR[]", Table(list)) => {
            arguments.add(items(list, |item| Some(item.as_str()?.to_owned()))?)
        }
        ("INT2[]", Table(list)) => arguments.add(items(list, |item| i16::try_from(item.as_i64()?).ok())?),
        ("INT4[]", Table(list)) => arguments.add(items(list, |item| i32::try_from(item.as_i64()?).ok())?),
        ("INT8[]", Table(list)) => arguments.add(items(list, Json::as_i64)?),
        ("FLOAT8[]", Table(list)) => arguments.add(items(list, Json::as_f64)?),
        ("BOOL[]", Table(list)) => arguments.add(items(list, Json::as_bool)?),
        _ => return None,
    })
}

/// A whole number; those that Lua cannot hold are strings of digits.
fn whole(value: &SqlValue) -> Option<i64> {
    match value {
        SqlValue::Int(value) => Some(*value),
        SqlValue::Text(value) => value.parse().ok(),
        _ => None,
    }
}

#[allow(clippy::cast_precision_loss)]
fn number(value: &SqlValue) -> Option<f64> {
    match value {
        SqlValue::Int(value) => Some(*value as f64),
        SqlValue::Float(value) => Some(*value),
        _ => None,
    }
}

/// The moment so many seconds after 1970.
fn moment(seconds: f64) -> Option<OffsetDateTime> {
    let nanoseconds = seconds * 1e9;
    #[allow(clippy::cast_possible_truncation)]
    let whole = nanoseconds.is_finite().then_some(nanoseconds as i128)?;
    OffsetDateTime::from_unix_timestamp_nanos(whole).ok()
}

/// A list, all of whose items are such values or null.
fn items<T>(list: &Json, read: impl Fn(&Json) -> Option<T>) -> Option<Vec<Option<T>>> {
    let item = |item: &Json| {
        if item.is_null() {
            return Some(None);
        }
        read(item).map(Some)
    };
    match list {
        Json::Array(list) => list.iter().map(item).collect(),
        // In Lua an empty list is an empty table.
        Json::Object(fields) if fields.is_empty() => Some(Vec::new()),
        _ => None,
    }
}
