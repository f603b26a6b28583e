//! The tables that hooks are given and that they return.

use super::{Field, Record, Type};

const PAIRS: Type = Type::List(&Type::List(&Type::Text));
const USER_DOC: &str = "User Properties: a list of pairs, such as `{ { \"name\", \"value\" } }`";

/// A table that the broker makes or reads, without guard.
const fn record(name: &'static str, doc: &'static str, fields: &'static [Field]) -> Record {
    Record {
        name,
        doc,
        guarded: false,
        fields,
    }
}

/// `ctx`.
pub static CONTEXT: Record = Record {
    name: "Context",
    doc: "A client. None of it changes while the client is connected; a `ctx` that a script keeps stays good until the client has gone.",
    guarded: true,
    fields: &[
        Field::new(
            "client_id",
            Type::Text,
            "the client id of its CONNECT, or the one that it was given",
        ),
        Field::maybe("username", Type::Text, "the user name of its CONNECT"),
        Field::maybe(
            "group_id",
            Type::Text,
            "of a client id such as `GID_fleet@@@truck-7` what stands before `@@@`",
        ),
        Field::maybe("device_id", Type::Text, "and what stands behind it"),
        Field::new("instance", Type::Text, "the instance that it belongs to"),
        Field::new(
            "peer",
            Type::Text,
            "where it connects from, such as `192.0.2.7:51234`",
        ),
        Field::new("listener", Type::Text, "the name of the listener that took it"),
        Field::maybe("tls", Type::Record(&TLS), "its certificate; nil without TLS"),
        Field::new("protocol_version", Type::Integer, "3 (MQTT 3.1), 4 (3.1.1) or 5"),
        Field::new(
            "attrs",
            Type::Map,
            "what `authenticate` granted: read-only, the same in every later hook",
        ),
    ],
};

/// `ctx.tls`.
pub static TLS: Record = record(
    "Tls",
    "What TLS told of a client. All but `san` are nil when it showed no certificate.",
    &[
        Field::maybe("cn", Type::Text, "the subject's common name"),
        Field::new("san", Type::List(&Type::Text), "the subject's alternative names"),
        Field::maybe("serial", Type::Text, "the serial number, in hex"),
        Field::maybe("fingerprint", Type::Text, "SHA-256 of the certificate, in hex"),
        Field::maybe(
            "ca_serial",
            Type::Text,
            "the serial number of the authority that signed it, in hex: one that is registered in the client's instance",
        ),
        Field::maybe(
            "valid_from",
            Type::Integer,
            "from when on it is valid, in seconds since 1970",
        ),
        Field::maybe("valid_until", Type::Integer, "until when, in seconds since 1970"),
    ],
);

/// `msg`.
pub static MESSAGE: Record = Record {
    name: "Message",
    doc: "A message. Its fields are made when they are read: what is not read costs nothing.",
    guarded: true,
    fields: &[
        Field::new("topic", Type::Text, "the topic name"),
        Field::new("payload", Type::Bytes, "the payload"),
        Field::new("size", Type::Integer, "the size of the payload in bytes"),
        Field::new("qos", Type::Integer, "0, 1 or 2"),
        Field::new("retain", Type::Boolean, "the RETAIN flag"),
        Field::new(
            "properties",
            Type::Record(&PROPERTIES),
            "what travels with it; a new table at every read, so change it and return it",
        ),
        Field::new(
            "origin",
            Type::Words(&["client", "will", "script", "broker"]),
            "where it comes from",
        ),
        Field::new("id", Type::Text, "names the message; zeros before it has a name"),
    ],
};

/// The properties of a message.
pub static PROPERTIES: Record = record(
    "Properties",
    "The properties of a message. A patch replaces all of them.",
    &[
        Field::maybe("payload_is_text", Type::Boolean, "Payload Format Indicator"),
        Field::maybe(
            "message_expiry",
            Type::Integer,
            "Message Expiry Interval, in seconds",
        ),
        Field::maybe("content_type", Type::Text, "Content Type"),
        Field::maybe("response_topic", Type::Text, "Response Topic"),
        Field::maybe("correlation_data", Type::Bytes, "Correlation Data"),
        Field::maybe("user", PAIRS, USER_DOC),
    ],
);

const TOPIC: Field = Field::maybe("topic", Type::Text, "the topic name, without wildcards");
const PAYLOAD: Field = Field::maybe("payload", Type::Bytes, "the payload");
const QOS: Field = Field::maybe("qos", Type::Integer, "0, 1 or 2");
const RETAIN: Field = Field::maybe("retain", Type::Boolean, "the RETAIN flag");
const PROPERTIES_FIELD: Field = Field::maybe("properties", Type::Record(&PROPERTIES), "all its properties");

/// A message that a policy makes, and one that a rule matched.
pub static NEW_MESSAGE: Record = record(
    "NewMessage",
    "A message that a policy makes, or that a rule matched.",
    &[
        Field {
            optional: false,
            ..TOPIC
        },
        PAYLOAD,
        QOS,
        RETAIN,
        PROPERTIES_FIELD,
    ],
);

