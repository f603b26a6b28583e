//! How durations, sizes and limits are written: `"1.5s"`, `"64KiB"`, `"unlimited"`.
//!
//! Each submodule is one notation, for `#[serde(with = "humane::...")]`. Every refusal ends with what to write instead, because
//! an operator reads it beside the line.

use std::fmt;
use std::time::Duration;

use bytesize::ByteSize;
use serde::de::{Error, Unexpected, Visitor};

const DURATION: &str = "a duration with its unit, for example \"10s\", \"500ms\" or \"3d\"";
const SIZE: &str = "a size, for example \"64KiB\" or \"1MiB\"";

/// A duration: `"10ms"`, `"1.5s"`, `"8m"`, `"3d"`.
pub mod duration {
    use super::*;

    /// Reads a [`Duration`].
    ///
    /// # Errors
    /// When the value is not text, or the text is not a number with a unit of time.
    pub fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        from.deserialize_any(Text {
            expecting: DURATION,
            read: |text| humantime::parse_duration(text).ok(),
        })
    }
}

/// A text, or a list of texts.
pub mod one_or_more {
    use super::*;

    /// Reads the texts.
    ///
    /// # Errors
    /// When it is neither.
    pub fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = Vec<String>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or a list of texts such as [\"a\", \"b\"]")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(vec![text.to_owned()])
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = list.next_element()? {
                    texts.push(text);
                }
                Ok(texts)
            }
        }
        from.deserialize_any(Texts)
    }
}

/// A duration that may be left out.
pub mod maybe_duration {
    use super::*;

    /// Reads a [`Duration`].
    ///
    /// # Errors
    /// As [`duration::deserialize`](super::duration::deserialize).
    pub fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        duration::deserialize(from).map(Some)
    }
}

/// A duration, or a word for "there is none": `"unlimited"`, which reads as `None`.
pub mod duration_or_unlimited {
    use super::*;

    /// Reads a [`Duration`], or `"unlimited"` as `None`.
    ///
    /// # Errors
    /// As [`duration::deserialize`](super::duration::deserialize).
    pub fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        from.deserialize_any(Text {
            expecting: "a duration with its unit, for example \"10s\" or \"3d\", or \"unlimited\"",
            read: |text| or_word(text, "unlimited"),
        })
    }
}

/// A duration, or `"none"`, which reads as `None`.
pub mod duration_or_none {
    use super::*;

    /// Reads a [`Duration`], or `"none"` as `None`.
    ///
    /// # Errors
    /// As [`duration::deserialize`](super::duration::deserialize).
    pub fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        from.deserialize_any(Text {
            expecting: "a duration with its unit, for example \"10s\", or \"none\"",
            read: |text| or_word(text, "none"),
        })
    }
}

fn or_word(text: &str, word: &str) -> Option<Option<Duration>> {
    if text == word {
        Some(None)
    } else {
        humantime::parse_duration(text).ok().map(Some)
    }
}

/// A number of bytes: `"64KiB"`, `"1MiB"`, `"1MB"` (a million), or a plain whole number of bytes.
pub mod size {
    use super::*;

    /// Reads a number of bytes.
    ///
    /// # Errors
    /// When the value is neither a size as text nor a whole number of 0 or more.
    pub fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
        from.deserialize_any(Number {
            expecting: SIZE,
            number: |bytes| usize::try_from(bytes).ok(),
            text: |text| {
                text.parse::<ByteSize>()
                    .ok()
                    .and_then(|size| usize::try_from(size.0).ok())
            },
        })
    }
}

/// A limit: a whole number from 1, or `"unlimited"`, which reads as the largest number of its type.
pub mod limit {
    use super::*;

    /// Reads a limit.
    ///
    /// # Errors
    /// When the value is 0, negative, too large, or another word than `"unlimited"`.
    pub fn deserialize<'de, D: serde::Deserializer<'de>, T: Limit>(from: D) -> Result<T, D::Error> {
        from.deserialize_any(Number {
            expecting: "a whole number of 1 or more, or \"unlimited\"",
            number: |count| if count == 0 { None } else { T::from_count(count) },
            text: |text| (text == "unlimited").then_some(T::UNLIMITED),
        })
    }
}

/// The rights of a file as octal text: `"0660"`.
pub mod file_mode {
    use super::*;

    /// Reads the permission bits of a file.
    ///
    /// # Errors
    /// When the value is not text of octal digits up to `"0777"`. (A bare `0660` is not TOML.)
    pub fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
        from.deserialize_any(Text {
            expecting: "the rights in octal as text, for example \"0660\"",
            read: |text| u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777),
        })
    }
}

/// A socket address: `"0.0.0.0:1883"`, `"[::]:1883"`.
pub mod address {
    use super::*;
    use std::net::SocketAddr;

    const ADDRESS: &str = "an IP address and a port, for example \"127.0.0.1:1883\" or \"[::]:1883\"";

    /// Reads a socket address.
    ///
    /// # Errors
    /// When the value is not an IP address and a port.
    pub fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
        let text = from.deserialize_string(Text {
            expecting: ADDRESS,
            read: |text| Some(text.to_owned()),
        })?;
        let port = text
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse::<u64>().ok());
        text.parse().map_err(|_| match port {
            Some(port) if port > u64::from(u16::MAX) => D::Error::custom(format!(
                "{port} is no port; ports go from 0 to 65535 (0: the system picks one)"
            )),
            _ => D::Error::invalid_value(Unexpected::Str(&text), &ADDRESS),
        })
    }

    /// The same for a setting that may be left out.
    pub mod optional {
        use super::*;

        /// Reads a socket address as `Some`.
        ///
        /// # Errors
        /// As [`address::deserialize`](super::deserialize).
        pub fn deserialize<'de, D: serde::Deserializer<'de>>(
            from: D,
        ) -> Result<Option<SocketAddr>, D::Error> {
            super::deserialize(from).map(Some)
        }
    }
}

/// A type that [`limit`] can fill.
pub trait Limit: Sized {
    /// What `"unlimited"` means.
    const UNLIMITED: Self;
    /// The count as this type, when it fits.
    fn from_count(count: u64) -> Option<Self>;
}

impl Limit for usize {
    const UNLIMITED: Self = usize::MAX;
    fn from_count(count: u64) -> Option<Self> {
        usize::try_from(count).ok()
    }
}

impl Limit for u32 {
    const UNLIMITED: Self = u32::MAX;
    fn from_count(count: u64) -> Option<Self> {
        u32::try_from(count).ok()
    }
}

struct Text<T> {
    expecting: &'static str,
    read: fn(&str) -> Option<T>,
}

impl<T> Visitor<'_> for Text<T> {
    type Value = T;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.read)(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

struct Number<T> {
    expecting: &'static str,
    number: fn(u64) -> Option<T>,
    text: fn(&str) -> Option<T>,
}

impl<T> Visitor<'_> for Number<T> {
    type Value = T;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }
    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        let read = u64::try_from(number).ok().and_then(self.number);
        read.ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.text)(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}
