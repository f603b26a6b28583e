//! What one session is subscribed to.

use crate::message::SubscriptionOptions;
use crate::topic::TopicFilter;

/// Filters with their options, sorted by the filter's text: most sessions have one or two, so a plain list is smaller
/// than a map, and one with ten thousand is still found in 14 steps.
#[derive(Clone, Debug, Default)]
pub struct Subscriptions(Vec<(TopicFilter, SubscriptionOptions)>);

impl Subscriptions {
    /// Adds a subscription or replaces the one with this filter [MQTT-3.8.4-3]; tells whether there was one.
    pub fn insert(&mut self, filter: TopicFilter, options: SubscriptionOptions) -> bool {
        match self.place(&filter) {
            Ok(place) => {
                if let Some(entry) = self.0.get_mut(place) {
                    entry.1 = options;
                }
                true
            }
            Err(place) => {
                self.0.insert(place, (filter, options));
                false
            }
        }
    }

    /// Ends the subscription with exactly this filter [MQTT-3.10.4-1]; tells whether there was one.
    pub fn remove(&mut self, filter: &TopicFilter) -> bool {
        self.place(filter).map(|place| self.0.remove(place)).is_ok()
    }

    /// Is there one with this filter?
    #[must_use]
    pub fn contains(&self, filter: &TopicFilter) -> bool {
        self.place(filter).is_ok()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &(TopicFilter, SubscriptionOptions)> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// There is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn place(&self, filter: &TopicFilter) -> Result<usize, usize> {
        self.0
            .binary_search_by(|(known, _)| known.as_str().cmp(filter.as_str()))
    }
}

impl FromIterator<(TopicFilter, SubscriptionOptions)> for Subscriptions {
    fn from_iter<I: IntoIterator<Item = (TopicFilter, SubscriptionOptions)>>(all: I) -> Self {
        let mut subscriptions = Self::default();
        for (filter, options) in all {
            subscriptions.insert(filter, options);
        }
        subscriptions
    }
}
