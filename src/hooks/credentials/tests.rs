mod certificates;

use std::sync::Arc;

use serde_json::json;

use super::tokens::{Claims, digest, sign};
use super::*;

const INSTANCE: &str = "mqtt-cn-test0000001";
const NOW: Millis = Millis(1_600_000_000_000);

fn of(registry: &Registry) -> Credentials<'_> {
    Credentials::of(registry, INSTANCE, NOW)
}

fn all(secrets: bool) -> Which<'static> {
    Which {
        prefix: "",
        after: None,
        most: 100,
        secrets,
    }
}

fn wish(until: u64) -> TokenRequest {
    TokenRequest {
        actions: "R,W".into(),
        resources: vec!["b/+/c".into(), "a/#".into(), "b/+/c".into()],
        until,
    }
}

/// What the registry has under this name.
fn kept(registry: &Registry, kind: &str, name: &str) -> Value {
    let record = registry.get(INSTANCE, kind, name).unwrap();
    Value::Object(record.value.clone())
}

// The vector was computed with Python's hmac, hashlib and base64.
const TOKEN: &str = "DT1.eyJpIjoibXF0dC1jbi10ZXN0MDAwMDAwMSIsImEiOiJSVyIsInIiOlsiYS8jIiwiYi8rL2MiXSwiZSI6MTcwMDAwMDAwMDAwMCwibiI6IkFiQ2RFZkdoSWpLbE1uT3AifQ.jB7KScLGA5I1BeNNySBhxBBsh9GKinv3my6h-bId2r4";
const DIGEST: &str = "8df6f92a0db3d00b1168d2e74ba412bd63f81f245b11298d74b6c0047ee2a3c4";
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn claims() -> Claims {
    Claims {
        instance: INSTANCE.into(),
        actions: "RW".into(),
        resources: vec!["a/#".into(), "b/+/c".into()],
        expires: 1_700_000_000_000,
        nonce: "AbCdEfGhIjKlMnOp".into(),
    }
}

#[tokio::test]
async fn a_token_is_as_it_is_written_down() {
    let key: Vec<u8> = (0..32).collect();
    assert_eq!(sign(&key, &claims()).unwrap(), TOKEN);
    assert_eq!(digest(TOKEN), DIGEST);
    let registry = Registry::default();
    let value = fields([("secret", KEY.into()), ("created", 1.into())]);
    let place = RecordKey::new(INSTANCE, kind::TOKEN_KEY, "current");
    registry.put(place, value, Expect::Nothing).await.unwrap();
    assert!(of(&registry).token_holds(TOKEN));
    // Whatever is changed, it does not hold.
    for at in 0..TOKEN.len() {
        let mut other = TOKEN.as_bytes().to_vec();
        other[at] = if other[at] == b'A' { b'B' } else { b'A' };
        let other = String::from_utf8(other).unwrap();
        assert!(!of(&registry).token_holds(&other), "{at}: {other}");
    }
    for cut in 0..TOKEN.len() {
        assert!(!of(&registry).token_holds(&TOKEN[..cut]));
    }
    for nonsense in ["", ".", "..", "...", "DT1..", "é.ü.ö"] {
        assert!(!of(&registry).token_holds(nonsense), "{nonsense}");
    }
    let later = Credentials::of(&registry, INSTANCE, Millis(1_700_000_000_000));
    assert!(!later.token_holds(TOKEN));
    let just = Credentials::of(&registry, INSTANCE, Millis(1_699_999_999_999));
    assert!(just.token_holds(TOKEN));
    // Another instance's key is another one, and even with the same one it is not its token.
    let other = Credentials::of(&registry, "mqtt-other", NOW);
    assert!(!other.token_holds(TOKEN));
    let record = registry.get(INSTANCE, kind::TOKEN_KEY, "current").unwrap();
    let place = RecordKey::new("mqtt-other", kind::TOKEN_KEY, "current");
    registry
        .put(place, record.value.clone(), Expect::Nothing)
        .await
        .unwrap();
    assert!(!other.token_holds(TOKEN));

    of(&registry).revoke_token(TOKEN).await.unwrap();
    assert!(!of(&registry).token_holds(TOKEN));
    assert_eq!(
        kept(&registry, kind::REVOKED_TOKEN, DIGEST),
        json!({ "expires": 1_700_000_000_000_u64 })
    );
    let forged = of(&registry).revoke_token(&TOKEN.replace("DT1", "DT2")).await;
    assert!(matches!(forged, Err(CredentialError::Wrong(_))), "{forged:?}");
}

