//! Who comes and goes, for an operator who follows it.

use std::sync::Arc;

use tokio::sync::mpsc::Sender;
use tokio::sync::{OwnedSemaphorePermit, broadcast};

use super::time_in_full;
use crate::admin::api::{EventKind, EventLine, EventsRequest};
use crate::instance::InstanceId;
use crate::shard::{Status, StatusKind};
use crate::time::Clock;

/// Tells of each client that is asked for, until nobody listens any more. A reader that is too slow holds up nobody: it
/// is told how many events it missed.
pub(super) async fn follow(
    clock: Clock,
    mut from: broadcast::Receiver<Arc<Status>>,
    whose: EventsRequest,
    lines: Sender<EventLine>,
    _place: OwnedSemaphorePermit,
) {
    let instance = whose.instance.as_deref().map(InstanceId::new);
    let is_asked_for = |status: &Status| {
        instance.as_ref().is_none_or(|wanted| *wanted == status.instance)
            && status.client_id.starts_with(&whose.prefix)
    };
    let mut next = Some(plain(clock.now().0, EventKind::Watching));
    loop {
        if let Some(line) = next.take()
            && lines.send(line).await.is_err()
        {
            return;
        }
        let received = tokio::select! {
            () = lines.closed() => return,
            received = from.recv() => received,
        };
        next = match received {
            Ok(status) => is_asked_for(&status).then(|| line(&status)),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(EventLine {
                missed: Some(missed),
                ..plain(clock.now().0, EventKind::Missed)
            }),
            Err(broadcast::error::RecvError::Closed) => return,
        };
    }
}

fn plain(at: u64, event: EventKind) -> EventLine {
    EventLine {
        at: time_in_full(at),
        event,
        instance: None,
        client_id: None,
        channel: None,
        peer: None,
        certificate: None,
        reason: None,
        missed: None,
    }
}

fn line(status: &Status) -> EventLine {
    let event = match status.kind {
        StatusKind::Connect => EventKind::Connect,
        StatusKind::Disconnect => EventKind::Disconnect,
        StatusKind::TcpClean => EventKind::TcpClean,
    };
    EventLine {
        instance: Some(status.instance.to_string()),
        client_id: Some(status.client_id.to_string()),
        channel: Some(status.channel.to_string()),
        peer: Some(status.peer.to_string()),
        certificate: status.certificate.as_deref().map(str::to_owned),
        reason: status.reason.as_deref().map(str::to_owned),
        ..plain(status.time.0, event)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::{Semaphore, mpsc};

    use super::*;
    use crate::shard::ChannelId;
    use crate::time::Millis;

    fn status(instance: &str, client_id: &str) -> Arc<Status> {
        Arc::new(Status {
            kind: StatusKind::Connect,
            instance: InstanceId::new(instance),
            client_id: client_id.into(),
            channel: ChannelId(0xAB),
            peer: "127.0.0.1:1".into(),
            time: Millis(1_600_000_000_007),
            certificate: None,
            reason: None,
        })
    }

    #[tokio::test]
    async fn who_reads_too_slowly_is_told_how_many_were_missed() {
        let (tell, from) = broadcast::channel(4);
        let (lines, mut read) = mpsc::channel(1);
        let places = Arc::new(Semaphore::new(1));
        let place = Arc::clone(&places).try_acquire_owned().unwrap();
        let whose = EventsRequest {
            instance: Some("one".into()),
            prefix: "a".into(),
        };
        let following = tokio::spawn(follow(Clock::start(), from, whose, lines, place));
        assert_eq!(read.recv().await.unwrap().event, EventKind::Watching);
        for (instance, client_id) in [("other", "a1"), ("one", "b1"), ("one", "a1")] {
            tell.send(status(instance, client_id)).unwrap();
        }
        let told = read.recv().await.unwrap();
        assert_eq!(
            (told.client_id.as_deref(), told.channel.as_deref(), &*told.at),
            (
                Some("a1"),
                Some("000000000000000000000000000000ab"),
                "2020-09-13T12:26:40.007Z"
            )
        );
        // Nobody reads: one line waits in the channel, one in the hand, and four events behind them.
        for n in 0..3 {
            tell.send(status("one", &format!("a{n}"))).unwrap();
            tokio::task::yield_now().await;
        }
        for n in 3..20 {
            tell.send(status("one", &format!("a{n}"))).unwrap();
        }
        let mut told = Vec::new();
        while told.len() < 7 {
            let line = read.recv().await.unwrap();
            told.push(line.client_id.or(line.missed.map(|n| n.to_string())).unwrap());
        }
        assert_eq!(told, ["a0", "a1", "14", "a16", "a17", "a18", "a19"]);
        drop(read);
        following.await.unwrap();
        assert_eq!(places.available_permits(), 1);
    }
}
