//! `crypto.argon2_*` and `crypto.bcrypt_*`: hashes of passwords. They are slow on purpose, so they are computed off the
//! shard's thread and awaited; when too many wait already the answer is `nil` and "busy".

use super::Host;
use super::arguments::{bytes, whole_or};
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use mlua::{Lua, Table, Value};

/// bcrypt's cost when the script does not say: a tenth of a second or so.
const COST: usize = 10;
/// bcrypt's own least cost.
const LEAST_COST: usize = 4;
/// A higher cost would take minutes.
const MOST_COST: usize = 14;
/// How much memory a hash from elsewhere may ask for, in KiB.
const MOST_MEMORY: u32 = 256 * 1024;
/// And how many passes.
const MOST_PASSES: u32 = 16;

pub(super) fn add(lua: &Lua, host: &Host, module: &Table) -> mlua::Result<()> {
    two(
        lua,
        host,
        module,
        "argon2_verify",
        "crypto.argon2_verify",
        verify_argon2,
    )?;
    two(
        lua,
        host,
        module,
        "bcrypt_verify",
        "crypto.bcrypt_verify",
        |password, hash| {
            let hash = std::str::from_utf8(hash).map_err(|_| "the hash is not text".to_owned())?;
            // `$2b$10$...`
            let cost = hash.split('$').nth(2).and_then(|cost| cost.parse::<usize>().ok());
            if cost.is_some_and(|cost| cost > MOST_COST) {
                return Err(format!("the hash has a cost above {MOST_COST}"));
            }
            bcrypt::verify(password, hash).map_err(|why| why.to_string())
        },
    )?;
    let services = host.services.clone();
    host.waiting(
        lua,
        module,
        "argon2_hash",
        "crypto.argon2_hash",
        move |_, password: Value| {
            let (services, password) = (
                services.clone(),
                owned(&password, "crypto.argon2_hash", 1, "password"),
            );
            async move {
                let password = password?;
                let hashed = services.compute(move || hash_argon2(&password)).await;
                Ok(answer(hashed))
            }
        },
    )?;
    let services = host.services.clone();
    host.waiting(
        lua,
        module,
        "bcrypt_hash",
        "crypto.bcrypt_hash",
        move |_, (password, cost): (Value, Value)| {
            const CALLED: &str = "crypto.bcrypt_hash";
            let services = services.clone();
            let password = owned(&password, CALLED, 1, "password");
            let cost = whole_or(&cost, COST, LEAST_COST..=MOST_COST, CALLED, 2, "cost");
            async move {
                let (password, cost) = (password?, cost? as u32);
                let hashed =
                    services.compute(move || bcrypt::hash(password, cost).map_err(|why| why.to_string()));
                Ok(answer(hashed.await))
            }
        },
    )
}

/// Adds a function that compares a password with a hash.
fn two(
    lua: &Lua,
    host: &Host,
    module: &Table,
    name: &'static str,
    called: &'static str,
    verify: fn(&[u8], &[u8]) -> Result<bool, String>,
) -> mlua::Result<()> {
    let services = host.services.clone();
    host.waiting(
        lua,
        module,
        name,
        called,
        move |_, (password, hash): (Value, Value)| {
            let services = services.clone();
            let password = owned(&password, called, 1, "password");
            let hash = owned(&hash, called, 2, "hash");
            async move {
                let (password, hash) = (password?, hash?);
                let verified = services.compute(move || verify(&password, &hash)).await;
                Ok(answer(verified))
            }
        },
    )
}

type Answer<T> = (Option<T>, Option<String>);

fn answer<T>(computed: std::io::Result<Result<T, String>>) -> Answer<T> {
    match computed {
        Ok(Ok(value)) => (Some(value), None),
        Ok(Err(why)) => (None, Some(why)),
        Err(error) => (None, Some(error.to_string())),
    }
}

fn owned(value: &Value, called: &str, n: usize, name: &str) -> mlua::Result<Vec<u8>> {
    bytes(value, called, n, name).map(|text| text.as_bytes().to_vec())
}

fn verify_argon2(password: &[u8], hash: &[u8]) -> Result<bool, String> {
    let hash = std::str::from_utf8(hash).map_err(|_| "the hash is not text".to_owned())?;
    let hash = PasswordHash::new(hash).map_err(|why| format!("the hash is none of argon2: {why}"))?;
    let params = Params::try_from(&hash).map_err(|why| format!("the hash is none of argon2: {why}"))?;
    if params.m_cost() > MOST_MEMORY || params.t_cost() > MOST_PASSES {
        return Err(format!(
            "the hash asks for more than {MOST_MEMORY} KiB or {MOST_PASSES} passes"
        ));
    }
    match Argon2::default().verify_password(password, &hash) {
        Ok(()) => Ok(true),
        Err(argon2::password_hash::Error::Password) => Ok(false),
        Err(why) => Err(why.to_string()),
    }
}

fn hash_argon2(password: &[u8]) -> Result<String, String> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|why| why.to_string())?;
    let salt = SaltString::encode_b64(&salt).map_err(|why| why.to_string())?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default());
    let hash = argon2
        .hash_password(password, &salt)
        .map_err(|why| why.to_string())?;
    Ok(hash.to_string())
}
