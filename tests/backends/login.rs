//! Logins against a backend that dies: known clients go on where the policy's entry says so.

use crate::servers::Http;
use crate::support::{Broker, Connect};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn known_clients_go_on_by_stale_and_strangers_do_not() {
    let down = Arc::new(AtomicBool::new(false));
    let dead = Arc::clone(&down);
    let server = Http::start(move |_, body| {
        if dead.load(Ordering::Relaxed) {
            return crate::servers::response("503 Service Unavailable", "", "");
        }
        let right = body == "known:secret";
        crate::servers::response(if right { "200 OK" } else { "401 Unauthorized" }, "", "")
    });
    let folder = crate::support::broker::folder();
    let open = std::fs::read_to_string(crate::support::broker::root().join("dunlin.open.toml")).unwrap();
    let block = "\n[[policy]]\nname = \"login\"\nscript = \"login.lua\"\non_error = { answer = \"stale\", stale = \"1h\" }\nhttp.allow = [\"127.0.0.1:*\"]\n[policy.breaker]\nleast = 1000\n";
    std::fs::write(folder.join("dunlin.toml"), open + block).unwrap();
    let script = r#"return { authenticate = function(ctx, username, password)
        local answer, why = http.post("http://ADDRESS/", username .. ":" .. (password or ""))
        if not answer or answer.status >= 500 then error(why or "the server is ill") end
        return if answer.status == 200 then "allow" else "deny", if answer.status == 200 then nil else 0x86
    end }"#;
    std::fs::write(
        folder.join("login.lua"),
        script.replace("ADDRESS", &server.address.to_string()),
    )
    .unwrap();
    let broker = Broker::start_with(&folder.join("dunlin.toml"), &[]);
    let login = |name: &str, password: &str| {
        Connect::v5("client")
            .username(name)
            .password(password)
            .answer(&broker)
            .1
            .code()
    };
    assert_eq!(login("known", "secret"), 0);
    assert_eq!(login("known", "guess"), 0x86);
    down.store(true, Ordering::Relaxed);
    assert_eq!(login("known", "secret"), 0, "{}", broker.log_tail());
    // What was refused stays refused, and who was never seen is not let in.
    assert_eq!(login("known", "guess"), 0x86);
    assert_eq!(login("known", "secret2"), 0x88);
    assert_eq!(login("stranger", "secret"), 0x88);
    down.store(false, Ordering::Relaxed);
    assert_eq!(login("known", "guess"), 0x86);
    let _ = std::fs::remove_dir_all(folder);
}
