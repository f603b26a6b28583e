//! What numbers mean on the way across. A number that is not listed is an error, never a guess.

/// The major version of this ABI; it is in the entry symbol's name too.
pub const ABI_MAJOR: u16 = 1;
/// The minor version of this ABI: it grows when fields or hooks are added.
pub const ABI_MINOR: u16 = 1;
/// What `magic` of a declaration is: the bytes `DUNLIN` and two zeros, read as a little-endian number.
pub const MAGIC: u64 = 0x0000_4E49_4C4E_5544;

/// No opinion: the next entry is asked. The least that an answer can say.
pub const NEXT: i32 = 0;
/// It goes on as it is: what a transform says that changes nothing. `offline` keeps the message.
pub const PASS: i32 = 0;
/// Yes.
pub const ALLOW: i32 = 1;
/// No; the client stays.
pub const DENY: i32 = 2;
/// No, and the connection ends.
pub const DISCONNECT: i32 = 3;
/// It goes nowhere: `drop`, `skip` or `suppress`, as the hook calls it.
pub const DROP: i32 = 4;
/// `rule_action`: all messages of the batch are done with.
pub const DONE: i32 = 5;
/// Only in an outcome: it goes on with changes. Those of the hook's own field count.
pub const CHANGE: i32 = 6;
/// Only in an outcome: MQTT 5, the exchange goes on: send AUTH.
pub const CONTINUE: i32 = 7;
/// Only in an outcome: `connect` refuses the client.
pub const REJECT: i32 = 8;
/// Only in an outcome: `connect` sends the client to another server.
pub const REDIRECT: i32 = 9;
/// Only in an outcome: the answer is `number`: a limit, or the seconds to the next tick.
pub const NUMBER: i32 = 10;
/// Only from a hook: the answer was given with `complete` during the call.
pub const ANSWERED: i32 = 16;
/// Only from a hook: the answer will be given with `complete`, exactly once, from any thread.
pub const PENDING: i32 = 17;
/// The hook failed: the entry's `on_error` decides.
pub const ERROR: i32 = -1;
/// The hook panicked: the same, and counted apart.
pub const PANIC: i32 = -2;

/// The host did it.
pub const OK: i32 = 0;
/// There is no such thing: no key, no session.
pub const ABSENT: i32 = 1;
/// The buffer is too small; its `length` says how much is needed.
pub const TOO_SMALL: i32 = 2;
/// What was given makes no sense; the host's log says why.
pub const INVALID: i32 = -10;
/// The ticket is not open: unknown, answered before, too late, or of another generation. Nothing was done.
pub const STALE: i32 = -11;
/// A queue or a quota is full. It may be tried again.
pub const BUSY: i32 = -12;
/// This host cannot do that.
pub const UNSUPPORTED: i32 = -13;
/// The generation does not serve: not yet (it is being tried), or no longer.
pub const NOT_SERVING: i32 = -14;

/// Log: what an operator must see.
pub const LEVEL_ERROR: u32 = 1;
/// Log: what an operator should see.
pub const LEVEL_WARN: u32 = 2;
/// Log: what an operator may want to know.
pub const LEVEL_INFO: u32 = 3;
/// Log: for who looks for a fault.
pub const LEVEL_DEBUG: u32 = 4;
/// Log: everything.
pub const LEVEL_TRACE: u32 = 5;

/// A client published the message.
pub const ORIGIN_CLIENT: u32 = 0;
/// It is the will of a client whose connection ended.
pub const ORIGIN_WILL: u32 = 1;
/// A policy published it.
pub const ORIGIN_SCRIPT: u32 = 2;
/// Dunlin itself published it.
pub const ORIGIN_BROKER: u32 = 3;

/// `on_unload`: another generation serves now.
pub const UNLOAD_REPLACED: u32 = 0;
/// `on_unload`: the generation before serves again.
pub const UNLOAD_ROLLED_BACK: u32 = 1;
/// `on_unload`: the broker stops.
pub const UNLOAD_STOPPING: u32 = 2;

/// A key of the policy's own.
pub const SPACE_OWN: u32 = 0;
/// A key that all policies share.
pub const SPACE_SHARED: u32 = 1;

/// `rule_action`, a message of the batch: it is done with.
pub const ACTION_DONE: u32 = 0;
/// It is to come again after `retry_after` seconds.
pub const ACTION_RETRY: u32 = 1;
/// It can never succeed.
pub const ACTION_DEAD_LETTER: u32 = 2;

/// The plugin has threads of its own. `quiesce` ends and joins them.
pub const FLAG_THREADS: u64 = 1;
/// The plugin keeps thread-local data, which binds its image to threads of the broker.
pub const FLAG_THREAD_LOCALS: u64 = 2;
/// After `destroy` nothing refers to the image: `unload = "best-effort"` may unmap it.
pub const FLAG_UNLOADABLE: u64 = 4;

/// The verdict that a word of the description stands for, such as `deny`. Words of one message of a rule's batch are
/// `ACTION_` numbers, and are not here.
#[must_use]
pub fn verdict_of(word: &str) -> Option<i32> {
    Some(match word {
        "next" => NEXT,
        "pass" | "keep" => PASS,
        "allow" => ALLOW,
        "deny" => DENY,
        "disconnect" => DISCONNECT,
        "drop" | "skip" | "suppress" => DROP,
        "done" => DONE,
        "continue" => CONTINUE,
        "reject" => REJECT,
        "redirect" => REDIRECT,
        _ => return None,
    })
}
