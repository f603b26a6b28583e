//! Against tungstenite's client, plain and over TLS: pitfalls 13 and 25 of the design.

use std::io::{IoSlice, Read, Write};

use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::protocol::frame::{Frame, FrameHeader};
use tungstenite::{Error, Message};

use super::*;

const BOTH: [ListenerKind; 2] = [ListenerKind::WebSocket, ListenerKind::SecureWebSocket];

/// Serves one client on both kinds.
fn both<T: Send + 'static>(
    client: impl Fn(&mut WsStream) -> T + Clone + Send + 'static,
    mut server: impl AsyncFnMut(&mut Io),
    mut check: impl FnMut(T),
) {
    for kind in BOTH {
        let data = tempfile::tempdir().unwrap();
        let acceptor = acceptor(kind, data.path(), Limits::default());
        let (path, client) = (data.path().to_owned(), client.clone());
        block_on(async {
            let (mut io, client) = serve(&acceptor, move |stream| {
                let stream: Box<dyn Duplex> = match kind {
                    ListenerKind::SecureWebSocket => Box::new(tls_client(&path, stream, None, &["http/1.1"])),
                    _ => Box::new(stream),
                };
                client(&mut ws_client(stream))
            })
            .await;
            server(&mut io).await;
            check(client.join().unwrap());
        });
    }
}

fn fragment(opcode: Data, last: bool, payload: &[u8]) -> Message {
    let header = FrameHeader {
        is_final: last,
        opcode: OpCode::Data(opcode),
        ..FrameHeader::default()
    };
    Message::Frame(Frame::from_payload(header, payload.to_vec().into()))
}

#[test]
fn a_packet_spans_frames_and_a_frame_holds_packets() {
    both(
        |client| {
            client.ws.send(fragment(Data::Binary, false, b"CON")).unwrap();
            client.ws.send(Message::Ping(b"between".to_vec().into())).unwrap();
            client.ws.send(fragment(Data::Continue, false, b"NECT")).unwrap();
            client.ws.send(fragment(Data::Continue, false, b"")).unwrap();
            client.ws.send(fragment(Data::Continue, true, b"+PUB")).unwrap();
            client.ws.send(Message::binary(b"LISH+PUBLISH".to_vec())).unwrap();
            let first = client.ws.read().unwrap();
            (first, client.ws.read().unwrap())
        },
        async |io| {
            assert_eq!(read_exactly(io, 23, 5).await, b"CONNECT+PUBLISH+PUBLISH");
            assert_eq!(io.peer().path(), Some("/mqtt?x=1"));
            assert_eq!(io.peer().host(), Some("localhost:8083"));
            assert_eq!(io.peer().subprotocol(), Some("mqtt"));
            io.try_write(&[IoSlice::new(b"CONNACK"), IoSlice::new(b"PUBACK")])
                .unwrap();
        },
        |answers| {
            let pong = Message::Pong(b"between".to_vec().into());
            assert_eq!(
                answers,
                (pong, Message::binary(b"CONNACKPUBACK".to_vec())),
                "one frame a write"
            );
        },
    );
}

#[test]
fn a_mebibyte_goes_both_ways() {
    const SIZE: usize = (1 << 20) + 100;
    both(
        |client| {
            client.ws.send(Message::binary(pattern(SIZE))).unwrap();
            let mut back = vec![0; SIZE];
            client.read_exact(&mut back).unwrap();
            back
        },
        async |io| {
            let got = read_exactly(io, SIZE, 65536).await;
            write_all(io, &got).await;
        },
        |back| assert!(back == pattern(SIZE)),
    );
}

/// [MQTT-6.0.0-1]
#[test]
fn a_text_frame_closes_the_connection() {
    both(
        |client| {
            client.write_all(b"fine").unwrap();
            client.ws.send(Message::text("not fine")).unwrap();
            client.ws.read().unwrap()
        },
        async |io| {
            assert_eq!(read_exactly(io, 4, 100).await, b"fine");
            let error = read(io, &mut [0; 100]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert!(error.to_string().contains("text frame"));
            assert!(io.try_write(&[IoSlice::new(b"x")]).is_err());
            io.start_shutdown();
        },
        |answer| match answer {
            Message::Close(Some(frame)) => assert_eq!(frame.code, CloseCode::Unsupported),
            other => panic!("{other:?}"),
        },
    );
}

#[test]
fn a_message_over_the_limit_is_closed_with_1009() {
    both(
        |client| {
            // Only the header: nothing is reserved, and nothing is waited for.
            let header = [0x82, 0xFF, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4];
            client.ws.get_mut().write_all(&header).unwrap();
            client.ws.get_mut().flush().unwrap();
            client.ws.read().unwrap()
        },
        async |io| {
            let error = read(io, &mut [0; 100]).await.unwrap_err();
            assert!(error.to_string().contains("longer than allowed"), "{error}");
            io.start_shutdown();
        },
        |answer| match answer {
            Message::Close(Some(frame)) => assert_eq!(frame.code, CloseCode::Size),
            other => panic!("{other:?}"),
        },
    );
}

#[test]
fn a_close_is_answered_and_is_an_end() {
    both(
        |client| {
            client.ws.close(None).unwrap();
            let answer = client.ws.read();
            (answer, client.ws.read())
        },
        async |io| {
            assert_eq!(read(io, &mut [0; 100]).await.unwrap(), 0);
            io.start_shutdown();
            poll_fn(|cx| io.poll_shutdown(cx)).await;
        },
        |(answer, end)| {
            assert!(matches!(answer, Ok(Message::Close(_))), "{answer:?}");
            assert!(matches!(end, Err(Error::ConnectionClosed)), "{end:?}");
        },
    );
}

#[test]
fn a_shutdown_says_close() {
    both(
        |client| {
            client.write_all(b"hello").unwrap();
            client.ws.read().unwrap()
        },
        async |io| {
            read_exactly(io, 5, 100).await;
            io.start_shutdown();
            poll_fn(|cx| io.poll_shutdown(cx)).await;
        },
        |answer| match answer {
            Message::Close(Some(frame)) => assert_eq!(frame.code, CloseCode::Normal),
            other => panic!("{other:?}"),
        },
    );
}

#[test]
fn a_browser_gets_a_readable_answer() {
    block_on(async {
        let acceptor = Acceptor::web_socket(Limits::default());
        let (mut io, client) = serve(&acceptor, |mut stream| {
            stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        })
        .await;
        assert!(read(&mut io, &mut [0; 100]).await.is_err());
        poll_fn(|cx| io.poll_shutdown(cx)).await;
        drop(io);
        let answer = client.join().unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 426 Upgrade Required\r\n"),
            "{answer}"
        );
        assert!(answer.contains("MQTT over WebSocket"), "{answer}");
    });
}
