//! Which backends a policy may use, as its entry says.

use crate::config::backends::{HttpSettings, RedisSettings, SqlSettings};
use crate::config::hooks::PolicyEntry;
use std::collections::BTreeMap;

/// The backends of one policy.
#[derive(Debug, Default)]
pub(crate) struct Backends {
    pub(crate) http: HttpSettings,
    pub(crate) redis: BTreeMap<String, RedisSettings>,
    pub(crate) sql: BTreeMap<String, SqlSettings>,
}

impl Backends {
    pub(crate) fn of(entry: &PolicyEntry) -> Self {
        Self {
            http: entry.http.clone(),
            redis: entry.redis.clone(),
            sql: entry.sql.clone(),
        }
    }
}

/// The URL with the environment's values in place of `${NAME}`.
///
/// # Errors
/// The name that the environment does not have.
pub(super) fn filled_in(url: &str) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = url;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, behind) = after
            .split_once('}')
            .ok_or_else(|| "a `${` without its `}`".to_owned())?;
        let value = std::env::var(name).map_err(|_| format!("the environment has no {name}"))?;
        filled.push_str(before);
        filled.push_str(&value);
        rest = behind;
    }
    filled.push_str(rest);
    Ok(filled)
}
