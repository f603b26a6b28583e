//! `dunlin credentials`.

use anyhow::Context;
use dunlin::config::Config;

/// Prints what a client of this id connects with, as the first policy that knows computes it.
pub fn run(config: &Config, client_id: &str) -> anyhow::Result<()> {
    let answer = super::load_policies(config)?.credentials(client_id);
    let computed =
        answer.context("no policy has a credentials function; add one to the policy that authenticates")?;
    let (username, password) = computed.map_err(|error| anyhow::anyhow!("{error}"))?;
    println!("username: {username}\npassword: {password}");
    Ok(())
}
