//! Clients and messages as hooks see them: borrowed for the call, read when they are asked for.

use super::answers::Properties as OwnedProperties;
use crate::abi::{self, Prefixed, Slice, read_prefix};
use serde::de::DeserializeOwned;
use std::marker::PhantomData;
use std::ops::Deref;

/// A struct of the host's: where it lies, or, when the host is older and its struct shorter, a copy with zeros at its end.
#[derive(Clone, Debug)]
pub(super) enum View<'a, T> {
    Whole(&'a T),
    Copied(Box<T>),
}

impl<'a, T: Prefixed> View<'a, T> {
    /// # Safety
    /// `given` must be as [`read_prefix`] says, for as long as `'a`, and nobody may write to it.
    #[inline]
    pub(super) unsafe fn of(given: *const T) -> Option<Self> {
        // SAFETY: the caller vouches for the pointer: the first field of any `T` is a `u32`.
        if !given.is_null() && unsafe { given.cast::<u32>().read() } as usize >= size_of::<T>() {
            // SAFETY: the same, and all of it is there. Any bytes are a valid `T` that C could have written.
            return Some(View::Whole(unsafe { &*given }));
        }
        // SAFETY: the same.
        unsafe { read_prefix(given) }.map(|copy| View::Copied(Box::new(copy)))
    }
}

impl<T> Deref for View<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        match self {
            View::Whole(whole) => whole,
            View::Copied(copy) => copy,
        }
    }
}

/// The text of a slice that the host gave. The host vouches for UTF-8; what is none all the same reads as no value.
pub(super) fn text(slice: Slice, _of: PhantomData<&()>) -> Option<&str> {
    // SAFETY: slices that the host gives are good for the call, which the lifetime is.
    unsafe { slice.bytes() }.and_then(|bytes| std::str::from_utf8(bytes).ok())
}

/// The bytes of a slice that the host gave.
pub(super) fn bytes(slice: Slice, _of: PhantomData<&()>) -> Option<&[u8]> {
    // SAFETY: slices that the host gives are good for the call, which the lifetime is.
    unsafe { slice.bytes() }
}

/// The pairs of a list that the host gave.
pub(super) fn pairs<'a>(
    list: abi::PairList,
    of: PhantomData<&'a ()>,
) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
    // SAFETY: lists that the host gives are good for the call.
    let items: &'a [abi::Pair] = unsafe { list.items() };
    items.iter().map(move |pair| {
        (
            text(pair.name, of).unwrap_or_default(),
            text(pair.value, of).unwrap_or_default(),
        )
    })
}

/// A client. It is good for the call: clone what you need longer.
#[derive(Clone, Debug)]
pub struct Client<'a> {
    raw: View<'a, abi::Context>,
    of: PhantomData<&'a ()>,
}

impl<'a> Client<'a> {
    /// The client behind a pointer that the host gave; `None` when it is null.
    pub(super) fn read(raw: *const abi::Context, of: PhantomData<&'a ()>) -> Option<Self> {
        // SAFETY: the host gives null or a context that is good for the call.
        unsafe { View::of(raw) }.map(|raw| Self { raw, of })
    }

    /// The client id of its CONNECT, or the one that it was given.
    #[must_use]
    pub fn client_id(&self) -> &'a str {
        text(self.raw.client_id, self.of).unwrap_or_default()
    }

    /// The user name of its CONNECT, if it gave one.
    #[must_use]
    pub fn username(&self) -> Option<&'a str> {
        text(self.raw.username, self.of)
    }

    /// Of a client id such as `GID_fleet@@@truck-7` what stands before `@@@`.
    #[must_use]
    pub fn group_id(&self) -> Option<&'a str> {
        text(self.raw.group_id, self.of)
    }

    /// And what stands behind it.
    #[must_use]
    pub fn device_id(&self) -> Option<&'a str> {
        text(self.raw.device_id, self.of)
    }

    /// The instance that it belongs to.
    #[must_use]
    pub fn instance(&self) -> &'a str {
        text(self.raw.instance, self.of).unwrap_or_default()
    }

    /// Where it connects from, such as `192.0.2.7:51234`.
    #[must_use]
    pub fn peer(&self) -> &'a str {
        text(self.raw.peer, self.of).unwrap_or_default()
    }

    /// The name of the listener that took it.
    #[must_use]
    pub fn listener(&self) -> &'a str {
        text(self.raw.listener, self.of).unwrap_or_default()
    }

    /// What TLS told of it; `None` without TLS.
    #[must_use]
    pub fn tls(&self) -> Option<Tls<'a>> {
        // SAFETY: the host gives null or a struct that is good for the call.
        unsafe { View::of(self.raw.tls) }.map(|raw| Tls { raw, of: self.of })
    }

    /// 3 (MQTT 3.1), 4 (3.1.1) or 5.
    #[must_use]
    pub fn protocol_version(&self) -> u32 {
        self.raw.protocol_version
    }

    /// What `authenticate` granted, as it is written: a JSON object, `{}` when there is nothing.
    #[must_use]
    pub fn attrs_json(&self) -> &'a str {
        text(self.raw.attrs, self.of).unwrap_or("{}")
    }

    /// What `authenticate` granted, as a type of yours.
    ///
    /// # Errors
    /// When it is not of that type.
    pub fn attrs<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.attrs_json())
    }
}

