//! Where bodies lie, and who still wants them.

/// Where something lies on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Location {
    pub(in super::super) segment: u32,
    pub(in super::super) offset: u32,
    pub(in super::super) len: u32,
}

/// Calls a body, in memory, for as long as somebody wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct Handle(u32);

impl Handle {
    /// That of an entry without a body.
    pub(in super::super) const NONE: Self = Self(u32::MAX);
}

/// One body. There may be millions: 24 bytes.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Body {
    /// What the log calls it. Zero is a free place.
    pub(in super::super) id: u64,
    pub(in super::super) location: Location,
    /// How many entries and topics want it.
    refs: u32,
}

impl Body {
    #[cfg(test)]
    pub(in super::super) fn refs(&self) -> u32 {
        self.refs
    }
}

/// What an op takes besides its names and what is read alone, at most.
const OP: u64 = 48;

/// All bodies.
#[derive(Debug, Default)]
pub(in super::super) struct Bodies {
    places: Vec<Body>,
    free: Vec<Handle>,
    /// How many bytes of the log are still wanted, at most: as if each op spelled out its names.
    live: u64,
}

impl Bodies {
    /// Keeps a body, which nobody wants yet.
    pub(in super::super) fn insert(&mut self, id: u64, location: Location) -> Handle {
        let body = Body {
            id,
            location,
            refs: 0,
        };
        if let Some(handle) = self.free.pop()
            && let Some(place) = self.places.get_mut(handle.0 as usize)
        {
            *place = body;
            return handle;
        }
        let handle = Handle(u32::try_from(self.places.len()).unwrap_or(u32::MAX));
        self.places.push(body);
        handle
    }

    pub(in super::super) fn get(&self, handle: Handle) -> Option<&Body> {
        let body = self.places.get(handle.0 as usize)?;
        (body.id != 0).then_some(body)
    }

    /// The body that the log calls `id`, if `handle` still means it.
    pub(in super::super) fn is(&self, handle: Handle, id: u64) -> bool {
        self.get(handle).is_some_and(|body| body.id == id)
    }

    /// It lies elsewhere from now on.
    pub(in super::super) fn place(&mut self, handle: Handle, location: Location) {
        if let Some(body) = self.places.get_mut(handle.0 as usize) {
            if body.refs > 0 {
                self.live = self.live + cost(location) - cost(body.location);
            }
            body.location = location;
        }
    }

    /// One more wants it.
    pub(in super::super) fn hold(&mut self, handle: Handle) {
        if let Some(body) = self.places.get_mut(handle.0 as usize) {
            if body.refs == 0 {
                self.live += cost(body.location);
            }
            body.refs += 1;
        }
    }

    /// One less wants it; the last one lets it go.
    pub(in super::super) fn release(&mut self, handle: Handle) {
        if let Some(body) = self.places.get_mut(handle.0 as usize)
            && body.refs > 0
        {
            body.refs -= 1;
            if body.refs == 0 {
                self.live = self.live.saturating_sub(cost(body.location));
                body.id = 0;
                self.free.push(handle);
            }
        }
    }

    /// Forgets who wants what, to be told anew.
    pub(in super::super) fn forget_wants(&mut self) {
        self.live = 0;
        for body in &mut self.places {
            body.refs = 0;
        }
    }

    /// Lets go those that nobody wants, and memory that is not used.
    pub(in super::super) fn sweep(&mut self) {
        self.places.shrink_to_fit();
        for (at, body) in self.places.iter_mut().enumerate() {
            if body.refs == 0 && body.id != 0 {
                body.id = 0;
                self.free.push(Handle(u32::try_from(at).unwrap_or(u32::MAX)));
            }
        }
    }

    /// Those that lie in a segment, in its order.
    pub(in super::super) fn lying_in(&self, segment: u32) -> Vec<(u32, Handle)> {
        let places = self.places.iter().enumerate();
        let here = places.filter(|(_, body)| body.id != 0 && body.location.segment == segment);
        let mut here: Vec<_> = here
            .map(|(at, body)| {
                (
                    body.location.offset,
                    Handle(u32::try_from(at).unwrap_or(u32::MAX)),
                )
            })
            .collect();
        here.sort_unstable_by_key(|(offset, _)| *offset);
        here
    }

    /// Shows each location, to be changed.
    pub(in super::super) fn locations(&mut self) -> impl Iterator<Item = &mut Location> {
        self.places.iter_mut().map(|body| &mut body.location)
    }

    /// An op with so many bytes of names and of what is read alone is wanted.
    pub(in super::super) fn want(&mut self, bytes: usize) {
        self.live += OP + bytes as u64;
    }

    /// One like that is not wanted any more.
    pub(in super::super) fn unwant(&mut self, bytes: usize) {
        self.live = self.live.saturating_sub(OP + bytes as u64);
    }

    /// An op that is wanted has so many bytes more.
    #[cfg(test)]
    pub(in super::super) fn want_more(&mut self, bytes: usize) {
        self.live += bytes as u64;
    }

    /// How many bytes of the log are wanted, at most.
    pub(in super::super) fn live(&self) -> u64 {
        self.live
    }

    /// How many there are.
    #[cfg(test)]
    pub(in super::super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }
}

fn cost(location: Location) -> u64 {
    OP + u64::from(location.len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: u32) -> Location {
        Location {
            segment: 1,
            offset,
            len: 100,
        }
    }

    #[test]
    fn a_body_stays_until_the_last_lets_it_go() {
        let mut bodies = Bodies::default();
        let one = bodies.insert(1, at(1));
        bodies.hold(one);
        bodies.hold(one);
        bodies.release(one);
        assert!(bodies.is(one, 1) && bodies.live() == 148);
        bodies.release(one);
        assert!(!bodies.is(one, 1) && bodies.live() == 0 && bodies.len() == 0);
        let other = bodies.insert(2, at(2));
        assert_eq!(one, other, "the place is used again");
        assert!(!bodies.is(one, 1), "which is told from the one before");
        bodies.sweep();
        assert_eq!(bodies.len(), 0);
    }

    #[test]
    fn it_is_small() {
        assert_eq!(size_of::<Body>(), 24);
    }
}