#[tokio::test]
async fn a_token_holds_between_a_minute_and_30_days() {
    let registry = Registry::default();
    let apply = async |ahead: u64| of(&registry).apply_token(&wish(NOW.0 + ahead)).await;
    let short = apply(59_999).await;
    assert_eq!(
        short.unwrap_err().to_string(),
        "a token expires 60 seconds from now at the earliest; name a later time"
    );
    assert!(matches!(apply(59_000).await, Err(CredentialError::Wrong(_))));
    assert_eq!(apply(60_000).await.unwrap().expires, NOW.0 + 60_000);
    const DAY: u64 = 24 * 60 * 60 * 1000;
    assert_eq!(apply(30 * DAY).await.unwrap().expires, NOW.0 + 30 * DAY);
    assert_eq!(apply(30 * DAY + 1).await.unwrap().expires, NOW.0 + 30 * DAY);
    let for_ever = of(&registry).apply_token(&wish(u64::MAX)).await.unwrap();
    assert_eq!(for_ever.expires, NOW.0 + 30 * DAY);
    assert!(of(&registry).token_holds(for_ever.text.reveal()));
    let again = apply(60_000).await.unwrap();
    assert_ne!(again, apply(60_000).await.unwrap());
    assert!(matches!(
        of(&registry).apply_token(&wish(0)).await,
        Err(CredentialError::Wrong(_))
    ));
}

#[tokio::test]
async fn a_token_is_for_so_many_filters_and_no_more() {
    let registry = Registry::default();
    let apply = async |actions: &str, resources: Vec<String>| {
        let until = NOW.0 + 100_000;
        let actions = actions.to_owned();
        of(&registry)
            .apply_token(&TokenRequest {
                actions,
                resources,
                until,
            })
            .await
            .map_err(|error| error.to_string())
    };
    let many = |n: usize| (0..n).map(|n| format!("t/{n}")).collect::<Vec<_>>();
    assert!(apply("R", many(100)).await.is_ok());
    assert_eq!(
        apply("R", many(101)).await.unwrap_err(),
        "a token has 1 to 100 resources; here are 101"
    );
    assert!(apply("R", Vec::new()).await.is_err());
    for wrong in [
        "",
        "a/#/b",
        "a+",
        "$share/g/a",
        "a\u{1b}b",
        &"x".repeat(241),
        &"ü".repeat(200),
    ] {
        let said = apply("R", vec![wrong.to_owned()]).await.unwrap_err();
        assert!(!said.contains('\u{1b}'), "{said}");
    }
    assert!(apply("R", vec!["x".repeat(240)]).await.is_ok());
    for actions in ["R", "W", "RW", "R,W", "W,R"] {
        assert!(apply(actions, many(1)).await.is_ok());
    }
    for actions in ["", "r", "R,R", "X", "RWX"] {
        assert!(apply(actions, many(1)).await.is_err(), "{actions}");
    }
}

#[tokio::test]
async fn two_that_want_the_first_token_get_one_key() {
    let registry = Registry::default();
    let wish = wish(NOW.0 + 100_000);
    let (one, other) = (of(&registry), of(&registry));
    let (one, other) = tokio::join!(one.apply_token(&wish), other.apply_token(&wish));
    for token in [one.unwrap(), other.unwrap()] {
        assert!(of(&registry).token_holds(token.text.reveal()));
    }
    let key = kept(&registry, kind::TOKEN_KEY, "current");
    assert_eq!(
        (key["secret"].as_str().unwrap().len(), &key["created"]),
        (44, &NOW.0.into())
    );
}

