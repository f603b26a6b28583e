use std::time::{Duration, Instant};

use crate::servers::{Http, Https, response, silent};
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
        "/twice" => response("302 Found", "location: /here\r\n", ""),
        "/slow" => {
            std::thread::sleep(Duration::from_secs(1));
            response("200 OK", "set-cookie: a=1\r\nset-cookie: b=2\r\n", "slow")
        }
        "/here" => response("302 Found", "location: /echo\r\n", ""),
        _ => response("404 Not Found", "", "nothing"),
    });
    let cases = Cases::start(
        r#"{
            get = function(url) local r, why = http.get(url, { headers = { ["X-Me"] = "dunlin" } }) return if r then r.status else nil, why or r.body end,
            post = function(url) local r = http.post(url, "the body") return r.status, r.body, r.headers["x-kind"] end,
            json = function(url) local r = http.request({ method = "put", url = url, json = { a = { 1, 2 } } }) return r.body end,
            header = function(url) return http.get(url, { headers = { a = "line\nbreak" } }) end,
            body = function(url) return http.post(url, string.rep("x", 70000)) end,
            soon = function(url) return http.get(url, { timeout = 0.1 }) end,
            never = function(url) return http.get(url, { timeout = "soon" }) end,
            wrong = function() return http.get(42) end,
            option = function() return http.get("http://127.0.0.1/", { ["tie" .. "meout"] = 1 }) end,
        }"#,
        "http.allow = [\"127.0.0.1:*\"]\nhttp.redirects = 1\nhttp.request = \"64KiB\"",
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
    // Only one redirect is followed here; the next is the answer.
    assert_eq!(cases.run("get", &url("/twice")).results[0], 302);
    let soon = cases.run("soon", &url("/slow"));
    assert!(
        soon.why().contains("did not answer within 100ms") && soon.took < Duration::from_millis(500),
        "{soon:?}"
    );
    assert!(
        cases
            .run("never", &url("/"))
            .why()
            .contains("(timeout) must be a number of seconds, above 0")
    );
    assert!(
        cases
            .run("body", &url("/echo"))
            .why()
            .contains("the body is larger than 65536 bytes")
    );
    // What a script asks wrongly, perhaps with a stranger's words, leaves the server in good repute.
    for _ in 0..8 {
        assert!(
            cases
                .run("header", &url("/echo"))
                .why()
                .contains("`a` or its value is no header")
        );
        assert!(cases.run("get", &url("/large")).why().contains("larger than"));
    }
    assert_eq!(cases.run("get", &url("/echo")).results[0], 200);
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
    assert!(
        cases
            .run("option", "")
            .why()
            .contains("unknown option `tiemeout`")
    );
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

#[test]
fn more_at_once_than_allowed_are_turned_away() {
    let server = Http::start(|_, _| {
        std::thread::sleep(Duration::from_millis(500));
        response("200 OK", "", "slow")
    });
    let cases = Cases::start(
        "{ get = function(url) local r, why = http.get(url) return if r then r.status else nil, why end }",
        "http.allow = [\"127.0.0.1:*\"]\nhttp.in_flight = 3",
    );
    let url = format!("http://{}/", server.address);
    let mut clients: Vec<_> = (0..10).map(|_| cases.client()).collect();
    for client in &mut clients {
        client.publish(publish("case/get", url.as_str()));
    }
    let outcomes: Vec<_> = clients.iter_mut().map(outcome).collect();
    let served = outcomes.iter().filter(|got| got.results[0] == 200).count();
    let busy = outcomes
        .iter()
        .filter(|got| got.why().contains("is busy: 3 requests are under way"))
        .count();
    assert_eq!((served, busy), (3, 7), "{outcomes:?}");
    assert_eq!(cases.run("get", &url).results[0], 200);
}

#[test]
fn a_certificate_is_trusted_when_the_entry_says_so() {
    let server = Https::start(|_, _| response("200 OK", "", "secret"));
    let get =
        "{ get = function(url) local r, why = http.get(url) return if r then r.body else nil, why end }";
    let port = server.address.port();
    let url = format!("https://localhost:{port}/?token=tell-nobody");
    let entry = format!("http.allow = [\"localhost:{port}\", \"127.0.0.1:*\"]");
    let strict = Cases::start(get, &entry);
    let refused = strict.run("get", &url);
    assert!(refused.why().contains("certificate"), "{refused:?}");
    assert!(!refused.why().contains("tell-nobody"), "{refused:?}");
    let file = strict.folder.join("authority.pem");
    std::fs::write(&file, &server.certificate).unwrap();
    let entry = format!("{entry}\nhttp.ca = \"{}\"", file.display());
    let trusting = Cases::start(get, &entry);
    let got = trusting.run("get", &url);
    assert_eq!(got.results[0], "secret", "{got:?}");
    // It is of `localhost` and of nobody else.
    let other = trusting.run("get", &format!("https://127.0.0.1:{port}/"));
    assert!(other.why().contains("certificate"), "{other:?}");
}
