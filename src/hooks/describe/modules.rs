//! The modules that scripts can use, function by function.

use super::{Function, Module};
use dunlin_plugin_api::describe::records::NEW_MESSAGE;
use dunlin_plugin_api::describe::{Field, Record, Type};

/// Modules that exist and are not described yet: nothing in them is checked.
pub(crate) const UNDESCRIBED: &[&str] = &[
    "cache", "cbor", "http", "kv", "metrics", "re", "redis", "sql", "state",
];

/// All modules that are described.
pub(crate) static ALL: &[Module] = &[CRYPTO, JSON, LOG, MQTT, TASK, TIME, TOPIC];

/// Functions that stand by themselves.
pub(crate) static GLOBALS: &[Function] = &[
    Function::new("print", &[], &[], "the same as `log.info` of its arguments").variadic(),
    Function::new(
        "require",
        &[Field::new(
            "name",
            Type::Text,
            "a file beside the script without its `.lua`, such as `lib/units`",
        )],
        &[Field::new("value", Type::Any, "what the file returns")],
        "another file beside the script, loaded, hashed and watched with it; only while the script loads",
    ),
];

/// Tables that module functions take, and nothing else.
pub(crate) static RECORDS: &[&Record] = &[&REAUTHORIZE];

const DATA: &[Field] = &[Field::new("data", Type::Bytes, "what to work on")];
const TEXT: &[Field] = &[Field::new("text", Type::Text, "what to work on")];
const BYTES: &[Field] = &[Field::new("bytes", Type::Bytes, "the result")];
const MAYBE_BYTES: &[Field] = &[Field::maybe("bytes", Type::Bytes, "the result; nil for bad text")];
const IN_TEXT: &[Field] = &[Field::new("text", Type::Text, "the result")];
const TRUTH: &[Field] = &[Field::new("truth", Type::Boolean, "whether it is so")];

const CRYPTO: Module = Module {
    name: "crypto",
    doc: "Digests, HMAC and encodings.",
    values: &[],
    functions: &[
        Function::new(
            "hmac",
            &[
                Field::new(
                    "algorithm",
                    Type::Words(&["md5", "sha1", "sha256"]),
                    "which digest",
                ),
                Field::new("key", Type::Bytes, "the secret"),
                Field::new("data", Type::Bytes, "what is signed"),
            ],
            BYTES,
            "HMAC as raw bytes",
        ),
        Function::new("md5", DATA, BYTES, "the digest as raw bytes"),
        Function::new("sha1", DATA, BYTES, "the digest as raw bytes"),
        Function::new("sha256", DATA, BYTES, "the digest as raw bytes"),
        Function::new("base64_encode", DATA, IN_TEXT, "standard alphabet, with padding"),
        Function::new(
            "base64_decode",
            TEXT,
            MAYBE_BYTES,
            "the bytes, or nil for bad text",
        ),
        Function::new("hex_encode", DATA, IN_TEXT, "two lower-case digits a byte"),
        Function::new("hex_decode", TEXT, MAYBE_BYTES, "the bytes, or nil for bad text"),
        Function::new(
            "equal",
            &[
                Field::new("a", Type::Bytes, "one"),
                Field::new("b", Type::Bytes, "the other"),
            ],
            TRUTH,
            "compares in constant time: use it for secrets",
        ),
    ],
};

const JSON: Module = Module {
    name: "json",
    doc: "Payloads as tables and back.",
    values: &[Field::new("null", Type::Any, "a null")],
    functions: &[
        Function::new(
            "decode",
            TEXT,
            &[
                Field::maybe("value", Type::Any, "the value; nil for bad text"),
                Field::maybe("why", Type::Text, "why it could not be read"),
            ],
            "the value, or nil and why not. Integers beyond 2^53 become strings of their digits",
        ),
        Function::new(
            "encode",
            &[Field::new("value", Type::Any, "what JSON can say")],
            IN_TEXT,
            "the text; an error for what JSON cannot say. Fields are sorted",
        ),
        Function::new(
            "array",
            &[Field::new("list", Type::Map, "a table")],
            &[Field::new("list", Type::Map, "the same table")],
            "marks a table as a list, which an empty one does not show",
        ),
    ],
};