#[tokio::test]
async fn revocations_go_when_their_tokens_have_expired() {
    let registry = Registry::default();
    let revoke = async |n: u64, expires: u64| {
        let name = digest(&n.to_string());
        let place = RecordKey::new(INSTANCE, kind::REVOKED_TOKEN, &name);
        let value = fields([("expires", expires.into())]);
        registry.put(place, value, Expect::Nothing).await.unwrap();
    };
    for n in 0..2500 {
        revoke(n, NOW.0 - 1000 + n).await;
    }
    assert_eq!(forget_expired(&registry, INSTANCE, NOW).await, Ok(1001));
    assert_eq!(registry.count(INSTANCE, kind::REVOKED_TOKEN), 1499);
    assert_eq!(forget_expired(&registry, INSTANCE, NOW).await, Ok(0));
    assert_eq!(
        forget_expired(&registry, INSTANCE, Millis(u64::MAX)).await,
        Ok(1499)
    );
    assert!(registry.is_empty());
}

#[tokio::test]
async fn a_key_has_an_id_and_a_secret_of_its_own() {
    let registry = Registry::default();
    let made = of(&registry).create_key(None, None).await.unwrap();
    assert!(made.id.starts_with("AK") && made.id.len() == 24, "{made:?}");
    let secret = made.secret.clone().unwrap();
    assert_eq!(secret.reveal().len(), 30);
    assert!(!format!("{made:?}").contains(secret.reveal()));
    assert_eq!(
        kept(&registry, kind::ACCESS_KEY, &made.id),
        json!({ "secret": secret.reveal(), "created": NOW.0 })
    );
    let own = of(&registry)
        .create_key(Some("LTAItestAK".into()), Some(Secret::new("XXXXX")))
        .await
        .unwrap();
    assert_eq!(own.secret, Some(Secret::new("XXXXX")));
    let again = of(&registry).create_key(Some("LTAItestAK".into()), None).await;
    assert_eq!(
        again.unwrap_err().to_string(),
        "there is an access key `LTAItestAK` already; delete it first"
    );
    for id in ["", "a|b", "a b", &"a".repeat(129)] {
        assert!(
            of(&registry).create_key(Some(id.into()), None).await.is_err(),
            "{id}"
        );
    }
    for secret in ["", "a\nb", &"a".repeat(257)] {
        assert!(
            of(&registry)
                .create_key(None, Some(Secret::new(secret)))
                .await
                .is_err()
        );
    }
    let listed = of(&registry).keys(&all(false)).rows;
    assert!(listed.len() == 2 && listed.iter().all(|key| key.secret.is_none()));
    assert!(of(&registry).keys(&all(true)).rows.contains(&made));
    of(&registry).delete_key(&made.id).await.unwrap();
    let gone = of(&registry).delete_key(&made.id).await;
    assert!(matches!(gone, Err(CredentialError::Missing(_))), "{gone:?}");
}

