//! `dunlin ctl trace`.

use dunlin::admin::api::{TraceKind, TraceLine, TraceRequest};

use super::Error;
use super::client::Client;
use super::output::{Output, shown};

/// Watches a client until Ctrl-C.
pub(super) fn run(client: &Client, output: &Output, request: &TraceRequest) -> Result<(), Error> {
    client.lines("/v1/trace", request, |line: TraceLine| {
        if output.is_json() {
            return output.json(&line);
        }
        output.line(format_args!("{}", human(&line)))
    })
}

/// `12:04:05.123Z  in    PUBLISH  demo/x  QoS 1, id 5, 12 bytes`
fn human(line: &TraceLine) -> String {
    let time = line.at.split_once('T').map_or(&*line.at, |(_, time)| time);
    let kind = match line.kind {
        TraceKind::In => "in",
        TraceKind::Out => "out",
        TraceKind::Hook => "hook",
        TraceKind::Connection | TraceKind::Limit | TraceKind::Missed => "--",
    };
    let topic = line.topic.as_ref().map_or(String::new(), |topic| {
        format!("{}  ", shown(topic).replace('\n', "\\n"))
    });
    let text = shown(&line.text).replace('\n', "\\n");
    format!("{time}  {kind:4}  {:19}  {topic}{text}", line.what)
        .trim_end()
        .to_owned()
}
