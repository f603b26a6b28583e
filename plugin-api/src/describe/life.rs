//! Hooks of a policy's own life.

use super::{Description, Field, Form, PLAIN, Says, Type, Waits};

pub(super) const ON_LOAD: Description = Description {
    parameters: &[
        Field::new(
            "settings",
            Type::Any,
            "the entry's `settings` in dunlin.toml, `{}` when there are none",
        ),
        Field::maybe(
            "previous",
            Type::Any,
            "what the policy of this name in the generation before handed over",
        ),
    ],
    results: &[Form {
        says: Says::Anything,
        with: None,
        text: "nothing, or a value",
        doc: "the value is handed to the next generation as `previous`; it may be anything that JSON can hold",
    }],
    failure: "the load is refused, with the error's text",
    notes: "It is called once in every state that is built: one when the file is checked, and one in each shard. It must come to the same result each time.",
    ..PLAIN
};

pub(super) const ON_UNLOAD: Description = Description {
    parameters: &[Field::new(
        "reason",
        Type::Words(&["replaced", "rolled back", "stopping"]),
        "why",
    )],
    results: &[Form::nothing("what it returns does not matter")],
    failure: "it is logged",
    ..PLAIN
};

pub(super) const ON_TICK: Description = Description {
    parameters: &[Field::new("now", Type::Number, "seconds since 1970")],
    results: &[
        Form {
            says: Says::Number,
            with: None,
            text: "60",
            doc: "the next tick comes after so many seconds",
        },
        Form::nothing("there is no further tick"),
    ],
    waits: Waits::Always,
    failure: "the next tick comes after 10 seconds",
    notes: "It runs on one shard only, for the first time when the generation begins to serve.",
    ..PLAIN
};
