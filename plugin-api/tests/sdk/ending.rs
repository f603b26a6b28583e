//! What a plugin can still do at its end, and a test after it.

use dunlin_plugin_api::prelude::*;
use std::sync::Mutex;
use std::time::Duration;

/// What the host said at the end.
static SAID: Mutex<Option<Result<(), Refused>>> = Mutex::new(None);

struct Stubborn {
    host: Host,
    left: usize,
}

impl Plugin for Stubborn {
    type Settings = usize;
    const HOOKS: &'static [Hook] = &[];

    fn create(host: Host, setup: Setup<usize>) -> Result<Self, Error> {
        let left = setup.settings;
        Ok(Self { host, left })
    }

    fn self_test(&self) -> Result<(), Error> {
        assert!(self.left < 9, "as asked");
        Ok(())
    }

    fn on_unload(&self, _: Unload) {
        *SAID.lock().unwrap() = Some(self.host.after(Duration::ZERO, || ()));
    }

    fn quiesce(&self, _: Duration) -> usize {
        self.left
    }
}

#[test]
fn what_a_mock_host_lends_outlives_it() {
    let mock = MockHost::<Stubborn>::new("0").unwrap();
    let host = mock.host().unwrap();
    host.kv_set(Space::Own, b"k", b"v", None).unwrap();
    drop(mock);
    assert_eq!(host.kv_get(Space::Own, b"k"), Ok(Some(b"v".to_vec())));
}

#[test]
fn at_its_end_a_plugin_begins_nothing() {
    assert_eq!(MockHost::<Stubborn>::new("0").unwrap().unload(), 0);
    assert_eq!(SAID.lock().unwrap().take(), Some(Err(Refused::NotServing)));
    assert_eq!(MockHost::<Stubborn>::new("2").unwrap().unload(), 2);
}

#[test]
fn a_self_test_that_panics_says_what() {
    let refused = MockHost::<Stubborn>::new("9").unwrap_err();
    assert_eq!(refused, "the plugin panicked: as asked");
}

#[test]
fn the_log_has_lines() {
    let mock = MockHost::<Stubborn>::new("0").unwrap();
    let host = mock.host().unwrap();
    host.log(Level::Info, "t", "one\n  two\r\n\n three\n");
    host.log(Level::Info, "t", " as it is ");
    let texts: Vec<_> = mock.logs().into_iter().map(|line| line.text).collect();
    assert_eq!(texts, ["one two three", " as it is "]);
}
