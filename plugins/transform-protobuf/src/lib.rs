//! Payloads between Protocol Buffers and JSON, by a descriptor set.
//!
//! ```toml
//! [[policy]]
//! name = "transform-protobuf"
//! plugin = "libtransform_protobuf.so"
//! [policy.settings]
//! descriptors = "meters.pb"       # protoc --include_imports --descriptor_set_out=meters.pb meters.proto
//! wrong = "drop"                  # what becomes of a payload that is none: "drop" (the default) or "pass"
//! rules = [
//!     { filter = "meters/+/up", message = "meters.Reading", to = "json" },
//!     { filter = "meters/+/down", message = "meters.Command", to = "protobuf" },
//! ]
//! ```
//!
//! The first rule whose filter matches the topic counts; other topics pass. The JSON is protobuf's own mapping: names
//! in camel case, 64-bit integers as text, bytes as base64. Content Type and Payload Format Indicator are set; other
//! properties stay. Payloads of more than `longest` bytes (1 MiB when nothing is said) are wrong ones.

use dunlin_plugin_api::prelude::*;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor};
use std::path::PathBuf;

/// The entry's `settings`.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The file with the descriptor set.
    descriptors: PathBuf,
    /// What is changed.
    rules: Vec<RuleSettings>,
    /// What becomes of a payload that is none.
    #[serde(default)]
    wrong: Wrong,
    /// The longest payload that is looked at, in bytes.
    #[serde(default = "mebibyte")]
    longest: usize,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleSettings {
    filter: String,
    message: String,
    to: To,
}

#[derive(Debug, Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum To {
    Json,
    Protobuf,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Wrong {
    #[default]
    Drop,
    Pass,
}

fn mebibyte() -> usize {
    1 << 20
}

#[derive(Debug)]
struct Rule {
    filter: String,
    message: MessageDescriptor,
    to: To,
}

/// The plugin.
#[derive(Debug)]
pub struct TransformProtobuf {
    rules: Vec<Rule>,
    wrong: Wrong,
    longest: usize,
}

impl Rule {
    /// The payload as this rule wants it.
    fn convert(&self, payload: &[u8]) -> Result<Vec<u8>, String> {
        match self.to {
            To::Json => {
                let message = DynamicMessage::decode(self.message.clone(), payload)
                    .map_err(|error| format!("not a {}: {error}", self.message.full_name()))?;
                serde_json::to_vec(&message).map_err(|error| error.to_string())
            }
            To::Protobuf => {
                let mut json = serde_json::Deserializer::from_slice(payload);
                let options = DeserializeOptions::new().deny_unknown_fields(true);
                let message =
                    DynamicMessage::deserialize_with_options(self.message.clone(), &mut json, &options)
                        .and_then(|message| json.end().map(|()| message))
                        .map_err(|error| format!("not a {}: {error}", self.message.full_name()))?;
                Ok(message.encode_to_vec())
            }
        }
    }

    fn describe(&self, properties: &mut Properties) {
        let (content_type, text) = match self.to {
            To::Json => ("application/json", true),
            To::Protobuf => ("application/x-protobuf", false),
        };
        properties.content_type = Some(content_type.to_owned());
        properties.payload_is_text = Some(text);
    }
}

impl Plugin for TransformProtobuf {
    type Settings = Settings;
    const HOOKS: &'static [Hook] = &[Hook::Publish];

    fn create(_host: Host, setup: Setup<Settings>) -> Result<Self, Error> {
        let Settings {
            descriptors,
            rules,
            wrong,
            longest,
        } = setup.settings;
        let at = descriptors.display();
        let bytes = std::fs::read(&descriptors).map_err(|error| format!("{at}: {error}"))?;
        let pool = DescriptorPool::decode(bytes.as_slice())
            .map_err(|error| format!("{at} is no descriptor set: {error}"))?;
        let rule = |rule: RuleSettings| {
            check(&rule.filter)?;
            let message = pool
                .get_message_by_name(&rule.message)
                .ok_or_else(|| format!("{at} has no message `{}`", rule.message))?;
            Ok::<_, String>(Rule {
                filter: rule.filter,
                message,
                to: rule.to,
            })
        };
        Ok(Self {
            rules: rules.into_iter().map(rule).collect::<Result<_, _>>()?,
            wrong,
            longest,
        })
    }

    fn publish(
        &self,
        event: &Publish<'_>,
        _: &Later<'_, Change<PublishPatch>>,
    ) -> Answer<Change<PublishPatch>> {
        let message = &event.message;
        let topic = message.topic();
        let Some(rule) = self.rules.iter().find(|rule| matches(&rule.filter, topic)) else {
            return Change::Pass.into();
        };
        let payload = message.payload();
        let converted = if payload.len() > self.longest {
            Err(format!("{} bytes are too many", payload.len()))
        } else {
            rule.convert(payload)
        };
        match converted {
            Ok(payload) => {
                let mut properties = message.properties();
                rule.describe(&mut properties);
                Change::Patch(PublishPatch {
                    payload: Some(payload),
                    properties: Some(properties),
                    ..PublishPatch::default()
                })
                .into()
            }
            Err(_) if self.wrong == Wrong::Pass => Change::Pass.into(),
            Err(why) => Change::Drop(why).into(),
        }
    }
}

export_plugin!(TransformProtobuf);

