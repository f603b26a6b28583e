//! Lists that come page by page, and secrets that come by standard input.

use std::io::Read;

use dunlin::admin::api::{ListRequest, Page, Secret};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Error;
use super::arguments::Of;
use super::client::Client;
use super::output::Output;

/// How many are asked for at once.
const PAGE: usize = 1000;

/// The longest secret that is read, in bytes: more than the broker takes.
const LONGEST: u64 = 64 * 1024;

/// Everything of an instance.
pub(super) fn of(of: &Of, secrets: bool) -> ListRequest {
    ListRequest {
        instance: of.instance.clone(),
        limit: Some(PAGE),
        secrets,
        ..ListRequest::default()
    }
}

/// Prints all of them: as JSON an object a line, or in columns.
pub(super) fn print<T: Serialize + DeserializeOwned, const N: usize>(
    client: &Client,
    output: &Output,
    path: &str,
    mut request: ListRequest,
    heads: [&str; N],
    columns: impl Fn(T) -> [String; N],
) -> Result<(), Error> {
    let mut rows = Vec::new();
    loop {
        let page: Page<T> = client.get(path, &request)?;
        for row in page.rows {
            match output.is_json() {
                true => output.json(&row)?,
                false => rows.push(columns(row)),
            }
        }
        match page.next {
            Some(next) => request.after = Some(next),
            None if output.is_json() => return Ok(()),
            None => return output.table(heads, rows),
        }
    }
}

/// A secret in a column: there, or not asked for.
pub(super) fn column(secret: Option<&Secret>) -> String {
    secret.map_or("hidden", Secret::reveal).to_owned()
}

/// What was typed for a secret: itself, or with `-` what standard input has.
pub(super) fn typed(text: &str) -> Result<Secret, Error> {
    if text != "-" {
        return Ok(Secret::new(text));
    }
    let mut read = String::new();
    let input = std::io::stdin().lock().take(LONGEST).read_to_string(&mut read);
    input.map_err(|error| Error::Usage(format!("standard input gives no secret: {error}")))?;
    let line = read.strip_suffix('\n').unwrap_or(&read);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        let what =
            "standard input is empty; write the secret there, for example: echo SECRET | dunlin ctl ... -";
        return Err(Error::Usage(what.to_owned()));
    }
    Ok(Secret::new(line))
}
