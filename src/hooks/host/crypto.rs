//! `crypto`: digests, HMAC, encodings, and a comparison that does not tell how much was right.

use super::arguments::{bytes, text, wrong};
use super::{Host, jwt, passwords};
use crate::hooks::lua::limits::Limits;
use crate::hooks::suggest;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use mlua::{Lua, LuaString, Table, Value};
use sha2::Digest;
use std::rc::Rc;
use subtle::ConstantTimeEq;

const ALGORITHMS: [&str; 5] = ["md5", "sha1", "sha256", "sha384", "sha512"];

pub(super) fn module(lua: &Lua, host: &Host) -> mlua::Result<Table> {
    let limits = &host.limits;
    let module = lua.create_table()?;
    one(lua, limits, &module, "md5", |data| {
        Some(md5::Md5::digest(data).to_vec())
    })?;
    one(lua, limits, &module, "sha1", |data| {
        Some(sha1::Sha1::digest(data).to_vec())
    })?;
    one(lua, limits, &module, "sha256", |data| {
        Some(sha2::Sha256::digest(data).to_vec())
    })?;
    one(lua, limits, &module, "sha512", |data| {
        Some(sha2::Sha512::digest(data).to_vec())
    })?;
    one(lua, limits, &module, "base64url_encode", |data| {
        Some(URL_SAFE_NO_PAD.encode(data).into_bytes())
    })?;
    one(lua, limits, &module, "base64url_decode", |data| {
        URL_SAFE_NO_PAD.decode(data).ok()
    })?;
    one(lua, limits, &module, "base64_encode", |data| {
        Some(STANDARD.encode(data).into_bytes())
    })?;
    one(lua, limits, &module, "base64_decode", |data| {
        STANDARD.decode(data).ok()
    })?;
    one(lua, limits, &module, "hex_encode", |data| Some(hex(data)))?;
    one(lua, limits, &module, "hex_decode", unhex)?;
    let held = limits.clone();
    let hmac = lua.create_function(move |lua, (algorithm, key, data): (Value, Value, Value)| {
        let algorithm = text(&algorithm, "crypto.hmac", 1, "algorithm")?;
        let key = bytes(&key, "crypto.hmac", 2, "key")?;
        let data = bytes(&data, "crypto.hmac", 3, "data")?;
        held.work(key.as_bytes().len() + data.as_bytes().len())?;
        held.string(lua, hmac(&algorithm, &key.as_bytes(), &data.as_bytes())?)
    })?;
    module.raw_set("hmac", hmac)?;
    let equal = lua.create_function(|_, (a, b): (Value, Value)| {
        let a = bytes(&a, "crypto.equal", 1, "a")?.as_bytes();
        let b = bytes(&b, "crypto.equal", 2, "b")?.as_bytes();
        // Strings of different lengths are told apart at once: the length is no secret.
        Ok(bool::from(a.ct_eq(&b)))
    })?;
    module.raw_set("equal", equal)?;
    let held = limits.clone();
    let random = lua.create_function(move |lua, count: Value| {
        let wanted = count.as_u32().filter(|n| (1..=MOST_RANDOM).contains(n));
        let Some(wanted) = wanted else {
            return Err(wrong(
                &count,
                "crypto.random",
                1,
                "bytes",
                "a number of bytes, 1 to 1024",
            ));
        };
        let mut random = vec![0; wanted as usize];
        getrandom::fill(&mut random).map_err(mlua::Error::external)?;
        held.string(lua, random)
    })?;
    module.raw_set("random", random)?;
    passwords::add(lua, host, &module)?;
    jwt::add(lua, host, &module)?;
    module.set_readonly(true);
    Ok(module)
}

/// How much randomness is given at a time, in bytes.
const MOST_RANDOM: u32 = 1024;

