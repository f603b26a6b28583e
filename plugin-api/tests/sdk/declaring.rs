//! What a mock host says to a plugin that declares nonsense, before a broker does.

use dunlin_plugin_api::prelude::*;
use dunlin_plugin_api::sdk::mock::Failure;

/// A plugin that declares this.
macro_rules! declaring {
    ($name:ident: $($declares:tt)*) => {
        #[derive(Debug)]
        struct $name;
        impl Plugin for $name {
            type Settings = serde_json::Value;
            $($declares)*
            fn create(_: Host, _: Setup<Self::Settings>) -> Result<Self, Error> {
                Ok($name)
            }
            fn connack(&self, _: &Connack<'_>) -> Answer<Change<ConnackPatch>> {
                Change::Drop(String::new()).into()
            }
        }
    };
}

fn refused<P: Plugin>() -> String {
    MockHost::<P>::new("{}").unwrap_err()
}

declaring! { Cached:
    const HOOKS: &'static [Hook] = &[Hook::AuthorizePublish];
    const CACHE: &'static [Cache] = &[Cache { hook: Hook::AuthorizePublish, ttl: 1, by: &["topic", "topc"] }];
}
declaring! { Uncached:
    const HOOKS: &'static [Hook] = &[Hook::Publish];
    const CACHE: &'static [Cache] = &[Cache { hook: Hook::Publish, ttl: 1, by: &[] }];
}
declaring! { Nowhere:
    const HOOKS: &'static [Hook] = &[Hook::Publish];
    const ORIGINS: &'static [(Hook, &'static [&'static str])] = &[(Hook::Publish, &["client", "clients"])];
}
declaring! { Anywhere:
    const HOOKS: &'static [Hook] = &[Hook::Limit];
    const ORIGINS: &'static [(Hook, &'static [&'static str])] = &[(Hook::Limit, &["client"])];
}
declaring! { Impatient:
    const HOOKS: &'static [Hook] = &[Hook::Deliver];
    const WAITS: &'static [Hook] = &[Hook::Deliver];
}
declaring! { Silent:
    const HOOKS: &'static [Hook] = &[Hook::Connack];
}

#[test]
fn nonsense_is_refused_with_what_to_write() {
    let by = refused::<Cached>();
    assert!(
        by.starts_with(
            "CACHE keeps `authorize_publish` by `topc`, which is none of its inputs; write topic, "
        ),
        "{by}"
    );
    assert!(refused::<Uncached>().starts_with("CACHE names `publish`, whose answers cannot be cached"));
    assert_eq!(
        refused::<Nowhere>(),
        "ORIGINS has an origin for `publish` that there is not; write client, will, script, broker"
    );
    assert!(refused::<Anywhere>().starts_with("ORIGINS names `limit`, which is not asked by origin"));
    assert_eq!(refused::<Impatient>(), "`deliver` cannot wait");
}

#[test]
fn a_connack_cannot_be_dropped() {
    let mock = MockHost::<Silent>::new("{}").unwrap();
    let answer = mock.connack(&MockClient::new("c"), 0, false);
    assert!(matches!(answer, Err(Failure::Wrong(_))), "{answer:?}");
}
