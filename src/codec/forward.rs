//! The properties of a message that reach its subscribers unaltered: Payload Format Indicator [MQTT-3.3.2-4], Content Type
//! [MQTT-3.3.2-20], Response Topic [MQTT-3.3.2-15], Correlation Data [MQTT-3.3.2-16] and User Properties [MQTT-3.3.2-17].
//!
//! The broker keeps them in their wire form from the publisher to the last subscriber. Who wants to look, such as a hook,
//! reads them with [`ForwardProperties`]; who wants others makes them with [`ForwardBuilder`].

use std::borrow::Cow;

use super::DecodeError;
use super::primitives::{Reader, fits_string};
use super::properties::{NOT_IN_THIS_PACKET, Properties, PropertyId, put_bytes, put_u8, put_user_property};
use super::scan::has_null_or_wildcard;

/// One property of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardProperty<'a> {
    /// 1 if the payload is UTF-8 text, 0 if it may be anything.
    PayloadFormat(u8),
    /// What the payload is, most often a MIME type.
    ContentType(&'a str),
    /// Where a response is to be published: a topic name.
    ResponseTopic(&'a str),
    /// What tells the requester which request a response belongs to.
    CorrelationData(&'a [u8]),
    /// A name and a value of the application; any number, in order, names may repeat.
    UserProperty(&'a str, &'a str),
}

impl<'a> ForwardProperty<'a> {
    /// The value of a property that the walk has just named.
    #[inline]
    pub(super) fn read(id: PropertyId, value: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(match id {
            PropertyId::UserProperty => Self::UserProperty(value.string()?, value.string()?),
            PropertyId::PayloadFormatIndicator => match value.u8()? {
                format @ 0..=1 => Self::PayloadFormat(format),
                _ => {
                    return Err(DecodeError::protocol(
                        "the Payload Format Indicator is neither 0 nor 1",
                    ));
                }
            },
            PropertyId::ContentType => Self::ContentType(value.string()?),
            PropertyId::ResponseTopic => match value.string()? {
                "" => {
                    return Err(DecodeError::protocol(
                        "the Response Topic is empty [MQTT-4.7.3-1]",
                    ));
                }
                topic if has_null_or_wildcard(topic.as_bytes()) => {
                    return Err(DecodeError::protocol(
                        "the Response Topic holds a wildcard character [MQTT-3.3.2-14]",
                    ));
                }
                topic => Self::ResponseTopic(topic),
            },
            PropertyId::CorrelationData => Self::CorrelationData(value.binary()?),
            _ => return Err(NOT_IN_THIS_PACKET),
        })
    }
}

/// Reads properties in wire form, in their order. Ends early at bytes that are no such properties; what the codec and
/// [`ForwardBuilder`] made never is.
#[derive(Clone, Copy, Debug)]
pub struct ForwardProperties<'a> {
    properties: Properties<'a>,
}

impl<'a> ForwardProperties<'a> {
    /// Reads `forward`, as [`super::PublishProperties::forward`] or [`super::Will::forward`] gives it.
    #[must_use]
    pub const fn new(forward: &'a [u8]) -> Self {
        Self {
            properties: Properties::raw(forward),
        }
    }
}

impl<'a> Iterator for ForwardProperties<'a> {
    type Item = ForwardProperty<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let property = match self.properties.next_id() {
            Ok(Some(id)) => ForwardProperty::read(id, &mut self.properties.value).ok(),
            Ok(None) | Err(_) => None,
        };
        if property.is_none() {
            self.properties = Properties::raw(&[]);
        }
        property
    }
}

/// Collects the parts of a property list that go on. As long as they lie side by side, which is the rule, nothing is
/// copied.
#[derive(Debug)]
pub(super) struct ForwardSpan<'a> {
    all: &'a [u8],
    start: usize,
    end: usize,
    collected: Vec<u8>,
}

impl<'a> ForwardSpan<'a> {
    #[inline]
    pub(super) const fn new(all: &'a [u8]) -> Self {
        Self {
            all,
            start: 0,
            end: 0,
            collected: Vec::new(),
        }
    }

    /// Adds the property that lies between these places of the list.
    #[inline]
    pub(super) fn add(&mut self, from: usize, to: usize) {
        if !self.collected.is_empty() {
            self.collected
                .extend_from_slice(self.all.get(from..to).unwrap_or_default());
        } else if self.start == self.end {
            (self.start, self.end) = (from, to);
        } else if self.end == from {
            self.end = to;
        } else {
            let parts = [self.all.get(self.start..self.end), self.all.get(from..to)];
            self.collected = parts.map(Option::unwrap_or_default).concat();
        }
    }

