//! Topics of the product that the broker itself answers.

use super::Shard;
use crate::codec::{Publish, ReasonCode};

/// A client wants its messages in order, towards whoever gets them from the cloud: `{"order":"true"}`.
const ENABLE_ORDER: &str = "$SYS/enableOrderMsg";
/// A client of long ago asks for what was kept for it. It comes by itself.
const GET_OFFLINE: &str = "$SYS/getOfflineMsg";

/// What the first wants to hear.
#[derive(serde::Deserialize)]
struct EnableOrder {
    order: serde_json::Value,
}

impl Shard {
    /// Takes a message that is for the broker; whether it was.
    pub(super) fn on_own_topic(&mut self, at: u32, topic: &str, publish: &Publish<'_>) -> bool {
        match topic {
            ENABLE_ORDER => self.enable_order(at, publish),
            GET_OFFLINE => self.answer(at, publish, ReasonCode::SUCCESS, true),
            _ => return false,
        }
        true
    }

    fn enable_order(&mut self, at: u32, publish: &Publish<'_>) {
        let asked = serde_json::from_slice::<EnableOrder>(publish.payload);
        let wanted = match asked.as_ref().map(|asked| &asked.order) {
            Ok(serde_json::Value::Bool(wanted)) => Some(*wanted),
            Ok(serde_json::Value::String(text)) if text == "true" => Some(true),
            Ok(serde_json::Value::String(text)) if text == "false" => Some(false),
            _ => None,
        };
        let Some(wanted) = wanted else {
            self.trace_note(at, "order", || {
                format!("{ENABLE_ORDER} wants the payload {{\"order\":\"true\"}}")
            });
            return self.answer(at, publish, ReasonCode::PAYLOAD_FORMAT_INVALID, true);
        };
        if let Some(live) = self.live(at) {
            live.conn.ordered = wanted;
        }
        self.answer(at, publish, ReasonCode::SUCCESS, true);
    }
}
