//! explain names generation, script and line.

use crate::Administered;
use crate::support::Connect;

const SCRIPT: &str = "\
return {
  authorize_publish = function(ctx, topic, qos, retain, size)
    if size > 10 then
      return 'deny', 'too large'
    end
    return 'allow'
  end,
  authorize_subscribe = function(ctx, filter)
    if filter == 'secret' then
      return 'deny'
    end
    return 'allow', 1
  end,
}
";

#[test]
fn it_names_the_line_that_decides() {
    let broker = Administered::start(SCRIPT);
    let _client = Connect::v5("a").to(&broker.broker);
    let text = broker.says(&["explain", "a", "publish", "t", "--qos", "1"]);
    assert!(text.starts_with("allow\nby generation 1 ("), "{text}");
    assert!(text.contains("policy.lua:6"), "{text}");
    let denied = broker.json(&["explain", "a", "publish", "t", "--size", "11"]);
    let entry = &denied["entries"][0];
    assert_eq!((&denied["generation"], &entry["line"]), (&1.into(), &4.into()));
    assert!(
        denied["decision"].as_str().unwrap().contains("too large"),
        "{denied}"
    );
    assert!(
        entry["file"].as_str().unwrap().ends_with("policy.lua"),
        "{denied}"
    );
    assert!(
        broker
            .says(&["explain", "a", "subscribe", "secret"])
            .contains("policy.lua:10")
    );
    assert!(
        broker
            .says(&["explain", "a", "subscribe", "$share/g/x/#", "--qos", "2"])
            .contains("policy.lua:12")
    );
}

#[test]
fn it_is_about_clients_that_are_there_or_have_a_session() {
    let broker = Administered::start(SCRIPT);
    let nobody = broker.ask(&["explain", "nobody", "publish", "t"]);
    assert!(
        nobody.code == 1 && nobody.err.contains("there is no client `nobody`"),
        "{nobody:?}"
    );
    Connect::v5("gone").expiry(60).to(&broker.broker).disconnect();
    crate::support::sleep(50);
    assert!(
        broker
            .says(&["explain", "gone", "publish", "t"])
            .starts_with("allow\n")
    );
}
