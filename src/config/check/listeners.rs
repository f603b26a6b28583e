//! Listeners: what each kind needs, and no two at one place.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::Check;
use crate::config::de::nearest;
use crate::config::listeners::{ClientAuth, ClientCa, ListenerConfig, ListenerKind};
use crate::config::load::path_of;
use crate::config::problem::Problem;
use crate::config::tree::{Place, Step};

impl Check<'_> {
    pub(super) fn listeners(&mut self) {
        let config = self.config;
        let any_failed = !self.sound(&path_of(&["listeners"]));
        if !any_failed && !config.listeners.values().any(|listener| listener.enabled) {
            let place = self.root.place_of(&path_of(&["listeners"])).source.clone();
            let message = "no listener is open; add `[listeners.tcp]` with `bind = \"0.0.0.0:1883\"`";
            self.problems.push(Problem::new(Place::source(place), message));
        }
        for (name, listener) in &config.listeners {
            if listener.enabled && self.sound(&path_of(&["listeners", name])) {
                self.listener(name, listener);
            }
        }
    }

    fn listener(&mut self, name: &str, listener: &ListenerConfig) {
        let here = ["listeners", name];
        let Some(kind) = listener.kind(name) else {
            let kinds = ListenerKind::ALL.map(ListenerKind::as_str);
            let message = match nearest(name, &kinds) {
                Some(kind) => format!(
                    "listener `{name}` has no kind; did you mean `[listeners.{kind}]`? Else add `kind = \"tcp\"`"
                ),
                None => format!(
                    "listener `{name}` has no kind; add `kind = ` and one of {}",
                    quoted(&kinds)
                ),
            };
            return self.report(&here, message);
        };
        let is = kind.as_str();
        if kind == ListenerKind::Unix {
            if listener.bind.is_some() {
                self.report(
                    &["listeners", name, "bind"],
                    format!("listener `{name}` is unix and has no address; write `path` instead of `bind`"),
                );
            } else if listener.path.is_none() {
                self.report(
                    &here,
                    format!("listener `{name}` has no `path`; add `path = \"/run/dunlin/mqtt.sock\"`"),
                );
            }
        } else {
            if listener.path.is_some() {
                self.report(&["listeners", name, "path"], format!("listener `{name}` is {is} and has no path; `path` is for unix (a WebSocket is answered on any path)"));
            }
            if listener.bind.is_none() {
                self.report(
                    &here,
                    format!(
                        "listener `{name}` has no `bind`; add `bind = \"0.0.0.0:{}\"`",
                        usual_port(kind)
                    ),
                );
            }
        }
        let files = [
            ("cert", listener.cert.as_ref().map(Some)),
            ("key", listener.key.as_ref().map(Some)),
            ("client_ca", listener.client_ca.as_ref().map(ClientCa::file)),
        ];
        for (key, written) in files {
            let Some(file) = written else { continue };
            if kind.is_tls() {
                // Registered authorities are in no file.
                let Some(file) = file else { continue };
                self.readable(&path_of(&["listeners", name, key]), file, "create it");
            } else {
                self.report(&["listeners", name, key], format!("listener `{name}` is {is}, without TLS; take `{key}` out, or make its kind tls or wss"));
            }
        }
        match (&listener.cert, &listener.key) {
            (Some(_), None) => self.report(
                &["listeners", name, "cert"],
                format!("listener `{name}` has a `cert` without its `key`; add `key = \"FILE\"`"),
            ),
            (None, Some(_)) => self.report(
                &["listeners", name, "key"],
                format!("listener `{name}` has a `key` without its `cert`; add `cert = \"FILE\"`"),
            ),
            _ => {}
        }
        let asks = listener.client_auth != ClientAuth::None;
        if asks && !kind.is_tls() {
            self.report(&["listeners", name, "client_auth"], format!("listener `{name}` is {is}, without TLS; take `client_auth` out, or make its kind tls or wss"));
        } else if asks && listener.client_ca.is_none() {
            self.report(
                &["listeners", name, "client_auth"],
                format!(
                    "listener `{name}` checks client certificates against nothing; add `client_ca = \"registered\"` or `\"FILE\"`"
                ),
            );
        } else if !asks && kind.is_tls() && listener.client_ca.is_some() {
            self.report(&["listeners", name, "client_ca"], format!("listener `{name}` has a `client_ca` and asks for no certificate; add `client_auth = \"required\"` or `\"optional\"`"));
        }
    }

    /// Two listeners on one address: the system would say so too, of only one of them and without a line.
    pub(super) fn addresses(&mut self) {
        let config = self.config;
        let mut bound: Vec<(Vec<Step>, String, SocketAddr)> = Vec::new();
        let mut paths: BTreeMap<PathBuf, String> = BTreeMap::new();
        for (name, listener) in config.listeners.iter().filter(|(_, listener)| listener.enabled) {
            let kind = listener.kind(name);
            if let (Some(address), true) =
                (listener.bind, kind.is_some_and(|kind| kind != ListenerKind::Unix))
            {
                bound.push((
                    path_of(&["listeners", name, "bind"]),
                    format!("listener `{name}`"),
                    address,
                ));
            }
            if let (Some(path), Some(ListenerKind::Unix)) = (&listener.path, kind)
                && let Some(other) = paths.insert(path.clone(), name.clone())
            {
                let message =
                    format!("listener `{name}` has the path of listener `{other}`; give it another");
                self.report(&["listeners", name, "path"], message);
            }
        }
        if config.admin.enabled {
            bound.push((
                path_of(&["admin", "bind"]),
                "the admin port".to_owned(),
                config.admin.bind,
            ));
        }
        // The one written later is the one to change, whatever their names.
        bound.sort_by_key(|(path, _, _)| {
            let position = self.root.place_of(path).position;
            (position.is_none(), position)
        });
        for (index, (path, what, address)) in bound.iter().enumerate() {
            let earlier = bound
                .iter()
                .take(index)
                .find(|(_, _, other)| clash(*other, *address));
            if let Some((other_path, other, other_address)) = earlier
                && self.sound(other_path)
            {
                let (path, message) = match self.root.get(path) {
                    Some(_) => (
                        path,
                        format!(
                            "{what} is bound to {address}, where {other} is already ({other_address}); give it another port"
                        ),
                    ),
                    None => (
                        other_path,
                        format!(
                            "{other} is bound to {other_address}, where {what} is already ({address}); give it another port"
                        ),
                    ),
                };
                self.report_at(path, message);
            }
        }
    }
}

fn clash(a: SocketAddr, b: SocketAddr) -> bool {
    // A listener on all addresses of IPv6 usually takes IPv4 too, so two unspecified ones count as the same.
    let any = |address: SocketAddr| address.ip().is_unspecified();
    a.port() == b.port() && a.port() != 0 && (a.ip() == b.ip() || any(a) || any(b))
}

fn usual_port(kind: ListenerKind) -> u16 {
    match kind {
        ListenerKind::Tls => 8883,
        ListenerKind::Ws => 8083,
        ListenerKind::Wss => 8084,
        ListenerKind::Tcp | ListenerKind::Unix => 1883,
    }
}

fn quoted(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("{word:?}"))
        .collect::<Vec<_>>()
        .join(", ")
}
