use std::io::{IoSlice, Read, Write};
use std::sync::mpsc;
use std::task::Poll;

use super::*;
use crate::transport::PeerAddress;

#[test]
fn an_idle_connection_is_small() {
    assert!(size_of::<Io>() <= 96, "{}", size_of::<Io>());
}

#[test]
fn bytes_go_both_ways() {
    block_on(async {
        let (mut io, client) = serve(&Acceptor::tcp(), |mut stream| {
            stream.write_all(b"hello").unwrap();
            let mut answer = [0; 8];
            stream.read_exact(&mut answer).unwrap();
            answer
        })
        .await;
        assert_eq!(read_exactly(&mut io, 5, 100).await, b"hello");
        assert_eq!(io.peer().listener(), ListenerKind::Tcp);
        assert!(io.peer().address().ip().unwrap().is_loopback());
        assert_eq!(
            io.try_write(&[IoSlice::new(b"good"), IoSlice::new(b"-bye")])
                .unwrap(),
            8
        );
        assert!(!io.wants_write());
        assert_eq!(&client.join().unwrap(), b"good-bye");
        assert_eq!(read(&mut io, &mut [0; 10]).await.unwrap(), 0, "the end is 0");
    });
}

#[test]
fn unix_sockets_work_too() {
    block_on(async {
        let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut io = Acceptor::unix()
            .accept_unix(tokio::net::UnixStream::from_std(ours).unwrap())
            .unwrap();
        theirs.write_all(b"hello").unwrap();
        assert_eq!(read_exactly(&mut io, 5, 100).await, b"hello");
        assert_eq!(io.peer().address(), PeerAddress::Unix);
        let mut io = io.detach().unwrap().attach().unwrap();
        write_all(&mut io, b"bye").await;
        drop(io);
        let mut answer = String::new();
        theirs.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "bye");
    });
}

/// Lesson 2 of the design: no second read that only finds the socket empty.
#[test]
fn one_message_is_one_read() {
    block_on(async {
        let (go, wait) = mpsc::channel::<()>();
        let (mut io, client) = serve(&Acceptor::tcp(), move |mut stream| {
            stream.write_all(b"first").unwrap();
            wait.recv().unwrap();
            stream.write_all(b"second").unwrap();
            stream
        })
        .await;
        let mut buf = [0; 100];
        assert_eq!(read(&mut io, &mut buf).await.unwrap(), 5);
        go.send(()).unwrap();
        let _stream = client.join().unwrap();
        // "second" lies in the socket, and the reactor has not run since: a read system call would find it, so
        // `Pending` shows that none was made.
        let polled = poll_fn(|cx| Poll::Ready(io.poll_read(cx, &mut buf))).await;
        assert!(polled.is_pending());
        assert_eq!(read(&mut io, &mut buf).await.unwrap(), 6);
    });
}

/// A connection that has just been attached writes at once, without a turn of the reactor.
#[test]
fn the_first_write_does_not_wait_for_the_reactor() {
    block_on(async {
        let (io, client) = serve(&Acceptor::tcp(), |mut stream| {
            let mut answer = [0; 4];
            stream.read_exact(&mut answer).unwrap();
        })
        .await;
        let mut io = io.detach().unwrap().attach().unwrap();
        assert_eq!(io.try_write(&[IoSlice::new(b"okay")]).unwrap(), 4);
        client.join().unwrap();
    });
}
