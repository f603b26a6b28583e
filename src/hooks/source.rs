//! A policy's file: read, hashed and compiled.

use super::error::LoadError;
use super::lua::fault::Fault;
use super::lua::sandbox;
use super::policy::Image;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::PathBuf;

/// The largest script, in bytes. Compiling is not interrupted, so what is compiled is bounded.
const MAX_SOURCE: u64 = 1 << 20;

/// Reads and compiles the file at `path`, which errors call `file`.
///
/// # Errors
/// When it cannot be read, is too large, or does not compile.
pub(crate) fn read(name: &str, file: String, path: PathBuf) -> Result<Image, LoadError> {
    let mut source = Vec::new();
    let read = std::fs::File::open(&path).and_then(|open| open.take(MAX_SOURCE + 1).read_to_end(&mut source));
    if let Err(error) = read {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        let error = LoadError::new(file, None, format!("cannot be read: {error}"));
        return Err(if missing {
            error.help(format!("expected it at {}", path.display()))
        } else {
            error
        });
    }
    if source.len() as u64 > MAX_SOURCE {
        return Err(LoadError::new(
            file,
            None,
            format!("is larger than {MAX_SOURCE} bytes"),
        ));
    }
    let bytecode = sandbox::compile(&source).map_err(|error| {
        // The compiler knows no file name: it says `12: Expected ...`.
        let said = Fault::from_lua(&error, None).message;
        match said
            .split_once(": ")
            .and_then(|(line, said)| Some((line.trim_matches(':').parse().ok()?, said)))
        {
            Some((line, said)) => LoadError::new(&file, Some(line), said),
            None => LoadError::new(&file, None, said),
        }
    })?;
    Ok(Image {
        name: name.into(),
        file: file.into(),
        path,
        hash: Sha256::digest(&source).into(),
        source: source.into(),
        bytecode: bytecode.into(),
    })
}

/// The line on which `name` is first given a value or defined as a function: where to point for a key of a table.
pub(crate) fn line_of(source: &[u8], name: &str) -> Option<u32> {
    let source = String::from_utf8_lossy(source);
    let line = source.lines().position(|line| {
        let code = line.split("--").next().unwrap_or_default();
        code.match_indices(name).any(|(at, _)| {
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let before = code.get(..at).and_then(|before| before.chars().next_back());
            let after = code
                .get(at + name.len()..)
                .unwrap_or_default()
                .trim_start_matches(['"', '\'', ']', ' ', '\t']);
            !before.is_some_and(is_word) && (after.starts_with('=') || after.starts_with('('))
        })
    })?;
    u32::try_from(line + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_where_they_are_written() {
        let source = b"-- foo = 1\nlocal x = foo_bar\nreturn {\n  foo = 1,\n  [\"bar\"] = 2,\n}\nfunction p.baz(x) end";
        assert_eq!(line_of(source, "foo"), Some(4));
        assert_eq!(line_of(source, "bar"), Some(5));
        assert_eq!(line_of(source, "baz"), Some(7));
        assert_eq!(line_of(source, "none"), None);
    }

    #[test]
    fn a_file_that_does_not_compile_has_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lua");
        std::fs::write(&path, "local a = 1\nlocal b = = 2\n").unwrap();
        let error = read("a", "scripts/a.lua".into(), path).unwrap_err();
        assert_eq!((error.file.as_str(), error.line), ("scripts/a.lua", Some(2)));
        let error = read("a", "b.lua".into(), folder.path().join("b.lua"))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("b.lua: cannot be read") && error.contains("expected it at"),
            "{error}"
        );
    }
}
