//! The table that a policy returns, besides its hooks.

use dunlin_plugin_api::describe::{Field, Type};

const HOOKS: Type = Type::List(&Type::Text);

/// Keys that are no hooks.
pub(crate) static KEYS: &[Field] = &[
    Field::maybe("name", Type::Text, "what it is called, for people"),
    Field::maybe("description", Type::Text, "what it does, in a few words"),
    Field::maybe(
        "credentials",
        Type::Function,
        "`credentials(client_id)` returns the user name and the password that this client should connect with; `dunlin credentials` calls it",
    ),
    Field::maybe(
        "payload",
        HOOKS,
        "the hooks that are handed the payload, such as `{ \"authorize_publish\" }`",
    ),
    Field::maybe(
        "cache",
        Type::Map,
        "which answers may be kept, such as `{ authorize_publish = { ttl = 60, by = { \"topic\" } } }`",
    ),
    Field::maybe(
        "waits",
        HOOKS,
        "the hooks of the hot path that may wait, such as `{ \"authorize_publish\" }`",
    ),
    Field::maybe(
        "owns",
        HOOKS,
        "the `$SYS` topics that go to `control`, such as `{ \"$SYS/uploadToken\" }`",
    ),
    Field::maybe(
        "origins",
        Type::Map,
        "messages of which origins a hook is asked about, such as `{ publish = { \"client\", \"will\" } }`",
    ),
];
