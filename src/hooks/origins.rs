//! Where messages come from, as policies name it.

use crate::message::Origin;

/// A set of origins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origins(u8);

const NAMES: [(&str, Origin); 4] = [
    ("broker", Origin::Broker),
    ("client", Origin::Client),
    ("script", Origin::Script),
    ("will", Origin::Will),
];

impl Origins {
    pub(crate) const NONE: Origins = Origins(0);

    /// What a hook is asked about when its policy does not say: what clients publish, and what is published in their name.
    pub(crate) const DEFAULT: Origins = Origins(1 << Origin::Client as u8 | 1 << Origin::Will as u8);

    #[inline]
    pub(crate) const fn contains(self, origin: Origin) -> bool {
        self.0 & 1 << origin as u8 != 0
    }

    #[must_use]
    pub(crate) const fn with(self, origin: Origin) -> Origins {
        Origins(self.0 | 1 << origin as u8)
    }
}

/// The origin of that name.
pub(crate) fn origin_of(name: &str) -> Option<Origin> {
    NAMES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, origin)| *origin)
}

/// What policies call it.
pub(crate) fn name_of(origin: Origin) -> &'static str {
    NAMES
        .iter()
        .find(|(_, known)| *known == origin)
        .map_or("client", |(name, _)| name)
}

/// All names.
pub(crate) fn origin_names() -> impl Iterator<Item = &'static str> {
    NAMES.iter().map(|(name, _)| *name)
}