#[tokio::test]
async fn a_device_has_one_credential_whose_secret_is_made_anew() {
    let registry = Registry::default();
    let first = of(&registry).register("GID_a@@@1").await.unwrap();
    assert!(first.id.starts_with("DC.") && first.secret.as_ref().unwrap().reveal().starts_with("DC."));
    let second = of(&registry).register("GID_a@@@1").await.unwrap();
    assert_ne!(first.id, second.id);
    let later = Credentials::of(&registry, INSTANCE, Millis(NOW.0 + 5));
    let fresh = later.refresh("GID_a@@@1").await.unwrap();
    assert_eq!(
        (&fresh.id, fresh.created, fresh.updated),
        (&second.id, NOW.0, NOW.0 + 5)
    );
    assert_ne!(fresh.secret, second.secret);
    assert_eq!(of(&registry).device("GID_a@@@1"), Ok(fresh.clone()));
    assert_eq!(
        kept(&registry, kind::DEVICE_CREDENTIAL, "GID_a@@@1"),
        json!({
            "access_key_id": fresh.id, "secret": fresh.secret.unwrap().reveal(),
            "created": NOW.0, "updated": NOW.0 + 5
        })
    );
    for id in ["GID_b@@@1", "GID_a2@@@1", "GID_a@@@2"] {
        of(&registry).register(id).await.unwrap();
    }
    let of_group = of(&registry).devices(Some("GID_a"), &all(false));
    let ids: Vec<&str> = of_group
        .rows
        .iter()
        .map(|device| device.client_id.as_str())
        .collect();
    assert_eq!((ids, of_group.next), (vec!["GID_a@@@1", "GID_a@@@2"], None));
    // Page by page.
    let mut which = Which {
        most: 1,
        ..all(false)
    };
    let first = of(&registry).devices(Some("GID_a"), &which);
    assert_eq!(first.next.as_deref(), Some("GID_a@@@1"));
    which.after = first.next.as_deref();
    let last = of(&registry).devices(Some("GID_a"), &which);
    assert_eq!((&*last.rows[0].client_id, last.next), ("GID_a@@@2", None));
    of(&registry).unregister("GID_a@@@1").await.unwrap();
    for missing in [
        of(&registry).unregister("GID_a@@@1").await,
        of(&registry).device("GID_a@@@1").map(drop),
        of(&registry).refresh("GID_a@@@1").await.map(drop),
    ] {
        assert_eq!(
            missing.unwrap_err().to_string(),
            "the client id `GID_a@@@1` has no credential; register one first"
        );
    }
    assert!(of(&registry).register("").await.is_err());
}

fn identity(kind: IdentityType, username: &str, client_id: Option<&str>) -> Identity {
    Identity {
        kind,
        username: username.into(),
        client_id: client_id.map(str::to_owned),
        sign_mode: SignMode::Signed,
        secret: Some(Secret::new("s3")),
    }
}

#[tokio::test]
async fn identities_are_of_users_or_of_clients() {
    let registry = Registry::default();
    let user = identity(IdentityType::User, "jo", None);
    let client = identity(IdentityType::Client, "jo", Some("a/b"));
    for one in [&user, &client] {
        let missing = of(&registry).update_identity(one).await;
        assert!(matches!(missing, Err(CredentialError::Missing(_))), "{missing:?}");
        of(&registry).add_identity(one).await.unwrap();
        let twice = of(&registry).add_identity(one).await;
        assert!(matches!(twice, Err(CredentialError::Exists(_))), "{twice:?}");
    }
    assert_eq!(
        kept(&registry, kind::IDENTITY, "USER/jo"),
        json!({ "type": "USER", "username": "jo", "sign_mode": "SIGNED", "secret": "s3" })
    );
    assert_eq!(
        kept(&registry, kind::IDENTITY, "CLIENT/jo/a/b")["client_id"],
        "a/b"
    );
    let mut other = user.clone();
    (other.sign_mode, other.secret) = (SignMode::Origin, Some(Secret::new("new")));
    of(&registry).update_identity(&other).await.unwrap();
    assert_eq!(of(&registry).identities(&all(true)).rows, [client.clone(), other]);
    assert!(of(&registry).identities(&all(false)).rows[1].secret.is_none());
    for wrong in [
        identity(IdentityType::User, "a|b", None),
        identity(IdentityType::User, "a/b", None),
        identity(IdentityType::User, "", None),
        identity(IdentityType::User, &"ü".repeat(65), None),
        identity(IdentityType::User, "jo", Some("a")),
        identity(IdentityType::Client, "jo", None),
        identity(IdentityType::Client, "jo", Some("")),
        Identity {
            secret: None,
            ..user.clone()
        },
    ] {
        let refused = of(&registry).add_identity(&wrong).await;
        assert!(matches!(refused, Err(CredentialError::Wrong(_))), "{wrong:?}");
    }
    let longest = identity(IdentityType::Client, &"𝄞".repeat(64), Some(&"x".repeat(240)));
    of(&registry).add_identity(&longest).await.unwrap();
    of(&registry).delete_identity(&client.key()).await.unwrap();
    let gone = of(&registry).delete_identity(&client.key()).await.unwrap_err();
    assert_eq!(
        gone.to_string(),
        "there is no identity CLIENT `jo` of the client id `a/b`"
    );
}

