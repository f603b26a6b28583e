//! The instances that the configuration names: their own names, and those of what they have.

use std::collections::HashMap;

use super::Check;
use crate::config::InstanceConfig;
use crate::config::load::path_of;
use crate::config::tree::Step;
use crate::names;

impl Check<'_> {
    pub(super) fn instances(&mut self) {
        let config = self.config;
        let mut places = vec![(
            config.instance.id.as_str(),
            path_of(&["instance"]),
            &config.instance,
        )];
        for (id, instance) in &config.instances {
            let place = path_of(&["instances", id]);
            if names::instance(id).is_err() {
                self.report_at(
                    &place,
                    format!("the instance {id:?}: {}", said(names::instance(id))),
                );
            }
            if *id == config.instance.id {
                self.report_at(
                    &place,
                    format!("the instance {id} is that of [instance]; give this one another id"),
                );
            }
            places.push((id, place, instance));
        }
        let mut known: HashMap<(String, String), &str> = HashMap::new();
        for (id, place, instance) in places {
            self.instance(id, &place, instance);
            let name = instance.name.as_deref().unwrap_or(id);
            let key = (instance.region.clone(), name.to_ascii_lowercase());
            if let Some(other) = known.insert(key, id) {
                let message = format!(
                    "the instances {other} and {id} are both called {name} in the region {}; names differ in more than case",
                    instance.region
                );
                self.report_at(&place, message);
            }
        }
    }

    fn instance(&mut self, id: &str, place: &[Step], instance: &InstanceConfig) {
        let at = |key: &str| [place, &path_of(&[key])].concat();
        if let Some(name) = &instance.name
            && names::instance(name).is_err()
        {
            self.report_at(&at("name"), format!("{name:?}: {}", said(names::instance(name))));
        }
        for (number, group) in instance.groups.iter().enumerate() {
            if names::group(group).is_err() {
                let item = [at("groups"), vec![Step::Index(number)]].concat();
                self.report_at(&item, format!("{group:?}: {}", said(names::group(group))));
            }
        }
        for (number, topic) in instance.topics.iter().enumerate() {
            let item = [at("topics"), vec![Step::Index(number)]].concat();
            let before = instance.topics.iter().take(number);
            if names::parent_topic(topic).is_err() {
                self.report_at(&item, format!("{topic:?}: {}", said(names::parent_topic(topic))));
            } else if let Some(same) = before.into_iter().find(|known| known.eq_ignore_ascii_case(topic)) {
                self.report_at(
                    &item,
                    format!("there is the parent topic {same} already; names differ in more than case"),
                );
            }
        }
        // What does not concern the sections themselves, which are looked at by their own.
        if let Err(problems) = self.config.terms(id, instance.edition, []) {
            let of_its_own = ["limits", "mqtt", "product"]
                .into_iter()
                .find(|section| self.root.get(&at(section)).is_some());
            if let Some(section) = of_its_own {
                for problem in problems {
                    self.report_at(&at(section), format!("the instance {id}: {problem}"));
                }
            }
        }
    }
}

fn said(result: Result<(), names::NameError>) -> &'static str {
    result.err().map_or("", |error| error.0)
}
