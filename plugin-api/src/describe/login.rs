//! Hooks about a connection and its login.

use super::records::{CONNACK as CONNACK_RECORD, CONNACK_PATCH, CONNECT as CONNECT_RECORD};
use super::records::{CONNECT_PATCH, CONTROLLED, GRANT, MESSAGE};
use super::{CTX, Description, Field, Form, PLAIN, Type, Waits};

pub(super) const CONNECT: Description = Description {
    parameters: &[
        CTX,
        Field::new("connect", Type::Record(&CONNECT_RECORD), "what it asks for"),
    ],
    results: &[
        Form::nothing("it goes on as it is"),
        Form::word("pass", "\"pass\"", "the same"),
        Form::word(
            "reject",
            "\"reject\", code, \"why\"",
            "it ends here, with this reason code of CONNACK",
        ),
        Form::word(
            "redirect",
            "\"redirect\", \"mqtt2.example.com:1883\"",
            "use another server for now (0x9C); with `\"permanently\"` as a third value, for good (0x9D)",
        ),
        Form::table(
            &CONNECT_PATCH,
            "{ keep_alive = 60 }",
            "it goes on with these changes",
        ),
    ],
    waits: Waits::Always,
    fallback: &["pass", "drop"],
    failure: "the client is refused with 0x88 (server unavailable), since this may be what says whose it is; with `pass` it goes on unchanged",
    notes: "It comes before authentication: nothing that the client says has been proved yet.",
    ..PLAIN
};

const METHOD: Field = Field::maybe(
    "method",
    Type::Text,
    "the Authentication Method of an MQTT 5 client",
);
const DATA: Field = Field::maybe("data", Type::Bytes, "its Authentication Data; binary");

const LOGIN_RESULTS: &[Form] = &[
    Form {
        with: Some(&GRANT),
        ..Form::word(
            "allow",
            "\"allow\", { attrs = { role = \"meter\" } }",
            "yes; the table is optional",
        )
    },
    Form::word(
        "deny",
        "\"deny\", code, \"why\"",
        "no; without a code 0x87 (not authorized). MQTT 3.1.1 clients get the return code nearest to it",
    ),
    Form::word(
        "continue",
        "\"continue\", data, state",
        "MQTT 5: send AUTH with `data`; the client's answer goes to this policy's `auth_continue` with `state`",
    ),
    Form::word("next", "\"next\"", "not mine: ask the next policy"),
];

const LOGIN_FAILURE: &str = "it counts as `deny`, and the client is told 0x88 (server unavailable): it did nothing wrong, and may come again";

pub(super) const AUTHENTICATE: Description = Description {
    parameters: &[
        CTX,
        Field::maybe("username", Type::Text, "the user name, if it gave one"),
        Field::maybe("password", Type::Bytes, "the password; binary"),
        METHOD,
        DATA,
    ],
    results: LOGIN_RESULTS,
    waits: Waits::Always,
    fallback: &["deny", "allow", "next", "stale"],
    failure: LOGIN_FAILURE,
    ..PLAIN
};

pub(super) const AUTH_CONTINUE: Description = Description {
    parameters: &[
        CTX,
        METHOD,
        DATA,
        Field::maybe(
            "state",
            Type::Any,
            "what this policy returned with its last `\"continue\"`; nil when a connected client begins to authenticate again",
        ),
    ],
    results: LOGIN_RESULTS,
    waits: Waits::Always,
    fallback: &["deny", "allow", "next"],
    failure: LOGIN_FAILURE,
    ..PLAIN
};

const CONTROL_RESULTS: &[Form] = &[
    Form::nothing("nothing happens"),
    Form::word("pass", "\"pass\"", "the same"),
    Form::word(
        "disconnect",
        "\"disconnect\", code, \"why\"",
        "the connection ends; without a code with 0x87 (not authorized)",
    ),
    Form::table(
        &CONTROLLED,
        "{ messages = {}, expires_at = 1800000000 }",
        "the client is sent these messages, and its login ends at another time, or brings something else",
    ),
];

pub(super) const EXPIRING: Description = Description {
    parameters: &[
        CTX,
        Field::new(
            "expires_at",
            Type::Number,
            "when the login ends, in seconds since 1970",
        ),
        Field::new("ended", Type::Boolean, "whether that time has come"),
    ],
    results: CONTROL_RESULTS,
    waits: Waits::Always,
    failure: "nothing happens",
    notes: "It is called five minutes before a login ends, when it ends, and when a record changed that it depends on: it ends then. The \
            login goes on if a policy names a new end; otherwise the connection ends once the messages are sent. Every policy that has \
            the hook is asked; what they say adds up.",
    ..PLAIN
};

pub(super) const CONTROL: Description = Description {
    parameters: &[
        CTX,
        Field::new("msg", Type::Record(&MESSAGE), "what it published"),
    ],
    results: CONTROL_RESULTS,
    waits: Waits::Always,
    failure: "nothing happens",
    notes: "It is called for the topics that the policy lists in `owns`, and for no others; such a message is not routed.",
    ..PLAIN
};

pub(super) const CONNACK: Description = Description {
    parameters: &[
        CTX,
        Field::new(
            "connack",
            Type::Record(&CONNACK_RECORD),
            "what the client is about to be told",
        ),
    ],
    results: &[
        Form::nothing("it is sent as it is"),
        Form::word("pass", "\"pass\"", "the same"),
        Form::table(
            &CONNACK_PATCH,
            "{ user = { { \"region\", \"eu\" } } }",
            "this is told besides; MQTT 5 only",
        ),
    ],
    failure: "it is sent as it is",
    ..PLAIN
};
