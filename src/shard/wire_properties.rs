//! The properties of a PUBLISH between their wire form and what hooks read and write.

use bytes::Bytes;

use crate::codec::{self, ForwardProperties, ForwardProperty};
use crate::hooks::Properties;

/// Properties in wire form, as hooks read them.
pub(super) fn read(forward: &[u8]) -> Properties {
    let mut properties = Properties::default();
    for property in ForwardProperties::new(forward) {
        match property {
            ForwardProperty::PayloadFormat(format) => properties.payload_is_text = Some(format == 1),
            ForwardProperty::ContentType(text) => properties.content_type = Some(text.to_owned()),
            ForwardProperty::ResponseTopic(text) => properties.response_topic = Some(text.to_owned()),
            ForwardProperty::CorrelationData(data) => {
                properties.correlation_data = Some(Bytes::copy_from_slice(data));
            }
            ForwardProperty::UserProperty(name, value) => {
                properties.user.push((name.to_owned(), value.to_owned()));
            }
        }
    }
    properties
}

/// Properties that a policy set, in wire form. What cannot be written (a string of over 65,535 bytes) is left out; the
/// hooks have refused it with a sentence before.
pub(super) fn write(properties: &Properties) -> Vec<u8> {
    let mut builder = codec::ForwardBuilder::new();
    builder.payload_is_text(properties.payload_is_text);
    let _refused = builder.content_type(properties.content_type.as_deref()).is_err();
    let _refused = builder
        .response_topic(properties.response_topic.as_deref())
        .is_err();
    let _refused = builder
        .correlation_data(properties.correlation_data.as_deref())
        .is_err();
    for (name, value) in &properties.user {
        let _refused = builder.user_property(name, value).is_err();
    }
    builder.finish()
}
