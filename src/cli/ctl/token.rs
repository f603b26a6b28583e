//! `dunlin ctl token`.

use dunlin::admin::api::{ApplyToken, Holds, Issued, TokenText};
use serde_json::Value;

use super::Error;
use super::arguments::{OneToken, TokenCommand};
use super::client::Client;
use super::listing;
use super::output::Output;

/// Asks about tokens.
pub(super) fn run(client: &Client, output: &Output, command: &TokenCommand) -> Result<(), Error> {
    match command {
        TokenCommand::Apply {
            actions,
            resources,
            expire,
            until,
            of,
        } => {
            let request = ApplyToken {
                instance: of.instance.clone(),
                actions: actions.clone(),
                resources: resources.clone(),
                seconds: *expire,
                until: *until,
            };
            let issued: Issued = client.post("/v1/tokens/apply", &request)?;
            if output.is_json() {
                return output.json(&issued);
            }
            let token = issued.token.reveal().to_owned();
            output.pairs(&[("token", token), ("expires", issued.expires)])
        }
        TokenCommand::Query(one) => {
            let answer: Holds = client.post("/v1/tokens/query", &text(one)?)?;
            output.done(&answer, if answer.holds { "true" } else { "false" })
        }
        TokenCommand::Revoke(one) => {
            let answer: Value = client.post("/v1/tokens/revoke", &text(one)?)?;
            output.done(&answer, "the token is void")
        }
    }
}

fn text(one: &OneToken) -> Result<TokenText, Error> {
    Ok(TokenText {
        instance: one.of.instance.clone(),
        token: listing::typed(&one.token)?,
    })
}