const LINE: &[Field] = &[
    Field::new("message", Type::Text, "the line"),
    Field::maybe("fields", Type::Map, "what goes with it"),
];

const LOG: Module = Module {
    name: "log",
    doc: "Lines in the broker's log, marked with the policy's name.",
    values: &[],
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

static REAUTHORIZE: Record = Record {
    name: "Reauthorize",
    doc: "Whose subscriptions are asked about again.",
    guarded: false,
    fields: &[
        Field::maybe("client", Type::Text, "this client's alone"),
        Field::maybe("instance", Type::Text, "those of this instance"),
    ],
};

const REAUTHORIZE_OPTIONS: &[Field] = &[Field::maybe(
    "options",
    Type::Record(&REAUTHORIZE),
    "whose; everybody's if none",
)];

const CLIENT_ID: Field = Field::new("client_id", Type::Text, "which client");
const NEW: Field = Field::new("message", Type::Record(&NEW_MESSAGE), "what to send");

const MQTT: Module = Module {
    name: "mqtt",
    doc: "What a script can have the broker do. Each is noted, and done when the turn of the shard ends.",
    values: &[],
    functions: &[
        Function::new(
            "publish",
            &[NEW],
            &[],
            "publishes a message, whose origin is `script`",
        ),
        Function::new(
            "p2p",
            &[CLIENT_ID, NEW],
            &[],
            "sends a message to one client, whatever it is subscribed to",
        ),
        Function::new(
            "kick",
            &[
                CLIENT_ID,
                Field::maybe(
                    "code",
                    Type::Integer,
                    "a reason code of DISCONNECT, 0x98 (administrative action) if none",
                ),
                Field::maybe("reason", Type::Text, "why"),
            ],
            &[],
            "ends a client's connection",
        ),
        Function::new(
            "reauthorize",
            REAUTHORIZE_OPTIONS,
            &[],
            "asks again whether subscriptions are allowed, and takes back those that are not",
        ),
        Function::new(
            "sessions",
            &[Field::maybe("options", Type::Map, "which sessions")],
            &[Field::new(
                "sessions",
                Type::List(&Type::Map),
                "what is known of each",
            )],
            "the sessions that there are",
        ),
    ],
};

const SECONDS: Field = Field::new("seconds", Type::Number, "how long");

const TASK: Module = Module {
    name: "task",
    doc: "What a script does beside its hooks. A task belongs to its generation and ends with it; there may be 1,000 of them in a state.",
    values: &[],
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

const TIME: Module = Module {
    name: "time",
    doc: "The clock.",
    values: &[],
    functions: &[Function::new(
        "now",
        &[],
        &[Field::new("seconds", Type::Number, "with fractions")],
        "seconds since 1970",
    )],
};

const FILTER: Field = Field::new("filter", Type::Text, "a topic filter");

const TOPIC: Module = Module {
    name: "topic",
    doc: "What MQTT says about topic names and filters.",
    values: &[],
    functions: &[
        Function::new(
            "matches",
            &[FILTER, Field::new("topic", Type::Text, "a topic name")],
            TRUTH,
            "whether the filter matches the topic name",
        ),
        Function::new(
            "covers",
            &[
                Field::new("outer", Type::Text, "a topic filter"),
                Field::new("inner", Type::Text, "a topic filter"),
            ],
            TRUTH,
            "whether `outer` matches all that `inner` matches",
        ),
        Function::new(
            "overlaps",
            &[
                Field::new("a", Type::Text, "a topic filter"),
                Field::new("b", Type::Text, "a topic filter"),
            ],
            TRUTH,
            "whether a topic exists that both match",
        ),
        Function::new("valid_filter", TEXT, TRUTH, "whether it is a topic filter"),
    ],
};