/// What `publish` may change.
pub static PUBLISH_PATCH: Record = record(
    "PublishPatch",
    "What `publish` changes. What is left out stays.",
    &[
        TOPIC,
        PAYLOAD,
        QOS,
        RETAIN,
        PROPERTIES_FIELD,
        Field::maybe(
            "more",
            Type::List(&Type::Record(&NEW_MESSAGE)),
            "messages to publish besides; no hook is asked about them",
        ),
    ],
);

/// What `deliver` may change.
pub static DELIVER_PATCH: Record = record(
    "DeliverPatch",
    "What `deliver` changes for one receiver.",
    &[PAYLOAD, PROPERTIES_FIELD],
);

/// What `will` may change.
pub static WILL_PATCH: Record = record(
    "WillPatch",
    "What `will` changes.",
    &[TOPIC, PAYLOAD, QOS, RETAIN, PROPERTIES_FIELD],
);

/// What `route` may return.
pub static ROUTED: Record = record(
    "Routed",
    "Where a message goes besides.",
    &[
        Field::maybe("topics", Type::List(&Type::Text), "more topics"),
        Field::maybe(
            "clients",
            Type::List(&Type::Text),
            "more clients, by client id, whatever they are subscribed to",
        ),
    ],
);

/// `connect`.
pub static CONNECT: Record = record(
    "Connect",
    "A CONNECT. The password is `authenticate`'s alone.",
    &[
        Field::new(
            "client_id",
            Type::Text,
            "the client id; empty when the broker is to choose one",
        ),
        Field::maybe("username", Type::Text, "the user name"),
        Field::new("clean_start", Type::Boolean, "Clean Start, in 3.x Clean Session"),
        Field::new("keep_alive", Type::Integer, "Keep Alive, in seconds"),
        Field::maybe(
            "session_expiry",
            Type::Integer,
            "Session Expiry Interval, in seconds",
        ),
        Field::maybe("receive_maximum", Type::Integer, "Receive Maximum, in messages"),
        Field::maybe(
            "maximum_packet_size",
            Type::Integer,
            "Maximum Packet Size, in bytes",
        ),
        Field::new("user", PAIRS, USER_DOC),
        Field::maybe(
            "will",
            Type::Record(&CONNECT_WILL),
            "the will; nil when there is none",
        ),
    ],
);

const DELAY: Field = Field::maybe("delay", Type::Integer, "Will Delay Interval, in seconds");

/// `connect.will`, and what `connect` changes of it.
pub static CONNECT_WILL: Record = record(
    "ConnectWill",
    "The will of a CONNECT. In a patch, what is left out stays.",
    &[TOPIC, PAYLOAD, QOS, RETAIN, DELAY],
);

/// What `connect` may change.
pub static CONNECT_PATCH: Record = record(
    "ConnectPatch",
    "What `connect` changes. What is left out stays.",
    &[
        Field::maybe("client_id", Type::Text, "another client id"),
        Field::maybe("clean_start", Type::Boolean, "whether the session begins anew"),
        Field::maybe("keep_alive", Type::Integer, "Keep Alive, in seconds"),
        Field::maybe(
            "session_expiry",
            Type::Integer,
            "Session Expiry Interval, in seconds",
        ),
        Field::maybe(
            "will",
            Type::Either(&[Type::Record(&CONNECT_WILL), Type::Boolean]),
            "what changes of the will, or false for no will",
        ),
        Field::maybe(
            "instance",
            Type::Text,
            "the instance that the client is of, if it is another: 1 to 512 bytes; later hooks read it as `ctx.instance`",
        ),
    ],
);

/// What comes with `"allow"` of a login.
pub static GRANT: Record = record(
    "Grant",
    "What a login brings.",
    &[
        Field::maybe(
            "attrs",
            Type::Map,
            "what later hooks read as `ctx.attrs`: 1,024 values at most, where 64 bytes of text count as one",
        ),
        Field::maybe(
            "acl",
            Type::List(&Type::List(&Type::Text)),
            "the client's own rules, such as `{ { \"allow\", \"publish\", \"a/#\" } }`; the first that fits decides",
        ),
        Field::maybe(
            "expires_at",
            Type::Number,
            "when the login ends, in seconds since 1970",
        ),
        Field::maybe("keep_alive", Type::Integer, "Server Keep Alive, in seconds"),
        Field::maybe(
            "session_expiry",
            Type::Integer,
            "Session Expiry Interval, in seconds",
        ),
        Field::maybe("receive_maximum", Type::Integer, "Receive Maximum, in messages"),
        Field::maybe(
            "maximum_packet_size",
            Type::Integer,
            "Maximum Packet Size, in bytes",
        ),
        Field::maybe("data", Type::Bytes, "Authentication Data of CONNACK or AUTH"),
        Field::maybe(
            "any_client_id",
            Type::Boolean,
            "whether the client id may have any form, and not that of `GroupID@@@DeviceID` alone",
        ),
        Field::maybe(
            "depends",
            Type::List(&Type::Text),
            "records of the client's instance in the registry, as `kind/name`, 64 at most: when one appears, changes or goes, the login \
             ends then, and `expiring` is asked",
        ),
    ],
);

