//! A token's text: `DT1.<payload>.<signature>`, and passwords that consist of them.

use super::held::{Token, Tokens};
use crate::filter;
use crate::sign::{equal, hex, hmac_sha256, sha256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dunlin_plugin_api::prelude::*;
use serde_json::Value;

/// What a token may hold: what is kept of three of them fits into a client's attributes.
const MOST_RESOURCES: usize = 100;
const MOST_BYTES: usize = 12_800;

/// What a token lets a client do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Write,
    Both,
}

impl Kind {
    pub(super) const ALL: [Kind; 3] = [Kind::Read, Kind::Write, Kind::Both];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Kind::Read => "R",
            Kind::Write => "W",
            Kind::Both => "RW",
        }
    }

    pub(super) fn named(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// Why there is no token.
pub(super) enum Bad {
    /// The product's code.
    Code(i8),
    /// The registry cannot be read.
    Host(Refused),
}

impl From<Refused> for Bad {
    fn from(refused: Refused) -> Self {
        Bad::Host(refused)
    }
}

/// Whether the token of this id was revoked.
pub(super) fn is_revoked(host: &Host, instance: &str, id: &str) -> Result<bool, Refused> {
    let record = host.registry_get(instance, "revoked_token", id)?;
    Ok(record.is_some())
}

/// What tokens are held against.
pub(super) struct Reader<'a> {
    pub(super) host: &'a Host,
    pub(super) instance: &'a str,
    /// Without one all signatures are wrong.
    pub(super) key: Option<&'a [u8]>,
    pub(super) now: i64,
}

impl Reader<'_> {
    /// What a token says that was brought as one of this kind.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(&self, kind: Kind, text: &[u8]) -> Result<Token, Bad> {
        let parts = Parts::of(text).ok_or(Bad::Code(1))?;
        // Without a key it takes as long, and is wrong.
        let digest = hmac_sha256(self.key.unwrap_or(b"none"), parts.signed).map_err(|_| Bad::Code(8))?;
        let right = equal(URL_SAFE_NO_PAD.encode(digest).as_bytes(), parts.signature);
        if self.key.is_none() || !right {
            return Err(Bad::Code(8));
        }
        let says = Says::of(parts.payload).ok_or(Bad::Code(1))?;
        if says.instance != self.instance {
            return Err(Bad::Code(4));
        }
        if says.kind != kind {
            return Err(Bad::Code(5));
        }
        let id = hex(&sha256(text));
        if is_revoked(self.host, self.instance, &id)? {
            return Err(Bad::Code(3));
        }
        if says.expires <= self.now {
            return Err(Bad::Code(2));
        }
        Ok(Token {
            expires: says.expires,
            id,
            resources: says.resources,
            warned: false,
        })
    }

    /// The tokens of a password.
    ///
    /// # Errors
    /// What is wrong with the first that is not good; without its kind when there are no pairs of kind and token.
    pub(super) fn read_all(&self, password: &[u8]) -> Result<Tokens, (Option<Kind>, Bad)> {
        let mut tokens = Tokens::default();
        let mut parts = password.split(|byte| *byte == b'|');
        while let Some(word) = parts.next() {
            let kind = std::str::from_utf8(word).ok().and_then(Kind::named);
            let free = kind.filter(|kind| tokens.of(*kind).is_none());
            let (Some(kind), Some(text)) = (free, parts.next()) else {
                return Err((None, Bad::Code(1)));
            };
            let token = self.read(kind, text).map_err(|bad| (Some(kind), bad))?;
            *tokens.slot(kind) = Some(token);
        }
        Ok(tokens)
    }
}

/// A token's text, cut into pieces.
struct Parts<'a> {
    signed: &'a [u8],
    payload: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(text: &'a [u8]) -> Option<Self> {
        let dot = text.iter().rposition(|byte| *byte == b'.')?;
        let (signed, signature) = (text.get(..dot)?, text.get(dot + 1..)?);
        let payload = signed.strip_prefix(b"DT1.")?;
        (is_base64(payload) && is_base64(signature)).then_some(Self {
            signed,
            payload,
            signature,
        })
    }
}

fn is_base64(text: &[u8]) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !text.is_empty() && text.iter().all(is_letter)
}

/// What a payload says.
struct Says {
    instance: String,
    kind: Kind,
    resources: Vec<String>,
    expires: i64,
}

impl Says {
    fn of(payload: &[u8]) -> Option<Self> {
        let json = URL_SAFE_NO_PAD.decode(payload).ok()?;
        let says: Value = serde_json::from_slice(&json).ok()?;
        Some(Self {
            instance: says.get("i")?.as_str()?.to_owned(),
            kind: Kind::named(says.get("a")?.as_str()?)?,
            resources: resources(says.get("r")?)?,
            expires: time(says.get("e")?)?,
        })
    }
}

fn resources(list: &Value) -> Option<Vec<String>> {
    let list = list.as_array()?;
    if list.is_empty() || list.len() > MOST_RESOURCES {
        return None;
    }
    let read = |filter: &Value| {
        let filter = filter.as_str().filter(|filter| filter::is_valid(filter))?;
        (!filter.starts_with("$share/")).then(|| filter.to_owned())
    };
    let resources: Vec<String> = list.iter().map(read).collect::<Option<_>>()?;
    (resources.iter().map(String::len).sum::<usize>() <= MOST_BYTES).then_some(resources)
}

/// Milliseconds since 1970, as many as a double holds exactly.
fn time(value: &Value) -> Option<i64> {
    let value = value.as_f64()?;
    let is_whole = value.fract() == 0.0 && (0.0..(1_u64 << 53) as f64).contains(&value);
    is_whole.then_some(value as i64)
}
