//! Tokens: a right on some topics until some time, signed, for clients that are to know no key.
//!
//! `DT1.PAYLOAD.SIGNATURE`, the last two in base64 for URLs without padding. PAYLOAD is a JSON object: `i` the instance, `a` the
//! actions (`R`, `W` or `RW`), `r` the resources in their order, `e` when it expires, `n` a random text. SIGNATURE is HMAC-SHA256
//! over `DT1.PAYLOAD` with the instance's key. Clients must not care: it is a text to them.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{CredentialError, Credentials, Done, Secret, failed, fields, forms, kind, wrong};
use crate::store::registry::{Expect, RecordKey, Registry, RegistryError, Write};
use crate::time::Millis;

/// What tokens of this form begin with.
const FORM: &str = "DT1";

/// The name of the key that signs.
const CURRENT: &str = "current";

/// How long a token holds at least and at most, in milliseconds.
const SHORTEST: u64 = 60 * 1000;
const LONGEST: u64 = 30 * 24 * 60 * 60 * 1000;

/// Resources of one token.
const RESOURCES: usize = 100;

/// Letters and digits that make a token unlike every other.
const NONCE: usize = 16;

/// Revocations that are looked at together.
const TOGETHER: usize = 1000;

/// A wish for a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    /// `R`, `W`, or `R,W`.
    pub actions: String,
    /// Topic filters.
    pub resources: Vec<String>,
    /// When it is to expire, in milliseconds since 1970.
    pub until: u64,
}

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// It.
    pub text: Secret,
    /// When it expires, in milliseconds since 1970.
    pub expires: u64,
}

/// What a token says. The order of the fields is the order in the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claims {
    #[serde(rename = "i")]
    pub(super) instance: String,
    #[serde(rename = "a")]
    pub(super) actions: String,
    #[serde(rename = "r")]
    pub(super) resources: Vec<String>,
    #[serde(rename = "e")]
    pub(super) expires: u64,
    #[serde(rename = "n")]
    pub(super) nonce: String,
}

impl Credentials<'_> {
    /// Issues a token.
    ///
    /// # Errors
    /// It would hold for less than a minute, for too many topics, or for something that is no topic filter.
    pub async fn apply_token(&self, request: &TokenRequest) -> Done<Token> {
        let actions = actions(&request.actions)?;
        let resources = resources(&request.resources)?;
        if request.until < self.now.0.saturating_add(SHORTEST) {
            let what = "a token expires 60 seconds from now at the earliest; name a later time";
            return Err(wrong(what));
        }
        let expires = request.until.min(self.now.0.saturating_add(LONGEST));
        let claims = Claims {
            instance: self.instance.to_owned(),
            actions: actions.to_owned(),
            resources,
            expires,
            nonce: forms::random("", NONCE)?,
        };
        let key = match self.token_key() {
            Some(key) => key,
            None => self.make_token_key().await?,
        };
        let text = Secret::new(sign(&key, &claims)?);
        Ok(Token { text, expires })
    }

    /// Does this token hold?
    #[must_use]
    pub fn token_holds(&self, token: &str) -> bool {
        let revoked = || {
            self.registry
                .get(self.instance, kind::REVOKED_TOKEN, &digest(token))
        };
        self.genuine(token)
            .is_some_and(|claims| claims.expires > self.now.0 && revoked().is_none())
    }

    /// Makes a token void.
    ///
    /// # Errors
    /// It is none of this instance.
    pub async fn revoke_token(&self, token: &str) -> Done<()> {
        let claims = self.genuine(token).ok_or_else(|| {
            let instance = self.instance;
            wrong(format!(
                "this is no token of the instance {instance}, so there is nothing to revoke"
            ))
        })?;
        if claims.expires <= self.now.0 {
            return Ok(());
        }
        let value = fields([("expires", claims.expires.into())]);
        self.put(kind::REVOKED_TOKEN, &digest(token), value, Expect::Whatever, "")
            .await
    }

    /// What a token says that this instance has issued.
    fn genuine(&self, token: &str) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (form, payload) = signed.split_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let mac = mac(&self.token_key()?)?.chain_update(signed);
        mac.verify_slice(&signature).ok()?;
        let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
        let claims: Claims = serde_json::from_slice(&payload).ok()?;
        (form == FORM && claims.instance == self.instance).then_some(claims)
    }

    fn token_key(&self) -> Option<Vec<u8>> {
        let record = self.registry.get(self.instance, kind::TOKEN_KEY, CURRENT)?;
        STANDARD.decode(record.text("secret")?).ok()
    }

    /// The first token of an instance makes its key. Of two that do so at once, one is used by both.
    async fn make_token_key(&self) -> Done<Vec<u8>> {
        let mut key = [0; 32];
        let no_key = "the instance has no key to sign tokens with, and none could be made";
        getrandom::fill(&mut key).map_err(|error| CredentialError::Failed(format!("{no_key}: {error}")))?;
        let value = fields([
            ("secret", STANDARD.encode(key).into()),
            ("created", self.now.0.into()),
        ]);
        let made = self
            .put(kind::TOKEN_KEY, CURRENT, value, Expect::Nothing, "")
            .await;
        if let Err(error) = made
            && !matches!(error, CredentialError::Exists(_))
        {
            return Err(error);
        }
        self.token_key()
            .ok_or_else(|| CredentialError::Failed(no_key.to_owned()))
    }
}

