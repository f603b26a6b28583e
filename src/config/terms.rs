//! What holds for one instance: `[limits]`, `[mqtt]` and `[product]`, then its edition, then its own settings.

use serde::Deserialize;

use super::check::terms::faults;
use super::de::De;
use super::load::path_of;
use super::tree::{self, Node, Place, Step, Value};
use super::{Edition, Limits, MqttConfig, ProductConfig};

/// The sections that an instance may have settings of its own for.
pub(super) const SECTIONS: [&str; 3] = ["limits", "mqtt", "product"];

/// Limits that hold over all instances and cannot be set for one.
const OF_THE_BROKER: [&str; 7] = [
    "limits.connections",
    "limits.connection_rate",
    "limits.connecting",
    "limits.connect_timeout",
    "limits.connect_packet_size",
    "limits.mailbox",
    "limits.sessions",
];

/// The settings of one instance.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Terms {
    /// How much of anything.
    pub limits: Limits,
    /// What of MQTT.
    pub mqtt: MqttConfig,
    /// What beyond MQTT.
    pub product: ProductConfig,
}

/// The sections as they were written, to read them again for an instance.
#[derive(Clone)]
pub(super) struct Written(Node);

impl Default for Written {
    fn default() -> Self {
        Self(Node::empty_table(Place::source("defaults")))
    }
}

impl Written {
    pub fn of(root: &Node) -> Self {
        let mut kept = Node::empty_table(root.place.clone());
        if let (Value::Table(all), Value::Table(kept)) = (&root.value, &mut kept.value) {
            let ours = |key: &str| SECTIONS.contains(&key) || key == "instance" || key == "instances";
            kept.extend(all.iter().filter(|entry| ours(&entry.key)).cloned());
        }
        Self(kept)
    }

    /// Reads what holds for an instance. `place` is where the configuration has its tables; `own` are settings that an
    /// operator made while the broker ran, `limits.tps` and `100`.
    ///
    /// # Errors
    /// The settings that are wrong, each with a sentence.
    pub fn terms<'s>(
        &self,
        edition: Edition,
        place: Option<&[Step]>,
        own: impl IntoIterator<Item = (&'s str, &'s str)>,
    ) -> Result<Terms, Vec<String>> {
        let mut problems = Vec::new();
        let mut node = Node::empty_table(self.0.place.clone());
        let mut set = |path: &[String], value: Node, problems: &mut Vec<String>| {
            if let Err(problem) = node.set(path, value) {
                problems.push(problem);
            }
        };
        for section in SECTIONS {
            if let Some(written) = self.0.get(&path_of(&[section])) {
                set(&[section.to_owned()], written.clone(), &mut problems);
            }
        }
        let edition_place = Place::source(format!("edition {}", edition.name()));
        for (name, value) in edition.settings() {
            match tree::parse_override(&edition_place, value) {
                Ok(value) => set(&split(name), value, &mut problems),
                Err(problem) => problems.push(problem),
            }
        }
        for section in place.iter().flat_map(|_| SECTIONS) {
            let path = [place.unwrap_or_default(), &path_of(&[section])].concat();
            if let Some(Node {
                value: Value::Table(entries),
                ..
            }) = self.0.get(&path)
            {
                for entry in entries {
                    let name = format!("{section}.{}", entry.key);
                    match of_the_broker(&name) {
                        Some(problem) => problems.push(problem),
                        None => set(&split(&name), entry.node.clone(), &mut problems),
                    }
                }
            }
        }
        for (name, value) in own {
            let known = SECTIONS
                .iter()
                .any(|section| name.starts_with(&format!("{section}.")));
            let own_place = Place::source(name);
            match (of_the_broker(name), tree::parse_override(&own_place, value)) {
                (Some(problem), _) | (None, Err(problem)) => problems.push(problem),
                _ if !known => problems.push(format!(
                    "there is no setting `{name}` of an instance; there are limits.NAME, mqtt.NAME and product.NAME"
                )),
                (None, Ok(value)) => set(&split(name), value, &mut problems),
            }
        }
        let terms = match Terms::deserialize(De(&node)) {
            Ok(terms) => terms,
            Err(error) => {
                problems.push(error.explain(&node).1.to_string());
                return Err(problems);
            }
        };
        let faults = faults(&terms.limits, &terms.mqtt, &terms.product);
        problems.extend(faults.into_iter().map(|fault| fault.message));
        if problems.is_empty() {
            Ok(terms)
        } else {
            Err(problems)
        }
    }
}

fn of_the_broker(name: &str) -> Option<String> {
    OF_THE_BROKER.contains(&name).then(|| {
        format!("`{name}` holds for the whole broker and cannot be set for one instance; set it in [limits]")
    })
}

fn split(name: &str) -> Vec<String> {
    name.split('.').map(str::to_owned).collect()
}