/// Adds a function of one string that returns a string, or nil when there is none.
fn one(
    lua: &Lua,
    limits: &Rc<Limits>,
    module: &Table,
    name: &'static str,
    compute: impl Fn(&[u8]) -> Option<Vec<u8>> + 'static,
) -> mlua::Result<()> {
    let limits = limits.clone();
    let function = lua.create_function(move |lua, data: Value| -> mlua::Result<Option<LuaString>> {
        let data = bytes(&data, &format!("crypto.{name}"), 1, "data")?.as_bytes();
        limits.work(data.len())?;
        compute(&data).map(|out| limits.string(lua, out)).transpose()
    })?;
    module.raw_set(name, function)
}

fn hmac(algorithm: &str, key: &[u8], data: &[u8]) -> mlua::Result<Vec<u8>> {
    fn with<M: Mac + hmac::digest::KeyInit>(key: &[u8], data: &[u8]) -> mlua::Result<Vec<u8>> {
        let mac =
            <M as Mac>::new_from_slice(key).map_err(|e| mlua::Error::runtime(format!("crypto.hmac: {e}")))?;
        Ok(mac.chain_update(data).finalize().into_bytes().to_vec())
    }
    match algorithm {
        "md5" => with::<Hmac<md5::Md5>>(key, data),
        "sha1" => with::<Hmac<sha1::Sha1>>(key, data),
        "sha256" => with::<Hmac<sha2::Sha256>>(key, data),
        "sha384" => with::<Hmac<sha2::Sha384>>(key, data),
        "sha512" => with::<Hmac<sha2::Sha512>>(key, data),
        other => {
            let known = suggest::list(ALGORITHMS);
            Err(mlua::Error::runtime(format!(
                "crypto.hmac: no algorithm is called `{other}`; write {known}"
            )))
        }
    }
}

fn hex(data: &[u8]) -> Vec<u8> {
    let digit = |nibble: u8| {
        if nibble < 10 {
            b'0' + nibble
        } else {
            b'a' + nibble - 10
        }
    };
    data.iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let (pairs, []) = text.as_chunks::<2>() else {
        return None;
    };
    pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn run(script: &str) -> String {
        let lua = Lua::new();
        lua.globals()
            .set(
                "crypto",
                module(&lua, &Host::new("test", 1 << 24, &Arc::default())).unwrap(),
            )
            .unwrap();
        match lua.load(script).eval::<Option<String>>() {
            Ok(answer) => answer.unwrap_or_else(|| "nil".into()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn known_digests() {
        assert_eq!(
            run("return crypto.hex_encode(crypto.md5(''))"),
            "d41d8cd98f00b204e9800998ecf8427e"
        );
        assert_eq!(
            run("return crypto.hex_encode(crypto.sha1('abc'))"),
            "a9993e364706816aba3e25717850c26c9cd0d89d"
        );
        assert_eq!(
            run(
                "return crypto.hex_encode(crypto.hmac('sha256', 'key', 'The quick brown fox jumps over the lazy dog'))"
            ),
            "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
        );
    }

    #[test]
    fn encodings_come_back_and_bad_text_is_nil() {
        assert_eq!(
            run("return crypto.base64_decode(crypto.base64_encode('a\\0b'))"),
            "a\0b"
        );
        assert_eq!(run("return crypto.hex_decode('4A4b')"), "JK");
        assert_eq!(run("return crypto.hex_decode('4')"), "nil");
        assert_eq!(run("return crypto.base64_decode('%%')"), "nil");
        assert_eq!(
            run("return tostring(crypto.equal('a', 'a')) .. tostring(crypto.equal('a', 'b'))"),
            "truefalse"
        );
    }

    #[test]
    fn wrong_arguments_are_named() {
        let said = run("return crypto.hmac('sha1', nil, 'x')");
        assert!(
            said.contains("crypto.hmac: argument 2 (key) must be a string, it is nil"),
            "{said}"
        );
        assert!(
            run("return crypto.hmac('sha3', '', '')")
                .contains("write `md5`, `sha1`, `sha256`, `sha384` or `sha512`")
        );
        assert!(run("return crypto.sha1(('x'):rep(2000000))").contains("1048576 are allowed"));
    }
}
