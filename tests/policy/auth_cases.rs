//! What signature credentials are let in, case by case: the table that both `scripts/auth.lua` and `plugins/auth` are held to.
//!
//! `auth_cases.py` writes the table and signs in its own way. The tests of either read it with this file.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The whole table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Settings that are taken, by the names that cases call them.
    pub settings: BTreeMap<String, Value>,
    pub cases: Vec<Case>,
    /// Settings that refuse the load.
    pub refused: Vec<Refused>,
}

/// Who asks to be let in, and what is said.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub name: String,
    settings: String,
    client_id: Text,
    username: Option<Text>,
    /// In base64: it need not be text.
    password: Option<Text>,
    pub expect: Verdict,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    pub name: String,
    pub settings: Value,
    /// How the sentence begins that refuses them.
    pub says: String,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// With these attributes.
    Allow(Map<String, Value>),
    /// With this reason code and this reason.
    Deny(u8, String),
    Next,
}

/// A text, written out or, when it is long, told.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Text {
    Whole(String),
    Long {
        #[serde(default)]
        begin: String,
        of: String,
        times: usize,
    },
}

impl Text {
    pub fn text(&self) -> String {
        match self {
            Text::Whole(text) => text.clone(),
            Text::Long { begin, of, times } => begin.clone() + &of.repeat(*times),
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let decode = |text: &String| STANDARD.decode(text).unwrap();
        match self {
            Text::Whole(text) => decode(text),
            Text::Long { begin, of, times } => [decode(begin), decode(of).repeat(*times)].concat(),
        }
    }
}

impl Case {
    pub fn client_id(&self) -> String {
        self.client_id.text()
    }

    pub fn username(&self) -> Option<String> {
        self.username.as_ref().map(Text::text)
    }

    pub fn password(&self) -> Option<Vec<u8>> {
        self.password.as_ref().map(Text::bytes)
    }
}

impl Table {
    pub fn read() -> Table {
        serde_json::from_str(include_str!("auth_cases.json")).unwrap()
    }

    /// The cases that have these settings.
    pub fn of<'a>(&'a self, settings: &'a str) -> impl Iterator<Item = &'a Case> {
        self.cases.iter().filter(move |case| case.settings == settings)
    }
}
