//! `log`, `metrics`, `mqtt`, `task`, `time`: the broker around a script.

use super::WHY;
use crate::hooks::describe::{Function, Module, Object};
use dunlin_plugin_api::describe::records::NEW_MESSAGE;
use dunlin_plugin_api::describe::{Field, Record, Type};

const LINE: &[Field] = &[
    Field::new("message", Type::Text, "the line"),
    Field::maybe("fields", Type::Map, "what goes with it"),
];

pub(super) const LOG: Module = Module {
    name: "log",
    doc: "Lines in the broker's log, marked with the policy's name.",
    values: &[],
    inner: &[],
    functions: &[
        Function::new("debug", LINE, &[], "a line for who looks for a mistake"),
        Function::new("info", LINE, &[], "a line"),
        Function::new("warn", LINE, &[], "a line about something odd"),
        Function::new(
            "error",
            LINE,
            &[],
            "a line about something broken; it raises nothing",
        ),
    ],
};

pub(super) static REAUTHORIZE: Record = Record {
    name: "Reauthorize",
    doc: "Whose subscriptions are asked about again.",
    guarded: false,
    fields: &[
        Field::maybe("client", Type::Text, "this client's alone"),
        Field::maybe("instance", Type::Text, OF_WHICH),
    ],
};

const OF_WHICH: &str = "of which instance; that of the client which the script is asked about if none, and then the configured one";

pub(super) static WHERE: Record = Record {
    name: "Where",
    doc: "Where something is done.",
    guarded: false,
    fields: &[Field::maybe(
        "instance",
        Type::Text,
        "in which instance; in that of the client which the script is asked about if none, and then in the configured one",
    )],
};

pub(super) static SESSIONS_OPTIONS: Record = Record {
    name: "SessionsOptions",
    doc: "Which sessions are listed.",
    guarded: false,
    fields: &[
        Field::maybe("prefix", Type::Text, "the beginning of their client ids"),
        Field::maybe(
            "connected",
            Type::Boolean,
            "only those of clients that are connected, or are not",
        ),
        Field::maybe(
            "limit",
            Type::Integer,
            "how many at most, 100 if none, up to 10,000",
        ),
        Field::maybe("instance", Type::Text, OF_WHICH),
    ],
};

pub(super) static SESSION: Record = Record {
    name: "Session",
    doc: "A session that `mqtt.sessions` found.",
    guarded: false,
    fields: &[
        Field::new("client_id", Type::Text, "whose it is"),
        Field::maybe("username", Type::Text, "the user name of its login"),
        Field::new("connected", Type::Boolean, "whether the client is connected"),
        Field::new("subscriptions", Type::Integer, "how many it has"),
    ],
};

const REAUTHORIZE_OPTIONS: &[Field] = &[Field::maybe(
    "options",
    Type::Record(&REAUTHORIZE),
    "whose; everybody's of the instance if none",
)];

const WHICH_SESSIONS: &[Field] = &[Field::maybe(
    "options",
    Type::Record(&SESSIONS_OPTIONS),
    "which; the first hundred if none",
)];
static OF_SESSION: Type = Type::Record(&SESSION);
const FOUND_SESSIONS: &[Field] = &[
    Field::maybe("sessions", Type::List(&OF_SESSION), "in no order"),
    WHY,
];

const CLIENT_ID: Field = Field::new("client_id", Type::Text, "which client");
const NEW: Field = Field::new("message", Type::Record(&NEW_MESSAGE), "what to send");

const IN_WHICH: Field = Field::maybe("options", Type::Record(&WHERE), "where");
const PUBLISHED: &[Field] = &[NEW, IN_WHICH];
const SENT: &[Field] = &[CLIENT_ID, NEW, IN_WHICH];
const KICKED: &[Field] = &[
    CLIENT_ID,
    Field::maybe(
        "code",
        Type::Integer,
        "a reason code of DISCONNECT, 0x98 (administrative action) if none",
    ),
    Field::maybe("reason", Type::Text, "why"),
    IN_WHICH,
];

