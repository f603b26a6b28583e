//! The numbers of the hooks: their places in sets of hooks, the same as `Hook` has.

/// A policy is loaded: it reads its settings; an error refuses the load.
pub const HOOK_ON_LOAD: u32 = 0;
/// A policy is about to be dropped.
pub const HOOK_ON_UNLOAD: u32 = 1;
/// A time that the policy asked for has come.
pub const HOOK_ON_TICK: u32 = 2;
/// A CONNECT, before authentication.
pub const HOOK_CONNECT: u32 = 3;
/// Who is this client, and may it come in?
pub const HOOK_AUTHENTICATE: u32 = 4;
/// A login that ends soon, or has ended.
pub const HOOK_EXPIRING: u32 = 5;
/// A publish to a control topic that a policy owns.
pub const HOOK_CONTROL: u32 = 6;
/// The next step of an MQTT 5 AUTH exchange.
pub const HOOK_AUTH_CONTINUE: u32 = 7;
/// The CONNACK, before it is sent.
pub const HOOK_CONNACK: u32 = 8;
/// May this client publish this?
pub const HOOK_AUTHORIZE_PUBLISH: u32 = 9;
/// A message that may be published, before it is routed.
pub const HOOK_PUBLISH: u32 = 10;
/// May this client subscribe to this filter?
pub const HOOK_AUTHORIZE_SUBSCRIBE: u32 = 11;
/// The filters of a SUBSCRIBE.
pub const HOOK_SUBSCRIBE: u32 = 12;
/// The filters of an UNSUBSCRIBE.
pub const HOOK_UNSUBSCRIBE: u32 = 13;
/// A message and the number of its receivers.
pub const HOOK_ROUTE: u32 = 14;
/// May this receiver have messages of this topic?
pub const HOOK_AUTHORIZE_DELIVER: u32 = 15;
/// A message on its way to one receiver.
pub const HOOK_DELIVER: u32 = 16;
/// May this client send to that client directly?
pub const HOOK_P2P: u32 = 17;
/// A message for a client that is not connected.
pub const HOOK_OFFLINE: u32 = 18;
/// A will, before it is published.
pub const HOOK_WILL: u32 = 19;
/// A session began or was resumed.
pub const HOOK_SESSION_START: u32 = 20;
/// A session ended for good.
pub const HOOK_SESSION_END: u32 = 21;
/// A connection ended.
pub const HOOK_DISCONNECT: u32 = 22;
/// A receiver acknowledged a message.
pub const HOOK_ACKED: u32 = 23;
/// A message was dropped.
pub const HOOK_DROPPED: u32 = 24;
/// How high is this limit for this instance?
pub const HOOK_LIMIT: u32 = 25;
/// A batch of messages that a rule matched.
pub const HOOK_RULE_ACTION: u32 = 26;
