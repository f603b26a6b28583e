//! What a PUBLISH can carry, which policies are held to: a message that no packet can say reaches nobody.

use super::verdict::{ConnackPatch, Properties};
use crate::codec::SURELY_FITS;

/// The longest text or binary data of MQTT, in bytes (MQTT 5, 1.5.4 and 1.5.6).
pub(crate) const TEXT: usize = 65_535;
/// All User Properties of a message together, in bytes. MQTT says no number; somebody who means more means a payload.
const USER: usize = 512 * 1024;
/// The largest payload, in bytes.
pub(crate) const PAYLOAD: usize = SURELY_FITS;

/// Whether MQTT can say this text.
///
/// # Errors
/// Why not, as a sentence about `name`.
pub(crate) fn text(name: &str, text: &str) -> Result<(), String> {
    if text.len() > TEXT {
        return Err(format!("`{name}` has {} bytes, {TEXT} are allowed", text.len()));
    }
    // [MQTT-1.5.4-2]
    if text.contains('\0') {
        return Err(format!("`{name}` contains U+0000, which MQTT forbids"));
    }
    Ok(())
}

/// The longest id of an instance, in bytes: the registry takes no longer one.
const INSTANCE: usize = 512;

/// Whether an instance can be called this. Whether there is one is for the broker to say.
///
/// # Errors
/// As [`text`].
pub(crate) fn instance(id: &str) -> Result<(), String> {
    if id.is_empty() || id.len() > INSTANCE || id.contains('\0') {
        return Err(format!(
            "`instance` must be 1 to {INSTANCE} bytes, without U+0000"
        ));
    }
    Ok(())
}

/// Whether a packet can carry this payload, whatever else is in it.
///
/// # Errors
/// As [`text`].
pub(crate) fn payload(bytes: &[u8]) -> Result<(), String> {
    if bytes.len() > PAYLOAD {
        return Err(format!(
            "`payload` has {} bytes, {PAYLOAD} are allowed",
            bytes.len()
        ));
    }
    Ok(())
}

/// Whether MQTT can say these properties.
///
/// # Errors
/// As [`text`].
pub(crate) fn properties(properties: &Properties) -> Result<(), String> {
    if let Some(content_type) = &properties.content_type {
        text("content_type", content_type)?;
    }
    if let Some(data) = &properties.correlation_data
        && data.len() > TEXT
    {
        return Err(format!(
            "`correlation_data` has {} bytes, {TEXT} are allowed",
            data.len()
        ));
    }
    user(&properties.user)
}

/// Whether a CONNACK can say this.
///
/// # Errors
/// As [`text`].
pub(crate) fn connack(patch: &ConnackPatch) -> Result<(), String> {
    let texts = [
        ("reason_string", &patch.reason_string),
        ("response_information", &patch.response_information),
        ("server_reference", &patch.server_reference),
    ];
    for (name, said) in texts {
        if let Some(said) = said {
            text(name, said)?;
        }
    }
    user(&patch.user)
}

/// Whether a packet can carry these User Properties.
///
/// # Errors
/// As [`text`].
fn user(pairs: &[(String, String)]) -> Result<(), String> {
    let mut total = 0;
    for (name, value) in pairs {
        text("user", name)?;
        text("user", value)?;
        total += name.len() + value.len() + 5;
    }
    if total > USER {
        return Err(format!("`user` has {total} bytes, {USER} are allowed"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_packet_can_say_is_refused() {
        let with_user = |count, len| Properties {
            user: vec![("n".to_owned(), "v".repeat(len)); count],
            ..Properties::default()
        };
        assert_eq!(properties(&with_user(7, TEXT)), Ok(()));
        assert_eq!(
            properties(&with_user(9, TEXT)).unwrap_err(),
            "`user` has 589869 bytes, 524288 are allowed"
        );
        assert_eq!(
            properties(&with_user(1, TEXT + 1)).unwrap_err(),
            "`user` has 65536 bytes, 65535 are allowed"
        );
        let correlation = Properties {
            correlation_data: Some(vec![0; TEXT + 1].into()),
            ..Properties::default()
        };
        assert_eq!(
            properties(&correlation).unwrap_err(),
            "`correlation_data` has 65536 bytes, 65535 are allowed"
        );
        let nul = Properties {
            content_type: Some("a\0".to_owned()),
            ..Properties::default()
        };
        assert_eq!(
            properties(&nul).unwrap_err(),
            "`content_type` contains U+0000, which MQTT forbids"
        );
        assert!(payload(&vec![0; PAYLOAD + 1]).is_err());
    }
}
