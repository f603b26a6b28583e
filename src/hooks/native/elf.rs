//! What can be told of a shared library from its bytes: that all of it is there, that it is for this machine, and that it has
//! the entry symbol.

use super::Refusal;
use dunlin_plugin_api::abi::{ABI_MAJOR, ABOUT_SECTION, ENTRY_SYMBOL};
use object::Endianness;
use object::elf::{
    DT_FLAGS, DT_TEXTREL, ELFMAG, EM_386, EM_AARCH64, EM_ARM, EM_RISCV, EM_X86_64, ET_DYN, ET_EXEC, ET_REL,
    FileHeader64, PF_W, PT_LOAD, PT_TLS, SHT_DYNSYM,
};
use object::read::elf::{Dyn, FileHeader, ProgramHeader, SectionHeader, Sym};
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

type Header = FileHeader64<Endianness>;

/// What is worth knowing besides.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Whether each thread that calls it gets data of its own.
    pub(super) thread_locals: bool,
    /// Where what is only read lies in memory, from the image's base on: it can be had from the file again.
    pub(super) read_only: Vec<Range<u64>>,
    /// What the section [`ABOUT_SECTION`] says, if there is one.
    pub(super) about: About,
}

/// What a plugin says of itself before any of its code runs. It is checked where it is there; the declaration counts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct About {
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
}

/// `DF_TEXTREL`: code was changed when it was loaded, so the file does not have what is in memory.
const TEXT_RELOCATIONS: u64 = 4;

/// How much of what it says of itself is read, in bytes.
const ABOUT: usize = 4096;

/// This machine, as the header of a file names it.
#[cfg(target_arch = "x86_64")]
const MACHINE: object::elf::Machine = EM_X86_64;
#[cfg(target_arch = "aarch64")]
const MACHINE: object::elf::Machine = EM_AARCH64;

/// Whether the file begins as a shared library does.
pub(super) fn begins(file: &Path) -> bool {
    let mut start = [0; 4];
    File::open(file)
        .and_then(|mut file| file.read_exact(&mut start))
        .is_ok()
        && start == ELFMAG
}

