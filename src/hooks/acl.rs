//! Rules that came with a login: a policy that knows a client's rights when it lets it in need not be asked again.

use crate::topic::TopicFilter;
use crate::topic::relation::{covers, overlaps};

/// What is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Publishing to a topic.
    Publish,
    /// Subscribing to a filter.
    Subscribe,
}

/// A client's own rules, in order: the first that fits decides.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Acl {
    rules: Vec<Rule>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    allow: bool,
    /// `None` is both.
    action: Option<Action>,
    filter: TopicFilter,
}

impl Rule {
    /// `{ "allow", "publish", "a/#" }` as a policy writes it.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(effect: &str, action: &str, filter: &str) -> Result<Self, String> {
        Ok(Self {
            allow: match effect {
                "allow" => true,
                "deny" => false,
                other => {
                    return Err(format!(
                        "it begins with \"allow\" or \"deny\", not with \"{other}\""
                    ));
                }
            },
            action: match action {
                "publish" => Some(Action::Publish),
                "subscribe" => Some(Action::Subscribe),
                "all" => None,
                other => {
                    return Err(format!(
                        "its second part is \"publish\", \"subscribe\" or \"all\", not \"{other}\""
                    ));
                }
            },
            filter: TopicFilter::parse(filter)
                .map_err(|why| format!("\"{filter}\" is no topic filter: {why}"))?,
        })
    }
}

impl Acl {
    /// Rules in their order.
    #[must_use]
    pub fn new(rules: Vec<Rule>) -> Self {
        Self { rules }
    }

    /// Allowed, denied, or nothing said. A filter is allowed where a rule covers all that it could match, and denied
    /// where a rule denies any of it.
    #[must_use]
    pub fn decide(&self, action: Action, topic: &str) -> Option<bool> {
        let fits = |rule: &&Rule| {
            let filter = rule.filter.filter();
            rule.action.is_none_or(|of| of == action)
                && match (action, rule.allow) {
                    (Action::Publish, _) => rule.filter.matches(topic),
                    (Action::Subscribe, true) => covers(filter, topic),
                    (Action::Subscribe, false) => overlaps(filter, topic),
                }
        };
        self.rules.iter().find(fits).map(|rule| rule.allow)
    }
}

impl Acl {
    /// The rules as a policy writes them.
    pub(super) fn written(&self) -> Vec<Vec<String>> {
        let write = |rule: &Rule| {
            let effect = if rule.allow { "allow" } else { "deny" };
            let action = match rule.action {
                Some(Action::Publish) => "publish",
                Some(Action::Subscribe) => "subscribe",
                None => "all",
            };
            [effect, action, rule.filter.as_str()].map(str::to_owned).to_vec()
        };
        self.rules.iter().map(write).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_fits_decides() {
        let rules = [
            ("deny", "all", "a/secret"),
            ("allow", "publish", "a/+"),
            ("allow", "subscribe", "a/#"),
        ];
        let acl = Acl::new(
            rules
                .iter()
                .map(|(e, a, f)| Rule::parse(e, a, f).unwrap())
                .collect(),
        );
        assert_eq!(acl.decide(Action::Publish, "a/b"), Some(true));
        assert_eq!(acl.decide(Action::Publish, "a/secret"), Some(false));
        assert_eq!(acl.decide(Action::Publish, "a/b/c"), None);
        assert_eq!(acl.decide(Action::Subscribe, "a/b/+"), Some(true));
        assert_eq!(acl.decide(Action::Subscribe, "a/+"), Some(false));
        assert!(Rule::parse("alow", "all", "a").unwrap_err().contains("alow"));
        assert!(
            Rule::parse("allow", "all", "a/#/b")
                .unwrap_err()
                .contains("no topic filter")
        );
    }
}
