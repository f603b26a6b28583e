//! What a plugin says of itself, read with suspicion: sizes first, every number checked, every text copied.
#![allow(
    unsafe_code,
    reason = "what is read lies in the plugin's image, by the rules of the ABI"
)]

use super::Refusal;
use super::image::Image;
use crate::hooks::cache::{CacheRule, Inputs};
use crate::hooks::declare::{self, Declaration as Declares};
use crate::hooks::origins::Origins;
use crate::hooks::suggest;
use crate::message::Origin;
use crate::topic;
use dunlin_plugin_api::abi::{
    self, ABI_MAJOR, ABI_MINOR, Declaration, FLAG_THREAD_LOCALS, FLAG_THREADS, FLAG_UNLOADABLE, MAGIC, Slice,
    SliceList, VTable, read_prefix,
};
use dunlin_plugin_api::describe::Waits;
use dunlin_plugin_api::{Hook, HookSet};
use std::time::Duration;

/// A declaration that makes sense.
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) abi: (u16, u16),
    pub(super) table: VTable,
    /// What the chain goes by.
    pub(super) declares: Declares,
    /// All hooks that may answer later.
    pub(super) waits: HookSet,
    pub(super) threads: bool,
    pub(super) thread_locals: bool,
    pub(super) unloadable: bool,
}

/// The longest name or version.
const TEXT: usize = 128;
/// The longest topic.
const TOPIC: usize = 65_535;
/// The longest list.
const MOST: usize = 1024;
const FLAGS: u64 = FLAG_THREADS | FLAG_THREAD_LOCALS | FLAG_UNLOADABLE;
const REBUILD: &str = "build it against dunlin-plugin-api, or the dunlin_plugin.h, of this broker";

/// The origins by their numbers in the ABI.
const ORIGINS: [(u32, Origin); 4] = [
    (abi::ORIGIN_CLIENT, Origin::Client),
    (abi::ORIGIN_WILL, Origin::Will),
    (abi::ORIGIN_SCRIPT, Origin::Script),
    (abi::ORIGIN_BROKER, Origin::Broker),
];

fn nonsense(what: impl AsRef<str>) -> Refusal {
    Refusal::new(format!("its declaration {}", what.as_ref())).help(REBUILD)
}

/// # Errors
/// What makes no sense, or does not fit this broker.
pub(super) fn read(image: &Image) -> Result<Declared, Refusal> {
    if image.declaration().is_null() {
        return Err(Refusal::new("declares nothing: its entry symbol answers null"));
    }
    // SAFETY: the entry symbol answered it, and by the ABI as many bytes are there as its first field says, for ever.
    let said = unsafe { read_prefix::<Declaration>(image.declaration()) };
    let said = said.ok_or_else(|| nonsense("has an impossible size"))?;
    fits(&said)?;
    // A plugin that is newer says with `min_minor` that it can do without what this broker does not know.
    let newer = said.abi_minor > ABI_MINOR;
    if said.flags & !FLAGS != 0 && !newer {
        return Err(nonsense("has flags that this broker does not know"));
    }
    let unknown = (0..u64::BITS).find(|bit| said.hooks & 1 << bit != 0 && *bit as usize >= Hook::ALL.len());
    if let Some(unknown) = unknown.filter(|_| !newer) {
        return Err(nonsense(format!(
            "has a hook that this broker does not know ({unknown})"
        )));
    }
    // SAFETY: by the ABI both live as long as the image.
    let (name, version) = unsafe { (text(said.name, TEXT), text(said.version, TEXT)) };
    let name = name.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| nonsense("has no name of up to 128 bytes of UTF-8"))?;
    let version = version.ok_or_else(|| nonsense("has no version of up to 128 bytes of UTF-8"))?;
    // SAFETY: as for the declaration itself.
    let table = unsafe { read_prefix::<VTable>(said.vtable) };
    let table = table.ok_or_else(|| nonsense("has no table of functions"))?;
    if table.create.is_none() || table.destroy.is_none() {
        return Err(nonsense("has a table without `create` and `destroy`"));
    }
    let hooks = known(said.hooks);
    if let Some(hook) = hooks.iter().find(|hook| !table.has(*hook)) {
        return Err(nonsense(format!(
            "names the hook `{hook}`, and its table has no function for it"
        )));
    }
    let waits = known(said.waits);
    let cannot_wait = |hook: &Hook| waits.contains(*hook) && hook.description().waits == Waits::Never;
    if let Some(hook) = Hook::ALL.iter().find(|hook| cannot_wait(hook)) {
        return Err(Refusal::new(format!(
            "wants to answer `{hook}` later, and that hook cannot wait"
        ))
        .help("take it out of WAITS (in C: `waits` of the declaration)"));
    }
    if newer && (unknown.is_some() || said.flags & !FLAGS != 0) {
        tracing::info!(
            plugin = name,
            "was built for a newer broker: its hooks and flags that this one does not know are ignored"
        );
    }
    let declares = Declares::compiled(
        hooks,
        known(said.payload),
        waits,
        owns(said.owns)?,
        caches(&said)?,
        origins(&said)?,
    );
    declares.agrees().map_err(nonsense)?;
    Ok(Declared {
        name,
        version,
        abi: (said.abi_major, said.abi_minor),
        table,
        declares,
        waits,
        threads: said.flags & FLAG_THREADS != 0,
        thread_locals: said.flags & FLAG_THREAD_LOCALS != 0,
        unloadable: said.flags & FLAG_UNLOADABLE != 0,
    })
}

