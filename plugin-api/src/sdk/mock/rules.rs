//! Whether what a plugin declares besides its hooks makes sense: what may be cached, and origins.

use crate::Hook;
use crate::abi::{self, CacheRule, Declaration, OriginRule, Slice};
use crate::describe::ORIGINS;

/// # Safety
/// The declaration's lists must be what the ABI says of them.
///
/// # Errors
/// The first that does not.
pub(super) unsafe fn check(declaration: &Declaration) -> Result<(), String> {
    // SAFETY: the caller vouches for the lists.
    let (caches, origins) = unsafe {
        (
            abi::list(declaration.caches, declaration.caches_len),
            abi::list(declaration.origins, declaration.origins_len),
        )
    };
    // SAFETY: and for what they refer to.
    caches.iter().try_for_each(|rule| unsafe { cache(rule) })?;
    origins.iter().try_for_each(origin)
}

fn hook(list: &str, number: u32) -> Result<Hook, String> {
    let hook = Hook::ALL.iter().find(|hook| **hook as u32 == number);
    let unknown = || format!("{list} names a hook that there is not: {number}");
    hook.copied().ok_or_else(unknown)
}

/// # Safety
/// Its inputs must be good for the call.
unsafe fn cache(rule: &CacheRule) -> Result<(), String> {
    let hook = hook("CACHE", rule.hook)?;
    let inputs = hook.description().cached_by;
    if inputs.is_empty() {
        return Err(format!(
            "CACHE names `{hook}`, whose answers cannot be cached; take it out"
        ));
    }
    // SAFETY: the caller vouches for the inputs.
    let unknown = unsafe { rule.by.items() }
        .iter()
        .map(|input| unsafe { named(*input) })
        .find(|input| !inputs.contains(&input.as_str()));
    match unknown {
        None => Ok(()),
        Some(input) => Err(format!(
            "CACHE keeps `{hook}` by `{input}`, which is none of its inputs; write {}",
            inputs.join(", ")
        )),
    }
}

/// # Safety
/// The slice must be good for the call.
unsafe fn named(slice: Slice) -> String {
    // SAFETY: the caller vouches for it.
    String::from_utf8_lossy(unsafe { slice.bytes() }.unwrap_or_default()).into_owned()
}

fn origin(rule: &OriginRule) -> Result<(), String> {
    let hook = hook("ORIGINS", rule.hook)?;
    if !hook.description().origins {
        return Err(format!(
            "ORIGINS names `{hook}`, which is not asked by origin; take it out"
        ));
    }
    if rule.origins >> ORIGINS.len() != 0 {
        let names: Vec<_> = ORIGINS.iter().map(|(name, _)| *name).collect();
        return Err(format!(
            "ORIGINS has an origin for `{hook}` that there is not; write {}",
            names.join(", ")
        ));
    }
    Ok(())
}
