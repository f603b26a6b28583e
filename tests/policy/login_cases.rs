//! Logins, case by case, and what happens to them: tokens, device credentials, custom authentication. The tables that the
//! scripts and `plugins/auth` are both held to; `token_cases.py` and its like write them.
//!
//! What the broker does about a login's end is played here: it asks 300 seconds before, at the end, and when a record changed
//! that the login rests on.

use super::auth_cases::Text;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// So long before the end of a login the broker asks, in seconds.
const LEAD: f64 = 300.0;
/// When a case begins.
const BEGIN: f64 = 1_700_000_000.0;

/// Instance, kind, name, and what it says.
pub type Record = (String, String, String, Value);

/// One table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// What is in the registry, by the names that cases call it.
    records: BTreeMap<String, Vec<Record>>,
    cases: Vec<Case>,
    /// A user name, and the instance that the `connect` hook reads from it.
    instances: Vec<(Option<String>, Option<String>)>,
}

/// One login.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default = "usual_instance")]
    instance: String,
    client_id: Text,
    username: Option<Text>,
    /// In base64: it need not be text.
    password: Option<Text>,
    records: String,
    #[serde(default)]
    settings: Map<String, Value>,
    expect: Value,
    #[serde(default)]
    then: Vec<Step>,
}

fn usual_instance() -> String {
    "mqtt-a".to_owned()
}

/// Something that happens while a client is connected, and what comes of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// The clock goes on, to this time.
    until: Option<f64>,
    /// A record of the client's instance becomes this.
    change: Option<(String, String, Value)>,
    /// The client publishes this to the control topic.
    upload: Option<String>,
    /// The client publishes to this topic; `says` is the answer.
    publish: Option<String>,
    /// The client subscribes to this filter; `says` is the answer.
    subscribe: Option<String>,
    says: Option<String>,
    /// What the client is told meanwhile: when, on which topic, what.
    #[serde(default)]
    told: Vec<(f64, String, String)>,
    /// Why the connection has ended.
    over: Option<String>,
    /// What the login brings now.
    attrs: Option<Value>,
    acl: Option<Vec<Vec<String>>>,
    depends: Option<Vec<String>>,
}

/// Who is asked about.
pub struct Who {
    pub instance: String,
    pub client_id: String,
    pub username: Option<String>,
    pub attrs: Map<String, Value>,
}

/// What a login brings.
#[derive(Debug, Default, PartialEq)]
pub struct Grant {
    pub attrs: Map<String, Value>,
    pub acl: Vec<Vec<String>>,
    pub expires_at: Option<f64>,
    pub depends: Vec<String>,
    pub any_client_id: bool,
}

/// What is said to a login.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    Allow(Grant),
    Deny(u8, String),
    Next,
}

/// What is done about a login.
#[derive(Debug, Default)]
pub struct Done {
    /// Topics and payloads.
    pub messages: Vec<(String, String)>,
    pub expires_at: Option<f64>,
    pub attrs: Option<Map<String, Value>>,
    pub acl: Option<Vec<Vec<String>>>,
    pub depends: Option<Vec<String>>,
    /// The end of the connection, and why.
    pub disconnect: Option<String>,
}

/// What is said to a PUBLISH or a filter: a word and a reason, and what the client is told besides.
#[derive(Debug, PartialEq)]
pub struct Access {
    pub says: &'static str,
    pub reason: String,
    pub told: Vec<(String, String)>,
}

/// The policy that is tried: fresh, with settings and records, at the time at which cases begin.
pub trait Policy {
    /// The clock goes on, to this time.
    fn time_is(&mut self, seconds: f64);
    /// A record is this from now on, or gone if it is null.
    fn record(&mut self, instance: &str, kind: &str, name: &str, value: &Value);
    fn connect(&mut self, username: Option<&str>) -> Option<String>;
    fn authenticate(&mut self, who: &Who, password: Option<&[u8]>) -> Verdict;
    fn publish(&mut self, who: &Who, topic: &str) -> Access;
    fn subscribe(&mut self, who: &Who, filter: &str) -> Access;
    fn control(&mut self, who: &Who, payload: &str) -> Done;
    fn expiring(&mut self, who: &Who, expires_at: f64, ended: bool) -> Done;
}

/// A connected client as the broker has it.
struct Connected<'a, P> {
    policy: &'a mut P,
    who: Who,
    now: f64,
    acl: Vec<Vec<String>>,
    depends: Vec<String>,
    ends: Option<f64>,
    /// When the policy is asked about that.
    asks: Option<f64>,
    told: Vec<(f64, String, String)>,
    over: Option<String>,
}

impl Table {
    pub fn read(text: &str) -> Table {
        serde_json::from_str(text).unwrap()
    }

    /// Holds a policy to the table. `make` makes it, with these settings and records.
    pub fn hold<P: Policy>(&self, make: impl Fn(&Map<String, Value>, &[Record]) -> P) {
        for case in &self.cases {
            case.hold(&mut make(&case.settings, &self.records[&case.records]));
        }
        let mut policy = make(&Map::new(), &[]);
        for (username, instance) in &self.instances {
            let said = policy.connect(username.as_deref());
            assert_eq!(&said, instance, "{username:?}");
        }
    }
}