/// Whether it is a declaration, and of an ABI that this broker speaks.
fn fits(said: &Declaration) -> Result<(), Refusal> {
    if said.magic != MAGIC {
        return Err(nonsense("is none: the magic number is wrong"));
    }
    if said.abi_major != ABI_MAJOR {
        return Err(Refusal::new(format!(
            "speaks version {} of the plugin ABI, and this broker speaks {ABI_MAJOR}",
            said.abi_major
        ))
        .help(REBUILD));
    }
    if said.min_minor > u32::from(ABI_MINOR) {
        return Err(Refusal::new(format!(
            "needs a broker with version {ABI_MAJOR}.{} of the plugin ABI, and this one has {ABI_MAJOR}.{ABI_MINOR}",
            said.min_minor
        ))
        .help("update the broker, or build the plugin with a smaller `min_minor`"));
    }
    Ok(())
}

/// The hooks of these bits that there are.
fn known(bits: u64) -> HookSet {
    let known = (1 << Hook::ALL.len()) - 1;
    HookSet::from_bits(bits & known).unwrap_or(HookSet::EMPTY)
}

fn hook(number: u32) -> Result<Hook, Refusal> {
    let hook = Hook::ALL.get(number as usize).copied();
    hook.ok_or_else(|| {
        nonsense(format!(
            "speaks of a hook that this broker does not know ({number})"
        ))
    })
}

/// A list of the declaration, by its first item and its length.
///
/// # Safety
/// Unless `items` is null, `len` of them must lie there as long as the image.
unsafe fn list<'a, T>(name: &str, items: *const T, len: usize) -> Result<&'a [T], Refusal> {
    if len > MOST {
        return Err(nonsense(format!("has a list `{name}` of {len} items")));
    }
    if items.is_null() || len == 0 {
        return Ok(&[]);
    }
    // SAFETY: the caller's.
    Ok(unsafe { std::slice::from_raw_parts(items, len) })
}

fn owns(owns: SliceList) -> Result<Vec<std::sync::Arc<str>>, Refusal> {
    // SAFETY: by the ABI it lives as long as the image.
    let topics = unsafe { list("owns", owns.items, owns.len) }?;
    let topics = topics.iter().map(|topic| {
        // SAFETY: the same.
        let topic = unsafe { text(*topic, TOPIC) };
        let topic = topic.filter(|topic| topic.starts_with("$SYS/") && topic::check_name(topic).is_ok());
        topic
            .map(Into::into)
            .ok_or_else(|| nonsense("owns a topic that does not begin with `$SYS/`"))
    });
    topics.collect()
}

fn caches(said: &Declaration) -> Result<Vec<(Hook, CacheRule)>, Refusal> {
    // SAFETY: by the ABI it lives as long as the image.
    let rules = unsafe { list("caches", said.caches, said.caches_len) }?;
    let rules = rules.iter().map(|rule| {
        let hook = hook(rule.hook)?;
        let names = Inputs::names(hook);
        if names.is_empty() || rule.ttl == 0 {
            return Err(nonsense(format!(
                "wants answers of `{hook}` to be kept for {} s: those of `authorize_publish` and `authorize_subscribe` can be, for 1 s or more",
                rule.ttl
            )));
        }
        // SAFETY: by the ABI it lives as long as the image.
        let by = unsafe { list("by", rule.by.items, rule.by.len) }?;
        let inputs = by.iter().try_fold(Inputs::NONE, |inputs, input| {
            // SAFETY: the same.
            let input = unsafe { text(*input, TEXT) }.unwrap_or_default();
            let known = names.iter().find(|(name, _)| *name == input);
            let (_, bit) = known.ok_or_else(|| {
                let names = suggest::list(names.iter().map(|(name, _)| *name));
                nonsense(format!("caches `{hook}` by `{input}`; its inputs are {names}"))
            })?;
            Ok::<_, Refusal>(inputs.union(*bit))
        })?;
        let ttl = Duration::from_secs(rule.ttl.into());
        Ok((hook, CacheRule { ttl, by: inputs }))
    });
    rules.collect()
}

fn origins(said: &Declaration) -> Result<Vec<(Hook, Origins)>, Refusal> {
    // SAFETY: by the ABI it lives as long as the image.
    let rules = unsafe { list("origins", said.origins, said.origins_len) }?;
    let rules = rules.iter().map(|rule| {
        let hook = hook(rule.hook)?;
        if rule.origins >> ORIGINS.len() != 0 {
            return Err(nonsense(format!(
                "names origins of `{hook}` that this broker does not know"
            )));
        }
        if !declare::HAVE_ORIGINS.contains(hook) {
            return Err(nonsense(format!(
                "names origins of `{hook}`, which is not asked by origin"
            )));
        }
        let named = ORIGINS
            .iter()
            .filter(|(number, _)| rule.origins & 1 << number != 0);
        let origins = named.fold(Origins::NONE, |origins, (_, origin)| origins.with(*origin));
        Ok((hook, origins))
    });
    rules.collect()
}

/// # Safety
/// As [`Slice::bytes`], for the time of this call.
unsafe fn text(slice: Slice, most: usize) -> Option<String> {
    if slice.len > most {
        return None;
    }
    // SAFETY: the caller's.
    let bytes = unsafe { slice.bytes() }?;
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}
