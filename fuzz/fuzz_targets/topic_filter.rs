//! Topic filters: the first line is a filter, the second a topic name.
#![no_main]

use dunlin::topic::{TopicFilter, check_name};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &str| {
    let (filter, name) = data.split_once('\n').unwrap_or((data, "a/b"));
    let is_name = check_name(name).is_ok();
    if let Ok(filter) = TopicFilter::parse(filter) {
        let matched = is_name && filter.matches(name);
        if !filter.is_wildcard() && is_name {
            assert_eq!(
                matched,
                filter.filter() == name,
                "without wildcards only the same topic matches"
            );
        }
        if filter.filter() == "#" && is_name {
            assert_eq!(matched, !name.starts_with('$'), "[MQTT-4.7.2-1]");
        }
        assert_eq!(
            filter.is_wildcard(),
            check_name(filter.filter()).is_err(),
            "no wildcards: a topic name"
        );
    }
    // Every topic name is a filter that matches itself, but for names that are shared subscriptions by form.
    if is_name && !name.starts_with("$share") {
        assert!(TopicFilter::parse(name).unwrap().matches(name));
    }
});