impl Case {
    fn hold<P: Policy>(&self, policy: &mut P) {
        let mut who = Who {
            instance: self.instance.clone(),
            client_id: self.client_id.text(),
            username: self.username.as_ref().map(Text::text),
            attrs: Map::new(),
        };
        let password = self.password.as_ref().map(Text::bytes);
        let verdict = policy.authenticate(&who, password.as_deref());
        assert_eq!(shown(&verdict), self.expect, "{}", self.name);
        let Verdict::Allow(grant) = verdict else {
            assert!(self.then.is_empty(), "{}: nothing can happen then", self.name);
            return;
        };
        who.attrs = grant.attrs;
        let mut connected = Connected {
            policy,
            who,
            now: BEGIN,
            acl: grant.acl,
            depends: grant.depends,
            ends: None,
            asks: None,
            told: Vec::new(),
            over: None,
        };
        if let Some(ends) = grant.expires_at {
            connected.ends(ends);
        }
        for (number, step) in self.then.iter().enumerate() {
            connected.take(step, &format!("{}, step {number}", self.name));
        }
    }
}

/// A verdict as the table writes it: what is not there is left out.
fn shown(verdict: &Verdict) -> Value {
    match verdict {
        Verdict::Next => "next".into(),
        Verdict::Deny(code, reason) => json!({ "deny": [code, reason] }),
        Verdict::Allow(grant) => {
            let mut all = Map::new();
            all.insert("attrs".to_owned(), settled(&grant.attrs));
            if let Some(ends) = grant.expires_at {
                all.insert("expires_at".to_owned(), number(ends));
            }
            if grant.any_client_id {
                all.insert("any_client_id".to_owned(), true.into());
            }
            for (name, list) in [("acl", json!(grant.acl)), ("depends", json!(grant.depends))] {
                if list != json!([]) {
                    all.insert(name.to_owned(), list);
                }
            }
            json!({ "allow": all })
        }
    }
}

/// Whole numbers as JSON's integers, as Python writes them.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 {
        json!(value as i64)
    } else {
        json!(value)
    }
}

/// Attributes without what is another in each process.
fn settled(attrs: &Map<String, Value>) -> Value {
    let mut attrs = attrs.clone();
    if let Some(proof) = attrs.remove("proof") {
        let proof = proof.as_str().unwrap();
        assert!(
            proof.len() == 32 && proof.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{proof}"
        );
    }
    attrs.into()
}

impl<P: Policy> Connected<'_, P> {
    fn take(&mut self, step: &Step, name: &str) {
        assert_eq!(self.over, None, "{name}: it is over already");
        if let Some(until) = step.until {
            self.go_on(until);
        }
        if let Some((kind, record, value)) = &step.change {
            self.policy.record(&self.who.instance, kind, record, value);
            if self.depends.contains(&format!("{kind}/{record}")) {
                (self.ends, self.asks) = (Some(self.now), Some(self.now));
            }
        }
        if let Some(payload) = &step.upload {
            let done = self.policy.control(&self.who, payload);
            self.carry_out(done);
        }
        for (question, is_publish) in [(&step.publish, true), (&step.subscribe, false)] {
            let Some(about) = question else { continue };
            let access = match is_publish {
                true => self.policy.publish(&self.who, about),
                false => self.policy.subscribe(&self.who, about),
            };
            assert_eq!(Some(access.says), step.says.as_deref(), "{name}");
            self.tell(access.told);
            if access.says == "disconnect" {
                self.over = Some(access.reason);
            }
        }
        self.go_on(self.now);
        assert_eq!(std::mem::take(&mut self.told), step.told, "{name}: what is told");
        assert_eq!(self.over, step.over, "{name}: the end");
        if let Some(attrs) = &step.attrs {
            assert_eq!(&settled(&self.who.attrs), attrs, "{name}: attributes");
        }
        if let Some(acl) = &step.acl {
            assert_eq!(&self.acl, acl, "{name}: rules");
        }
        if let Some(depends) = &step.depends {
            assert_eq!(&self.depends, depends, "{name}: records");
        }
    }

    /// The login ends then.
    fn ends(&mut self, at: f64) {
        self.ends = Some(at);
        let notice = at - LEAD;
        self.asks = Some(if notice > self.now { notice } else { at });
    }

    /// The clock goes on, and the broker asks when it is time.
    fn go_on(&mut self, until: f64) {
        for _ in 0..1000 {
            let (Some(asks), Some(ends)) = (self.asks, self.ends) else {
                break;
            };
            if self.over.is_some() || asks > until {
                break;
            }
            self.now = self.now.max(asks);
            self.policy.time_is(self.now);
            let ended = ends <= self.now;
            self.asks = Some(ends);
            let done = self.policy.expiring(&self.who, ends, ended);
            let prolonged = done.expires_at.is_some_and(|at| at > self.now);
            self.carry_out(done);
            if ended && !prolonged && self.over.is_none() {
                self.over = Some("the login has ended".to_owned());
            }
        }
        self.now = self.now.max(until);
        self.policy.time_is(self.now);
    }

    fn carry_out(&mut self, done: Done) {
        self.tell(done.messages);
        if let Some(at) = done.expires_at {
            self.ends(at);
        }
        self.who.attrs = done.attrs.unwrap_or_else(|| self.who.attrs.clone());
        self.acl = done.acl.unwrap_or_else(|| self.acl.clone());
        self.depends = done.depends.unwrap_or_else(|| self.depends.clone());
        if done.disconnect.is_some() {
            self.over = done.disconnect;
        }
    }

    fn tell(&mut self, messages: Vec<(String, String)>) {
        let at = (self.now * 1000.0).round() / 1000.0;
        self.told
            .extend(messages.into_iter().map(|(topic, payload)| (at, topic, payload)));
    }
}