/// # Errors
/// What is wrong with it.
pub(super) fn check(bytes: &[u8]) -> Result<Facts, Refusal> {
    if !bytes.starts_with(&ELFMAG) {
        return Err(Refusal::new("is no shared library (it has no ELF header)").help(
            "build the plugin as a `cdylib`, or with cc -shared -fPIC, and give the path of the .so file",
        ));
    }
    // Class 2 is 64 bits.
    if bytes.get(4).is_some_and(|class| *class != 2) {
        return Err(foreign("32-bit machines"));
    }
    let cut = |_| cut_short(bytes.len());
    let header = Header::parse(bytes).map_err(cut)?;
    let endian = header.endian().map_err(cut)?;
    let machine = header.e_machine(endian);
    if machine != MACHINE {
        return Err(foreign(machine_name(machine)));
    }
    match header.e_type(endian) {
        ET_DYN => {}
        ET_EXEC => return Err(not_shared("a program")),
        ET_REL => return Err(not_shared("an object file that was not linked")),
        _ => return Err(not_shared("something else")),
    }
    let mut facts = Facts::default();
    let page = rustix::param::page_size() as u64;
    let (mut relocated, mut first) = (false, u64::MAX);
    for segment in header.program_headers(endian, bytes).map_err(cut)? {
        let end = segment.p_offset(endian).checked_add(segment.p_filesz(endian));
        let inside = end.is_some_and(|end| end <= bytes.len() as u64);
        if segment.p_type(endian) == PT_LOAD && !inside {
            return Err(cut_short(bytes.len()));
        }
        facts.thread_locals |= segment.p_type(endian) == PT_TLS;
        if segment.p_type(endian) == PT_LOAD {
            first = first.min(segment.p_vaddr(endian));
        }
        let only_read = !segment.p_flags(endian).contains(PF_W);
        // Segments that are aligned to less than this machine's pages may share one.
        if segment.p_type(endian) == PT_LOAD && only_read && segment.p_align(endian) >= page {
            let begin = segment.p_vaddr(endian);
            let end = begin.saturating_add(segment.p_filesz(endian));
            facts
                .read_only
                .push(begin / page * page..end.div_ceil(page) * page);
        }
        if let Ok(Some(entries)) = segment.dynamic(endian, bytes) {
            relocated |= entries.iter().any(|entry| {
                let tag = entry.tag(endian);
                tag == DT_TEXTREL || tag == DT_FLAGS && entry.val(endian) & TEXT_RELOCATIONS != 0
            });
        }
    }
    // One that does not begin at 0 lies elsewhere than its base says.
    if relocated || first >= page {
        facts.read_only.clear();
    }
    // The table of sections comes last: a file that was cut short has lost it first.
    let sections = header.sections(endian, bytes).map_err(cut)?;
    if let Some((_, section)) = sections.section_by_name(endian, ABOUT_SECTION.as_bytes()) {
        facts.about = about(section.data(endian, bytes).map_err(cut)?)?;
    }
    let symbols = sections.symbols(endian, bytes, SHT_DYNSYM).map_err(cut)?;
    let defined = symbols.iter().filter(|symbol| !symbol.is_undefined(endian));
    let names = defined.filter_map(|symbol| symbol.name(endian, symbols.strings()).ok());
    let entries: Vec<&str> = names
        .filter_map(|name| std::str::from_utf8(name).ok())
        .filter(|name| name.starts_with("dunlin_plugin_v"))
        .collect();
    let wanted = ENTRY_SYMBOL.trim_end_matches('\0');
    // One whose table of symbols was stripped is asked when it is open.
    if entries.contains(&wanted) || symbols.is_empty() {
        return Ok(facts);
    }
    Err(match entries.first() {
        Some(other) => other_major(other.trim_start_matches("dunlin_plugin_v")),
        None => Refusal::new(format!("is no Dunlin plugin: it has no symbol `{wanted}`"))
            .help("in Rust write export_plugin!(...); in C define it as dunlin_plugin.h shows"),
    })
}

/// Reads `abi=1.0`, `name=...`, `version=...`, a line each. What else is there is somebody else's affair.
fn about(text: &[u8]) -> Result<About, Refusal> {
    let text = String::from_utf8_lossy(text.get(..text.len().min(ABOUT)).unwrap_or(text));
    let mut about = About::default();
    for line in text.lines() {
        match line.trim_end_matches('\0').split_once('=') {
            Some(("abi", abi)) => {
                let major = abi.split('.').next().unwrap_or_default();
                if major != ABI_MAJOR.to_string() {
                    return Err(other_major(major));
                }
            }
            Some(("name", name)) => about.name = Some(name.to_owned()),
            Some(("version", version)) => about.version = Some(version.to_owned()),
            _ => {}
        }
    }
    Ok(about)
}

fn other_major(major: &str) -> Refusal {
    Refusal::new(format!(
        "speaks version {major} of the plugin ABI, and this broker speaks {ABI_MAJOR}"
    ))
    .help(format!(
        "build it against dunlin-plugin-api {ABI_MAJOR}, or update the broker"
    ))
}

fn cut_short(length: usize) -> Refusal {
    Refusal::new(format!(
        "is not whole: its {length} bytes end before what its headers promise"
    ))
    .help("copy it again, under another name, and rename it when it is complete")
}

fn not_shared(what: &str) -> Refusal {
    Refusal::new(format!("is {what}, no shared library"))
        .help("build the plugin as a `cdylib`, or link it with cc -shared")
}

fn foreign(machine: &str) -> Refusal {
    Refusal::new(format!(
        "is for {machine}; this broker runs on {}",
        machine_name(MACHINE)
    ))
    .help("build it for this machine")
}

fn machine_name(machine: object::elf::Machine) -> &'static str {
    match machine {
        EM_X86_64 => "x86_64",
        EM_AARCH64 => "aarch64",
        EM_ARM => "32-bit ARM",
        EM_386 => "32-bit x86",
        EM_RISCV => "RISC-V",
        _ => "another machine",
    }
}
