//! `crypto.jwt_*`: JSON Web Tokens.

use super::Host;
use super::arguments::text;
use crate::hooks::lua::convert::Converter;
use crate::hooks::suggest;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use mlua::{IntoLuaMulti, Lua, MultiValue, Table, Value};
use serde_json::Value as Json;

const ALGORITHMS: [(&str, Algorithm); 6] = [
    ("EdDSA", Algorithm::EdDSA),
    ("ES256", Algorithm::ES256),
    ("HS256", Algorithm::HS256),
    ("HS384", Algorithm::HS384),
    ("HS512", Algorithm::HS512),
    ("RS256", Algorithm::RS256),
];

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
        move |lua, (token, options): (Value, Table)| -> mlua::Result<MultiValue> {
            let options = read(&options, "crypto.jwt_verify")?;
            let token = text(&token, "crypto.jwt_verify", 1, "token")?;
            held.limits.work(token.len() + (64 << 10))?;
            match verified(&token, &options, held.clock.now().as_secs_f64()) {
                Ok(claims) => Converter::new(lua, &held.limits)
                    .make_lua(&claims)?
                    .into_lua_multi(lua),
                Err(why) => (Value::Nil, why).into_lua_multi(lua),
            }
        },
    )?;
    module.raw_set("jwt_verify", verify)?;
    let held = host.clone();
    let sign = lua.create_function(move |lua, (claims, options): (Value, Table)| {
        let options = read(&options, "crypto.jwt_sign")?;
        let claims = Converter::new(lua, &held.limits).make_json(&claims)?;
        held.limits.work(64 << 10)?;
        let key =
            encoding(&options).map_err(|why| mlua::Error::runtime(format!("crypto.jwt_sign: {why}")))?;
        let token = jsonwebtoken::encode(&Header::new(options.algorithm), &claims, &key);
        token.map_err(|why| mlua::Error::runtime(format!("crypto.jwt_sign: {why}")))
    })?;
    module.raw_set("jwt_sign", sign)
}

/// The claims of a token that is right and in its time.
fn verified(token: &str, options: &Options, now: f64) -> Result<Json, String> {
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
    let claims: Json = jsonwebtoken::decode(token, &key, &validation)
        .map_err(|why| why.to_string())?
        .claims;
    let time = |name: &str| {
        claims
            .get(name)
            .map(|time| time.as_f64().ok_or_else(|| format!("`{name}` is no time")))
    };
    if let Some(ends) = time("exp")
        && ends? + options.leeway <= now
    {
        return Err("the token has expired".into());
    }
    if let Some(begins) = time("nbf")
        && begins? - options.leeway > now
    {
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

fn read(options: &Table, called: &str) -> mlua::Result<Options> {
    let wrong = |what: String| mlua::Error::runtime(format!("{called}: {what}"));
    for pair in options.pairs::<String, Value>() {
        let (name, _) = pair?;
        if !["alg", "audience", "issuer", "key", "leeway"].contains(&name.as_str()) {
            return Err(wrong(format!(
                "unknown option `{name}`; there are alg, key, issuer, audience and leeway"
            )));
        }
    }
    let name: Option<String> = options.raw_get("alg")?;
    let known = || suggest::list(ALGORITHMS.iter().map(|(name, _)| *name));
    // A token that names its own algorithm would choose how it is checked, so the policy has to say.
    let name = name.ok_or_else(|| wrong(format!("`alg` is missing; write one of {}", known())))?;
    let algorithm = ALGORITHMS.iter().find(|(known, _)| *known == name);
    let (_, algorithm) =
        algorithm.ok_or_else(|| wrong(format!("no algorithm `{name}`; there are {}", known())))?;
    let key: Option<mlua::LuaString> = options.raw_get("key")?;
    let key = key.ok_or_else(|| wrong("`key` is missing: a secret, or a key in PEM".into()))?;
    Ok(Options {
        algorithm: *algorithm,
        key: key.as_bytes().to_vec(),
        issuer: options.raw_get("issuer")?,
        audience: options.raw_get("audience")?,
        leeway: options.raw_get::<Option<f64>>("leeway")?.unwrap_or(0.0),
    })
}
