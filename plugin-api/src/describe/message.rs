//! Hooks that see a whole message.

use super::records::{DELIVER_PATCH, MESSAGE, NEW_MESSAGE, PUBLISH_PATCH, ROUTED, WILL_PATCH};
use super::{CTX, Description, Field, Form, PLAIN, Says, Type, Waits};

const MSG: Field = Field::new(
    "msg",
    Type::Record(&MESSAGE),
    "the message; good only during the call",
);

const PASS: Form = Form::nothing("it goes on as it is");
const PASS_WORD: Form = Form::word("pass", "\"pass\"", "the same");
const TRANSFORM: &[&str] = &["pass", "drop"];
const FAILURE: &str = "it goes on unchanged";

pub(super) const PUBLISH: Description = Description {
    parameters: &[
        Field {
            optional: true,
            ..CTX
        },
        MSG,
    ],
    results: &[
        PASS,
        PASS_WORD,
        Form::word(
            "drop",
            "\"drop\", \"why\"",
            "it goes nowhere; its publisher is told success",
        ),
        Form::table(
            &PUBLISH_PATCH,
            "{ topic = \"a/b\" }",
            "it goes on with these changes, and what is in `more` is published besides",
        ),
    ],
    waits: Waits::IfDeclared,
    origins: true,
    fallback: TRANSFORM,
    failure: FAILURE,
    notes: "A patch is no permission: what `authorize_publish` refused does not get here, and what is changed here is not asked about again. `ctx` is nil when no client published it.",
    ..PLAIN
};

pub(super) const ROUTE: Description = Description {
    parameters: &[
        Field {
            optional: true,
            ..CTX
        },
        MSG,
        Field::new("receivers", Type::Integer, "how many subscriptions match"),
    ],
    results: &[
        PASS,
        PASS_WORD,
        Form::word("drop", "\"drop\", \"why\"", "it goes nowhere"),
        Form::table(
            &ROUTED,
            "{ topics = { \"a/b\" }, clients = { \"device-1\" } }",
            "it goes to these topics and clients besides",
        ),
    ],
    origins: true,
    fallback: TRANSFORM,
    failure: FAILURE,
    notes: "`ctx` is nil when no client published it.",
    ..PLAIN
};

pub(super) const DELIVER: Description = Description {
    parameters: &[
        Field {
            doc: "the receiver",
            ..CTX
        },
        MSG,
    ],
    results: &[
        PASS,
        PASS_WORD,
        Form::word("skip", "\"skip\", \"why\"", "this receiver does not get it"),
        Form::table(
            &DELIVER_PATCH,
            "{ payload = \"x\" }",
            "this receiver gets it with these changes",
        ),
    ],
    origins: true,
    fallback: TRANSFORM,
    failure: FAILURE,
    notes: "It is called for every receiver of every message; `publish` is called once.",
    ..PLAIN
};

pub(super) const P2P: Description = Description {
    parameters: &[
        Field {
            optional: true,
            doc: "the sender",
            ..CTX
        },
        Field::new("target", Type::Text, "the client id that it is for"),
        MSG,
    ],
    results: &[
        Form::word("allow", "\"allow\"", "yes"),
        Form::word("deny", "\"deny\", \"why\"", "no"),
        Form::word("disconnect", "\"disconnect\", \"why\"", "the same as deny"),
        Form::word("next", "\"next\"", "no opinion"),
    ],
    fallback: &["deny", "allow", "next"],
    failure: "it counts as `deny`",
    notes: "When no policy denies, it is allowed.",
    ..PLAIN
};

pub(super) const OFFLINE: Description = Description {
    parameters: &[
        Field {
            doc: "the absent client",
            ..CTX
        },
        MSG,
    ],
    results: &[
        Form::nothing("it is kept for the client"),
        Form::word("keep", "\"keep\"", "the same"),
        Form::word("skip", "\"skip\", \"why\"", "it is not kept"),
    ],
    origins: true,
    failure: "the message is kept",
    notes: "The place for a push notification: begin it with `task.spawn`, since this hook does not wait.",
    ..PLAIN
};

pub(super) const WILL: Description = Description {
    parameters: &[
        Field {
            doc: "the client whose will it is",
            ..CTX
        },
        MSG,
    ],
    results: &[
        PASS,
        PASS_WORD,
        Form::word("suppress", "\"suppress\", \"why\"", "it is not published"),
        Form::table(
            &WILL_PATCH,
            "{ retain = false }",
            "it is published with these changes",
        ),
    ],
    fallback: TRANSFORM,
    failure: FAILURE,
    ..PLAIN
};

const A_NEW_MESSAGE: &Type = &Type::Record(&NEW_MESSAGE);

pub(super) const RULE_ACTION: Description = Description {
    parameters: &[
        Field::new("rule", Type::Map, "the rule, as it is written"),
        Field::new(
            "messages",
            Type::List(A_NEW_MESSAGE),
            "a batch of messages that it matched",
        ),
    ],
    results: &[
        Form::word("done", "\"done\"", "all of them are done with"),
        Form {
            says: Says::List(Type::Any),
            with: None,
            text: "{ \"done\", { \"retry\", 30 }, { \"dead letter\", \"why\" } }",
            doc: "for each message: done with, to come again after so many seconds, or can never succeed",
        },
    ],
    waits: Waits::Always,
    failure: "all messages come again after a second",
    ..PLAIN
};