/// What TLS told of a client. All but `san` are `None` when it showed no certificate.
#[derive(Clone, Debug)]
pub struct Tls<'a> {
    raw: View<'a, abi::Tls>,
    of: PhantomData<&'a ()>,
}

impl<'a> Tls<'a> {
    /// The subject's common name.
    #[must_use]
    pub fn cn(&self) -> Option<&'a str> {
        text(self.raw.cn, self.of)
    }

    /// The subject's alternative names.
    pub fn san(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let of = self.of;
        // SAFETY: lists that the host gives are good for the call.
        let items: &'a [Slice] = unsafe { self.raw.san.items() };
        items.iter().filter_map(move |name| text(*name, of))
    }

    /// The serial number, in hex.
    #[must_use]
    pub fn serial(&self) -> Option<&'a str> {
        text(self.raw.serial, self.of)
    }

    /// SHA-256 of the certificate, in hex.
    #[must_use]
    pub fn fingerprint(&self) -> Option<&'a str> {
        text(self.raw.fingerprint, self.of)
    }

    /// The serial number of the authority that signed it, in hex: one that is registered in the client's instance, or `None`.
    #[must_use]
    pub fn ca_serial(&self) -> Option<&'a str> {
        text(self.raw.ca_serial, self.of)
    }

    /// From when on it is valid, in seconds since 1970.
    #[must_use]
    pub fn valid_from(&self) -> Option<i64> {
        self.raw.valid_from.get()
    }

    /// Until when it is valid, in seconds since 1970.
    #[must_use]
    pub fn valid_until(&self) -> Option<i64> {
        self.raw.valid_until.get()
    }
}

/// Where a message comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// A client published it.
    Client,
    /// It is the will of a client whose connection ended.
    Will,
    /// A policy published it.
    Script,
    /// Dunlin itself published it, or somebody whom this version does not know.
    Broker,
}

/// A message on its way. It is good for the call.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    raw: View<'a, abi::Message>,
    of: PhantomData<&'a ()>,
}

impl<'a> Message<'a> {
    pub(super) fn read(raw: *const abi::Message, of: PhantomData<&'a ()>) -> Option<Self> {
        // SAFETY: the host gives null or a message that is good for the call.
        unsafe { View::of(raw) }.map(|raw| Self { raw, of })
    }

    /// The topic name.
    #[must_use]
    pub fn topic(&self) -> &'a str {
        text(self.raw.topic, self.of).unwrap_or_default()
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        bytes(self.raw.payload, self.of).unwrap_or_default()
    }

    /// 0, 1 or 2.
    #[must_use]
    pub fn qos(&self) -> u8 {
        self.raw.qos as u8
    }

    /// The RETAIN flag.
    #[must_use]
    pub fn retain(&self) -> bool {
        self.raw.retain != 0
    }

    /// Where it comes from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        match self.raw.origin {
            abi::ORIGIN_CLIENT => Origin::Client,
            abi::ORIGIN_WILL => Origin::Will,
            abi::ORIGIN_SCRIPT => Origin::Script,
            _ => Origin::Broker,
        }
    }

    /// Names the message; zeros before it has a name.
    #[must_use]
    pub fn id(&self) -> &'a str {
        text(self.raw.id, self.of).unwrap_or_default()
    }

    /// What travels with it, as a copy of your own: change it and return it in a patch, which replaces all properties.
    #[must_use]
    pub fn properties(&self) -> OwnedProperties {
        properties(self.raw.properties, self.of)
    }
}

pub(super) fn properties(raw: *const abi::Properties, of: PhantomData<&()>) -> OwnedProperties {
    // SAFETY: the host gives null or properties that are good for the call.
    let Some(raw) = (unsafe { read_prefix(raw) }) else {
        return OwnedProperties::default();
    };
    let owned = |slice| text(slice, of).map(str::to_owned);
    OwnedProperties {
        payload_is_text: raw.payload_is_text.get().map(|value| value != 0),
        message_expiry: raw
            .message_expiry
            .get()
            .and_then(|value| u32::try_from(value).ok()),
        content_type: owned(raw.content_type),
        response_topic: owned(raw.response_topic),
        correlation_data: bytes(raw.correlation_data, of).map(<[u8]>::to_vec),
        user: pairs(raw.user, of)
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_of_an_older_host_lacks_what_that_host_does_not_know() {
        // As if the struct once ended behind `username`, in a block of exactly that size.
        let end = std::mem::offset_of!(abi::Context, group_id);
        let full = abi::Context {
            struct_size: end as u32,
            client_id: Slice::text("c"),
            username: Slice::text("u"),
            group_id: Slice::text("not there"),
            ..abi::Context::blank()
        };
        let mut block = vec![0_u64; end / 8];
        // SAFETY: both have `end` bytes.
        unsafe {
            std::ptr::copy_nonoverlapping(
                (&raw const full).cast::<u8>(),
                block.as_mut_ptr().cast::<u8>(),
                end,
            );
        }
        let client = Client::read(block.as_ptr().cast(), PhantomData).unwrap();
        assert_eq!((client.client_id(), client.username()), ("c", Some("u")));
        assert_eq!((client.group_id(), client.attrs_json()), (None, "{}"));
        assert!(client.tls().is_none());
    }

    #[test]
    fn nothing_is_no_client() {
        assert!(Client::read(std::ptr::null(), PhantomData).is_none());
        let none = abi::Context {
            struct_size: 3,
            ..abi::Context::blank()
        };
        assert!(Client::read(&raw const none, PhantomData).is_none());
    }
}
