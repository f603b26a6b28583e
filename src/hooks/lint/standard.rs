//! What Luau itself puts into every state, as far as policies get it. A test compares it with a real state.

use crate::hooks::describe::modules;
use crate::hooks::lua::sandbox::{ABSENT, REMOVED};
use crate::hooks::suggest;

/// A table of functions.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Library {
    pub(super) name: &'static str,
    pub(super) names: &'static [&'static str],
}

/// Functions that stand by themselves, and `_G` and `_VERSION`.
pub(super) const FUNCTIONS: &[&str] = &[
    "_G",
    "_VERSION",
    "assert",
    "error",
    "getmetatable",
    "ipairs",
    "next",
    "pairs",
    "pcall",
    "rawequal",
    "rawget",
    "rawlen",
    "rawset",
    "select",
    "setmetatable",
    "tonumber",
    "tostring",
    "type",
    "typeof",
    "unpack",
    "xpcall",
];

pub(super) static LIBRARIES: &[Library] = &[
    Library {
        name: "bit32",
        names: &[
            "arshift", "band", "bnot", "bor", "btest", "bxor", "byteswap", "countlz", "countrz", "extract",
            "lrotate", "lshift", "replace", "rrotate", "rshift",
        ],
    },
    Library {
        name: "buffer",
        names: &[
            "copy",
            "create",
            "fill",
            "fromstring",
            "len",
            "readbits",
            "readf32",
            "readf64",
            "readi16",
            "readi32",
            "readi8",
            "readstring",
            "readu16",
            "readu32",
            "readu8",
            "tostring",
            "writebits",
            "writef32",
            "writef64",
            "writei16",
            "writei32",
            "writei8",
            "writestring",
            "writeu16",
            "writeu32",
            "writeu8",
        ],
    },
    Library {
        name: "coroutine",
        names: &[
            "close",
            "create",
            "isyieldable",
            "resume",
            "running",
            "status",
            "wrap",
            "yield",
        ],
    },
    Library {
        name: "math",
        names: &[
            "abs",
            "acos",
            "asin",
            "atan",
            "atan2",
            "ceil",
            "clamp",
            "cos",
            "cosh",
            "deg",
            "e",
            "exp",
            "floor",
            "fmod",
            "frexp",
            "huge",
            "isfinite",
            "isinf",
            "isnan",
            "ldexp",
            "lerp",
            "log",
            "log10",
            "map",
            "max",
            "min",
            "modf",
            "nan",
            "noise",
            "phi",
            "pi",
            "pow",
            "rad",
            "random",
            "randomseed",
            "round",
            "sign",
            "sin",
            "sinh",
            "sqrt",
            "sqrt2",
            "tan",
            "tanh",
            "tau",
        ],
    },
    Library {
        name: "os",
        names: &["clock", "date", "difftime", "time"],
    },
    Library {
        name: "string",
        names: &[
            "byte", "char", "find", "format", "gmatch", "gsub", "len", "lower", "match", "pack", "packsize",
            "rep", "reverse", "split", "sub", "unpack", "upper",
        ],
    },
    Library {
        name: "table",
        names: &[
            "clear", "clone", "concat", "create", "find", "foreach", "foreachi", "freeze", "getn", "insert",
            "isfrozen", "maxn", "move", "pack", "remove", "sort", "unpack",
        ],
    },
    Library {
        name: "utf8",
        names: &["char", "charpattern", "codepoint", "codes", "len", "offset"],
    },
    Library {
        name: "vector",
        names: &[
            "abs",
            "angle",
            "ceil",
            "clamp",
            "create",
            "cross",
            "dot",
            "floor",
            "lerp",
            "magnitude",
            "max",
            "min",
            "normalize",
            "one",
            "sign",
            "zero",
        ],
    },
];

pub(super) fn library(name: &str) -> Option<&'static Library> {
    LIBRARIES.iter().find(|library| library.name == name)
}

/// All names that can be read without being declared.
pub(super) fn globals() -> impl Iterator<Item = &'static str> {
    let libraries = LIBRARIES.iter().map(|library| library.name);
    let modules = modules::ALL.iter().map(|module| module.name);
    let functions = modules::GLOBALS.iter().map(|function| function.name);
    let plain = FUNCTIONS.iter().chain(modules::UNDESCRIBED).copied();
    libraries.chain(modules).chain(functions).chain(plain)
}

/// What to do about a global that does not exist, in the words of the state itself.
pub(super) fn instead_of(name: &str) -> String {
    if REMOVED.iter().chain(ABSENT).any(|gone| *gone == name) {
        return "policies run without it".to_owned();
    }
    match suggest::nearest(name, globals()) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => "declare it with `local`".to_owned(),
    }
}
