//! Who may publish and subscribe to what, from a file of rules.
//!
//! ```toml
//! [[policy]]
//! name = "acl-file"
//! plugin = "libacl_file.so"
//! settings = { file = "acl.txt", otherwise = "deny", look = 5 }
//! ```
//!
//! The file is looked at every `look` seconds (0: never). When it changed and is good, the new rules are in force and
//! subscriptions are asked about again; when it is not, the log says where, and the rules before stay. `otherwise` is
//! the answer when no rule fits: `next` (the default) or `deny`. See [`rules`] for how rules are written.

pub mod rules;

use dunlin_plugin_api::prelude::*;
use rules::{Action, Rules, Who};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

/// The entry's `settings`.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The file with the rules; a relative path counts from the broker's working folder.
    file: PathBuf,
    /// What is answered when no rule fits.
    #[serde(default)]
    otherwise: Otherwise,
    /// How often the file is looked at, in seconds; 0 for never.
    #[serde(default = "five")]
    look: u32,
}

#[derive(Debug, Clone, Copy, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Otherwise {
    #[default]
    Next,
    Deny,
}

fn five() -> u32 {
    5
}

/// What is in force: the text, to see whether it changed, and the rules that it says.
#[derive(Debug)]
struct Loaded {
    text: String,
    rules: Rules,
}

/// The plugin.
#[derive(Debug)]
pub struct AclFile {
    host: Host,
    settings: Settings,
    loaded: RwLock<Arc<Loaded>>,
}

impl AclFile {
    fn read(settings: &Settings) -> Result<String, String> {
        let file = &settings.file;
        std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
    }

    fn parse(settings: &Settings, text: String) -> Result<Loaded, String> {
        let rules = Rules::parse(&text).map_err(|error| format!("{}:{error}", settings.file.display()))?;
        Ok(Loaded { text, rules })
    }

    fn loaded(&self) -> Arc<Loaded> {
        Arc::clone(&self.loaded.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts the file's rules in force if it changed. Whether it did.
    fn look(&self) -> Result<bool, String> {
        let text = Self::read(&self.settings)?;
        if text == self.loaded().text {
            return Ok(false);
        }
        let loaded = Self::parse(&self.settings, text)?;
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
        Ok(true)
    }

    fn decide(&self, client: &Client<'_>, action: Action, topic: &str) -> Access {
        let who = Who {
            client_id: client.client_id(),
            username: client.username(),
            group_id: client.group_id(),
            device_id: client.device_id(),
            instance: client.instance(),
        };
        match (
            self.loaded().rules.decide(&who, action, topic),
            self.settings.otherwise,
        ) {
            (Some(true), _) => Access::Allow,
            (Some(false), _) => Access::deny("a rule of the file says so"),
            (None, Otherwise::Deny) => Access::deny("no rule of the file allows it"),
            (None, Otherwise::Next) => Access::Next,
        }
    }
}

impl Plugin for AclFile {
    type Settings = Settings;
    const HOOKS: &'static [Hook] = &[Hook::OnTick, Hook::AuthorizePublish, Hook::AuthorizeSubscribe];

    fn create(host: Host, setup: Setup<Settings>) -> Result<Self, Error> {
        let settings = setup.settings;
        let loaded = Self::parse(&settings, Self::read(&settings)?)?;
        Ok(Self {
            host,
            settings,
            loaded: RwLock::new(Arc::new(loaded)),
        })
    }

    fn on_tick(&self, _now: f64, _: &Later<'_, Number>) -> Answer<Number> {
        if self.settings.look == 0 {
            return None.into();
        }
        match self.look() {
            Ok(false) => {}
            Ok(true) => {
                tracing::info!("new rules are in force");
                if let Err(error) = self.host.reauthorize("", None) {
                    tracing::warn!(%error, "subscriptions were not asked about again");
                }
            }
            Err(error) => tracing::error!(%error, "the rules before stay in force"),
        }
        Some(f64::from(self.settings.look)).into()
    }

    fn authorize_publish(&self, event: &AuthorizePublish<'_>, _: &Later<'_, Access>) -> Answer<Access> {
        self.decide(&event.client, Action::Publish, event.topic).into()
    }

    fn authorize_subscribe(&self, event: &AuthorizeSubscribe<'_>, _: &Later<'_, Access>) -> Answer<Access> {
        self.decide(&event.client, Action::Subscribe, event.filter).into()
    }
}

export_plugin!(AclFile);

#[cfg(test)]
mod tests {
    use super::*;

    fn mock(text: &str) -> (tempfile::TempDir, Result<MockHost<AclFile>, String>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("acl.txt");
        std::fs::write(&file, text).unwrap();
        let settings = format!(r#"{{ "file": {:?}, "look": 2 }}"#, file.to_str().unwrap());
        let mock = MockHost::new(&settings);
        (folder, mock)
    }

    #[test]
    fn a_bad_file_refuses_the_load_and_says_where() {
        let (_folder, refused) = mock("# rules\nallow publish a/#b\n");
        let refused = refused.unwrap_err();
        assert!(refused.contains("acl.txt:2: "), "{refused}");
        let missing = MockHost::<AclFile>::new(r#"{ "file": "no/such/file" }"#).unwrap_err();
        assert!(missing.contains("no/such/file"), "{missing}");
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let (_folder, mock) = mock("deny publish a/secret\nallow both a/#\n");
        let mock = mock.unwrap();
        let client = MockClient::new("c");
        let publish = |topic| mock.authorize_publish(&client, topic, 0, false, b"");
        assert!(matches!(publish("a/secret"), Ok(Access::Deny { .. })));
        assert_eq!(publish("a/b"), Ok(Access::Allow));
        assert_eq!(publish("b"), Ok(Access::Next));
        assert_eq!(
            mock.authorize_subscribe(&client, "a/+", 1, None),
            Ok(Access::Allow)
        );
        assert_eq!(mock.authorize_subscribe(&client, "#", 1, None), Ok(Access::Next));
    }

    #[test]
    fn a_changed_file_is_read_and_a_bad_one_changes_nothing() {
        let (folder, mock) = mock("deny publish a\n");
        let mock = mock.unwrap();
        let client = MockClient::new("c");
        let may = || mock.authorize_publish(&client, "a", 0, false, b"");
        assert_eq!(mock.on_tick(0.0), Ok(Some(2.0)));
        assert!(matches!(may(), Ok(Access::Deny { .. })));
        std::fs::write(folder.path().join("acl.txt"), "alow publish a\n").unwrap();
        assert_eq!(mock.on_tick(2.0), Ok(Some(2.0)));
        assert!(matches!(may(), Ok(Access::Deny { .. })));
        assert!(mock.logged(Level::Error, "acl.txt:1: "));
        std::fs::write(folder.path().join("acl.txt"), "allow publish a\n").unwrap();
        assert_eq!(mock.on_tick(4.0), Ok(Some(2.0)));
        assert_eq!(may(), Ok(Access::Allow));
        assert_eq!(mock.reauthorized(), [(String::new(), None)]);
    }
}
