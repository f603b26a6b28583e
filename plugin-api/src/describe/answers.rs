//! Hooks that say whether and how much: publishing, subscribing, receiving, limits.

use super::records::{CONTEXT, FILTER};
use super::{CTX, Description, Field, Form, PLAIN, Says, Type, Waits};

const DENY: Form = Form::word(
    "deny",
    "\"deny\", code, \"why\"",
    "no; the client stays. The code may be left out (0x87, not authorized), or be 0x80, 0x83, 0x87 or 0x97",
);
const DISCONNECT: Form = Form::word(
    "disconnect",
    "\"disconnect\", \"why\"",
    "no, and the connection ends",
);
const NEXT: Form = Form::word("next", "\"next\"", "no opinion");

const ANSWERS: &[&str] = &["deny", "allow", "next", "stale"];
const FAILURE: &str = "it counts as `deny`";

const QOS: Field = Field::new("qos", Type::Integer, "0, 1 or 2");

pub(super) const AUTHORIZE_PUBLISH: Description = Description {
    parameters: &[
        CTX,
        Field::new("topic", Type::Text, "the topic name"),
        QOS,
        Field::new("retain", Type::Boolean, "the RETAIN flag"),
        Field::new("size", Type::Integer, "the size of the payload in bytes"),
        Field::maybe(
            "payload",
            Type::Bytes,
            "the payload; nil unless the policy says `payload = { \"authorize_publish\" }`, because making it a Lua string copies it",
        ),
    ],
    results: &[
        Form::word("allow", "\"allow\"", "yes, as far as this policy is concerned"),
        DENY,
        DISCONNECT,
        NEXT,
    ],
    waits: Waits::IfDeclared,
    cached_by: &["topic", "qos", "retain", "size"],
    payload: true,
    origins: true,
    fallback: ANSWERS,
    failure: FAILURE,
    ..PLAIN
};

pub(super) const AUTHORIZE_SUBSCRIBE: Description = Description {
    parameters: &[
        CTX,
        Field::new("filter", Type::Text, "the topic filter, without `$share/NAME/`"),
        Field::new("qos", Type::Integer, "the QoS that is asked for: 0, 1 or 2"),
        Field::maybe("share", Type::Text, "the share name of a shared subscription"),
    ],
    results: &[
        Form::word(
            "allow",
            "\"allow\", qos",
            "yes; at most at this QoS, if it is given",
        ),
        DENY,
        DISCONNECT,
        NEXT,
    ],
    waits: Waits::IfDeclared,
    cached_by: &["filter", "qos", "share"],
    fallback: ANSWERS,
    failure: FAILURE,
    ..PLAIN
};

pub(super) const AUTHORIZE_DELIVER: Description = Description {
    parameters: &[
        Field::new("ctx", Type::Record(&CONTEXT), "the receiver"),
        Field::new("topic", Type::Text, "the topic name"),
    ],
    results: &[
        Form::word("allow", "\"allow\"", "yes"),
        Form::word(
            "deny",
            "\"deny\"",
            "the receiver does not get messages of this topic",
        ),
        Form::word(
            "disconnect",
            "\"disconnect\"",
            "the same as deny: a receiver's connection stays",
        ),
        NEXT,
    ],
    fallback: &["deny", "allow", "next"],
    failure: FAILURE,
    notes: "The answer is kept for this receiver and topic as long as the generation serves. When no policy denies, it is allowed.",
    ..PLAIN
};

const A_FILTER: &Type = &Type::Record(&FILTER);
const FILTERS_FAILURE: &str = "the filters stay as they are";

pub(super) const SUBSCRIBE: Description = Description {
    parameters: &[
        CTX,
        Field::new("filters", Type::List(A_FILTER), "what the client asks for"),
    ],
    results: &[
        Form::nothing("they stay as they are"),
        Form::word("pass", "\"pass\"", "the same"),
        Form {
            says: Says::List(Type::Record(&FILTER)),
            with: None,
            text: "{ { filter = \"a/#\", qos = 1 } }",
            doc: "the first stand for those that were asked for, as many as there were; the rest is subscribed besides",
        },
    ],
    failure: FILTERS_FAILURE,
    notes: "Each filter is put to `authorize_subscribe` afterwards: to refuse one, use that.",
    ..PLAIN
};

pub(super) const UNSUBSCRIBE: Description = Description {
    parameters: &[
        CTX,
        Field::new(
            "filters",
            Type::List(&Type::Text),
            "what the client no longer wants",
        ),
    ],
    results: &[
        Form::nothing("they stay as they are"),
        Form::word("pass", "\"pass\"", "the same"),
        Form {
            says: Says::List(Type::Text),
            with: None,
            text: "{ \"a/#\" }",
            doc: "the first stand for those that were given, as many as there were; the rest is unsubscribed besides",
        },
    ],
    failure: FILTERS_FAILURE,
    ..PLAIN
};

pub(super) const LIMIT: Description = Description {
    parameters: &[
        Field::new("instance", Type::Text, "whose limit"),
        Field::new(
            "name",
            Type::Text,
            "which limit, by its name under `limits` in dunlin.toml",
        ),
    ],
    results: &[
        Form {
            says: Says::Number,
            with: None,
            text: "100",
            doc: "the limit: 0 or more",
        },
        Form::nothing("no opinion; the first policy that has one decides, then dunlin.toml"),
    ],
    failure: "it counts as no opinion",
    notes: "The answer is kept.",
    ..PLAIN
};
