//! `dunlin new`: a policy to begin with, and its tests.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use clap::{Args, ValueEnum};

/// What to write.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct NewArgs {
    /// What the policy is to do
    #[arg(value_enum)]
    pub kind: Kind,
    /// What to call it: the files are scripts/NAME.lua and scripts/NAME_test.lua
    pub name: String,
}

/// The starting points that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Says who may come in
    Auth,
    /// Says who may publish and subscribe to what
    Acl,
    /// Changes messages on their way
    Transform,
    /// Does the work of a rule
    Rule,
}

impl Kind {
    /// The policy, its tests, and what its entry in dunlin.toml may say besides.
    fn template(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Kind::Auth => (
                include_str!("templates/auth.lua"),
                include_str!("templates/auth_test.lua"),
                "settings.users = { alice = \"$argon2id$...\" }\n",
            ),
            Kind::Acl => (
                include_str!("templates/acl.lua"),
                include_str!("templates/acl_test.lua"),
                "",
            ),
            Kind::Transform => (
                include_str!("templates/transform.lua"),
                include_str!("templates/transform_test.lua"),
                "settings.filter = \"sensors/+/temperature\"\n",
            ),
            Kind::Rule => (
                include_str!("templates/rule.lua"),
                include_str!("templates/rule_test.lua"),
                "http.allow = [\"hooks.example.com:443\"]\nsettings.url = \"https://hooks.example.com/mqtt\"\n",
            ),
        }
    }
}

/// Writes the files and says what to add to the configuration.
///
/// # Errors
/// The name is none, or a file is there already: then nothing is written.
pub fn run(args: &NewArgs) -> anyhow::Result<()> {
    let NewArgs { kind, name } = args;
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    anyhow::ensure!(
        !name.is_empty() && name.chars().all(good) && !name.ends_with("_test"),
        "`{name}` is no name of a policy: write letters, digits, _ and -, and no _test at its end"
    );
    let (policy, tests, more) = kind.template();
    let folder = Path::new("scripts");
    let files = [
        (folder.join(format!("{name}.lua")), policy),
        (folder.join(format!("{name}_test.lua")), tests),
    ];
    for (path, _) in &files {
        anyhow::ensure!(
            path.symlink_metadata().is_err(),
            "{} is there already; take another name",
            path.display()
        );
    }
    std::fs::create_dir_all(folder).context("the folder scripts cannot be made")?;
    for (path, text) in &files {
        let text = text.replace("NAME", name);
        // `create_new`: somebody may have been quicker.
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(path)
            .and_then(|mut file| file.write_all(text.as_bytes()));
        written.with_context(|| format!("{} cannot be written", path.display()))?;
        println!("wrote {}", path.display());
    }
    println!(
        "\nAdd it to dunlin.toml, where it is to be asked in the order of the entries:\n\n\
         [[policy]]\nname = \"{name}\"\nscript = \"scripts/{name}.lua\"\n{more}\n\
         Then: dunlin check, and dunlin test scripts/{name}.lua"
    );
    Ok(())
}
