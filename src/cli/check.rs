//! `dunlin check`.

use dunlin::config::Config;

/// Checks the configuration, which was loaded, and the scripts that it names.
pub fn run(config: &Config) -> anyhow::Result<()> {
    super::load_policies(config)?;
    println!(
        "the configuration and its {} policies are good",
        config.policy.len()
    );
    Ok(())
}
