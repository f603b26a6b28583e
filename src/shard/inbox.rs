//! Reading on in a session's inbox, when what it holds itself has run out.

use std::sync::Arc;

use super::Shard;
use crate::router::SubscriberId;
use crate::store::{Page, StoreError};

/// How many messages are read from an inbox at a time.
const PAGE: usize = 256;

impl Shard {
    /// Reads on in the inbox of the session in `at`. One page is on its way at a time.
    pub(super) fn read_inbox(&mut self, at: u32) {
        let subscriber = self.subscriber(at);
        // What this turn has still to store is not there yet.
        let unsettled = self.unsettled.has_changes();
        let Some(live) = self.live(at) else { return };
        let after = live.session.begin_reading();
        if unsettled {
            live.session.inbox_grew();
        }
        let (key, conn) = (live.key.clone(), live.conn.number);
        let (shared, now) = (Arc::clone(&self.shared), self.now);
        let work = async move { shared.store.read(&key, after, PAGE, now).await };
        self.when_done(work, move |shard, page| shard.page_read(subscriber, conn, page));
    }

    fn page_read(&mut self, subscriber: SubscriberId, conn: u64, page: Result<Page, StoreError>) {
        let asks = self.hooks.wants_deliveries();
        let Some(live) = self.live_on(subscriber, conn) else {
            return;
        };
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                live.session.reading = false;
                return tracing::error!(%error, session = %live.key, "an inbox could not be read");
            }
        };
        let refused = if asks {
            let mut asked = Vec::with_capacity(page.deliveries.len());
            for (_, delivery) in &page.deliveries {
                asked.push(self.delivery_asked(subscriber, delivery.clone()));
            }
            let mut asked = asked.into_iter();
            let Some(live) = self.live_on(subscriber, conn) else {
                return;
            };
            live.session.take_page(page, |_| asked.next().unwrap_or_default())
        } else {
            live.session.take_page(page, Some)
        };
        for seq in refused {
            self.let_go_at(subscriber.slot, seq);
        }
        if let Some(live) = self.live_on(subscriber, conn)
            // One page a flush, and no recursion: pages may hold nothing that can be sent.
            && (live.session.has_queued() || live.session.spilled)
        {
            self.mark_dirty(subscriber.slot);
        }
    }
}
