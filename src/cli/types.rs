//! `dunlin types`: type definitions for editors.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

/// Where to write them.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct TypesArgs {
    /// The folder to write dunlin.d.luau (luau-lsp) and dunlin.lua (LuaLS) into
    #[arg(default_value = "scripts/types")]
    pub folder: PathBuf,
    /// Write nothing; say whether the files are those of this version
    #[arg(long)]
    pub check: bool,
}

/// Writes the definitions, or compares them; `false` when one is not of this version.
///
/// # Errors
/// A file cannot be written.
pub fn run(args: &TypesArgs) -> anyhow::Result<bool> {
    let mut good = true;
    for (name, text) in dunlin::hooks::describe::editor_types() {
        let path = args.folder.join(name);
        let same = std::fs::read_to_string(&path).is_ok_and(|there| there == text);
        if args.check {
            if !same {
                eprintln!(
                    "{} is not of this version; run: dunlin types {}",
                    path.display(),
                    args.folder.display()
                );
            }
            good &= same;
        } else if !same {
            std::fs::create_dir_all(&args.folder)
                .and_then(|()| std::fs::write(&path, text))
                .with_context(|| format!("{} cannot be written", path.display()))?;
            println!("wrote {}", path.display());
        }
    }
    Ok(good)
}
