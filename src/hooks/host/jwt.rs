//! `crypto.jwt_*`: JSON Web Tokens.

use super::Host;
use super::arguments::{as_number, text, wrong, wrong_field};
use crate::hooks::lua::convert::Converter;
use crate::hooks::lua::decode::{Undecoded, decode};
use crate::hooks::suggest;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use mlua::{IntoLuaMulti, Lua, MultiValue, Table, Value};
use serde_json::value::RawValue;

/// An RSA key of 8,192 bits has a third of it; what is longer takes longer than a call may.
const LONGEST_KEY: usize = 16 << 10;

const ALGORITHMS: [(&str, Algorithm); 6] = [
    ("EdDSA", Algorithm::EdDSA),
    ("ES256", Algorithm::ES256),
    ("HS256", Algorithm::HS256),
    ("HS384", Algorithm::HS384),
    ("HS512", Algorithm::HS512),
    ("RS256", Algorithm::RS256),
];

/// The claims that are compared with the clock.
#[derive(serde::Deserialize)]
struct Times {
    exp: Option<f64>,
    nbf: Option<f64>,
}

/// What a script says about a token.
struct Options {
    algorithm: Algorithm,
    key: Vec<u8>,
    issuer: Option<String>,
    audience: Option<String>,
    leeway: f64,
}

pub(super) fn add(lua: &Lua, host: &Host, module: &Table) -> mlua::Result<()> {
    let held = host.clone();
    let verify = lua.create_function(
        move |lua, (token, options): (Value, Value)| -> mlua::Result<MultiValue> {
            let options = read(&options, "crypto.jwt_verify")?;
            let token = text(&token, "crypto.jwt_verify", 1, "token")?;
            held.limits.work(token.len() + (64 << 10))?;
            match verified(&token, &options, held.clock.now().as_secs_f64()) {
                Ok(claims) => match decode(&mut Converter::new(lua, &held.limits), claims.get().as_bytes()) {
                    Ok(claims) => claims.into_lua_multi(lua),
                    Err(Undecoded::Content(why)) => (Value::Nil, why).into_lua_multi(lua),
                    Err(Undecoded::Call(error)) => Err(error),
                },
                Err(why) => (Value::Nil, why).into_lua_multi(lua),
            }
        },
    )?;
    module.raw_set("jwt_verify", verify)?;
    let held = host.clone();
    let sign = lua.create_function(move |lua, (claims, options): (Value, Value)| {
        let options = read(&options, "crypto.jwt_sign")?;
        if !matches!(claims, Value::Table(_)) {
            return Err(wrong(&claims, "crypto.jwt_sign", 1, "claims", "a table"));
        }
        let claims = Converter::new(lua, &held.limits)
            .make_json(&claims)
            .map_err(|why| super::json::named("crypto.jwt_sign", &why))?;
        held.limits.work(64 << 10)?;
        let key =
            encoding(&options).map_err(|why| mlua::Error::runtime(format!("crypto.jwt_sign: {why}")))?;
        let token = jsonwebtoken::encode(&Header::new(options.algorithm), &claims, &key);
        token.map_err(|why| mlua::Error::runtime(format!("crypto.jwt_sign: {why}")))
    })?;
    module.raw_set("jwt_sign", sign)
}

/// The claims of a token that is right and in its time.
fn verified(token: &str, options: &Options, now: f64) -> Result<Box<RawValue>, String> {
    let mut validation = Validation::new(options.algorithm);
    // The times are compared below, with the clock that scripts see.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.required_spec_claims.clear();
    match &options.issuer {
        Some(issuer) => {
            validation.set_issuer(&[issuer]);
            validation.required_spec_claims.insert("iss".into());
        }
        None => validation.iss = None,
    }
    match &options.audience {
        Some(audience) => {
            validation.set_audience(&[audience]);
            validation.required_spec_claims.insert("aud".into());
        }
        None => validation.validate_aud = false,
    }
    let key = decoding(options)?;
    let claims: Box<RawValue> = jsonwebtoken::decode(token, &key, &validation)
        .map_err(|why| why.to_string())?
        .claims;
    let Times { exp, nbf } =
        serde_json::from_str(claims.get()).map_err(|why| format!("`exp` or `nbf` is no time: {why}"))?;
    if exp.is_some_and(|ends| ends + options.leeway <= now) {
        return Err("the token has expired".into());
    }
    if nbf.is_some_and(|begins| begins - options.leeway > now) {
        return Err("the token is not valid yet".into());
    }
    Ok(claims)
}

