//! Posts what a rule matched to a web server, a batch a request.
//!
//! ```toml
//! [[policy]]
//! name = "rule-webhook"
//! plugin = "librule_webhook.so"
//! [policy.settings]
//! url = "https://hooks.example.com/mqtt"   # a rule's own `url` counts before this one
//! token = "..."                            # optional: sent as "Authorization: Bearer ..."
//! workers = 2                              # requests at a time
//! waiting = 100                            # batches that may wait for a worker; more come again later
//! timeout_ms = 5000                        # of one request
//! ```
//!
//! It says what `scripts/webhook.lua` says: 2xx is done; 4xx is the messages' own fault, a dead letter (408 and 429 are
//! not); anything else is tried again, later each time, a minute at most. Payloads go as text, or as base64 where they
//! are none.

mod workers;

use base64::Engine;
use dunlin_plugin_api::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use workers::Workers;

/// The entry's `settings`.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where to, for rules that do not say.
    url: Option<String>,
    /// Sent as a bearer token.
    token: Option<String>,
    /// How many requests at a time.
    #[serde(default = "two")]
    workers: usize,
    /// How many batches may wait.
    #[serde(default = "hundred")]
    waiting: usize,
    /// How long a request may take, in milliseconds.
    #[serde(default = "five_seconds")]
    timeout_ms: u64,
}

fn two() -> usize {
    2
}

fn hundred() -> usize {
    100
}

fn five_seconds() -> u64 {
    5000
}

/// What all workers share.
#[derive(Debug)]
struct Sender {
    agent: ureq::Agent,
    authorization: Option<String>,
    /// Failures in a row.
    failures: AtomicU32,
}

/// A batch on its way.
#[derive(Debug)]
struct Post {
    url: String,
    body: String,
    messages: usize,
    ticket: Ticket<Batch>,
}

impl Sender {
    fn post(&self, url: &str, body: &str) -> Result<u16, ureq::Error> {
        let mut request = self.agent.post(url).header("Content-Type", "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        request.send(body).map(|response| response.status().as_u16())
    }

    fn work(&self, post: Post) {
        let result = match self.post(&post.url, &post.body) {
            Ok(200..300) => {
                self.failures.store(0, Ordering::Relaxed);
                ActionResult::Done
            }
            Ok(status @ 400..500) if status != 408 && status != 429 => {
                self.failures.store(0, Ordering::Relaxed);
                ActionResult::DeadLetter(format!("the server answered {status}"))
            }
            Ok(status) => self.again(&format!("the server answered {status}")),
            Err(error) => self.again(&error.to_string()),
        };
        post.ticket.complete(Batch::Each(vec![result; post.messages]));
    }

    /// After n failures in a row: 1, 2, 4, ... 60 seconds.
    fn again(&self, why: &str) -> ActionResult {
        let before = self.failures.fetch_add(1, Ordering::Relaxed);
        let seconds = f64::from(1_u32 << before.min(6)).min(60.0);
        tracing::warn!(why, seconds, "a batch is tried again");
        ActionResult::Retry(seconds)
    }
}

/// The plugin.
#[derive(Debug)]
pub struct RuleWebhook {
    url: Option<String>,
    workers: Workers<Post>,
}

impl Plugin for RuleWebhook {
    type Settings = Settings;
    const HOOKS: &'static [Hook] = &[Hook::RuleAction];
    const THREADS: bool = true;

    fn create(_host: Host, setup: Setup<Settings>) -> Result<Self, Error> {
        let settings = setup.settings;
        if settings.workers == 0 || settings.workers > 64 {
            return Err("the setting `workers` is from 1 to 64".into());
        }
        if let Some(url) = &settings.url {
            check(url)?;
        }
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_millis(settings.timeout_ms.max(1))))
            .http_status_as_error(false)
            .max_redirects(0)
            .build()
            .into();
        let sender = Arc::new(Sender {
            agent,
            authorization: settings.token.map(|token| format!("Bearer {token}")),
            failures: AtomicU32::new(0),
        });
        let workers = Workers::start("rule-webhook", settings.workers, settings.waiting, move |post| {
            sender.work(post);
        })?;
        Ok(Self {
            url: settings.url,
            workers,
        })
    }

    fn rule_action(&self, event: &RuleAction<'_>, later: &Later<'_, Batch>) -> Answer<Batch> {
        let rule: Value = match serde_json::from_str(event.rule) {
            Ok(rule) => rule,
            Err(error) => return Answer::failed(format!("the rule: {error}")),
        };
        let url = match rule.get("url") {
            Some(Value::String(url)) => Some(url.clone()),
            Some(_) => return Answer::failed("the rule's `url` is no text"),
            None => self.url.clone(),
        };
        let Some(url) = url else {
            return Answer::failed("neither the rule nor the settings have a `url`");
        };
        if let Err(why) = check(&url) {
            return Answer::failed(why);
        }
        let body = json!({ "messages": event.messages.iter().map(written).collect::<Vec<_>>() });
        let messages = event.messages.len();
        if !self.workers.has_room() {
            return Batch::Each(vec![ActionResult::Retry(1.0); messages]).into();
        }
        let post = Post {
            url,
            body: body.to_string(),
            messages,
            ticket: later.ticket(),
        };
        // Between the question and now the last room may have gone: the ticket goes with it, and the batch comes again.
        if let Some(post) = self.workers.give(post) {
            post.ticket
                .complete(Batch::Each(vec![ActionResult::Retry(1.0); messages]));
        }
        Answer::Later
    }

    fn quiesce(&self, deadline: Duration) -> usize {
        self.workers.stop(deadline)
    }
}

export_plugin!(RuleWebhook);

fn check(url: &str) -> Result<(), String> {
    if url.starts_with("http://") || url.starts_with("https://") {
        return Ok(());
    }
    Err(format!("`{url}` begins neither with http:// nor with https://"))
}

fn written(message: &NewMessage) -> Value {
    let (payload, encoding) = match std::str::from_utf8(&message.payload) {
        Ok(text) => (text.to_owned(), "text"),
        Err(_) => (
            base64::engine::general_purpose::STANDARD.encode(&message.payload),
            "base64",
        ),
    };
    json!({ "topic": message.topic, "qos": message.qos, "payload": payload, "encoding": encoding })
}

#[cfg(test)]
mod tests;