#[tokio::test]
async fn permissions_are_of_an_identity_for_a_filter() {
    let registry = Registry::default();
    let permission = |kind, identity: &str, topic: &str| Permission {
        kind,
        identity: identity.into(),
        topic: topic.into(),
        effect: Effect::Allow,
        action: PermitAction::PubSub,
    };
    let one = permission(IdentityType::User, "jo", "a/+/#");
    of(&registry).add_permission(&one).await.unwrap();
    assert_eq!(
        kept(&registry, kind::PERMISSION, "USER/jo/a/+/#"),
        json!({
            "type": "USER", "identity": "jo", "topic": "a/+/#", "effect": "ALLOW", "action": "PUB_SUB"
        })
    );
    let twice = of(&registry).add_permission(&one).await;
    assert_eq!(
        twice.unwrap_err().to_string(),
        "there is a permission of USER `jo` for `a/+/#` already; update it"
    );
    let changed = Permission {
        effect: Effect::Deny,
        action: PermitAction::Connect,
        ..one.clone()
    };
    of(&registry).update_permission(&changed).await.unwrap();
    assert_eq!(of(&registry).permissions(&all(false)).rows, [changed]);
    for wrong in [
        permission(IdentityType::Client, "a/b", "t"),
        permission(IdentityType::User, "a|b", "t"),
        permission(IdentityType::User, "jo", "a/#/b"),
        permission(IdentityType::User, "jo", ""),
        permission(IdentityType::User, "jo", &"x".repeat(241)),
    ] {
        let refused = of(&registry).add_permission(&wrong).await;
        assert!(matches!(refused, Err(CredentialError::Wrong(_))), "{wrong:?}");
    }
    // The longest of everything is still a name that the registry takes.
    let longest = permission(IdentityType::User, &"𝄞".repeat(64), &"x".repeat(240));
    of(&registry).add_permission(&longest).await.unwrap();
    of(&registry).delete_permission(&one.key()).await.unwrap();
    assert!(of(&registry).delete_permission(&one.key()).await.is_err());
}

#[tokio::test]
async fn the_black_list_names_client_ids() {
    let registry = Registry::default();
    of(&registry).put_on_black_list("a").await.unwrap();
    assert!(matches!(
        of(&registry).put_on_black_list("a").await,
        Err(CredentialError::Exists(_))
    ));
    assert_eq!(of(&registry).black_list(&all(false)).rows[0].created, NOW.0);
    assert_eq!(of(&registry).counts()[4], ("blacklisted", 1));
    of(&registry).take_off_black_list("a").await.unwrap();
    assert!(of(&registry).take_off_black_list("a").await.is_err());
}

#[tokio::test]
async fn records_that_say_nonsense_are_left_out() {
    let registry = Registry::default();
    for kind in [
        kind::ACCESS_KEY,
        kind::DEVICE_CREDENTIAL,
        kind::IDENTITY,
        kind::PERMISSION,
        kind::BLACK_LIST,
        kind::TOKEN_KEY,
    ] {
        let place = RecordKey::new(INSTANCE, kind, "current");
        let value = fields([("secret", 5.into()), ("type", "ROBOT".into())]);
        registry.put(place, value, Expect::Nothing).await.unwrap();
    }
    let (credentials, which) = (of(&registry), all(true));
    assert!(credentials.keys(&which).rows.is_empty() && credentials.devices(None, &which).rows.is_empty());
    assert!(
        credentials.identities(&which).rows.is_empty() && credentials.permissions(&which).rows.is_empty()
    );
    assert!(credentials.black_list(&which).rows.is_empty());
    assert!(credentials.apply_token(&wish(NOW.0 + 100_000)).await.is_err());
}
