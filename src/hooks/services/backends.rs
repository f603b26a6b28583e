//! Which backends a policy may use, as its entry says. They are opened with the generation and closed with its last state,
//! unless the generation after has them too. Opening connects to nothing.

use super::Services;
use super::http::HttpClient;
use super::redis::RedisServer;
use super::sql::Database;
use crate::config::hooks::PolicyEntry;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The backends of one policy.
#[derive(Debug, Default)]
pub(crate) struct Backends {
    pub(crate) http: Arc<HttpClient>,
    pub(crate) redis: BTreeMap<String, Arc<RedisServer>>,
    pub(crate) sql: BTreeMap<String, Arc<Database>>,
}

impl Backends {
    /// Opens what `entry` declares. Files are relative to `base`.
    ///
    /// # Errors
    /// What is wrong with the settings, in words without a password.
    pub(crate) fn open(entry: &PolicyEntry, base: &Path, services: &Services) -> Result<Self, String> {
        let policy = &entry.name;
        let wrong =
            |kind: &str, name: &str, why: String| format!("policy `{policy}`: `{kind}.{name}`: {why}");
        let redis = entry.redis.iter().map(|(name, settings)| {
            let server = services.redis(policy, name, settings, base);
            Ok((name.clone(), server.map_err(|why| wrong("redis", name, why))?))
        });
        let sql = entry.sql.iter().map(|(name, settings)| {
            let database = services.database(policy, name, settings, base);
            Ok((name.clone(), database.map_err(|why| wrong("sql", name, why))?))
        });
        Ok(Self {
            http: services
                .http_client(policy, &entry.http, base)
                .map_err(|why| format!("policy `{policy}`: {why}"))?,
            redis: redis.collect::<Result<_, String>>()?,
            sql: sql.collect::<Result<_, String>>()?,
        })
    }
}

/// The URL with the environment's values in place of `${NAME}`. A value that is only a part of the URL, a password for
/// instance, may hold any character.
///
/// # Errors
/// The name that the environment does not have.
pub(super) fn filled_in(url: &str) -> Result<String, String> {
    filled_from(url, |name| std::env::var(name).ok())
}

fn filled_from(url: &str, environment: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = url;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else {
            return Err("its URL has a `${` without its `}`".to_owned());
        };
        let value = environment(name).ok_or_else(|| format!("the environment has no {name}"))?;
        let whole = before.is_empty() && behind.is_empty() && filled.is_empty();
        filled.push_str(before);
        if whole {
            filled.push_str(&value);
        } else {
            filled.extend(percent_encoding::utf8_percent_encode(
                &value,
                percent_encoding::NON_ALPHANUMERIC,
            ));
        }
        rest = behind;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::filled_from;

    #[test]
    fn passwords_come_from_the_environment() {
        let environment = |name: &str| match name {
            "PASSWORD" => Some("p@ss/w:rd".to_owned()),
            "URL" => Some("redis://u:p@host/1".to_owned()),
            _ => None,
        };
        let filled = |url| filled_from(url, environment);
        assert_eq!(
            filled("postgres://u:${PASSWORD}@host/x").unwrap(),
            "postgres://u:p%40ss%2Fw%3Ard@host/x"
        );
        assert_eq!(filled("${URL}").unwrap(), "redis://u:p@host/1");
        assert_eq!(
            filled("redis://${NONE}").unwrap_err(),
            "the environment has no NONE"
        );
        assert!(filled("redis://${PASSWORD").is_err());
    }
}
