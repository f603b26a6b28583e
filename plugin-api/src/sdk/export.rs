//! How a plugin is found in its library.

use super::plugin::Plugin;
use super::thunks::TableOf;
use crate::abi::{self, CacheRule, Declaration, OriginRule, Prefixed, Slice, SliceList, VTable};
use crate::{HookSet, describe};

/// What the entry symbol answers. Made once, and alive as long as the image.
#[doc(hidden)]
#[derive(Debug)]
pub struct Declared(Declaration);

// SAFETY: nobody writes to it, nor to what it refers to, after it was made.
unsafe impl Send for Declared {}
// SAFETY: the same.
unsafe impl Sync for Declared {}

fn slices(of: &'static [&'static str]) -> SliceList {
    let slices: Vec<Slice> = of.iter().map(|text| Slice::text(text)).collect();
    SliceList::of(Vec::leak(slices))
}

impl Declared {
    /// What `P` says of itself.
    #[must_use]
    pub fn of<P: Plugin>(name: &'static str, version: &'static str) -> Declared {
        let caches: Vec<_> = P::CACHE
            .iter()
            .map(|cache| CacheRule {
                hook: cache.hook as u32,
                ttl: cache.ttl,
                by: slices(cache.by),
            })
            .collect();
        let origins: Vec<_> = P::ORIGINS
            .iter()
            .map(|(hook, names)| OriginRule {
                hook: *hook as u32,
                origins: bits(names),
            })
            .collect();
        let (caches, origins) = (Vec::leak(caches), Vec::leak(origins));
        let mut flags = abi::FLAG_THREAD_LOCALS;
        if P::THREADS {
            flags |= abi::FLAG_THREADS;
        }
        if P::UNLOADABLE {
            flags = (flags & !abi::FLAG_THREAD_LOCALS) | abi::FLAG_UNLOADABLE;
        }
        let table: &'static VTable = Box::leak(Box::new(TableOf::<P>::TABLE));
        Declared(Declaration {
            abi_major: abi::ABI_MAJOR,
            abi_minor: abi::ABI_MINOR,
            magic: abi::MAGIC,
            name: Slice::text(name),
            version: Slice::text(version),
            flags,
            hooks: HookSet::of(P::HOOKS).bits(),
            payload: HookSet::of(P::PAYLOAD).bits(),
            waits: waits::<P>().bits(),
            caches: caches.as_ptr(),
            caches_len: caches.len(),
            origins: origins.as_ptr(),
            origins_len: origins.len(),
            owns: slices(P::OWNS),
            vtable: table,
            ..Declaration::blank()
        })
    }

    /// For the host.
    #[must_use]
    pub fn as_ptr(&self) -> *const Declaration {
        &raw const self.0
    }
}

/// The hooks that may answer later: those that always may, and those that the plugin names.
fn waits<P: Plugin>() -> HookSet {
    let always = P::HOOKS
        .iter()
        .copied()
        .filter(|hook| hook.description().waits == describe::Waits::Always);
    let named = P::WAITS.iter().copied();
    always.chain(named).collect()
}

/// A bit for each origin; one that nobody knows sets the highest bit, which the host refuses.
fn bits(names: &[&str]) -> u32 {
    let bit = |name: &&str| {
        let number = describe::ORIGINS.iter().position(|(origin, _)| origin == name);
        1_u32 << number.unwrap_or(31)
    };
    names.iter().map(bit).fold(0, |all, bit| all | bit)
}

// What `export_plugin!` writes into the library's section.
const _: () = assert!(abi::ABI_MAJOR == 1 && abi::ABI_MINOR == 1);

/// Makes a type that is a [`Plugin`](crate::Plugin) the plugin of this library. Its name and version are the package's.
#[macro_export]
macro_rules! export_plugin {
    ($plugin:ty) => {
        #[cfg(panic = "abort")]
        compile_error!(
            "a plugin is built with panic = \"unwind\": with \"abort\" a panic in it would end the broker"
        );

        /// The entry symbol of the plugin ABI.
        #[allow(unsafe_code)]
        #[unsafe(no_mangle)]
        pub extern "C" fn dunlin_plugin_v1() -> *const $crate::abi::Declaration {
            // Found by its section before any code of the library runs.
            const TEXT: &str = concat!(
                "abi=1.1\nname=",
                env!("CARGO_PKG_NAME"),
                "\nversion=",
                env!("CARGO_PKG_VERSION"),
                "\n"
            );
            #[cfg_attr(target_os = "linux", unsafe(link_section = ".dunlin.plugin"))]
            #[used]
            static ABOUT: [u8; TEXT.len()] = match TEXT.as_bytes().first_chunk() {
                Some(text) => *text,
                None => [0; TEXT.len()],
            };
            static DECLARED: ::std::sync::OnceLock<$crate::sdk::Declared> = ::std::sync::OnceLock::new();
            // So that no linker thinks that nobody wants it.
            ::std::hint::black_box(&ABOUT);
            DECLARED
                .get_or_init(|| {
                    $crate::sdk::Declared::of::<$plugin>(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
                })
                .as_ptr()
        }
    };
}