fn decoding(options: &Options) -> Result<DecodingKey, String> {
    let key = &options.key;
    let made = match options.algorithm {
        Algorithm::RS256 => DecodingKey::from_rsa_pem(key),
        Algorithm::ES256 => DecodingKey::from_ec_pem(key),
        Algorithm::EdDSA => DecodingKey::from_ed_pem(key),
        _ => Ok(DecodingKey::from_secret(key)),
    };
    made.map_err(|why| format!("the key is none: {why}"))
}

fn encoding(options: &Options) -> Result<EncodingKey, String> {
    let key = &options.key;
    let made = match options.algorithm {
        Algorithm::RS256 => EncodingKey::from_rsa_pem(key),
        Algorithm::ES256 => EncodingKey::from_ec_pem(key),
        Algorithm::EdDSA => EncodingKey::from_ed_pem(key),
        _ => Ok(EncodingKey::from_secret(key)),
    };
    made.map_err(|why| format!("the key is none: {why}"))
}

fn read(options: &Value, called: &str) -> mlua::Result<Options> {
    const KNOWN: [&str; 5] = ["alg", "key", "issuer", "audience", "leeway"];
    let refused = |what: String| mlua::Error::runtime(format!("{called}: {what}"));
    let Some(options) = super::arguments::options(options, &KNOWN, called, 2, "options")? else {
        return Err(wrong(
            options,
            called,
            2,
            "options",
            "a table with `alg` and `key`",
        ));
    };
    let field = |name: &str| -> mlua::Result<Option<mlua::LuaString>> {
        match options.raw_get(name)? {
            Value::Nil => Ok(None),
            Value::String(text) => Ok(Some(text)),
            other => Err(wrong_field(&other, called, name, "a string")),
        }
    };
    let words = |name: &str| -> mlua::Result<Option<String>> {
        let text = field(name)?.map(|text| text.to_str().map(|text| text.to_owned()));
        text.transpose()
            .map_err(|_| refused(format!("`{name}` is not UTF-8")))
    };
    let known = || suggest::list(ALGORITHMS.iter().map(|(name, _)| *name));
    // A token that names its own algorithm would choose how it is checked, so the policy has to say.
    let name = words("alg")?.ok_or_else(|| refused(format!("`alg` is missing; write one of {}", known())))?;
    let algorithm = ALGORITHMS.iter().find(|(known, _)| *known == name);
    let (_, algorithm) =
        algorithm.ok_or_else(|| refused(format!("no algorithm `{name}`; there are {}", known())))?;
    let key = field("key")?.ok_or_else(|| refused("`key` is missing: a secret, or a key in PEM".into()))?;
    if key.as_bytes().len() > LONGEST_KEY {
        return Err(refused(format!("`key` has more than {LONGEST_KEY} bytes")));
    }
    let leeway = match options.raw_get("leeway")? {
        Value::Nil => 0.0,
        given => as_number(&given)
            .filter(|seconds| *seconds >= 0.0)
            .ok_or_else(|| wrong_field(&given, called, "leeway", "a number of seconds, 0 or more"))?,
    };
    Ok(Options {
        algorithm: *algorithm,
        key: key.as_bytes().to_vec(),
        issuer: words("issuer")?,
        audience: words("audience")?,
        leeway,
    })
}
