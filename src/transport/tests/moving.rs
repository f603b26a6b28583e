//! A connection moves to the runtime of another thread in mid-stream, and nothing is lost in either direction.

use std::io::IoSlice;
use std::sync::mpsc;
use std::thread;

use super::*;

#[test]
fn an_io_moves_with_what_it_has_buffered() {
    for kind in KINDS {
        // Small first reads leave plaintext in rustls, half a header in the WebSocket decoder, or bytes in the socket.
        for first in [1, 2, 5, 100, 20_000] {
            moves(kind, first);
        }
    }
}

fn moves(kind: ListenerKind, first: usize) {
    let data = tempfile::tempdir().unwrap();
    let limits = Limits {
        write_buffer: 16 * 1024,
        ..Limits::default()
    };
    let acceptor = acceptor(kind, data.path(), limits);
    let path = data.path().to_owned();
    let up = pattern(200_000);
    let expected = up.clone();

    let (go, wait) = mpsc::channel::<()>();
    let (detached, mut sent, client) = block_on(async {
        let (mut io, client) = serve(&acceptor, move |stream| {
            let mut stream = dial(kind, &path, stream);
            for piece in up.chunks(1_777) {
                stream.write_all(piece).unwrap();
            }
            wait.recv().unwrap();
            let mut down = Vec::new();
            stream.read_to_end(&mut down).unwrap();
            down
        })
        .await;
        assert_eq!(read_exactly(&mut io, first, first).await, expected[..first]);
        // Fill the socket while the client does not read yet, so that frames and records wait here.
        let chunk = pattern(70_000);
        let mut sent = Vec::new();
        while let Ok(n) = io.try_write(&[IoSlice::new(&chunk)]) {
            sent.extend_from_slice(&chunk[..n]);
            assert!(sent.len() < 64 << 20);
        }
        (io.detach().unwrap(), sent, client)
    });

    assert_eq!(detached.peer().listener(), kind);
    go.send(()).unwrap();
    let rest = expected[first..].to_vec();
    let home = thread::spawn(move || {
        block_on(async move {
            let mut io = detached.attach().unwrap();
            assert!(
                read_exactly(&mut io, rest.len(), 4096).await == rest,
                "{kind}: bytes differ going up"
            );
            let more = pattern(100_000);
            write_all(&mut io, &more).await;
            io.start_shutdown();
            poll_fn(|cx| io.poll_shutdown(cx)).await;
            more
        })
    });
    sent.extend(home.join().unwrap());
    assert!(client.join().unwrap() == sent, "{kind}: bytes differ coming down");
}

/// What rustls has decrypted already comes out on the new runtime although the socket stays silent.
#[test]
fn buffered_plaintext_needs_no_readiness() {
    for kind in [ListenerKind::Tls, ListenerKind::SecureWebSocket] {
        let data = tempfile::tempdir().unwrap();
        let acceptor = acceptor(kind, data.path(), Limits::default());
        let path = data.path().to_owned();
        let (detached, client) = block_on(async {
            let (mut io, client) = serve(&acceptor, move |stream| {
                let mut stream = dial(kind, &path, stream);
                stream.write_all(b"CONNECT and PUBLISH").unwrap();
                let mut end = [0; 1];
                let _ = stream.read(&mut end);
            })
            .await;
            assert_eq!(read_exactly(&mut io, 7, 7).await, b"CONNECT");
            (io.detach().unwrap(), client)
        });
        thread::spawn(move || {
            block_on(async move {
                let mut io = detached.attach().unwrap();
                assert_eq!(read_exactly(&mut io, 12, 100).await, b" and PUBLISH", "{kind}");
            });
        })
        .join()
        .unwrap();
        client.join().unwrap();
    }
}
