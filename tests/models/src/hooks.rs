//! What the included files know of the rest of the broker's hooks.

pub(crate) mod host {
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct SessionFacts {
        pub(crate) connected: bool,
        pub(crate) subscriptions: u64,
        pub(crate) queued: u64,
    }
}

pub(crate) mod services {
    pub(crate) struct Services;
}

pub(crate) mod lua {
    pub(crate) mod fault {
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub(crate) struct Fault(String);

        impl Fault {
            pub(crate) fn answer(message: impl Into<String>) -> Self {
                Self(message.into())
            }

            pub(crate) fn plugin_panicked(_: Option<&str>) -> Self {
                Self::answer("the plugin panicked")
            }
        }

        impl std::fmt::Display for Fault {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    }
}
