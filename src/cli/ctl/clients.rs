//! `dunlin ctl clients`.

use dunlin::admin::api::{ClientRow, ClientsRequest};

use super::Error;
use super::client::Client;
use super::output::Output;

/// The clients that are connected.
pub(super) fn run(client: &Client, output: &Output, request: &ClientsRequest) -> Result<(), Error> {
    if output.is_json() {
        return client.lines("/v1/clients", request, |row: ClientRow| output.json(&row));
    }
    let mut rows = Vec::new();
    client.lines("/v1/clients", request, |row: ClientRow| {
        rows.push(row);
        Ok(())
    })?;
    // The broker lists them as they lie.
    rows.sort_by(|a, b| (&a.client_id, &a.instance).cmp(&(&b.client_id, &b.instance)));
    let heads = [
        "CLIENT ID",
        "INSTANCE",
        "USER NAME",
        "PEER",
        "LISTENER",
        "MQTT",
        "SINCE",
        ">SUBSCRIPTIONS",
        ">IN FLIGHT",
        ">QUEUED",
        "CHANNEL",
    ];
    let rows = rows.into_iter().map(|row| {
        [
            row.client_id,
            row.instance,
            row.username.unwrap_or_else(|| "-".to_owned()),
            row.peer,
            row.listener,
            row.version,
            row.since,
            row.subscriptions.to_string(),
            row.inflight.to_string(),
            row.queued.to_string(),
            row.channel,
        ]
    });
    output.table(heads, rows)
}
