//! The modules that scripts can use, function by function.

mod backends;
mod broker;
mod crypto;
mod data;
mod store;

use super::{Function, Module, Object};
use dunlin_plugin_api::describe::{Field, Record, Type};

/// Modules that are not described yet: nothing in them is checked.
pub(crate) const UNDESCRIBED: &[&str] = &[];

/// All modules that are described.
pub(crate) static ALL: &[Module] = &[
    store::CACHE,
    data::CBOR,
    crypto::CRYPTO,
    backends::HTTP,
    data::JSON,
    store::KV,
    broker::LOG,
    broker::METRICS,
    broker::MQTT,
    data::RE,
    backends::REDIS,
    store::REGISTRY,
    backends::SQL,
    store::STATE,
    broker::TASK,
    broker::TIME,
    data::TOPIC,
];

/// Objects that their functions make.
pub(crate) static OBJECTS: &[Object] = &[
    backends::REDIS_OBJECT,
    backends::DATABASE,
    store::CACHE_OBJECT,
    broker::COUNTER,
    broker::GAUGE,
    broker::HISTOGRAM,
];

/// Tables that their functions take, and nothing else.
pub(crate) static RECORDS: &[&Record] = &[
    &backends::HTTP_REQUEST,
    &backends::HTTP_ANSWER,
    &broker::REAUTHORIZE,
    &broker::WHERE,
    &broker::SESSION,
    &broker::SESSIONS_OPTIONS,
    &store::CACHE_OPTIONS,
    &store::REGISTRY_PAGE,
    &store::REGISTRY_RECORD,
    &crypto::JWT_OPTIONS,
];

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

const DATA: &[Field] = &[Field::new("data", Type::Bytes, "what to work on")];
const TEXT: &[Field] = &[Field::new("text", Type::Text, "what to work on")];
const BYTES: &[Field] = &[Field::new("bytes", Type::Bytes, "the result")];
const IN_TEXT: &[Field] = &[Field::new("text", Type::Text, "the result")];
const TRUTH: &[Field] = &[Field::new("truth", Type::Boolean, "whether it is so")];
const WHY: Field = Field::maybe("why", Type::Text, "why there is no result");
