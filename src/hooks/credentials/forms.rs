//! What ids, names and filters have to look like. None may have what parts a credential into its pieces.

use super::{CredentialError, Done, quoted, wrong};
use crate::instance::fresh;
use crate::topic::TopicFilter;

/// The longest id, secret, client id and filter, in bytes. A user name of 64 characters may have 256 bytes, and the name of a
/// record, 512 at most, has room for one and for a client id or a filter.
const ID: usize = 128;
const SECRET: usize = 256;
const CLIENT_ID: usize = 240;
const FILTER: usize = 240;

/// The longest serial number, in hexadecimal digits, and the longest name of an authority, in characters.
const SERIAL: usize = 128;
const CA_NAME: usize = 128;

/// The longest user name, in characters.
const USERNAME: usize = 64;

/// New text for an id or a secret.
pub(super) fn random(begins: &str, length: usize) -> Done<String> {
    let text = fresh::text(length).map_err(|error| CredentialError::Failed(error.to_string()))?;
    Ok(format!("{begins}{text}"))
}

pub(super) fn id(id: &str) -> Done<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if (1..=ID).contains(&id.len()) && id.bytes().all(allowed) {
        return Ok(());
    }
    Err(wrong(format!(
        "{} is no id of a key: one has 1 to {ID} letters, digits, `-`, `_` and `.`",
        quoted(id)
    )))
}

pub(super) fn secret(secret: &str) -> Done<()> {
    if (1..=SECRET).contains(&secret.len()) && !secret.chars().any(char::is_control) {
        return Ok(());
    }
    Err(wrong(format!(
        "a secret has 1 to {SECRET} bytes and no control characters"
    )))
}

pub(super) fn client_id(id: &str) -> Done<()> {
    if (1..=CLIENT_ID).contains(&id.len()) && !id.chars().any(char::is_control) {
        return Ok(());
    }
    Err(wrong(format!(
        "{} is no client id: one has 1 to {CLIENT_ID} bytes here, and no control characters",
        quoted(id)
    )))
}

/// The user name of custom authentication: `|` would make it one of the other kinds.
pub(super) fn username(name: &str) -> Done<()> {
    let wrong_char = |c: char| c.is_control() || c == '|' || c == '/';
    if (1..=USERNAME).contains(&name.chars().count()) && !name.chars().any(wrong_char) {
        return Ok(());
    }
    Err(wrong(format!(
        "{} is no user name: one has 1 to {USERNAME} characters, and neither `|` nor `/` nor control characters",
        quoted(name)
    )))
}

/// What an authority is called.
pub(super) fn ca_name(name: &str) -> Done<()> {
    if (1..=CA_NAME).contains(&name.chars().count()) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(wrong(format!(
        "{} is no name of an authority: one has 1 to {CA_NAME} characters, and no control characters",
        quoted(name)
    )))
}

/// A serial number as it is kept, of one that may be written with small letters and colons.
pub(super) fn serial(text: &str) -> Done<String> {
    let digits: String = text.chars().filter(|c| *c != ':').collect();
    if (1..=SERIAL).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(digits.to_ascii_uppercase());
    }
    Err(wrong(format!(
        "{} is no serial number: write 1 to {SERIAL} hexadecimal digits, as `openssl x509 -serial` prints them",
        quoted(text)
    )))
}

pub(super) fn filter(text: &str) -> Done<()> {
    if text.len() > FILTER {
        return Err(wrong(format!(
            "a topic filter has {FILTER} bytes at most here; {} ... has {}",
            quoted(text.get(..32).unwrap_or_default()),
            text.len()
        )));
    }
    let parsed = TopicFilter::parse(text);
    let parsed = parsed.map_err(|error| wrong(format!("{} is no topic filter: {error}", quoted(text))))?;
    if parsed.share_name().is_some() || text.chars().any(char::is_control) {
        return Err(wrong(format!(
            "{} cannot be used here: write the filter alone, without $share and control characters",
            quoted(text)
        )));
    }
    Ok(())
}
