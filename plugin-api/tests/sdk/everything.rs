//! A plugin that has every hook, and answers each with all that it can.

use dunlin_plugin_api::prelude::*;
use serde_json::json;
use std::sync::Mutex;
use std::thread::JoinHandle;
use std::time::Duration;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    word: String,
    #[serde(default)]
    panics: bool,
}

/// Has every hook, and answers each with all that it can.
pub struct Everything {
    host: Host,
    settings: Settings,
    count: Option<State>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Everything {
    fn later(&self, work: impl FnOnce() + Send + 'static) {
        self.threads.lock().unwrap().push(std::thread::spawn(work));
    }
}

pub fn everywhere() -> Properties {
    Properties {
        payload_is_text: Some(true),
        message_expiry: Some(u32::MAX),
        content_type: Some("text/plain".to_owned()),
        response_topic: Some("r".to_owned()),
        correlation_data: Some(vec![0, 255]),
        user: vec![("a".to_owned(), "b".to_owned()), ("a".to_owned(), String::new())],
    }
}

impl Plugin for Everything {
    type Settings = Settings;
    const HOOKS: &'static [Hook] = Hook::ALL;
    const WAITS: &'static [Hook] = &[Hook::AuthorizePublish];
    const PAYLOAD: &'static [Hook] = &[Hook::AuthorizePublish];
    const THREADS: bool = true;
    const CACHE: &'static [Cache] = &[Cache {
        hook: Hook::AuthorizeSubscribe,
        ttl: 60,
        by: &["filter"],
    }];
    const ORIGINS: &'static [(Hook, &'static [&'static str])] = &[(Hook::Publish, &["client", "broker"])];
    const OWNS: &'static [&'static str] = &["$SYS/mine/#"];

    fn create(host: Host, setup: Setup<Settings>) -> Result<Self, Error> {
        assert!(!setup.settings.panics, "as asked");
        if setup.settings.word.is_empty() {
            return Err("the setting `word` is empty".into());
        }
        tracing::info!(policy = setup.policy, "created");
        Ok(Self {
            host,
            settings: setup.settings,
            count: setup.previous,
            threads: Mutex::default(),
        })
    }

    fn self_test(&self) -> Result<(), Error> {
        match self.settings.word.as_str() {
            "untested" => Err("not that word".into()),
            _ => Ok(()),
        }
    }

    fn export_state(&self) -> Option<State> {
        self.count.clone()
    }

    fn quiesce(&self, _deadline: Duration) -> usize {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap());
        threads
            .into_iter()
            .map(|thread| thread.join().is_err())
            .filter(|bad| *bad)
            .count()
    }

    fn on_tick(&self, now: f64, _: &Later<'_, Number>) -> Answer<Number> {
        Some(now + 1.0).into()
    }

    fn connect(&self, event: &Connect<'_>, _: &Later<'_, Connecting>) -> Answer<Connecting> {
        match event.connect.client_id {
            "go" => Connecting::Redirect {
                server: "other:1883".to_owned(),
                permanently: true,
            },
            "no" => Connecting::Reject {
                code: 0x85,
                reason: "no".to_owned(),
            },
            id => Connecting::Patch(ConnectPatch {
                client_id: Some(format!("{id}-2")),
                keep_alive: Some(event.connect.keep_alive / 2),
                clean_start: Some(!event.connect.clean_start),
                session_expiry: event.connect.session_expiry,
                will: event.connect.will.clone(),
                remove_will: false,
                instance: Some("mqtt-b".to_owned()),
            }),
        }
        .into()
    }

    fn authenticate(&self, event: &Authenticate<'_>, later: &Later<'_, Login>) -> Answer<Login> {
        match event.username {
            Some("now") => Login::Allow(Grant {
                attrs: json!({ "role": "meter" }),
                acl: vec![vec!["allow".to_owned(), "publish".to_owned(), "a/#".to_owned()]],
                expires_at: Some(1.5),
                keep_alive: Some(u16::MAX),
                session_expiry: Some(u32::MAX),
                receive_maximum: Some(1),
                maximum_packet_size: Some(0),
                data: Some(Vec::new()),
                any_client_id: true,
                depends: vec!["key/a".to_owned(), "group/GID_a".to_owned()],
            })
            .into(),
            Some("certificate") => {
                let tls = event.client.tls().unwrap();
                let attrs = json!([
                    tls.cn(),
                    tls.serial(),
                    tls.ca_serial(),
                    tls.valid_from(),
                    tls.valid_until()
                ]);
                Login::deny(attrs.to_string()).into()
            }
            Some("later") => {
                let ticket = later.ticket();
                self.later(move || {
                    std::thread::sleep(Duration::from_millis(5));
                    assert!(ticket.complete(Login::deny("later")));
                });
                Answer::Later
            }
            Some("dropped") => {
                let ticket = later.ticket();
                self.later(move || drop(ticket));
                Answer::Later
            }
            Some("both") => {
                let ticket = later.ticket();
                ticket.complete(Login::allow());
                Login::allow().into()
            }
            Some("twice") => {
                later.ticket().complete(Login::allow());
                assert!(!later.ticket().complete(Login::deny("second")));
                Answer::Later
            }
            Some("forgotten") => Answer::Later,
            Some("panic") => panic!("as asked"),
            Some("failed") => Answer::failed("no backend"),
            Some(_) => Login::Continue {
                data: event.password.unwrap_or_default().to_vec(),
                state: json!([1]),
            }
            .into(),
            None => Login::Next.into(),
        }
    }

    fn auth_continue(&self, event: &AuthContinue<'_>, _: &Later<'_, Login>) -> Answer<Login> {
        assert_eq!((event.method, event.state), (Some("m"), Some("[1]")));
        Login::allow().into()
    }

    fn expiring(&self, event: &Expiring<'_>, _: &Later<'_, Controlling>) -> Answer<Controlling> {
        if event.ended {
            return Controlling::Disconnect {
                code: Some(0x98),
                reason: "ended".to_owned(),
            }
            .into();
        }
        Controlling::Do(Controlled {
            messages: vec![NewMessage::new("$SYS/soon", b"soon".to_vec())],
            expires_at: Some(event.expires_at + 1.0),
            attrs: Some(json!({ "role": "reader" })),
            acl: Some(Vec::new()),
            depends: (event.expires_at > 1.0).then(Vec::new),
        })
        .into()
    }

    fn control(&self, _: &Control<'_>, later: &Later<'_, Controlling>) -> Answer<Controlling> {
        let _ticket = later.ticket();
        Controlling::Pass.into()
    }

    fn connack(&self, event: &Connack<'_>) -> Answer<Change<ConnackPatch>> {
        Change::Patch(ConnackPatch {
            user: vec![("code".to_owned(), event.code.to_string())],
            reason_string: Some(String::new()),
            ..ConnackPatch::default()
        })
        .into()
    }

    fn authorize_publish(&self, event: &AuthorizePublish<'_>, later: &Later<'_, Access>) -> Answer<Access> {
        assert_eq!(event.size, event.payload.unwrap().len() as u64);
        match event.topic {
            "later" => {
                let ticket = later.ticket();
                self.later(move || assert!(ticket.complete(Access::Allow)));
                Answer::Later
            }
            "end" => Access::Disconnect {
                reason: "end".to_owned(),
            }
            .into(),
            "wrong" => Access::AllowAt(9).into(),
            _ => Access::Next.into(),
        }
    }

    fn publish(
        &self,
        event: &Publish<'_>,
        later: &Later<'_, Change<PublishPatch>>,
    ) -> Answer<Change<PublishPatch>> {
        if event.message.topic() == "later" {
            let ticket = later.ticket();
            assert!(ticket.complete(Change::Pass));
            return Answer::Later;
        }
        Change::Patch(PublishPatch {
            topic: Some(event.message.topic().to_uppercase()),
            payload: Some(event.message.payload().to_vec()),
            qos: Some(2),
            retain: Some(event.message.retain()),
            properties: Some(event.message.properties()),
            more: vec![
                NewMessage::new("m", "1"),
                NewMessage {
                    properties: everywhere(),
                    ..NewMessage::new("n", "2")
                },
            ],
        })
        .into()
    }

    fn authorize_subscribe(&self, event: &AuthorizeSubscribe<'_>, _: &Later<'_, Access>) -> Answer<Access> {
        Access::AllowAt(event.qos.min(1)).into()
    }

    fn subscribe(&self, event: &Subscribe<'_>) -> Answer<Filters> {
        let mut filters = event.filters.clone();
        filters.push(Filter {
            filter: "more".to_owned(),
            ..Filter::default()
        });
        Some(filters).into()
    }

    fn unsubscribe(&self, event: &Unsubscribe<'_>) -> Answer<Topics> {
        Some(event.filters.iter().map(|filter| filter.to_uppercase()).collect()).into()
    }

    fn route(&self, event: &Route<'_>) -> Answer<Change<Routed>> {
        Change::Patch(Routed {
            topics: vec![event.receivers.to_string()],
            clients: vec!["c".to_owned()],
        })
        .into()
    }

    fn authorize_deliver(&self, _: &AuthorizeDeliver<'_>) -> Answer<Access> {
        Access::deny("").into()
    }

    fn deliver(&self, _: &Deliver<'_>) -> Answer<Change<DeliverPatch>> {
        Change::Patch(DeliverPatch {
            payload: Some(Vec::new()),
            properties: None,
        })
        .into()
    }

    fn p2p(&self, event: &P2p<'_>) -> Answer<Access> {
        Access::deny(event.target).into()
    }

    fn offline(&self, _: &Offline<'_>) -> Answer<Change<std::convert::Infallible>> {
        Change::Drop("pushed".to_owned()).into()
    }

    fn will(&self, event: &Will<'_>) -> Answer<Change<WillPatch>> {
        Change::Patch(WillPatch {
            retain: Some(!event.message.retain()),
            ..WillPatch::default()
        })
        .into()
    }

    fn limit(&self, event: &Limit<'_>) -> Answer<Number> {
        (event.name == "clients").then_some(0.0).into()
    }

    fn rule_action(&self, event: &RuleAction<'_>, _: &Later<'_, Batch>) -> Answer<Batch> {
        let each = event.messages.iter().map(|message| match message.qos {
            0 => ActionResult::Done,
            1 => ActionResult::Retry(30.0),
            _ => ActionResult::DeadLetter("never".to_owned()),
        });
        Batch::Each(each.collect()).into()
    }

    fn session_start(&self, events: &[SessionStart<'_>]) {
        for event in events {
            self.host
                .counter_add("starts", &[("client", event.client.client_id())], 1.0)
                .unwrap();
        }
    }

    fn dropped(&self, _: &[Dropped<'_>]) {
        panic!("as asked");
    }
}
