//! What a plugin says of itself, read with suspicion: sizes first, every number checked, every text copied.
#![allow(
    unsafe_code,
    reason = "what is read lies in the plugin's image, by the rules of the ABI"
)]

use super::Refusal;
use super::image::Image;
use dunlin_plugin_api::Hook;
use dunlin_plugin_api::abi::{
    ABI_MAJOR, ABI_MINOR, Declaration, FLAG_THREAD_LOCALS, FLAG_THREADS, FLAG_UNLOADABLE, MAGIC, Slice,
    VTable, read_prefix,
};
use dunlin_plugin_api::describe::Waits;

/// A declaration that makes sense.
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) abi: (u16, u16),
    pub(super) hooks: Vec<Hook>,
    pub(super) thread_locals: bool,
}

/// The longest name or version.
const TEXT: usize = 128;
const FLAGS: u64 = FLAG_THREADS | FLAG_THREAD_LOCALS | FLAG_UNLOADABLE;

/// # Errors
/// What makes no sense, or does not fit this broker.
pub(super) fn read(image: &Image) -> Result<Declared, Refusal> {
    let rebuild = "build it against dunlin-plugin-api, or the dunlin_plugin.h, of this broker";
    let nonsense = |what: &str| Refusal::new(format!("its declaration {what}")).help(rebuild);
    // SAFETY: the entry symbol answered it, and by the ABI as many bytes are there as its first field says, for ever.
    let said = unsafe { read_prefix::<Declaration>(image.declaration()) };
    let said = said.ok_or_else(|| nonsense("has an impossible size"))?;
    if said.magic != MAGIC {
        return Err(nonsense("is none: the magic number is wrong"));
    }
    if said.abi_major != ABI_MAJOR {
        return Err(Refusal::new(format!(
            "speaks version {} of the plugin ABI, and this broker speaks {ABI_MAJOR}",
            said.abi_major
        ))
        .help(rebuild));
    }
    if said.min_minor > u32::from(ABI_MINOR) {
        return Err(Refusal::new(format!(
            "needs a broker with version {ABI_MAJOR}.{} of the plugin ABI, and this one has {ABI_MAJOR}.{ABI_MINOR}",
            said.min_minor
        ))
        .help("update the broker, or build the plugin with a smaller `min_minor`"));
    }
    // A plugin that is newer says with `min_minor` that it can do without what this broker does not know.
    let newer = said.abi_minor > ABI_MINOR;
    if said.flags & !FLAGS != 0 && !newer {
        return Err(nonsense("has flags that this broker does not know"));
    }
    let unknown = (0..u64::BITS).find(|bit| said.hooks & 1 << bit != 0 && *bit as usize >= Hook::ALL.len());
    if let Some(unknown) = unknown.filter(|_| !newer) {
        return Err(nonsense(&format!(
            "has a hook that this broker does not know ({unknown})"
        )));
    }
    // SAFETY: by the ABI both live as long as the image.
    let (name, version) = unsafe { (text(said.name), text(said.version)) };
    let name = name.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| nonsense("has no name of up to 128 bytes of UTF-8"))?;
    let version = version.ok_or_else(|| nonsense("has no version of up to 128 bytes of UTF-8"))?;
    // SAFETY: as for the declaration itself.
    let functions = unsafe { read_prefix::<VTable>(said.vtable) };
    let functions = functions.ok_or_else(|| nonsense("has no table of functions"))?;
    if functions.create.is_none() || functions.destroy.is_none() {
        return Err(nonsense("has a table without `create` and `destroy`"));
    }
    let hooks: Vec<Hook> = Hook::ALL
        .iter()
        .copied()
        .filter(|hook| said.hooks & 1 << *hook as u32 != 0)
        .collect();
    if let Some(hook) = hooks.iter().find(|hook| !has(&functions, **hook)) {
        return Err(nonsense(&format!(
            "names the hook `{hook}`, and its table has no function for it"
        )));
    }
    let cannot_wait =
        |hook: &&Hook| said.waits & 1 << **hook as u32 != 0 && hook.description().waits == Waits::Never;
    if let Some(hook) = Hook::ALL.iter().find(cannot_wait) {
        return Err(Refusal::new(format!(
            "wants to answer `{hook}` later, and that hook cannot wait"
        ))
        .help("take it out of WAITS (in C: `waits` of the declaration)"));
    }
    Ok(Declared {
        name,
        version,
        abi: (said.abi_major, said.abi_minor),
        hooks,
        thread_locals: said.flags & FLAG_THREAD_LOCALS != 0,
    })
}

/// # Safety
/// As [`Slice::bytes`], for the time of this call.
unsafe fn text(slice: Slice) -> Option<String> {
    if slice.len > TEXT {
        return None;
    }
    // SAFETY: the caller's.
    let bytes = unsafe { slice.bytes() }?;
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

/// Whether the table has a function for the hook.
fn has(functions: &VTable, hook: Hook) -> bool {
    match hook {
        Hook::OnLoad => functions.create.is_some(),
        Hook::OnUnload => functions.on_unload.is_some(),
        Hook::OnTick => functions.on_tick.is_some(),
        Hook::Connect => functions.connect.is_some(),
        Hook::Authenticate => functions.authenticate.is_some(),
        Hook::Expiring => functions.expiring.is_some(),
        Hook::Control => functions.control.is_some(),
        Hook::AuthContinue => functions.auth_continue.is_some(),
        Hook::Connack => functions.connack.is_some(),
        Hook::AuthorizePublish => functions.authorize_publish.is_some(),
        Hook::Publish => functions.publish.is_some(),
        Hook::AuthorizeSubscribe => functions.authorize_subscribe.is_some(),
        Hook::Subscribe => functions.subscribe.is_some(),
        Hook::Unsubscribe => functions.unsubscribe.is_some(),
        Hook::Route => functions.route.is_some(),
        Hook::AuthorizeDeliver => functions.authorize_deliver.is_some(),
        Hook::Deliver => functions.deliver.is_some(),
        Hook::P2p => functions.p2p.is_some(),
        Hook::Offline => functions.offline.is_some(),
        Hook::Will => functions.will.is_some(),
        Hook::SessionStart => functions.session_start.is_some(),
        Hook::SessionEnd => functions.session_end.is_some(),
        Hook::Disconnect => functions.disconnect.is_some(),
        Hook::Acked => functions.acked.is_some(),
        Hook::Dropped => functions.dropped.is_some(),
        Hook::Limit => functions.limit.is_some(),
        Hook::RuleAction => functions.rule_action.is_some(),
        // A hook without a place in the table yet.
        _ => false,
    }
}
