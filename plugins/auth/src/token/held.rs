//! What a client's attributes say of its tokens.

use super::text::Kind;
use dunlin_plugin_api::prelude::*;
use serde::{Deserialize, Serialize};

/// So long before its end a token's client is told, in milliseconds.
pub(super) const LEAD: i64 = 300_000;

/// The attributes of a client that came with tokens.
#[derive(Serialize, Deserialize)]
pub(super) struct Attrs {
    pub(super) access_key: String,
    /// The fingerprint of the key that its tokens are signed with.
    pub(super) token_key: String,
    pub(super) tokens: Tokens,
    /// It was told why it has to go.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) over: bool,
}

/// Its tokens.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Tokens {
    #[serde(rename = "R", default, skip_serializing_if = "Option::is_none")]
    read: Option<Token>,
    #[serde(rename = "W", default, skip_serializing_if = "Option::is_none")]
    write: Option<Token>,
    #[serde(rename = "RW", default, skip_serializing_if = "Option::is_none")]
    both: Option<Token>,
}

/// What is kept of a token. Its text is not.
#[derive(Serialize, Deserialize)]
pub(super) struct Token {
    /// In milliseconds since 1970.
    pub(super) expires: i64,
    /// The SHA-256 of its text.
    pub(super) id: String,
    pub(super) resources: Vec<String>,
    /// The client knows that it expires.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) warned: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Attrs {
    /// Those of this client, if it came with tokens.
    pub(super) fn of(client: &Client<'_>) -> Option<Self> {
        client.attrs().ok()
    }

    /// The records that its login rests on; `kept` says whether the access key is one.
    pub(super) fn records(&self, kept: bool) -> Vec<String> {
        let mut list = vec!["token_key/current".to_owned()];
        list.extend(kept.then(|| format!("access_key/{}", self.access_key)));
        let tokens = Kind::ALL.into_iter().filter_map(|kind| self.tokens.of(kind));
        list.extend(tokens.map(|token| format!("revoked_token/{}", token.id)));
        list
    }
}

impl Tokens {
    pub(super) fn of(&self, kind: Kind) -> Option<&Token> {
        match kind {
            Kind::Read => self.read.as_ref(),
            Kind::Write => self.write.as_ref(),
            Kind::Both => self.both.as_ref(),
        }
    }

    pub(super) fn slot(&mut self, kind: Kind) -> &mut Option<Token> {
        match kind {
            Kind::Read => &mut self.read,
            Kind::Write => &mut self.write,
            Kind::Both => &mut self.both,
        }
    }

    /// Those that there are, in their order.
    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = (Kind, &mut Token)> {
        let all = [&mut self.read, &mut self.write, &mut self.both];
        Kind::ALL
            .into_iter()
            .zip(all)
            .filter_map(|(kind, token)| Some((kind, token.as_mut()?)))
    }

    /// When the broker is to ask next, in seconds. It asks by itself 300 seconds before a login ends; later tokens of the same
    /// client have their notice in between.
    pub(super) fn next_look(&self, at: i64) -> f64 {
        let (mut ends, mut due) = (i64::MAX, i64::MAX);
        for token in Kind::ALL.into_iter().filter_map(|kind| self.of(kind)) {
            ends = ends.min(token.expires);
            due = due.min(if token.warned {
                token.expires
            } else {
                token.expires - LEAD
            });
        }
        let next = if ends - LEAD > at { ends } else { due.max(at) };
        next as f64 / 1000.0
    }
}
