//! `cbor`, `json`, `re`, `topic`: what is in topics and payloads.

use super::{BYTES, DATA, IN_TEXT, TEXT, TRUTH, WHY};
use crate::hooks::describe::{Function, Module};
use dunlin_plugin_api::describe::{Field, Type};

const DECODED: &[Field] = &[
    Field::maybe("value", Type::Any, "the value; nil for what is none"),
    WHY,
];
const VALUE: &[Field] = &[Field::new("value", Type::Any, "what to encode")];

const PAYLOAD: Field = Field::new("text", Type::Bytes, "a JSON text");
const PATH: Field = Field::new(
    "path",
    Type::Either(&[Type::Text, Type::List(&Type::Any)]),
    "names and, in lists, numbers from 1: `\"values.1.name\"`, or a list of such steps",
);

pub(super) const JSON: Module = Module {
    name: "json",
    doc: "Payloads as tables and back.",
    values: &[Field::new("null", Type::Any, "a null")],
    inner: &[],
    functions: &[
        Function::new(
            "decode",
            TEXT,
            DECODED,
            "the value, or nil and why not. An integer beyond 2^53 stays what it is: it can be compared, printed and encoded",
        ),
        Function::new(
            "encode",
            VALUE,
            IN_TEXT,
            "the text; an error for what JSON cannot say. Fields are sorted",
        ),
        Function::new(
            "array",
            &[Field::new("list", Type::Map, "a table")],
            &[Field::new("list", Type::Map, "the same table")],
            "marks a table as a list, which an empty one does not show",
        ),
        Function::new(
            "int",
            &[Field::new("digits", Type::Text, "an integer of at most 64 bits")],
            DECODED,
            "the integer, also beyond 2^53",
        ),
        Function::new(
            "get",
            &[PAYLOAD, PATH],
            DECODED,
            "one value of a text, without building the rest; nil when it is not there",
        ),
        Function::new(
            "set",
            &[
                PAYLOAD,
                PATH,
                Field::new("value", Type::Any, "what comes there; nil takes it out"),
            ],
            &[
                Field::maybe("text", Type::Text, "the text, otherwise byte for byte as it was"),
                WHY,
            ],
            "a text with one value replaced, added or taken out",
        ),
    ],
};

pub(super) const CBOR: Module = Module {
    name: "cbor",
    doc: "RFC 8949, by the same rules as `json`.",
    values: &[],
    inner: &[],
    functions: &[
        Function::new(
            "decode",
            DATA,
            DECODED,
            "the value, or nil and why not; bytes come in as strings",
        ),
        Function::new(
            "encode",
            VALUE,
            BYTES,
            "a string that is no UTF-8 goes out as bytes, one that is as text; the keys of maps are sorted",
        ),
        Function::new(
            "bytes",
            TEXT,
            &[Field::new("value", Type::Any, "for `cbor.encode`")],
            "marks a string as bytes in any case",
        ),
    ],
};

const PATTERN: Field = Field::new(
    "pattern",
    Type::Text,
    "a regular expression, of 4,096 bytes at most",
);
const SUBJECT: Field = Field::new("text", Type::Bytes, "where to look");
const LOOK: &[Field] = &[PATTERN, SUBJECT];

pub(super) const RE: Module = Module {
    name: "re",
    doc: "Regular expressions that take little time, whatever a stranger puts into a topic or a payload. The syntax is that of Rust's `regex`.",
    values: &[],
    inner: &[],
    functions: &[
        Function::new("test", LOOK, TRUTH, "whether it matches anywhere"),
        Function::new(
            "match",
            LOOK,
            &[Field::maybe(
                "groups",
                Type::Map,
                "`[0]` is all of it, `[1]` and on the groups, also by their names",
            )],
            "the first match, or nil",
        ),
        Function::new(
            "find",
            LOOK,
            &[
                Field::maybe("first", Type::Integer, "where the first match begins"),
                Field::maybe("last", Type::Integer, "where it ends"),
            ],
            "the place of the first match, as string.find tells it",
        ),
        Function::new(
            "split",
            LOOK,
            &[Field::new(
                "parts",
                Type::List(&Type::Bytes),
                "what lies between the matches",
            )],
            "the text cut at every match",
        ),
        Function::new(
            "gsub",
            &[
                PATTERN,
                SUBJECT,
                Field::new(
                    "replacement",
                    Type::Either(&[Type::Bytes, Type::Function]),
                    "a text, in which `$1` and `$name` are groups, or a function of the groups that returns one, or nil for no change",
                ),
            ],
            &[
                Field::new("text", Type::Bytes, "the result"),
                Field::new("count", Type::Integer, "how many matches there were"),
            ],
            "the text with every match replaced",
        ),
    ],
};

const FILTER: Field = Field::new("filter", Type::Text, "a topic filter");

pub(super) const TOPIC: Module = Module {
    name: "topic",
    doc: "What MQTT says about topic names and filters.",
    values: &[],
    inner: &[],
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
