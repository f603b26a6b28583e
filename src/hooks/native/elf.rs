//! What can be told of a shared library from its bytes: that all of it is there, that it is for this machine, and that it has
//! the entry symbol.

use super::Refusal;
use dunlin_plugin_api::abi::{ABI_MAJOR, ENTRY_SYMBOL};
use object::Endianness;
use object::elf::{
    ELFMAG, EM_386, EM_AARCH64, EM_ARM, EM_RISCV, EM_X86_64, ET_DYN, ET_EXEC, ET_REL, FileHeader64, PT_LOAD,
    PT_TLS, SHT_DYNSYM,
};
use object::read::elf::{FileHeader, ProgramHeader, Sym};
use std::fs::File;
use std::io::Read;
use std::path::Path;

type Header = FileHeader64<Endianness>;

/// What is worth knowing besides.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// Whether each thread that calls it gets data of its own.
    pub(super) thread_locals: bool,
}

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
    let mut thread_locals = false;
    for segment in header.program_headers(endian, bytes).map_err(cut)? {
        let end = segment.p_offset(endian).checked_add(segment.p_filesz(endian));
        let inside = end.is_some_and(|end| end <= bytes.len() as u64);
        if segment.p_type(endian) == PT_LOAD && !inside {
            return Err(cut_short(bytes.len()));
        }
        thread_locals |= segment.p_type(endian) == PT_TLS;
    }
    // The table of sections comes last: a file that was cut short has lost it first.
    let sections = header.sections(endian, bytes).map_err(cut)?;
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
        return Ok(Facts { thread_locals });
    }
    Err(match entries.first() {
        Some(other) => {
            let major = other.trim_start_matches("dunlin_plugin_v");
            Refusal::new(format!(
                "speaks version {major} of the plugin ABI, and this broker speaks {ABI_MAJOR}"
            ))
            .help(format!(
                "build it against dunlin-plugin-api {ABI_MAJOR}, or update the broker"
            ))
        }
        None => Refusal::new(format!("is no Dunlin plugin: it has no symbol `{wanted}`"))
            .help("in Rust write export_plugin!(...); in C define it as dunlin_plugin.h shows"),
    })
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
