//! How many lines one instance may write to the log: whoever logs for every message must not fill the disk.

use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// So many lines.
const LINES: u32 = 100;
/// In so much time.
const WINDOW: Duration = Duration::from_secs(1);

/// What one instance has written of late.
#[derive(Debug, Default)]
pub(super) struct Lines(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    began: Option<Instant>,
    written: u32,
    lost: u64,
}

impl Lines {
    /// Whether one more may be written. How many could not be is told before the first that can again.
    pub(super) fn allows(&self, policy: &str) -> bool {
        let (allowed, lost) = self.0.lock().take(Instant::now());
        if lost > 0 {
            tracing::warn!(
                policy,
                lost,
                "the plugin writes more than {LINES} lines a second to the log"
            );
        }
        allowed
    }
}

impl Window {
    /// Whether one more is allowed, and how many were lost in the window that has just ended.
    fn take(&mut self, now: Instant) -> (bool, u64) {
        let is_over = self
            .began
            .is_none_or(|began| now.saturating_duration_since(began) >= WINDOW);
        let mut lost = 0;
        if is_over {
            lost = std::mem::take(&mut self.lost);
            (self.began, self.written) = (Some(now), 0);
        }
        if self.written < LINES {
            self.written += 1;
            (true, lost)
        } else {
            self.lost += 1;
            (false, lost)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_room_for_so_many_and_tells_how_many_were_lost() {
        let mut window = Window::default();
        let now = Instant::now();
        assert!((0..LINES).all(|_| window.take(now) == (true, 0)));
        assert!((0..7).all(|_| window.take(now) == (false, 0)));
        assert_eq!(window.take(now + WINDOW), (true, 7));
        assert_eq!(window.take(now + WINDOW), (true, 0));
    }
}
