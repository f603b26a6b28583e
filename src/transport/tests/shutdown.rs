use std::io::{IoSlice, Read, Write};

use super::*;

/// The last words arrive even when input lies unread, which would make a plain close send RST.
#[test]
fn last_words_arrive_before_the_end() {
    for kind in KINDS {
        let data = tempfile::tempdir().unwrap();
        let acceptor = acceptor(kind, data.path(), Limits::default());
        let path = data.path().to_owned();
        block_on(async {
            let (mut io, client) = serve(&acceptor, move |stream| {
                let mut stream = dial(kind, &path, stream);
                stream.write_all(b"CONNECT").unwrap();
                stream.write_all(&pattern(100_000)).unwrap();
                let mut last = String::new();
                stream.read_to_string(&mut last).unwrap();
                last
            })
            .await;
            read_exactly(&mut io, 7, 7).await;
            io.try_write(&[IoSlice::new(b"DISCONNECT")]).unwrap();
            io.start_shutdown();
            assert_eq!(
                io.try_write(&[IoSlice::new(b"x")]).unwrap_err().kind(),
                io::ErrorKind::BrokenPipe
            );
            poll_fn(|cx| io.poll_shutdown(cx)).await;
            drop(io);
            assert_eq!(client.join().unwrap(), "DISCONNECT", "{kind}");
        });
    }
}

#[test]
fn a_client_that_leaves_politely_is_an_end() {
    block_on(async {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().to_owned();
        let acceptor = acceptor(ListenerKind::Tls, data.path(), Limits::default());
        let (mut io, client) = serve(&acceptor, move |stream| {
            let mut stream = tls_client(&path, stream, None, &[]);
            stream.write_all(b"bye").unwrap();
            stream.conn.send_close_notify();
            stream.flush().unwrap();
            let mut end = Vec::new();
            stream.sock.read_to_end(&mut end).unwrap();
        })
        .await;
        assert_eq!(read_exactly(&mut io, 3, 100).await, b"bye");
        assert_eq!(read(&mut io, &mut [0; 100]).await.unwrap(), 0);
        assert_eq!(read(&mut io, &mut [0; 100]).await.unwrap(), 0, "again");
        drop(io);
        client.join().unwrap();
    });
}

#[test]
fn a_client_that_vanishes_is_an_end() {
    for kind in KINDS {
        let data = tempfile::tempdir().unwrap();
        let acceptor = acceptor(kind, data.path(), Limits::default());
        let path = data.path().to_owned();
        block_on(async {
            let (mut io, client) = serve(&acceptor, move |stream| {
                let mut stream = dial(kind, &path, stream);
                stream.write_all(b"hello").unwrap();
                stream.tcp().shutdown(std::net::Shutdown::Write).unwrap();
                stream
            })
            .await;
            assert_eq!(read_exactly(&mut io, 5, 100).await, b"hello");
            assert_eq!(read(&mut io, &mut [0; 100]).await.unwrap(), 0, "{kind}");
            drop(client.join().unwrap());
        });
    }
}