    #[inline]
    pub(super) fn finish(self) -> Cow<'a, [u8]> {
        if self.collected.is_empty() {
            Cow::Borrowed(self.all.get(self.start..self.end).unwrap_or_default())
        } else {
            Cow::Owned(self.collected)
        }
    }
}

/// Why a property cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForwardError {
    /// MQTT has two bytes for a length.
    #[error("a property is longer than 65535 bytes")]
    TooLong,
    /// [MQTT-1.5.4-2]
    #[error("a property holds the null character")]
    NullCharacter,
    /// [MQTT-3.3.2-14], [MQTT-4.7.3-1]
    #[error("the response topic is empty or holds a wildcard character")]
    ResponseTopic,
}

/// Makes properties in wire form. Every value is checked as it is set, so that what comes out can be sent.
#[derive(Clone, Debug, Default)]
pub struct ForwardBuilder {
    payload_format: Option<u8>,
    content_type: Option<String>,
    response_topic: Option<String>,
    correlation_data: Option<Vec<u8>>,
    /// User Properties, in wire form already.
    user_properties: Vec<u8>,
}

impl ForwardBuilder {
    /// A message without properties.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The properties that a message has, to change some of them.
    #[must_use]
    pub fn from_wire(forward: &[u8]) -> Self {
        let mut builder = Self::new();
        for property in ForwardProperties::new(forward) {
            match property {
                ForwardProperty::PayloadFormat(format) => builder.payload_format = Some(format),
                ForwardProperty::ContentType(text) => builder.content_type = Some(text.to_owned()),
                ForwardProperty::ResponseTopic(topic) => builder.response_topic = Some(topic.to_owned()),
                ForwardProperty::CorrelationData(data) => builder.correlation_data = Some(data.to_vec()),
                ForwardProperty::UserProperty(name, value) => {
                    put_user_property(&mut builder.user_properties, name, value);
                }
            }
        }
        builder
    }

    /// Says whether the payload is UTF-8 text; `None` says nothing.
    pub fn payload_is_text(&mut self, text: Option<bool>) -> &mut Self {
        self.payload_format = text.map(u8::from);
        self
    }

    /// Sets or removes the Content Type.
    ///
    /// # Errors
    /// Too long, or with a null character.
    pub fn content_type(&mut self, content_type: Option<&str>) -> Result<&mut Self, ForwardError> {
        self.content_type = content_type.map(checked).transpose()?.map(str::to_owned);
        Ok(self)
    }

    /// Sets or removes the Response Topic.
    ///
    /// # Errors
    /// Not a topic name.
    pub fn response_topic(&mut self, topic: Option<&str>) -> Result<&mut Self, ForwardError> {
        let topic = topic.map(checked).transpose()?;
        if topic.is_some_and(|topic| topic.is_empty() || has_null_or_wildcard(topic.as_bytes())) {
            return Err(ForwardError::ResponseTopic);
        }
        self.response_topic = topic.map(str::to_owned);
        Ok(self)
    }

    /// Sets or removes the Correlation Data.
    ///
    /// # Errors
    /// Too long.
    pub fn correlation_data(&mut self, data: Option<&[u8]>) -> Result<&mut Self, ForwardError> {
        if data.is_some_and(|data| data.len() > usize::from(u16::MAX)) {
            return Err(ForwardError::TooLong);
        }
        self.correlation_data = data.map(<[u8]>::to_vec);
        Ok(self)
    }

    /// Adds a User Property behind those that are there.
    ///
    /// # Errors
    /// Name or value too long, or with a null character.
    pub fn user_property(&mut self, name: &str, value: &str) -> Result<&mut Self, ForwardError> {
        put_user_property(&mut self.user_properties, checked(name)?, checked(value)?);
        Ok(self)
    }

    /// Removes all User Properties.
    pub fn clear_user_properties(&mut self) -> &mut Self {
        self.user_properties.clear();
        self
    }

    /// The wire form; empty if there is no property.
    #[must_use]
    pub fn finish(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(format) = self.payload_format {
            put_u8(&mut out, PropertyId::PayloadFormatIndicator, format);
        }
        if let Some(text) = &self.content_type {
            put_bytes(&mut out, PropertyId::ContentType, text.as_bytes());
        }
        if let Some(topic) = &self.response_topic {
            put_bytes(&mut out, PropertyId::ResponseTopic, topic.as_bytes());
        }
        if let Some(data) = &self.correlation_data {
            put_bytes(&mut out, PropertyId::CorrelationData, data);
        }
        out.extend_from_slice(&self.user_properties);
        out
    }
}

fn checked(text: &str) -> Result<&str, ForwardError> {
    if fits_string(text) {
        Ok(text)
    } else if text.len() > usize::from(u16::MAX) {
        Err(ForwardError::TooLong)
    } else {
        Err(ForwardError::NullCharacter)
    }
}
