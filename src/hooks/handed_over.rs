//! What a policy hands over to the next one of its name: from script to script, from plugin to plugin, or from one kind to the other.

use bytes::Bytes;
use serde_json::Value as Json;

/// What was handed over.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum State {
    /// Nothing.
    #[default]
    Nothing,
    /// A value that both kinds can read. A plugin calls it version 0.
    Json(Json),
    /// A plugin's own bytes, and what it calls their version.
    Bytes(u32, Bytes),
}

impl State {
    /// What a script returned from `on_load`.
    pub(crate) fn json(value: Json) -> Self {
        match value {
            Json::Null => State::Nothing,
            value => State::Json(value),
        }
    }

    /// What a plugin exported.
    pub(crate) fn bytes(version: u32, bytes: Bytes) -> Self {
        match (version, serde_json::from_slice(&bytes)) {
            (0, Ok(value)) => State::json(value),
            _ => State::Bytes(version, bytes),
        }
    }

    /// As a script is given it: nil where a plugin has handed over what only it can read.
    pub(crate) fn for_script(&self) -> Json {
        match self {
            State::Json(value) => value.clone(),
            State::Nothing | State::Bytes(..) => Json::Null,
        }
    }

    /// As a plugin is given it.
    pub(crate) fn to_bytes(&self) -> Option<(u32, Bytes)> {
        match self {
            State::Nothing => None,
            State::Json(value) => Some((0, value.to_string().into())),
            State::Bytes(version, bytes) => Some((*version, bytes.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_and_plugins_read_what_the_other_wrote() {
        let json = State::json(serde_json::json!({ "seen": 3 }));
        assert_eq!(json.to_bytes(), Some((0, Bytes::from_static(b"{\"seen\":3}"))));
        let (version, bytes) = json.to_bytes().unwrap();
        assert_eq!(State::bytes(version, bytes), json);
        assert_eq!(State::json(Json::Null), State::Nothing);
    }

    #[test]
    fn what_only_a_plugin_can_read_is_nothing_to_a_script() {
        let own = State::bytes(2, Bytes::from_static(b"{}"));
        assert_eq!(own.for_script(), Json::Null);
        assert_eq!(own.to_bytes(), Some((2, Bytes::from_static(b"{}"))));
        assert_eq!(
            State::bytes(0, Bytes::from_static(b"\xFF")).for_script(),
            Json::Null
        );
    }
}
