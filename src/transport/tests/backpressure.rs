//! A reader that never reads gets `WouldBlock`, costs a bounded amount of memory, and loses nothing when it reads.

use std::io::IoSlice;
use std::sync::mpsc;
use std::task::Poll;

use super::*;

/// More than two loopback sockets hold.
const PLENTY: usize = 64 << 20;

#[test]
fn a_reader_that_never_reads_blocks_the_writer() {
    for kind in KINDS {
        let data = tempfile::tempdir().unwrap();
        let limits = Limits {
            write_buffer: 32 * 1024,
            ..Limits::default()
        };
        let acceptor = acceptor(kind, data.path(), limits);
        let path = data.path().to_owned();
        block_on(async {
            let (go, wait) = mpsc::channel::<()>();
            let (mut io, client) = serve(&acceptor, move |stream| {
                let mut stream = dial(kind, &path, stream);
                stream.write_all(b"ready").unwrap();
                wait.recv().unwrap();
                let mut all = Vec::new();
                stream.read_to_end(&mut all).unwrap();
                all
            })
            .await;
            read_exactly(&mut io, 5, 100).await;

            let mut sent = Vec::new();
            let chunk = pattern(100_000);
            let error = loop {
                let (a, b) = chunk.split_at(7_000);
                match io.try_write(&[IoSlice::new(a), IoSlice::new(b)]) {
                    Ok(n) => sent.extend_from_slice(&chunk[..n]),
                    Err(error) => break error,
                }
                assert!(sent.len() < PLENTY, "{kind}: never full");
            };
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{kind}");
            assert_eq!(io.wants_write(), kind != ListenerKind::Tcp, "{kind}");
            // However often it is tried, nothing more is taken.
            for _ in 0..1000 {
                assert!(io.try_write(&[IoSlice::new(&chunk)]).is_err(), "{kind}");
            }
            assert!(
                poll_fn(|cx| Poll::Ready(io.poll_write_ready(cx)))
                    .await
                    .is_pending(),
                "{kind}"
            );

            go.send(()).unwrap();
            let more = pattern(300_000);
            write_all(&mut io, &more).await;
            sent.extend_from_slice(&more);
            io.start_shutdown();
            poll_fn(|cx| io.poll_shutdown(cx)).await;
            assert!(client.join().unwrap() == sent, "{kind}: bytes differ");
        });
    }
}

/// While `poll_read` is pending it also sends what waits, so that one task needs one poll.
#[test]
fn a_pending_read_sends_what_is_buffered() {
    for kind in [
        ListenerKind::Tls,
        ListenerKind::WebSocket,
        ListenerKind::SecureWebSocket,
    ] {
        let data = tempfile::tempdir().unwrap();
        let acceptor = acceptor(kind, data.path(), Limits::default());
        let path = data.path().to_owned();
        block_on(async {
            let (go, wait) = mpsc::channel::<usize>();
            let (mut io, client) = serve(&acceptor, move |stream| {
                let mut stream = dial(kind, &path, stream);
                stream.write_all(b"ready").unwrap();
                let mut all = vec![0; wait.recv().unwrap()];
                stream.read_exact(&mut all).unwrap();
                stream.write_all(b"done").unwrap();
            })
            .await;
            read_exactly(&mut io, 5, 100).await;
            let chunk = pattern(50_000);
            let mut sent = 0;
            while let Ok(n) = io.try_write(&[IoSlice::new(&chunk)]) {
                sent += n;
            }
            assert!(io.wants_write());
            go.send(sent).unwrap();
            assert_eq!(read_exactly(&mut io, 4, 100).await, b"done", "{kind}");
            client.join().unwrap();
        });
    }
}