/// What `expiring` and `control` may return.
pub static CONTROLLED: Record = record(
    "Controlled",
    "What is done about a login.",
    &[
        Field::maybe(
            "messages",
            Type::List(&Type::Record(&NEW_MESSAGE)),
            "messages to the client itself, whatever it is subscribed to",
        ),
        Field::maybe(
            "expires_at",
            Type::Number,
            "when the login ends now, in seconds since 1970",
        ),
        Field::maybe(
            "attrs",
            Type::Map,
            "what later hooks read as `ctx.attrs` from now on; to them it is a new client, as after it has authenticated again",
        ),
        Field::maybe(
            "acl",
            Type::List(&Type::List(&Type::Text)),
            "the client's own rules from now on; an empty list for none",
        ),
        Field::maybe(
            "depends",
            Type::List(&Type::Text),
            "the records that the login depends on from now on, as `kind/name`; an empty list for none",
        ),
    ],
);

/// `connack`.
pub static CONNACK: Record = record(
    "Connack",
    "A CONNACK that is about to be sent.",
    &[
        Field::new("code", Type::Integer, "the reason code"),
        Field::new(
            "session_present",
            Type::Boolean,
            "whether there is a session to resume",
        ),
        Field::maybe(
            "assigned_client_id",
            Type::Text,
            "the client id that the broker chose",
        ),
    ],
);

/// What `connack` may add.
pub static CONNACK_PATCH: Record = record(
    "ConnackPatch",
    "What a client is told besides.",
    &[
        Field::maybe("user", PAIRS, USER_DOC),
        Field::maybe("reason_string", Type::Text, "Reason String"),
        Field::maybe("response_information", Type::Text, "Response Information"),
        Field::maybe("server_reference", Type::Text, "Server Reference"),
    ],
);

/// A filter of a SUBSCRIBE.
pub static FILTER: Record = record(
    "Filter",
    "A subscription that is asked for.",
    &[
        Field::new(
            "filter",
            Type::Text,
            "the topic filter, with `$share/NAME/` if it is shared",
        ),
        Field::maybe("qos", Type::Integer, "0, 1 or 2"),
        Field::maybe("no_local", Type::Boolean, "No Local"),
        Field::maybe("retain_as_published", Type::Boolean, "Retain As Published"),
        Field::maybe("retain_handling", Type::Integer, "Retain Handling: 0, 1 or 2"),
    ],
);

/// The event of `session_start`.
pub static SESSION_START: Record = record(
    "SessionStart",
    "A session began or was resumed.",
    &[Field::new(
        "resumed",
        Type::Boolean,
        "whether there was a session to resume",
    )],
);

/// The event of `session_end`.
pub static SESSION_END: Record = record(
    "SessionEnd",
    "A session ended for good.",
    &[Field::new(
        "reason",
        Type::Text,
        "why, such as `expired`, `clean start`, `kicked`",
    )],
);

/// The event of `disconnect`.
pub static DISCONNECT: Record = record(
    "Disconnected",
    "A connection ended.",
    &[
        Field::new(
            "code",
            Type::Integer,
            "the reason code of the DISCONNECT, or the nearest one where there was none",
        ),
        Field::new("reason", Type::Text, "why, in words"),
        Field::new(
            "by_client",
            Type::Boolean,
            "whether the client ended it, with a DISCONNECT",
        ),
        Field::new("received", Type::Integer, "messages that came from it"),
        Field::new("sent", Type::Integer, "messages that went to it"),
    ],
);

/// The event of `acked`.
pub static ACKED: Record = record(
    "Acked",
    "A receiver acknowledged a message.",
    &[
        Field::new("topic", Type::Text, "its topic"),
        Field::new("qos", Type::Integer, "the QoS at which it was delivered"),
        Field::new("message_id", Type::Text, "the message's `id`"),
    ],
);

/// The event of `dropped`.
pub static DROPPED: Record = record(
    "Dropped",
    "Messages were dropped.",
    &[
        Field::new("topic", Type::Text, "the topic of the (first) message"),
        Field::new(
            "reason",
            Type::Text,
            "why, such as `queue full`, or what a policy said",
        ),
        Field::new("count", Type::Integer, "how many"),
    ],
);

/// All of them, in the order of the documentation.
pub static ALL: &[&Record] = &[
    &CONTEXT,
    &TLS,
    &MESSAGE,
    &PROPERTIES,
    &NEW_MESSAGE,
    &CONNECT,
    &CONNECT_WILL,
    &CONNECT_PATCH,
    &GRANT,
    &CONTROLLED,
    &CONNACK,
    &CONNACK_PATCH,
    &PUBLISH_PATCH,
    &ROUTED,
    &DELIVER_PATCH,
    &WILL_PATCH,
    &FILTER,
    &SESSION_START,
    &SESSION_END,
    &DISCONNECT,
    &ACKED,
    &DROPPED,
];