fn actions(text: &str) -> Done<&'static str> {
    match text {
        "R" => Ok("R"),
        "W" => Ok("W"),
        "RW" | "R,W" | "W,R" => Ok("RW"),
        _ => Err(wrong("the actions of a token are R, W, or R,W")),
    }
}

fn resources(wanted: &[String]) -> Done<Vec<String>> {
    if wanted.is_empty() || wanted.len() > RESOURCES {
        return Err(wrong(format!(
            "a token has 1 to {RESOURCES} resources; here are {}",
            wanted.len()
        )));
    }
    wanted.iter().try_for_each(|filter| forms::filter(filter))?;
    let mut resources = wanted.to_vec();
    resources.sort_unstable();
    resources.dedup();
    Ok(resources)
}

fn mac(key: &[u8]) -> Option<Hmac<Sha256>> {
    // A key of any length is one.
    Hmac::new_from_slice(key).ok()
}

/// The text of a token.
pub(super) fn sign(key: &[u8], claims: &Claims) -> Done<String> {
    let cannot = || CredentialError::Failed("the token could not be signed".to_owned());
    let payload = serde_json::to_vec(claims).map_err(|_| cannot())?;
    let signed = format!("{FORM}.{}", URL_SAFE_NO_PAD.encode(payload));
    let signature = mac(key).ok_or_else(cannot)?.chain_update(&signed).finalize();
    let signature = URL_SAFE_NO_PAD.encode(signature.into_bytes());
    Ok(format!("{signed}.{signature}"))
}

/// The name of a revocation.
pub(super) fn digest(token: &str) -> String {
    let bytes = Sha256::digest(token);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Forgets the revocations of tokens that have expired anyway; answers with how many there were.
///
/// # Errors
/// They could not all be removed.
pub async fn forget_expired(
    registry: &Registry,
    instance: &str,
    now: Millis,
) -> Result<usize, CredentialError> {
    let (mut after, mut gone) = (None, 0);
    loop {
        let page = registry.list(instance, kind::REVOKED_TOKEN, after.as_deref(), TOGETHER);
        let Some((last, _)) = page.last() else {
            return Ok(gone);
        };
        after = Some(last.to_string());
        let expired = page.iter().filter(|(_, record)| {
            let expires = record.number("expires");
            expires.is_some_and(|expires| expires <= now.0)
        });
        let writes: Vec<Write> = expired
            .map(|(name, record)| Write {
                key: RecordKey::new(instance, kind::REVOKED_TOKEN, name),
                value: None,
                expect: Expect::Exactly(record.revision),
            })
            .collect();
        gone += writes.len();
        match registry.write(writes).await {
            // Somebody else was faster: the next time is soon enough.
            Ok(()) | Err(RegistryError::Stale(_)) => {}
            Err(error) => return Err(failed(&error)),
        }
    }
}
