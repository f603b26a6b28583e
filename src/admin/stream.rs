//! A body that is written as its lines come: one JSON object each.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::{Bytes, Frame};
use serde::Serialize;
use tokio::sync::mpsc::Receiver;

/// How many lines one piece of the body takes, if so many are there.
const TOGETHER: usize = 256;

/// Lines until there are no more.
pub(super) struct Lines<T> {
    from: Receiver<T>,
    taken: Vec<T>,
}

impl<T> Lines<T> {
    pub(super) fn new(from: Receiver<T>) -> Self {
        Self {
            from,
            taken: Vec::new(),
        }
    }
}

impl<T: Serialize + Unpin> hyper::body::Body for Lines<T> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Self { from, taken } = self.get_mut();
        if ready!(from.poll_recv_many(cx, taken, TOGETHER)) == 0 {
            return Poll::Ready(None);
        }
        let mut text = Vec::new();
        for line in taken.drain(..) {
            // Plain structures with names for keys: they can always be written.
            if serde_json::to_writer(&mut text, &line).is_ok() {
                text.push(b'\n');
            }
        }
        Poll::Ready(Some(Ok(Frame::data(text.into()))))
    }
}
