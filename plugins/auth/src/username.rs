//! User names: `Mode|AccessKeyId|InstanceId`.

/// The longest id of an instance, in bytes.
const INSTANCE: usize = 512;

/// A kind of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Signature,
    Token,
    Device,
    /// User names without a `|`.
    Custom,
}

/// What stands in a user name behind the mode.
pub(crate) struct Named<'a> {
    pub(crate) key: &'a str,
    pub(crate) instance: &'a str,
}

impl Mode {
    /// In the order in which they are asked.
    pub(crate) const ALL: [Mode; 4] = [Mode::Signature, Mode::Token, Mode::Device, Mode::Custom];

    /// What a user name of its begins with, and what the settings call it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Mode::Signature => "Signature",
            Mode::Token => "Token",
            Mode::Device => "DeviceCredential",
            Mode::Custom => "Custom",
        }
    }

    /// What is said to user names that begin as its own do and go on otherwise.
    pub(crate) const fn form(self) -> &'static str {
        match self {
            Mode::Signature => "the user name is not Signature|<AccessKeyId>|<InstanceId>",
            Mode::Token => "the user name is not Token|<AccessKeyId>|<InstanceId>",
            Mode::Device => "the user name is not DeviceCredential|<DeviceAccessKeyId>|<InstanceId>",
            Mode::Custom => "",
        }
    }

    /// What stands behind the mode's word and a bar, if the user name begins so.
    pub(crate) fn rest(self, username: &str) -> Option<&str> {
        username.strip_prefix(self.word())?.strip_prefix('|')
    }

    /// The instance that a user name of this mode names, if it is one that there can be.
    pub(crate) fn instance(self, username: &str) -> Option<&str> {
        let named = Named::parse(self.rest(username)?)?;
        let possible = !named.instance.is_empty() && named.instance.len() <= INSTANCE;
        (self != Mode::Custom && possible).then_some(named.instance)
    }
}

impl<'a> Named<'a> {
    /// Key and instance, if there is one bar and no more.
    pub(crate) fn parse(rest: &'a str) -> Option<Self> {
        let (key, instance) = rest.split_once('|')?;
        (!instance.contains('|')).then_some(Self { key, instance })
    }
}
