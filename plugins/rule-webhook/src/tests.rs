//! The plugin against a small web server of ours.

use super::*;
use dunlin_plugin_api::sdk::mock::Failure;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

/// Answers one request after the other with these statuses; hands out what it was sent.
fn server(statuses: &'static [u16]) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for status in statuses {
            let (mut socket, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut piece = [0; 4096];
            loop {
                let read = socket.read(&mut piece).unwrap();
                request.extend_from_slice(&piece[..read]);
                let text = String::from_utf8_lossy(&request).into_owned();
                if let Some((head, body)) = text.split_once("\r\n\r\n") {
                    let length = head
                        .lines()
                        .filter_map(|line| line.split_once(": "))
                        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
                    if body.len() >= length.unwrap().1.parse().unwrap() {
                        tell.send(text).unwrap();
                        break;
                    }
                }
            }
            let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            socket.write_all(answer.as_bytes()).unwrap();
        }
    });
    (url, told)
}

fn mock(settings: &Value) -> MockHost<RuleWebhook> {
    MockHost::new(&settings.to_string()).unwrap()
}

fn batch() -> Vec<NewMessage> {
    vec![NewMessage::new("a", "text"), NewMessage::new("b", vec![0xff])]
}

#[test]
fn a_batch_is_posted() {
    let (url, told) = server(&[204]);
    let mock = mock(&json!({ "url": "http://192.0.2.1/", "token": "t" }));
    let done = mock.rule_action(&json!({ "url": url }), &batch());
    assert_eq!(done, Ok(Batch::Each(vec![ActionResult::Done; 2])));
    let request = told.recv().unwrap();
    assert!(request.starts_with("POST /hook HTTP/1.1\r\n"), "{request}");
    assert!(
        request.to_lowercase().contains("authorization: bearer t\r\n"),
        "{request}"
    );
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["messages"][0]["payload"], "text");
    assert_eq!(body["messages"][1]["encoding"], "base64");
    assert_eq!(body["messages"][1]["payload"], "/w==");
    assert_eq!(mock.unload(), 0);
}

#[test]
fn statuses_mean_what_they_say() {
    let (url, _told) = server(&[500, 429, 302, 404, 500]);
    let mock = mock(&json!({ "url": url }));
    let act = || match mock.rule_action(&json!({}), &batch()[..1]) {
        Ok(Batch::Each(mut results)) => results.remove(0),
        other => panic!("{other:?}"),
    };
    assert_eq!(act(), ActionResult::Retry(1.0));
    assert_eq!(act(), ActionResult::Retry(2.0));
    assert_eq!(act(), ActionResult::Retry(4.0));
    assert_eq!(
        act(),
        ActionResult::DeadLetter("the server answered 404".to_owned())
    );
    assert_eq!(act(), ActionResult::Retry(1.0));
}

#[test]
fn a_server_that_is_not_there_is_tried_again() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mock = mock(&json!({ "url": format!("http://127.0.0.1:{port}/") }));
    let answer = mock.rule_action(&json!({}), &batch()[..1]);
    assert_eq!(answer, Ok(Batch::Each(vec![ActionResult::Retry(1.0)])));
}

#[test]
fn a_server_that_does_not_answer_holds_nobody_for_ever() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let mock = mock(&json!({ "url": url, "timeout_ms": 50 }));
    let answer = mock.rule_action(&json!({}), &batch()[..1]);
    assert_eq!(answer, Ok(Batch::Each(vec![ActionResult::Retry(1.0)])));
    assert_eq!(mock.unload(), 0);
}

#[test]
fn what_cannot_be_asked_is_said() {
    let refused = MockHost::<RuleWebhook>::new(r#"{ "url": "ftp://x" }"#).unwrap_err();
    assert!(refused.contains("`ftp://x` begins neither"), "{refused}");
    assert!(MockHost::<RuleWebhook>::new(r#"{ "workers": 0 }"#).is_err());
    let mock = mock(&json!({}));
    for (rule, says) in [
        (json!({}), "neither the rule nor"),
        (json!({ "url": 1 }), "no text"),
    ] {
        let answer = mock.rule_action(&rule, &batch());
        assert!(
            matches!(&answer, Err(Failure::Error(why)) if why.contains(says)),
            "{answer:?}"
        );
    }
}
