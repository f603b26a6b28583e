//! `crypto`.

use super::{BYTES, DATA, IN_TEXT, TEXT, TRUTH, WHY};
use crate::hooks::describe::{Function, Module};
use dunlin_plugin_api::describe::{Field, Record, Type};

const MAYBE_BYTES: &[Field] = &[Field::maybe("bytes", Type::Bytes, "the result; nil for bad text")];
const PASSWORD: Field = Field::new("password", Type::Bytes, "the password");
const PASSWORD_AND_HASH: &[Field] = &[
    PASSWORD,
    Field::new("hash", Type::Text, "its hash, such as `$2b$10$...`"),
];
const VERIFIED: &[Field] = &[Field::maybe("right", Type::Boolean, "whether it is so"), WHY];
const VERIFY: &str =
    "whether the hash is of this password; nil and why for a bad hash, or when too many wait";
const HASHED: &[Field] = &[Field::maybe("hash", Type::Text, "the hash"), WHY];

pub(super) static JWT_OPTIONS: Record = Record {
    name: "JwtOptions",
    doc: "How a token is signed.",
    guarded: false,
    fields: &[
        Field::new(
            "alg",
            Type::Words(&["EdDSA", "ES256", "HS256", "HS384", "HS512", "RS256"]),
            "the algorithm; what the token says of it does not count",
        ),
        Field::new("key", Type::Bytes, "a secret, or a key in PEM"),
        Field::maybe("issuer", Type::Text, "who must have issued it"),
        Field::maybe("audience", Type::Text, "for whom it must be"),
        Field::maybe("leeway", Type::Number, "how many seconds clocks may differ"),
    ],
};

const JWT_VERIFY: &[Field] = &[
    Field::new("token", Type::Text, "the JSON Web Token"),
    Field::new(
        "options",
        Type::Record(&JWT_OPTIONS),
        "how it has to be signed, and what it has to say",
    ),
];
const JWT_SIGN: &[Field] = &[
    Field::new("claims", Type::Map, "what the token says"),
    Field::new("options", Type::Record(&JWT_OPTIONS), "how to sign it"),
];

pub(super) const CRYPTO: Module = Module {
    name: "crypto",
    doc: "Digests, HMAC and encodings.",
    values: &[],
    inner: &[],
    functions: &[
        Function::new(
            "hmac",
            &[
                Field::new(
                    "algorithm",
                    Type::Words(&["md5", "sha1", "sha256", "sha384", "sha512"]),
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
        Function::new("sha512", DATA, BYTES, "the digest as raw bytes"),
        Function::new("base64_encode", DATA, IN_TEXT, "standard alphabet, with padding"),
        Function::new(
            "base64_decode",
            TEXT,
            MAYBE_BYTES,
            "the bytes, or nil for bad text",
        ),
        Function::new(
            "base64url_encode",
            DATA,
            IN_TEXT,
            "URL-safe alphabet, without padding",
        ),
        Function::new(
            "base64url_decode",
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
        Function::new(
            "random",
            &[Field::new("bytes", Type::Integer, "how many: 1 to 1,024")],
            BYTES,
            "random bytes, good for secrets",
        ),
        Function::new("argon2_verify", PASSWORD_AND_HASH, VERIFIED, VERIFY).waits(),
        Function::new("bcrypt_verify", PASSWORD_AND_HASH, VERIFIED, VERIFY).waits(),
        Function::new(
            "argon2_hash",
            &[PASSWORD],
            HASHED,
            "a hash of a password by argon2id, with a salt of its own",
        )
        .waits(),
        Function::new(
            "bcrypt_hash",
            &[
                PASSWORD,
                Field::maybe("cost", Type::Integer, "4 to 14, 10 if none"),
            ],
            HASHED,
            "a hash of a password, with a salt of its own",
        )
        .waits(),
        Function::new(
            "jwt_verify",
            JWT_VERIFY,
            &[Field::maybe("claims", Type::Map, "what the token says"), WHY],
            "the claims of a token that is right and in its time, or nil and why not",
        ),
        Function::new("jwt_sign", JWT_SIGN, IN_TEXT, "a JSON Web Token"),
    ],
};
