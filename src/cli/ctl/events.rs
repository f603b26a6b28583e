//! `dunlin ctl events`.

use dunlin::admin::api::{EventLine, EventsRequest};

use super::Error;
use super::client::Client;
use super::output::{Output, shown};

/// Follows who comes and goes until Ctrl-C.
pub(super) fn run(
    client: &Client,
    output: &Output,
    instance: Option<&str>,
    prefix: &str,
) -> Result<(), Error> {
    let request = EventsRequest {
        instance: instance.map(str::to_owned),
        prefix: prefix.to_owned(),
    };
    client.lines("/v1/events", &request, |line: EventLine| {
        if output.is_json() {
            return output.json(&line);
        }
        output.line(format_args!("{}", human(&line)))
    })
}

/// `12:04:05.123Z  tcpclean    mqtt-cn-x  GID_a@@@1  channel 0123..., 127.0.0.1:4711, goodbye`
fn human(line: &EventLine) -> String {
    let time = line.at.split_once('T').map_or(&*line.at, |(_, time)| time);
    let plain = |text: &Option<String>| text.as_deref().map(|text| shown(text).replace('\n', "\\n"));
    let mut text = format!("{time}  {:10}", line.event.name());
    for who in [&line.instance, &line.client_id] {
        text.extend(plain(who).map(|who| format!("  {who}")));
    }
    let details = [
        line.missed
            .map(|missed| format!("{missed} events: they are read too slowly")),
        plain(&line.channel).map(|channel| format!("channel {channel}")),
        plain(&line.peer),
        plain(&line.certificate).map(|serial| format!("certificate {serial}")),
        plain(&line.reason),
    ];
    let details: Vec<String> = details.into_iter().flatten().collect();
    format!("{text}  {}", details.join(", ")).trim_end().to_owned()
}
