//! Rules, one a line; the first that fits decides.
//!
//! ```text
//! # Comments have lines of their own.
//! # verb  what       filter                  for whom (all that is named must fit)
//! allow   both       devices/{client_id}/#
//! allow   subscribe  news/+
//! allow   both       #                       user=admin instance=lab
//! deny    both       #                       group=GID_old
//! ```
//!
//! `what` is `publish`, `subscribe` or `both`. For whom: `client=`, `user=`, `group=`, `instance=`. `{client_id}`,
//! `{username}`, `{group_id}` and `{device_id}` stand for a whole level. A client that does not have one, or has one
//! with `/`, `+` or `#` in it, does not fit the rule. A subscription fits when the rule's filter covers all that its
//! own can match. A wildcard at the beginning does not cover `$` topics.

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Publish to a topic.
    Publish,
    /// Subscribe to a filter.
    Subscribe,
}

/// Who wants to.
#[derive(Debug, Clone, Copy)]
pub struct Who<'a> {
    /// The client id.
    pub client_id: &'a str,
    /// The user name.
    pub username: Option<&'a str>,
    /// The group id.
    pub group_id: Option<&'a str>,
    /// The device id.
    pub device_id: Option<&'a str>,
    /// The instance.
    pub instance: &'a str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Level {
    Text(String),
    One,
    Rest,
    ClientId,
    Username,
    GroupId,
    DeviceId,
}

#[derive(Debug)]
enum Whom {
    Client(String),
    User(String),
    Group(String),
    Instance(String),
}

#[derive(Debug)]
struct Rule {
    allow: bool,
    /// `None` for both.
    action: Option<Action>,
    levels: Vec<Level>,
    whom: Vec<Whom>,
}

/// A list of rules.
#[derive(Debug, Default)]
pub struct Rules(Vec<Rule>);

impl Rules {
    /// Reads rules.
    ///
    /// # Errors
    /// The number of the first line that is none, and why: `3: ...`.
    pub fn parse(text: &str) -> Result<Rules, String> {
        let mut rules = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            rules.push(rule(line).map_err(|why| format!("{}: {why}", number + 1))?);
        }
        Ok(Rules(rules))
    }

    /// What the first rule that fits says.
    #[must_use]
    pub fn decide(&self, who: &Who<'_>, action: Action, topic: &str) -> Option<bool> {
        let fits = |rule: &&Rule| {
            rule.action.is_none_or(|only| only == action)
                && rule.whom.iter().all(|whom| whom.is(who))
                && covers(&rule.levels, who, topic, action)
        };
        self.0.iter().find(fits).map(|rule| rule.allow)
    }
}

fn rule(line: &str) -> Result<Rule, String> {
    let mut words = line.split_ascii_whitespace();
    let allow = match words.next() {
        Some("allow") => true,
        Some("deny") => false,
        other => {
            return Err(format!(
                "a rule begins with `allow` or `deny`, not `{}`",
                other.unwrap_or_default()
            ));
        }
    };
    let action = match words.next() {
        Some("publish") => Some(Action::Publish),
        Some("subscribe") => Some(Action::Subscribe),
        Some("both") => None,
        other => {
            return Err(format!(
                "`{}` is neither `publish` nor `subscribe` nor `both`",
                other.unwrap_or_default()
            ));
        }
    };
    let filter = words.next().ok_or("the topic filter is missing")?;
    let whom = words.map(whom).collect::<Result<_, _>>()?;
    Ok(Rule {
        allow,
        action,
        levels: levels(filter)?,
        whom,
    })
}

fn levels(filter: &str) -> Result<Vec<Level>, String> {
    let last = filter.split('/').count() - 1;
    let level = |(at, text): (usize, &str)| {
        Ok(match text {
            "+" => Level::One,
            "#" if at == last => Level::Rest,
            "{client_id}" => Level::ClientId,
            "{username}" => Level::Username,
            "{group_id}" => Level::GroupId,
            "{device_id}" => Level::DeviceId,
            text if text.contains(['+', '#', '{', '}']) => {
                return Err(format!("`{text}` cannot be a level of the filter `{filter}`"));
            }
            text => Level::Text(text.to_owned()),
        })
    };
    filter.split('/').enumerate().map(level).collect()
}

fn whom(word: &str) -> Result<Whom, String> {
    match word.split_once('=') {
        Some(("client", id)) => Ok(Whom::Client(id.to_owned())),
        Some(("user", name)) => Ok(Whom::User(name.to_owned())),
        Some(("group", id)) => Ok(Whom::Group(id.to_owned())),
        Some(("instance", name)) => Ok(Whom::Instance(name.to_owned())),
        _ => Err(format!(
            "`{word}` is none of `client=`, `user=`, `group=`, `instance=`"
        )),
    }
}

