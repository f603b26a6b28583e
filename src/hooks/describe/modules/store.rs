//! `cache`, `kv`, `state`: what scripts remember; `registry`: what operators have set up.

use super::{TRUTH, WHY};
use crate::hooks::describe::{Function, Module, Object};
use dunlin_plugin_api::describe::{Field, Record, Type};

const KEY: Field = Field::new("key", Type::Bytes, "under which key");
const VALUE: Field = Field::new(
    "value",
    Type::Any,
    "a string, a number, a boolean or a small table",
);
const TTL: Field = Field::maybe("ttl", Type::Number, "for how many seconds; for good if none");
const FOUND: &[Field] = &[Field::maybe(
    "value",
    Type::Any,
    "the value; nil when there is none",
)];
const PUT: &[Field] = &[
    Field::maybe(
        "done",
        Type::Boolean,
        "whether it was put; nil when there is no room",
    ),
    WHY,
];

const KV_FUNCTIONS: &[Function] = &[
    Function::new("get", &[KEY], FOUND, "the value under a key"),
    Function::new("set", &[KEY, VALUE, TTL], PUT, "puts a value"),
    Function::new("add", &[KEY, VALUE, TTL], PUT, "puts a value if there is none"),
    Function::new(
        "cas",
        &[
            KEY,
            Field::maybe("old", Type::Any, "what must be there; nil for nothing"),
            Field { name: "new", ..VALUE },
            TTL,
        ],
        PUT,
        "puts a value if the old one is as expected",
    ),
    Function::new(
        "incr",
        &[KEY, Field::maybe("by", Type::Number, "how much, 1 if none"), TTL],
        &[
            Field::maybe(
                "sum",
                Type::Number,
                "the new value; nil for what is no number, or when there is no room",
            ),
            WHY,
        ],
        "adds to a number, at once on all shards; a key that is new begins at 0 and lives for `ttl`",
    ),
    Function::new(
        "delete",
        &[KEY],
        TRUTH,
        "takes a value away; whether there was one",
    ),
    Function::new(
        "ttl",
        &[KEY],
        &[Field::maybe(
            "seconds",
            Type::Number,
            "how long it stays; nil when there is none",
        )],
        "how long a value stays, math.huge for good",
    ),
    Function::new(
        "keys",
        &[
            Field::maybe("prefix", Type::Bytes, "how they begin"),
            Field::maybe("limit", Type::Integer, "how many at most, 1,000 if none"),
            Field::maybe(
                "after",
                Type::Bytes,
                "those behind this key: the last of the page before",
            ),
        ],
        &[Field::new(
            "keys",
            Type::List(&Type::Bytes),
            "in order of their bytes",
        )],
        "keys that there are, page by page",
    ),
];

static KV_SHARED: Module = Module {
    name: "kv.shared",
    doc: "The same for all policies together.",
    values: &[],
    inner: &[],
    functions: KV_FUNCTIONS,
};

pub(super) const KV: Module = Module {
    name: "kv",
    doc: "A policy's values, shared by all shards; they outlive a reload, not the process.",
    values: &[],
    inner: &[("shared", &KV_SHARED)],
    functions: KV_FUNCTIONS,
};

const NAME: Field = Field::new("name", Type::Bytes, "under which name");

pub(super) const STATE: Module = Module {
    name: "state",
    doc: "A policy's own small values that survive a reload.",
    values: &[],
    inner: &[],
    functions: &[
        Function::new("get", &[NAME], FOUND, "the value under a name"),
        Function::new(
            "set",
            &[
                NAME,
                Field {
                    optional: true,
                    ..VALUE
                },
            ],
            PUT,
            "puts a value, nil for none",
        ),
    ],
};

pub(super) static REGISTRY_PAGE: Record = Record {
    name: "RegistryPage",
    doc: "Which records of a kind are listed.",
    guarded: false,
    fields: &[
        Field::maybe(
            "after",
            Type::Text,
            "those behind this name: the last of the page before",
        ),
        Field::maybe(
            "limit",
            Type::Integer,
            "how many at most, 100 if none, up to 1,000",
        ),
    ],
};

pub(super) static REGISTRY_RECORD: Record = Record {
    name: "RegistryRecord",
    doc: "A record that `registry.list` found.",
    guarded: false,
    fields: &[
        Field::new("name", Type::Text, "its name among its kind"),
        Field::new("value", Type::Map, "what it says"),
    ],
};

const INSTANCE: Field = Field::new(
    "instance",
    Type::Text,
    "of which instance, such as `ctx.instance`; empty for what belongs to none",
);
const KIND: Field = Field::new("kind", Type::Text, "of which kind, such as `group`");
static OF_RECORD: Type = Type::Record(&REGISTRY_RECORD);
const WHICH_PAGE: &[Field] = &[
    INSTANCE,
    KIND,
    Field::maybe(
        "options",
        Type::Record(&REGISTRY_PAGE),
        "which; the first hundred if none",
    ),
];
const A_PAGE: &[Field] = &[Field::new(
    "records",
    Type::List(&OF_RECORD),
    "in order of the bytes of their names",
)];

pub(super) const REGISTRY: Module = Module {
    name: "registry",
    doc: "What operators have set up while the broker runs: groups, keys, credentials, and more. For reading, without waiting.",
    values: &[],
    inner: &[],
    functions: &[
        Function::new(
            "get",
            &[INSTANCE, KIND, Field::new("name", Type::Text, "under which name")],
            &[Field::maybe(
                "value",
                Type::Map,
                "what the record says, a new table; nil when there is none",
            )],
            "a record",
        ),
        Function::new("list", WHICH_PAGE, A_PAGE, "records of a kind, page by page"),
    ],
};

pub(super) static CACHE_OPTIONS: Record = Record {
    name: "CacheOptions",
    doc: "How a cache is made.",
    guarded: false,
    fields: &[
        Field::maybe("ttl", Type::Number, "how many seconds a value holds, 60 if none"),
        Field::maybe("size", Type::Integer, "how many values, 1,024 if none"),
    ],
};

const CACHE_OPTIONS_FIELD: &[Field] = &[Field::maybe(
    "options",
    Type::Record(&CACHE_OPTIONS),
    "how long and how many",
)];

pub(super) const CACHE: Module = Module {
    name: "cache",
    doc: "What a policy remembers for a while, in its own state: each shard has its own.",
    values: &[],
    inner: &[],
    functions: &[Function::new(
        "new",
        CACHE_OPTIONS_FIELD,
        &[Field::new("cache", Type::Object("Cache"), "an empty cache")],
        "a cache; when it is full, what was not used for longest goes",
    )],
};

pub(super) const CACHE_OBJECT: Object = Object {
    name: "Cache",
    doc: "What `cache.new` makes.",
    methods: &[
        Function::new("get", &[KEY], FOUND, "the value under a key, if it still holds"),
        Function::new(
            "set",
            &[
                KEY,
                Field::new("value", Type::Any, "any value; nil forgets the key"),
                Field::maybe(
                    "ttl",
                    Type::Number,
                    "for how many seconds; the cache's own if none",
                ),
            ],
            &[],
            "remembers a value",
        ),
        Function::new("delete", &[KEY], TRUTH, "forgets a value; whether there was one"),
        Function::new(
            "fetch",
            &[
                KEY,
                Field::new(
                    "load",
                    Type::Function,
                    "is called for a value that is not remembered; it may wait",
                ),
            ],
            &[
                Field::maybe("value", Type::Any, "the value; nil when `load` has none"),
                WHY,
            ],
            "the value under a key, or what `load(key)` returns, which is remembered unless it is nil",
        ),
    ],
};
