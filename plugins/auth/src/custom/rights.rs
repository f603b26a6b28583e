//! What permissions let a client do.

use super::Kind;
use crate::filter;
use crate::keys::LONGEST_NAME;
use crate::sign::{hex, sha256};
use dunlin_plugin_api::prelude::*;
use serde_json::Value;

/// So many records are read at a time.
const PAGE: u32 = 50;

/// A client's rules, the names of the permissions that they come from, and whether it may not even connect.
pub(super) struct Rights {
    pub(super) acl: Vec<Vec<String>>,
    pub(super) names: Vec<String>,
    pub(super) barred: bool,
}

impl Rights {
    /// Permissions of a client id count when the identity is that client's; their denials count for everybody who takes that id.
    ///
    /// # Errors
    /// The registry cannot be read.
    pub(super) fn find(
        host: &Host,
        client: &Client<'_>,
        username: &str,
        kind: Kind,
    ) -> Result<Self, Refused> {
        let (mut denied, mut allowed, mut names, mut barred) = (Vec::new(), Vec::new(), Vec::new(), false);
        for (of, identity) in [(Kind::Client, client.client_id()), (Kind::User, username)] {
            let may = of == Kind::User || kind == Kind::Client;
            for (name, value) in permissions(host, client.instance(), of, identity)? {
                names.push(name);
                let text = |name: &str| value.get(name).and_then(Value::as_str);
                let rule = |effect: &str| rule(effect, text("action")?, text("topic")?);
                match text("effect") {
                    Some("DENY") if text("action") == Some("CONNECT") => barred = true,
                    Some("DENY") => denied.extend(rule("deny")),
                    Some("ALLOW") if may => allowed.extend(rule("allow")),
                    _ => {}
                }
            }
        }
        let mut acl = denied;
        acl.append(&mut allowed);
        // What no rule names is denied.
        acl.push(["deny", "all", "#"].map(str::to_owned).to_vec());
        Ok(Self { acl, names, barred })
    }

    /// Tells rules apart.
    pub(super) fn digest(&self) -> String {
        let lines: Vec<String> = self.acl.iter().map(|rule| rule.join(" ")).collect();
        hex(sha256(lines.join("\n").as_bytes()).get(..8).unwrap_or_default())
    }
}

/// A rule of the broker's, if it knows the action and the topic is a filter.
fn rule(effect: &str, action: &str, topic: &str) -> Option<Vec<String>> {
    let action = match action {
        "PUB" => "publish",
        "SUB" => "subscribe",
        "PUB_SUB" => "all",
        _ => return None,
    };
    filter::is_valid(topic).then(|| [effect, action, topic].map(str::to_owned).to_vec())
}

/// All permissions of a user name or a client id.
fn permissions(
    host: &Host,
    instance: &str,
    kind: Kind,
    identity: &str,
) -> Result<Vec<(String, Value)>, Refused> {
    let prefix = format!("{}/{identity}/", kind.word());
    let (mut found, mut after) = (Vec::new(), prefix.clone());
    if prefix.len() > LONGEST_NAME {
        return Ok(found);
    }
    loop {
        let page = host.registry_list(instance, "permission", Some(&after), PAGE)?;
        let is_last = page.len() < PAGE as usize;
        for (name, value) in page {
            if !name.starts_with(&prefix) {
                return Ok(found);
            }
            after.clone_from(&name);
            let is = |field: &str, text: &str| value.get(field).and_then(Value::as_str) == Some(text);
            if is("type", kind.word()) && is("identity", identity) {
                found.push((name, value));
            }
        }
        if is_last {
            return Ok(found);
        }
    }
}