pub(super) const MQTT: Module = Module {
    name: "mqtt",
    doc: "What a script can have the broker do. Each is noted, and done when the turn of the shard ends.",
    values: &[],
    inner: &[],
    functions: &[
        Function::new(
            "publish",
            PUBLISHED,
            &[],
            "publishes a message, whose origin is `script`",
        ),
        Function::new(
            "p2p",
            SENT,
            &[],
            "sends a message to one client, whatever it is subscribed to",
        ),
        Function::new("kick", KICKED, &[], "ends a client's connection"),
        Function::new(
            "reauthorize",
            REAUTHORIZE_OPTIONS,
            &[],
            "asks again whether subscriptions are allowed, and takes back those that are not",
        ),
        Function::new(
            "sessions",
            WHICH_SESSIONS,
            FOUND_SESSIONS,
            "the sessions that there are, on all shards",
        )
        .waits(),
    ],
};

const SECONDS: Field = Field::new("seconds", Type::Number, "how long");

pub(super) const TASK: Module = Module {
    name: "task",
    doc: "What a script does beside its hooks. A task belongs to its generation and ends with it; there may be 1,000 of them in a state.",
    values: &[],
    inner: &[],
    functions: &[
        Function::new(
            "spawn",
            &[Field::new(
                "body",
                Type::Function,
                "is called with the arguments behind it",
            )],
            &[],
            "calls a function beside the hook; it may wait",
        )
        .variadic(),
        Function::new("sleep", &[SECONDS], &[], "waits").waits(),
        Function::new(
            "every",
            &[
                SECONDS,
                Field::new("body", Type::Function, "what to do; it may wait"),
            ],
            &[],
            "calls a function again and again, with so much time between two calls",
        ),
    ],
};

pub(super) const TIME: Module = Module {
    name: "time",
    doc: "The clock, and times as text, in UTC.",
    values: &[],
    inner: &[],
    functions: &[
        Function::new(
            "now",
            &[],
            &[Field::new("seconds", Type::Number, "with fractions")],
            "seconds since 1970",
        ),
        Function::new(
            "format",
            &[
                Field::new("seconds", Type::Number, "since 1970"),
                Field::maybe("format", Type::Text, "as of strftime; RFC 3339 if none"),
            ],
            &[Field::new("text", Type::Text, "the time")],
            "a time as text, to the millisecond",
        ),
        Function::new(
            "parse_rfc3339",
            &[Field::new("text", Type::Text, "such as `2026-11-23T13:20:00Z`")],
            &[
                Field::maybe("seconds", Type::Number, "since 1970; nil for bad text"),
                WHY,
            ],
            "the time that a text says, with any offset",
        ),
    ],
};

const METER: &[Field] = &[
    Field::new("name", Type::Text, "letters, digits and _, a letter first"),
    Field::maybe(
        "labels",
        Type::Map,
        "labels and their values; the policy's name is added",
    ),
];

pub(super) const METRICS: Module = Module {
    name: "metrics",
    doc: "A policy's own counters, gauges and histograms, beside the broker's. Make them while the script loads.",
    values: &[],
    inner: &[],
    functions: &[
        Function::new(
            "counter",
            METER,
            &[Field::new("counter", Type::Object("Counter"), "the series")],
            "a number that only grows",
        ),
        Function::new(
            "gauge",
            METER,
            &[Field::new("gauge", Type::Object("Gauge"), "the series")],
            "a number that goes up and down",
        ),
        Function::new(
            "histogram",
            METER,
            &[Field::new("histogram", Type::Object("Histogram"), "the series")],
            "how often values of which size occur; `buckets` among the labels lists the upper ends, by default for times in seconds",
        ),
    ],
};

const BY: &[Field] = &[Field::maybe("by", Type::Number, "how much, 1 if none")];
const TO: &[Field] = &[Field::new("value", Type::Number, "the value")];

pub(super) const COUNTER: Object = Object {
    name: "Counter",
    doc: "What `metrics.counter` makes.",
    methods: &[Function::new("inc", BY, &[], "counts up")],
};

pub(super) const GAUGE: Object = Object {
    name: "Gauge",
    doc: "What `metrics.gauge` makes.",
    methods: &[
        Function::new("inc", BY, &[], "counts up, or down"),
        Function::new("set", TO, &[], "sets it"),
    ],
};

pub(super) const HISTOGRAM: Object = Object {
    name: "Histogram",
    doc: "What `metrics.histogram` makes.",
    methods: &[Function::new("observe", TO, &[], "counts a value")],
};
