use std::time::{Duration, Instant};

use crate::servers::{Http, response, silent};
use crate::support::publish;
use crate::{Cases, outcome, run};

#[test]
fn requests_go_where_they_may_and_answers_come_back() {
    let server = Http::start(|head, body| match head.split(' ').nth(1).unwrap() {
        "/echo" => response(
            "200 OK",
            "x-kind: test\r\n",
            &format!("{}|{body}", head.to_lowercase()),
        ),
        "/large" => response("200 OK", "", &"x".repeat(3 << 20)),
        "/away" => response("302 Found", "location: http://127.0.0.2:1/\r\n", ""),
        "/here" => response("302 Found", "location: /echo\r\n", ""),
        _ => response("404 Not Found", "", "nothing"),
    });
    let cases = Cases::start(
        r#"{
            get = function(url) local r, why = http.get(url, { headers = { ["X-Me"] = "dunlin" } }) return if r then r.status else nil, why or r.body end,
            post = function(url) local r = http.post(url, "the body") return r.status, r.body, r.headers["x-kind"] end,
            json = function(url) local r = http.request({ method = "put", url = url, json = { a = { 1, 2 } } }) return r.body end,
            wrong = function() return http.get(42) end,
            option = function() return http.get("http://127.0.0.1/", { ["tie" .. "mout"] = 1 }) end,
        }"#,
        "http.allow = [\"127.0.0.1:*\"]\nhttp.redirects = 1",
    );
    let url = |path: &str| format!("http://{}{path}", server.address);
    let got = cases.run("get", &url("/echo"));
    assert_eq!(got.results[0], 200, "{got:?}");
    assert!(got.why().contains("x-me: dunlin"), "{got:?}");
    let posted = cases.run("post", &url("/echo"));
    assert!(
        posted.why().ends_with("|the body") && posted.results[2] == "test",
        "{posted:?}"
    );
    let put = cases.run("json", &url("/echo"));
    let said = put.results[0].as_str().unwrap();
    assert!(
        said.starts_with("put ")
            && said.contains("content-type: application/json")
            && said.ends_with("|{\"a\":[1,2]}"),
        "{said}"
    );
    assert_eq!(cases.run("get", &url("/missing")).results[0], 404);
    assert!(
        cases
            .run("get", &url("/large"))
            .why()
            .contains("larger than 1048576 bytes")
    );
    assert_eq!(cases.run("get", &url("/here")).results[0], 200);
    let away = cases.run("get", &url("/away"));
    assert!(away.why().contains("127.0.0.2:1 is not allowed"), "{away:?}");
    let elsewhere = cases.run("get", "http://example.com/");
    assert!(
        elsewhere
            .why()
            .contains("example.com:80 is not allowed; write `http.allow = [\"example.com:80\"]`"),
        "{elsewhere:?}"
    );
    assert!(
        cases
            .run("get", "nonsense")
            .why()
            .contains("`nonsense` is no URL")
    );
    assert!(
        cases
            .run("wrong", "")
            .why()
            .contains("http.get: argument 1 (url) must be a string")
    );
    assert!(cases.run("option", "").why().contains("unknown option `tiemout`"));
}

#[test]
fn a_server_that_says_nothing_holds_up_who_asked_and_then_nobody() {
    let (address, _listener) = silent();
    let cases = Cases::start(
        "{ get = function(url) return http.get(url) end, quick = function() return 1 end }",
        "http.allow = [\"127.0.0.1:*\"]\nhttp.timeout = \"300ms\"",
    );
    let url = format!("http://{address}/");
    let mut slow = cases.client();
    let mut other = cases.client();
    slow.publish(publish("case/get", url.as_str()));
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(250) {
        let quick = run(&mut other, "quick", "");
        assert!(quick.took < Duration::from_millis(20), "{quick:?}");
    }
    let got = outcome(&mut slow);
    assert!(got.why().contains("did not answer within 300ms"), "{got:?}");
    // After a few of these nobody is kept waiting.
    for _ in 0..4 {
        run(&mut slow, "get", &url);
    }
    let began = Instant::now();
    let got = run(&mut slow, "get", &url);
    assert!(got.why().contains("is down; it is asked again in"), "{got:?}");
    assert!(began.elapsed() < Duration::from_millis(100));
}

#[test]
fn two_hundred_at_once() {
    let server = Http::start(|_, _| {
        std::thread::sleep(Duration::from_millis(200));
        response("200 OK", "", "slow")
    });
    let cases = Cases::start(
        "{ get = function(url) return http.get(url).body end }",
        "http.allow = [\"127.0.0.1:*\"]",
    );
    let url = format!("http://{}/", server.address);
    let mut clients: Vec<_> = (0..200).map(|_| cases.client()).collect();
    let began = Instant::now();
    for client in &mut clients {
        client.publish(publish("case/get", url.as_str()));
    }
    for client in &mut clients {
        assert_eq!(outcome(client).results[0], "slow");
    }
    println!("200 requests of 200 ms: {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(5));
}
