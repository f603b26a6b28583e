//! The registry, to plugins.
#![allow(
    unsafe_code,
    reason = "a plugin calls these as the ABI says; what it hands over is good for the call"
)]

use super::read::Reader;
use super::table::{fill, with_services};
use crate::hooks::lua::fault::Fault;
use dunlin_plugin_api::abi::{ABSENT, Buffer, Slice};
use serde_json::json;
use std::ffi::c_void;

/// How many records are listed at most.
const MOST: u32 = 1000;

/// A part of a record's key. Only that of the instance may be missing, or empty.
fn part<'a>(name: &str, slice: Slice) -> Result<&'a str, Fault> {
    let part = Reader.str(name, slice)?.filter(|part| !part.is_empty());
    part.ok_or_else(|| Fault::answer(format!("there is no `{name}`")))
}

pub(super) unsafe extern "C" fn get(
    ctx: *mut c_void,
    instance: Slice,
    kind: Slice,
    name: Slice,
    value: *mut Buffer,
) -> i32 {
    with_services(ctx, "registry_get", |_, services| {
        let instance = Reader.str("instance", instance)?.unwrap_or_default();
        // A name is often a stranger's text: no record has an empty one.
        let (kind, name) = (part("kind", kind)?, Reader.str("name", name)?.unwrap_or_default());
        match services.registry().get(instance, kind, name) {
            None => Ok(ABSENT),
            Some(record) => fill(value, &text(&record.value)?),
        }
    })
}

pub(super) unsafe extern "C" fn list(
    ctx: *mut c_void,
    instance: Slice,
    kind: Slice,
    after: Slice,
    most: u32,
    records: *mut Buffer,
) -> i32 {
    with_services(ctx, "registry_list", |_, services| {
        let instance = Reader.str("instance", instance)?.unwrap_or_default();
        let (kind, after) = (part("kind", kind)?, Reader.str("after", after)?);
        if !(1..=MOST).contains(&most) {
            return Err(Fault::answer(format!("`most` is {most}; it is 1 to {MOST}")));
        }
        let found = services.registry().list(instance, kind, after, most as usize);
        let found: Vec<_> = found
            .iter()
            .map(|(name, record)| json!({ "name": &**name, "value": record.value }))
            .collect();
        fill(records, &text(&found)?)
    })
}

fn text(value: &impl serde::Serialize) -> Result<Vec<u8>, Fault> {
    serde_json::to_vec(value).map_err(|error| Fault::answer(error.to_string()))
}