impl Whom {
    fn is(&self, who: &Who<'_>) -> bool {
        match self {
            Whom::Client(id) => who.client_id == id,
            Whom::User(name) => who.username == Some(name),
            Whom::Group(id) => who.group_id == Some(id),
            Whom::Instance(name) => who.instance == name,
        }
    }
}

/// Whether all that `topic`, a topic name or a filter, can match is matched by the rule.
fn covers(levels: &[Level], who: &Who<'_>, topic: &str, action: Action) -> bool {
    let wildcard = matches!(levels.first(), Some(Level::One | Level::Rest));
    if wildcard && topic.starts_with('$') {
        return false;
    }
    let mut asked = topic.split('/').peekable();
    for level in levels {
        if *level == Level::Rest {
            return true;
        }
        let Some(text) = asked.next() else { return false };
        // In a topic name these are not wildcards, and the broker lets none through.
        if action == Action::Subscribe && text == "#" {
            return false;
        }
        let fits = match level {
            Level::One => true,
            Level::Text(own) => own == text,
            Level::ClientId => stands(Some(who.client_id), text),
            Level::Username => stands(who.username, text),
            Level::GroupId => stands(who.group_id, text),
            Level::DeviceId => stands(who.device_id, text),
            Level::Rest => true,
        };
        if !fits {
            return false;
        }
        // `a/#` covers `a` itself.
        if asked.peek().is_none()
            && levels.last() == Some(&Level::Rest)
            && topic.split('/').count() + 1 == levels.len()
        {
            return true;
        }
    }
    asked.next().is_none()
}

/// Whether a level is this value, which must be one that can stand as a level.
fn stands(value: Option<&str>, text: &str) -> bool {
    value.is_some_and(|value| !value.is_empty() && !value.contains(['/', '+', '#']) && value == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(client_id: &str) -> Who<'_> {
        Who {
            client_id,
            username: Some("u"),
            group_id: None,
            device_id: None,
            instance: "i",
        }
    }

    fn decide(rules: &str, client_id: &str, action: Action, topic: &str) -> Option<bool> {
        Rules::parse(rules)
            .unwrap()
            .decide(&who(client_id), action, topic)
    }

    #[test]
    fn filters_cover_what_they_match_and_no_more() {
        use Action::{Publish, Subscribe};
        for (filter, action, topic, fits) in [
            ("a/#", Publish, "a", true),
            ("a/#", Publish, "a/b/c", true),
            ("a/#", Publish, "ab", false),
            ("a/+", Publish, "a/b", true),
            ("a/+", Publish, "a/b/c", false),
            ("a/+", Publish, "a", false),
            ("#", Publish, "$SYS/x", false),
            ("+/x", Publish, "$SYS/x", false),
            ("$SYS/#", Publish, "$SYS/x", true),
            ("a/+", Subscribe, "a/+", true),
            ("a/+", Subscribe, "a/#", false),
            ("a/b", Subscribe, "a/+", false),
            ("a/#", Subscribe, "a/+/c/#", true),
            ("#", Subscribe, "#", true),
            ("#", Subscribe, "$SYS/#", false),
            ("+", Subscribe, "#", false),
            ("/a", Publish, "/a", true),
        ] {
            let rules = format!("allow both {filter}");
            assert_eq!(
                decide(&rules, "c", action, topic).is_some(),
                fits,
                "{filter} {topic}"
            );
        }
    }

    #[test]
    fn placeholders_are_whole_levels_and_no_wildcards() {
        let rules = "allow both d/{client_id}/#";
        assert_eq!(decide(rules, "c", Action::Publish, "d/c/x"), Some(true));
        assert_eq!(decide(rules, "c", Action::Publish, "d/e/x"), None);
        assert_eq!(decide(rules, "+", Action::Subscribe, "d/+/x"), None);
        assert_eq!(decide(rules, "", Action::Publish, "d//x"), None);
        assert_eq!(
            decide("allow both g/{group_id}", "c", Action::Publish, "g/"),
            None
        );
    }

    #[test]
    fn rules_are_for_whom_they_name() {
        let rules = "deny both # user=u instance=j\nallow both # user=u";
        assert_eq!(decide(rules, "c", Action::Publish, "a"), Some(true));
        assert_eq!(decide("allow both # group=g", "c", Action::Publish, "a"), None);
    }

    #[test]
    fn what_is_no_rule_is_refused_with_its_line() {
        for (text, says) in [
            ("\nalow publish a", "2: a rule begins with"),
            ("allow write a", "1: `write` is neither"),
            ("allow both", "1: the topic filter is missing"),
            ("allow both a#", "1: `a#` cannot be"),
            ("allow both #/a", "1: `#` cannot be"),
            ("allow both {user}", "1: `{user}` cannot be"),
            ("allow both a users=x", "1: `users=x` is none of"),
        ] {
            let error = Rules::parse(text).unwrap_err();
            assert!(error.starts_with(says), "{error}");
        }
    }
}
