//! Which reason codes a policy may answer with, for scripts and compiled plugins alike.

/// Whether PUBACK, PUBREC and SUBACK all know the code (MQTT 5, table 2-6).
pub(crate) fn is_refusal(code: u8) -> bool {
    matches!(code, 0x80 | 0x83 | 0x87 | 0x97)
}

/// What to write instead of another one.
pub(crate) const REFUSALS: &str = "write 0x80 (unspecified), 0x83 (implementation specific), 0x87 (not authorized) or 0x97 (quota exceeded), or no code";

/// Whether CONNACK knows the code for a refusal (MQTT 5, table 3-1).
pub(crate) fn is_connack_refusal(code: u8) -> bool {
    matches!(code, 0x80..=0x8A | 0x8C | 0x90 | 0x95 | 0x97 | 0x99 | 0x9A..=0x9D | 0x9F)
}

/// What to write instead of another one.
pub(crate) const CONNACK_REFUSALS: &str =
    "write a reason code of CONNACK, such as 0x86 (bad user name or password) or 0x87 (not authorized)";

/// Whether the code may end a connection (MQTT 5, table 2-6).
pub(crate) fn is_disconnect(code: u8) -> bool {
    matches!(code, 0x80..=0xA2)
}

/// What to write instead of another one.
pub(crate) const DISCONNECTS: &str = "write a reason code of DISCONNECT, 0x80 to 0xA2, or none";
