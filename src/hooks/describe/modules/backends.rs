//! `http`, `redis`, `sql`: what the policy's entry allows it to reach.

use super::WHY;
use crate::hooks::describe::{Function, Module, Object};
use dunlin_plugin_api::describe::{Field, Record, Type};

pub(super) static HTTP_REQUEST: Record = Record {
    name: "HttpRequest",
    doc: "A request; behind `http.get` and `http.post` what differs from it.",
    guarded: false,
    fields: &[
        Field::maybe("url", Type::Text, "where to"),
        Field::maybe("method", Type::Text, "`GET` if none"),
        Field::maybe("headers", Type::Map, "names and values"),
        Field::maybe("body", Type::Bytes, "what to send"),
        Field::maybe("json", Type::Any, "a value to send as JSON, in place of `body`"),
        Field::maybe("timeout", Type::Number, "seconds, if less than the entry allows"),
    ],
};

pub(super) static HTTP_ANSWER: Record = Record {
    name: "HttpAnswer",
    doc: "What a server answered.",
    guarded: false,
    fields: &[
        Field::new("status", Type::Integer, "the status code"),
        Field::new("body", Type::Bytes, "the body"),
        Field::new("headers", Type::Map, "the headers, their names in lower case"),
    ],
};

const URL: Field = Field::new("url", Type::Text, "where to; the policy's entry has to allow it");
const ANSWERED: &[Field] = &[
    Field::maybe(
        "answer",
        Type::Record(&HTTP_ANSWER),
        "whatever its status; nil when there is none",
    ),
    WHY,
];
const GET: &[Field] = &[
    URL,
    Field::maybe("options", Type::Record(&HTTP_REQUEST), "what differs"),
];
const POST: &[Field] = &[
    URL,
    Field::maybe("body", Type::Bytes, "what to send"),
    Field::maybe("options", Type::Record(&HTTP_REQUEST), "what differs"),
];
const REQUEST: &[Field] = &[Field::new("request", Type::Record(&HTTP_REQUEST), "all of it")];

pub(super) const HTTP: Module = Module {
    name: "http",
    doc: "Requests to places that the policy's entry allows.",
    values: &[],
    inner: &[],
    functions: &[
        Function::new("get", GET, ANSWERED, "asks").waits(),
        Function::new("post", POST, ANSWERED, "sends").waits(),
        Function::new("request", REQUEST, ANSWERED, "a request of any kind").waits(),
    ],
};

const NAME: &[Field] = &[Field::new("name", Type::Text, "what the policy's entry calls it")];

pub(super) const REDIS: Module = Module {
    name: "redis",
    doc: "Servers that the policy's entry names.",
    values: &[],
    inner: &[],
    functions: &[Function::new(
        "open",
        NAME,
        &[Field::new("redis", Type::Object("Redis"), "the server")],
        "a server; open it while the script loads",
    )],
};

const REPLY: &[Field] = &[
    Field::maybe("value", Type::Any, "what the server answered; nil for nothing"),
    WHY,
];
const KEY: &[Field] = &[Field::new("key", Type::Bytes, "which key")];

const fn command(name: &'static str, doc: &'static str) -> Function {
    Function::new(name, KEY, REPLY, doc).variadic().waits()
}

pub(super) const REDIS_OBJECT: Object = Object {
    name: "Redis",
    doc: "What `redis.open` gives. Arguments are strings and numbers.",
    methods: &[
        Function::new(
            "command",
            &[Field::new(
                "name",
                Type::Text,
                "the command, its arguments behind it",
            )],
            REPLY,
            "any command",
        )
        .variadic()
        .waits(),
        command("get", "GET"),
        command("set", "SET"),
        command("del", "DEL"),
        command("incr", "INCR"),
        command("expire", "EXPIRE"),
        command("hget", "HGET"),
        command("hset", "HSET"),
        command("publish", "PUBLISH"),
        command("eval", "EVAL"),
    ],
};

pub(super) const SQL: Module = Module {
    name: "sql",
    doc: "Databases that the policy's entry names: PostgreSQL, MySQL, SQLite.",
    values: &[],
    inner: &[],
    functions: &[Function::new(
        "open",
        NAME,
        &[Field::new("database", Type::Object("Database"), "the database")],
        "a database; open it while the script loads",
    )],
};

const STATEMENT: &[Field] = &[
    Field::new(
        "statement",
        Type::Text,
        "SQL, with the database's own marks for parameters",
    ),
    Field::maybe(
        "parameters",
        Type::List(&Type::Any),
        "what the marks stand for: put what comes from strangers here",
    ),
];

pub(super) const DATABASE: Object = Object {
    name: "Database",
    doc: "What `sql.open` gives.",
    methods: &[
        Function::new(
            "query",
            STATEMENT,
            &[
                Field::maybe(
                    "rows",
                    Type::List(&Type::Map),
                    "tables by column; NULL is `json.null`",
                ),
                WHY,
            ],
            "all rows",
        )
        .waits(),
        Function::new(
            "row",
            STATEMENT,
            &[
                Field::maybe("row", Type::Map, "a table by column; nil when there is none"),
                WHY,
            ],
            "the first row",
        )
        .waits(),
        Function::new(
            "execute",
            STATEMENT,
            &[
                Field::maybe("affected", Type::Integer, "how many rows changed"),
                WHY,
            ],
            "a statement without rows",
        )
        .waits(),
    ],
};