fn check(filter: &str) -> Result<(), String> {
    let levels = filter.split('/').count();
    let good = |(at, level): (usize, &str)| match level {
        "+" => true,
        "#" => at + 1 == levels,
        level => !level.contains(['+', '#']),
    };
    if filter.is_empty() || !filter.split('/').enumerate().all(good) {
        return Err(format!("`{filter}` is no topic filter"));
    }
    Ok(())
}

fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    let mut wanted = filter.split('/');
    loop {
        match (wanted.next(), levels.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(wanted), Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost_types::field_descriptor_proto::{Label, Type};
    use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet};
    use serde_json::json;

    fn field(name: &str, number: i32, of: Type) -> FieldDescriptorProto {
        FieldDescriptorProto {
            name: Some(name.to_owned()),
            number: Some(number),
            label: Some(Label::Optional.into()),
            r#type: Some(of.into()),
            ..FieldDescriptorProto::default()
        }
    }

    fn folder() -> tempfile::TempDir {
        let reading = DescriptorProto {
            name: Some("Reading".to_owned()),
            field: vec![
                field("meter_id", 1, Type::String),
                field("watt_hours", 2, Type::Uint64),
            ],
            ..DescriptorProto::default()
        };
        let set = FileDescriptorSet {
            file: vec![FileDescriptorProto {
                name: Some("meters.proto".to_owned()),
                package: Some("meters".to_owned()),
                message_type: vec![reading],
                syntax: Some("proto3".to_owned()),
                ..FileDescriptorProto::default()
            }],
        };
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("meters.pb"), set.encode_to_vec()).unwrap();
        folder
    }

    fn load(
        folder: &tempfile::TempDir,
        message: &str,
        wrong: &str,
    ) -> Result<MockHost<TransformProtobuf>, String> {
        let settings = json!({
            "descriptors": folder.path().join("meters.pb"),
            "wrong": wrong,
            "longest": 100,
            "rules": [
                { "filter": "m/+/up", "message": message, "to": "json" },
                { "filter": "m/+/down", "message": message, "to": "protobuf" },
            ],
        });
        MockHost::new(&settings.to_string())
    }

    #[test]
    fn payloads_go_there_and_back() {
        let folder = folder();
        let mock = load(&folder, "meters.Reading", "drop").unwrap();
        let client = MockClient::new("c");
        let json = json!({ "meterId": "7", "wattHours": "18446744073709551615" });
        let down = NewMessage {
            properties: Properties {
                response_topic: Some("r".to_owned()),
                ..Properties::default()
            },
            ..NewMessage::new("m/7/down", json.to_string())
        };
        let Ok(Change::Patch(patch)) = mock.publish(&client, &down) else {
            panic!()
        };
        let properties = patch.properties.unwrap();
        assert_eq!(properties.content_type.as_deref(), Some("application/x-protobuf"));
        assert_eq!(properties.response_topic.as_deref(), Some("r"));
        let binary = patch.payload.unwrap();
        assert_eq!(binary, b"\x0a\x017\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
        let up = NewMessage::new("m/7/up", binary);
        let Ok(Change::Patch(patch)) = mock.publish(&client, &up) else {
            panic!()
        };
        let back: serde_json::Value = serde_json::from_slice(&patch.payload.unwrap()).unwrap();
        assert_eq!(back, json);
        let other = NewMessage::new("other", vec![255]);
        assert_eq!(mock.publish(&client, &other), Ok(Change::Pass));
    }

    #[test]
    fn what_is_none_is_dropped_or_passes() {
        let folder = folder();
        let client = MockClient::new("c");
        for (topic, payload) in [
            ("m/7/up", vec![0xff; 10]),
            ("m/7/up", vec![0; 101]),
            ("m/7/down", b"{".to_vec()),
            ("m/7/down", br#"{"meter":1}"#.to_vec()),
            ("m/7/down", b"{} {}".to_vec()),
            ("m/7/down", "[".repeat(100).into_bytes()),
        ] {
            let message = NewMessage::new(topic, payload);
            let dropped = load(&folder, "meters.Reading", "drop").unwrap();
            assert!(matches!(dropped.publish(&client, &message), Ok(Change::Drop(_))));
            let passed = load(&folder, "meters.Reading", "pass").unwrap();
            assert_eq!(passed.publish(&client, &message), Ok(Change::Pass));
        }
    }

    #[test]
    fn bad_settings_refuse_the_load() {
        let folder = folder();
        let refused = load(&folder, "meters.Nothing", "drop").unwrap_err();
        assert!(refused.ends_with("has no message `meters.Nothing`"), "{refused}");
        std::fs::write(folder.path().join("meters.pb"), b"no descriptors").unwrap();
        let refused = load(&folder, "meters.Reading", "drop").unwrap_err();
        assert!(refused.contains("is no descriptor set"), "{refused}");
        assert_eq!(check("a/#/b"), Err("`a/#/b` is no topic filter".to_owned()));
    }

    #[test]
    fn filters_match_as_mqtt_has_it() {
        for (filter, topic, is) in [
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("a/+", "a/b/c", false),
            ("a/+", "a", false),
            ("#", "$SYS/a", false),
            ("a", "a/b", false),
        ] {
            assert_eq!(matches(filter, topic), is, "{filter} {topic}");
        }
    }
}
