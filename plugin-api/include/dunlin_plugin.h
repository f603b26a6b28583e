// dunlin_plugin.h: the C ABI of Dunlin's compiled plugins. Made by cbindgen from plugin-api/src/abi; do not edit.
//
// A plugin is a shared library with one function, dunlin_plugin_v1, which answers a DunlinDeclaration that lives as long as
// the library.
// plugins/example-c is a whole one; docs/plugins.md tells how it comes into service.
//
//   - Every struct that can grow begins with struct_size: set it to sizeof, and the rest that you do not use to zero.
//     DUNLIN_BLANK does both:  DunlinOutcome outcome = DUNLIN_BLANK(DunlinOutcome);
//   - Zero always means "not there". A DunlinSlice whose ptr is NULL is no value; one whose len is 0 is an empty value.
//   - What a call is given is good until it returns. Copy what you need longer. Nothing that you are given is yours to free.
//   - A hook returns a verdict (DUNLIN_ALLOW, DUNLIN_DENY, ...). One that carries more is a DunlinOutcome, given with
//     host->complete: during
//     the call, and the hook returns DUNLIN_ANSWERED; or later from any thread, and the hook returns DUNLIN_PENDING.
//   - Hooks are called from many threads at once. The host's functions may be called from any thread.
//   - No exception may leave a function.

#ifndef DUNLIN_PLUGIN_H
#define DUNLIN_PLUGIN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

// The major version of this ABI; it is in the entry symbol's name too.
#define DUNLIN_ABI_MAJOR 1

// The minor version of this ABI: it grows when fields or hooks are added.
#define DUNLIN_ABI_MINOR 1

// What `magic` of a declaration is: the bytes `DUNLIN` and two zeros, read as a little-endian number.
#define DUNLIN_MAGIC 86076719781188

// No opinion: the next entry is asked. The least that an answer can say.
#define DUNLIN_NEXT 0

// It goes on as it is: what a transform says that changes nothing. `offline` keeps the message.
#define DUNLIN_PASS 0

// Yes.
#define DUNLIN_ALLOW 1

// No; the client stays.
#define DUNLIN_DENY 2

// No, and the connection ends.
#define DUNLIN_DISCONNECT 3

// It goes nowhere: `drop`, `skip` or `suppress`, as the hook calls it.
#define DUNLIN_DROP 4

// `rule_action`: all messages of the batch are done with.
#define DUNLIN_DONE 5

// Only in an outcome: it goes on with changes. Those of the hook's own field count.
#define DUNLIN_CHANGE 6

// Only in an outcome: MQTT 5, the exchange goes on: send AUTH.
#define DUNLIN_CONTINUE 7

// Only in an outcome: `connect` refuses the client.
#define DUNLIN_REJECT 8

// Only in an outcome: `connect` sends the client to another server.
#define DUNLIN_REDIRECT 9

// Only in an outcome: the answer is `number`: a limit, or the seconds to the next tick.
#define DUNLIN_NUMBER 10

// Only from a hook: the answer was given with `complete` during the call.
#define DUNLIN_ANSWERED 16

// Only from a hook: the answer will be given with `complete`, exactly once, from any thread.
#define DUNLIN_PENDING 17

// The hook failed: the entry's `on_error` decides.
#define DUNLIN_ERROR -1

// The hook panicked: the same, and counted apart.
#define DUNLIN_PANIC -2

// The host did it.
#define DUNLIN_OK 0

// There is no such thing: no key, no session.
#define DUNLIN_ABSENT 1

// The buffer is too small; its `length` says how much is needed.
#define DUNLIN_TOO_SMALL 2

// What was given makes no sense; the host's log says why.
#define DUNLIN_INVALID -10

// The ticket is not open: unknown, answered before, too late, or of another generation. Nothing was done.
#define DUNLIN_STALE -11

// A queue or a quota is full. It may be tried again.
#define DUNLIN_BUSY -12

// This host cannot do that.
#define DUNLIN_UNSUPPORTED -13

// The generation does not serve: not yet (it is being tried), or no longer.
#define DUNLIN_NOT_SERVING -14

// Log: what an operator must see.
#define DUNLIN_LEVEL_ERROR 1

// Log: what an operator should see.
#define DUNLIN_LEVEL_WARN 2

// Log: what an operator may want to know.
#define DUNLIN_LEVEL_INFO 3

// Log: for who looks for a fault.
#define DUNLIN_LEVEL_DEBUG 4

// Log: everything.
#define DUNLIN_LEVEL_TRACE 5

// A client published the message.
#define DUNLIN_ORIGIN_CLIENT 0

// It is the will of a client whose connection ended.
#define DUNLIN_ORIGIN_WILL 1

// A policy published it.
#define DUNLIN_ORIGIN_SCRIPT 2

// Dunlin itself published it.
#define DUNLIN_ORIGIN_BROKER 3

// `on_unload`: another generation serves now.
#define DUNLIN_UNLOAD_REPLACED 0

// `on_unload`: the generation before serves again.
#define DUNLIN_UNLOAD_ROLLED_BACK 1

// `on_unload`: the broker stops.
#define DUNLIN_UNLOAD_STOPPING 2

// A key of the policy's own.
#define DUNLIN_SPACE_OWN 0

// A key that all policies share.
#define DUNLIN_SPACE_SHARED 1

// `rule_action`, a message of the batch: it is done with.
#define DUNLIN_ACTION_DONE 0

// It is to come again after `retry_after` seconds.
#define DUNLIN_ACTION_RETRY 1

// It can never succeed.
#define DUNLIN_ACTION_DEAD_LETTER 2

// The plugin has threads of its own. `quiesce` ends and joins them.
#define DUNLIN_FLAG_THREADS 1

// The plugin keeps thread-local data, which binds its image to threads of the broker.
#define DUNLIN_FLAG_THREAD_LOCALS 2

// After `destroy` nothing refers to the image: `unload = "best-effort"` may unmap it.
#define DUNLIN_FLAG_UNLOADABLE 4

// A policy is loaded: it reads its settings; an error refuses the load.
#define DUNLIN_HOOK_ON_LOAD 0

// A policy is about to be dropped.
#define DUNLIN_HOOK_ON_UNLOAD 1

// A time that the policy asked for has come.
#define DUNLIN_HOOK_ON_TICK 2

// A CONNECT, before authentication.
#define DUNLIN_HOOK_CONNECT 3

// Who is this client, and may it come in?
#define DUNLIN_HOOK_AUTHENTICATE 4

// A login that ends soon, or has ended.
#define DUNLIN_HOOK_EXPIRING 5

// A publish to a control topic that a policy owns.
#define DUNLIN_HOOK_CONTROL 6

// The next step of an MQTT 5 AUTH exchange.
#define DUNLIN_HOOK_AUTH_CONTINUE 7

// The CONNACK, before it is sent.
#define DUNLIN_HOOK_CONNACK 8

// May this client publish this?
#define DUNLIN_HOOK_AUTHORIZE_PUBLISH 9

// A message that may be published, before it is routed.
#define DUNLIN_HOOK_PUBLISH 10

// May this client subscribe to this filter?
#define DUNLIN_HOOK_AUTHORIZE_SUBSCRIBE 11

// The filters of a SUBSCRIBE.
#define DUNLIN_HOOK_SUBSCRIBE 12

// The filters of an UNSUBSCRIBE.
#define DUNLIN_HOOK_UNSUBSCRIBE 13

// A message and the number of its receivers.
#define DUNLIN_HOOK_ROUTE 14

// May this receiver have messages of this topic?
#define DUNLIN_HOOK_AUTHORIZE_DELIVER 15

// A message on its way to one receiver.
#define DUNLIN_HOOK_DELIVER 16

// May this client send to that client directly?
#define DUNLIN_HOOK_P2P 17

// A message for a client that is not connected.
#define DUNLIN_HOOK_OFFLINE 18

// A will, before it is published.
#define DUNLIN_HOOK_WILL 19

// A session began or was resumed.
#define DUNLIN_HOOK_SESSION_START 20

// A session ended for good.
#define DUNLIN_HOOK_SESSION_END 21

// A connection ended.
#define DUNLIN_HOOK_DISCONNECT 22

// A receiver acknowledged a message.
#define DUNLIN_HOOK_ACKED 23

// A message was dropped.
#define DUNLIN_HOOK_DROPPED 24

// How high is this limit for this instance?
#define DUNLIN_HOOK_LIMIT 25

// A batch of messages that a rule matched.
#define DUNLIN_HOOK_RULE_ACTION 26

// Bytes that somebody else owns. Good for the call in which they are seen, never longer.
//
// A null `ptr` says that there is no value; a `ptr` with a `len` of 0 says that there is an empty one.
typedef struct DunlinSlice {
  // The first byte, or null when there is no value.
  const uint8_t *ptr;
  // How many bytes.
  size_t len;
} DunlinSlice;

// A list of slices, such as topic filters. A null `items` is an empty list.
typedef struct DunlinSliceList {
  // The first of them.
  const struct DunlinSlice *items;
  // How many.
  size_t len;
} DunlinSliceList;

// A name and a value, such as a User Property or a label of a metric.
typedef struct DunlinPair {
  // The name, in UTF-8.
  struct DunlinSlice name;
  // The value, in UTF-8.
  struct DunlinSlice value;
} DunlinPair;

// A list of pairs. A null `items` is an empty list.
typedef struct DunlinPairList {
  // The first of them.
  const struct DunlinPair *items;
  // How many.
  size_t len;
} DunlinPairList;

// A whole number that may be missing. All zeros is a missing one.
typedef struct DunlinOptInt {
  // 1 when there is a value, 0 when there is none. Anything else is an error.
  uint32_t present;
  // Zero.
  uint32_t reserved;
  // The value; for a yes or no 1 or 0.
  int64_t value;
} DunlinOptInt;
// No value.
#define DUNLIN_OptInt_NONE (DunlinOptInt){ .present = 0, .reserved = 0, .value = 0 }

// A number with fractions that may be missing. All zeros is a missing one.
typedef struct DunlinOptNum {
  // 1 when there is a value, 0 when there is none. Anything else is an error.
  uint32_t present;
  // Zero.
  uint32_t reserved;
  // The value.
  double value;
} DunlinOptNum;
// No value.
#define DUNLIN_OptNum_NONE (DunlinOptNum){ .present = 0, .reserved = 0, .value = 0.0 }

// Memory that the caller owns and the called side fills.
//
// The called side writes at most `capacity` bytes and sets `length` to how many there are in all. When `length` is more
// than `capacity`, what does not fit was left out, and the caller may come again with more room.
typedef struct DunlinBuffer {
  // Where to write; may be null when `capacity` is 0.
  uint8_t *ptr;
  // How many bytes may be written.
  size_t capacity;
  // How many bytes there are in all. Set by the called side.
  size_t length;
} DunlinBuffer;

// What TLS told of a client. All but `san` are none when it showed no certificate.
typedef struct DunlinTls {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // Zero.
  uint32_t reserved;
  // The subject's common name.
  struct DunlinSlice cn;
  // The subject's alternative names.
  struct DunlinSliceList san;
  // The serial number, in hex.
  struct DunlinSlice serial;
  // SHA-256 of the certificate, in hex.
  struct DunlinSlice fingerprint;
  // Since 1.1. The serial number of the authority that signed it, in hex: one that is registered in the client's instance, or none.
  struct DunlinSlice ca_serial;
  // Since 1.1. From when on it is valid, in seconds since 1970.
  struct DunlinOptInt valid_from;
  // Since 1.1. Until when.
  struct DunlinOptInt valid_until;
} DunlinTls;

// A client. See `Context` in docs/hooks.md.
typedef struct DunlinContext {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // 3 (MQTT 3.1), 4 (3.1.1) or 5.
  uint32_t protocol_version;
  // The client id of its CONNECT, or the one that it was given.
  struct DunlinSlice client_id;
  // The user name of its CONNECT, if it gave one.
  struct DunlinSlice username;
  // Of a client id such as `GID_fleet@@@truck-7` what stands before `@@@`; none for others.
  struct DunlinSlice group_id;
  // And what stands behind it.
  struct DunlinSlice device_id;
  // The instance that it belongs to.
  struct DunlinSlice instance;
  // Where it connects from, such as `192.0.2.7:51234`.
  struct DunlinSlice peer;
  // The name of the listener that took it.
  struct DunlinSlice listener;
  // Its certificate; null without TLS.
  const struct DunlinTls *tls;
  // What `authenticate` granted, as the text of a JSON object; none before that.
  struct DunlinSlice attrs;
} DunlinContext;

// The properties of a message. In a change they replace all that there were.
typedef struct DunlinProperties {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // Zero.
  uint32_t reserved;
  // Payload Format Indicator: 0 or 1.
  struct DunlinOptInt payload_is_text;
  // Message Expiry Interval, in seconds.
  struct DunlinOptInt message_expiry;
  // Content Type.
  struct DunlinSlice content_type;
  // Response Topic.
  struct DunlinSlice response_topic;
  // Correlation Data.
  struct DunlinSlice correlation_data;
  // User Properties, in their order; a name may occur more than once.
  struct DunlinPairList user;
} DunlinProperties;

// A message on its way.
typedef struct DunlinMessage {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // 0, 1 or 2.
  uint32_t qos;
  // The topic name.
  struct DunlinSlice topic;
  // The payload.
  struct DunlinSlice payload;
  // The size of the payload in bytes.
  uint64_t size;
  // The RETAIN flag: 0 or 1.
  uint32_t retain;
  // Where it comes from: one of `ORIGIN_`.
  uint32_t origin;
  // What travels with it; null when there are none.
  const struct DunlinProperties *properties;
  // Names the message; zeros before it has a name.
  struct DunlinSlice id;
} DunlinMessage;

// A message that a policy makes, or that a rule matched.
typedef struct DunlinNewMessage {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // 0, 1 or 2.
  uint32_t qos;
  // The topic name, without wildcards.
  struct DunlinSlice topic;
  // The payload; none is an empty one.
  struct DunlinSlice payload;
  // The RETAIN flag: 0 or 1.
  uint32_t retain;
  // Zero.
  uint32_t reserved;
  // Its properties; null for none.
  const struct DunlinProperties *properties;
} DunlinNewMessage;

// The will of a CONNECT. In a change, what is not there stays.
typedef struct DunlinConnectWill {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // Zero.
  uint32_t reserved;
  // The topic name.
  struct DunlinSlice topic;
  // The payload.
  struct DunlinSlice payload;
  // 0, 1 or 2.
  struct DunlinOptInt qos;
  // The RETAIN flag: 0 or 1.
  struct DunlinOptInt retain;
  // Will Delay Interval, in seconds.
  struct DunlinOptInt delay;
} DunlinConnectWill;

// A CONNECT. The password is `authenticate`'s alone.
typedef struct DunlinConnect {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // Keep Alive, in seconds.
  uint32_t keep_alive;
  // The client id; empty when the broker is to choose one.
  struct DunlinSlice client_id;
  // The user name, if it gave one.
  struct DunlinSlice username;
  // Clean Start, in 3.x Clean Session: 0 or 1.
  uint32_t clean_start;
  // Zero.
  uint32_t reserved;
  // Session Expiry Interval, in seconds.
  struct DunlinOptInt session_expiry;
  // Receive Maximum, in messages.
  struct DunlinOptInt receive_maximum;
  // Maximum Packet Size, in bytes.
  struct DunlinOptInt maximum_packet_size;
  // User Properties.
  struct DunlinPairList user;
  // The will; null when there is none.
  const struct DunlinConnectWill *will;
} DunlinConnect;

// A CONNACK that is about to be sent.
typedef struct DunlinConnack {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // The reason code.
  uint32_t code;
  // Whether there is a session to resume: 0 or 1.
  uint32_t session_present;
  // Zero.
  uint32_t reserved;
  // The client id that the broker chose, if it did.
  struct DunlinSlice assigned_client_id;
} DunlinConnack;

// A subscription that is asked for.
typedef struct DunlinFilter {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // Zero.
  uint32_t reserved;
  // The topic filter, with `$share/NAME/` if it is shared.
  struct DunlinSlice filter;
  // 0, 1 or 2.
  struct DunlinOptInt qos;
  // No Local: 0 or 1.
  struct DunlinOptInt no_local;
  // Retain As Published: 0 or 1.
  struct DunlinOptInt retain_as_published;
  // Retain Handling: 0, 1 or 2.
  struct DunlinOptInt retain_handling;
} DunlinFilter;

// A list of messages: pointers, since the structs may grow. A null `items` is an empty list.
typedef struct DunlinNewMessageList {
  // The first pointer.
  const struct DunlinNewMessage *const *items;
  // How many.
  size_t len;
} DunlinNewMessageList;

// A list of filters: pointers, since the structs may grow. A null `items` is an empty list.
typedef struct DunlinFilterList {
  // The first pointer.
  const struct DunlinFilter *const *items;
  // How many.
  size_t len;
} DunlinFilterList;

// What `on_unload` is asked.
typedef struct DunlinOnUnloadEvent {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // The number of the hook.
  uint32_t hook;
  // Why: one of `UNLOAD_`.
  uint32_t reason;
  // Zero.
  uint32_t reserved;
} DunlinOnUnloadEvent;

// What `on_tick` is asked.
typedef struct DunlinOnTickEvent {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // The number of the hook.
  uint32_t hook;
  // Seconds since 1970.
  double now;
} DunlinOnTickEvent;

// What `connect` is asked.
typedef struct DunlinConnectEvent {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // The number of the hook.
  uint32_t hook;
  // The client.
  const struct DunlinContext *ctx;
  // What it asks for.
  const struct DunlinConnect *connect;
} DunlinConnectEvent;

// What `authenticate` is asked.
typedef struct DunlinAuthenticateEvent {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // The number of the hook.
  uint32_t hook;
  // The client.
  const struct DunlinContext *ctx;
  // The user name, if it gave one.
  struct DunlinSlice username;
  // The password, if it gave one; binary.
  struct DunlinSlice password;
  // The Authentication Method of an MQTT 5 client, if it has one.
  struct DunlinSlice method;
  // The Authentication Data of an MQTT 5 client, if it sent any; binary.
  struct DunlinSlice data;
} DunlinAuthenticateEvent;

// What `expiring` is asked.
typedef struct DunlinExpiringEvent {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // The number of the hook.
  uint32_t hook;
  // The client.
  const struct DunlinContext *ctx;
  // When the login ends, in seconds since 1970.
  double expires_at;
  // Whether that time has come: 0 or 1.
  uint32_t ended;
  // Zero.
  uint32_t reserved;
} DunlinExpiringEvent;

// What `control` is asked.
typedef struct DunlinControlEvent {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // The number of the hook.
  uint32_t hook;
  // The client.
  const struct DunlinContext *ctx;
  // The message.
  const struct DunlinMessage *msg;
} DunlinControlEvent;

// What `auth_continue` is asked.
typedef struct DunlinAuthContinueEvent {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // The number of the hook.
  uint32_t hook;
  // The client.
  const struct DunlinContext *ctx;
  // The Authentication Method of an MQTT 5 client, if it has one.
  struct DunlinSlice method;
  // The Authentication Data of an MQTT 5 client, if it sent any; binary.
  struct DunlinSlice data;
  // What this entry's last `CONTINUE` gave as `state`; none when a connected client begins to authenticate again.
  struct DunlinSlice state;
} DunlinAuthContinueEvent;

// What `connack` is asked.
typedef struct DunlinConnackEvent {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // The number of the hook.
  uint32_t hook;
  // The client.
  const struct DunlinContext *ctx;
  // What the client is about to be told.
  const struct DunlinConnack *connack;
} DunlinConnackEvent;

// What `authorize_publish` is asked.
typedef struct DunlinAuthorizePublishEvent {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // The number of the hook.
  uint32_t hook;
  // The client.
  const struct DunlinContext *ctx;
  // The topic name.
  struct DunlinSlice topic;
  // 0, 1 or 2.
  uint32_t qos;
  // The RETAIN flag: 0 or 1.
  uint32_t retain;
  // The size of the payload in bytes.
  uint64_t size;
  // The payload; none unless the declaration's `payload` has this hook.
  struct DunlinSlice payload;
} DunlinAuthorizePublishEvent;

// What `publish` is asked.
typedef struct DunlinPublishEvent {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // The number of the hook.
  uint32_t hook;
  // The client; null when no client is concerned.
  const struct DunlinContext *ctx;
  // The message.
  const struct DunlinMessage *msg;
} DunlinPublishEvent;

// What `authorize_subscribe` is asked.
typedef struct DunlinAuthorizeSubscribeEvent {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // The number of the hook.
  uint32_t hook;
  // The client.
  const struct DunlinContext *ctx;
  // The topic filter, without `$share/NAME/`.
  struct DunlinSlice filter;
  // The QoS that is asked for: 0, 1 or 2.
  uint32_t qos;
  // Zero.
  uint32_t reserved;
  // The share name of a shared subscription.
  struct DunlinSlice share;
} DunlinAuthorizeSubscribeEvent;

// What `subscribe` is asked.
typedef struct DunlinSubscribeEvent {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // The number of the hook.
  uint32_t hook;
  // The client.
  const struct DunlinContext *ctx;
  // What the client asks for.
  struct DunlinFilterList filters;
} DunlinSubscribeEvent;

// What `unsubscribe` is asked.
typedef struct DunlinUnsubscribeEvent {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // The number of the hook.
  uint32_t hook;
  // The client.
  const struct DunlinContext *ctx;
  // What the client no longer wants.
  struct DunlinSliceList filters;
} DunlinUnsubscribeEvent;

// What `route` is asked.
typedef struct DunlinRouteEvent {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // The number of the hook.
  uint32_t hook;
  // The client; null when no client is concerned.
  const struct DunlinContext *ctx;
  // The message.
  const struct DunlinMessage *msg;
  // How many subscriptions match.
  uint64_t receivers;
} DunlinRouteEvent;

// What `authorize_deliver` is asked.
typedef struct DunlinAuthorizeDeliverEvent {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // The number of the hook.
  uint32_t hook;
  // The receiver.
  const struct DunlinContext *ctx;
  // The topic name.
  struct DunlinSlice topic;
} DunlinAuthorizeDeliverEvent;

// What `deliver` is asked.
typedef struct DunlinDeliverEvent {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // The number of the hook.
  uint32_t hook;
  // The receiver.
  const struct DunlinContext *ctx;
  // The message.
  const struct DunlinMessage *msg;
} DunlinDeliverEvent;

// What `p2p` is asked.
typedef struct DunlinP2pEvent {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // The number of the hook.
  uint32_t hook;
  // The sender; null when it is no client.
  const struct DunlinContext *ctx;
  // The client id that it is for.
  struct DunlinSlice target;
  // The message.
  const struct DunlinMessage *msg;
} DunlinP2pEvent;

// What `offline` is asked.
typedef struct DunlinOfflineEvent {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // The number of the hook.
  uint32_t hook;
  // The absent client.
  const struct DunlinContext *ctx;
  // The message.
  const struct DunlinMessage *msg;
} DunlinOfflineEvent;

// What `will` is asked.
typedef struct DunlinWillEvent {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // The number of the hook.
  uint32_t hook;
  // The client whose will it is.
  const struct DunlinContext *ctx;
  // The message.
  const struct DunlinMessage *msg;
} DunlinWillEvent;

// What `limit` is asked.
typedef struct DunlinLimitEvent {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // The number of the hook.
  uint32_t hook;
  // Whose limit.
  struct DunlinSlice instance;
  // Which limit, by its name under `limits` in dunlin.toml.
  struct DunlinSlice name;
} DunlinLimitEvent;

// What `rule_action` is asked.
typedef struct DunlinRuleActionEvent {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // The number of the hook.
  uint32_t hook;
  // The rule as it is written, as the text of a JSON object.
  struct DunlinSlice rule;
  // The messages that it matched.
  struct DunlinNewMessageList messages;
} DunlinRuleActionEvent;

// A session began or was resumed.
typedef struct DunlinSessionStart {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // Whether there was a session to resume: 0 or 1.
  uint32_t resumed;
  // The client.
  const struct DunlinContext *ctx;
} DunlinSessionStart;

// What `session_start` is told: a batch.
typedef struct DunlinSessionStartEvent {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // The number of the hook.
  uint32_t hook;
  // The first pointer to what happened.
  const struct DunlinSessionStart *const *items;
  // How many.
  size_t len;
} DunlinSessionStartEvent;

// A session ended for good.
typedef struct DunlinSessionEnd {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // Zero.
  uint32_t reserved;
  // The client.
  const struct DunlinContext *ctx;
  // Why, such as `expired`.
  struct DunlinSlice reason;
} DunlinSessionEnd;

// What `session_end` is told: a batch.
typedef struct DunlinSessionEndEvent {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // The number of the hook.
  uint32_t hook;
  // The first pointer to what happened.
  const struct DunlinSessionEnd *const *items;
  // How many.
  size_t len;
} DunlinSessionEndEvent;

// A connection ended.
typedef struct DunlinDisconnected {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // The reason code of the DISCONNECT, or the nearest one.
  uint32_t code;
  // The client.
  const struct DunlinContext *ctx;
  // Why, in words.
  struct DunlinSlice reason;
  // Whether the client ended it, with a DISCONNECT: 0 or 1.
  uint32_t by_client;
  // Zero.
  uint32_t reserved;
  // Messages that came from it.
  uint64_t received;
  // Messages that went to it.
  uint64_t sent;
} DunlinDisconnected;

// What `disconnect` is told: a batch.
typedef struct DunlinDisconnectEvent {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // The number of the hook.
  uint32_t hook;
  // The first pointer to what happened.
  const struct DunlinDisconnected *const *items;
  // How many.
  size_t len;
} DunlinDisconnectEvent;

// A receiver acknowledged a message.
typedef struct DunlinAcked {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // The QoS at which it was delivered.
  uint32_t qos;
  // The receiver.
  const struct DunlinContext *ctx;
  // Its topic.
  struct DunlinSlice topic;
  // The message's `id`.
  struct DunlinSlice message_id;
} DunlinAcked;

// What `acked` is told: a batch.
typedef struct DunlinAckedEvent {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // The number of the hook.
  uint32_t hook;
  // The first pointer to what happened.
  const struct DunlinAcked *const *items;
  // How many.
  size_t len;
} DunlinAckedEvent;

// Messages were dropped.
typedef struct DunlinDropped {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // Zero.
  uint32_t reserved;
  // Who did not get it or could not publish it; null when no client is concerned.
  const struct DunlinContext *ctx;
  // The topic of the (first) message.
  struct DunlinSlice topic;
  // Why, such as `queue full`.
  struct DunlinSlice reason;
  // How many.
  uint64_t count;
} DunlinDropped;

// What `dropped` is told: a batch.
typedef struct DunlinDroppedEvent {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // The number of the hook.
  uint32_t hook;
  // The first pointer to what happened.
  const struct DunlinDropped *const *items;
  // How many.
  size_t len;
} DunlinDroppedEvent;

// What a login brings. What is not there stays as it was asked and configured.
typedef struct DunlinGrant {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // Zero.
  uint32_t reserved;
  // What later hooks read as `ctx.attrs`: the text of a JSON object.
  struct DunlinSlice attrs;
  // The client's own rules: the text of a JSON list such as `[["allow", "publish", "a/#"]]`; the first that fits decides.
  struct DunlinSlice acl;
  // When the login ends, in seconds since 1970.
  struct DunlinOptNum expires_at;
  // Server Keep Alive, in seconds.
  struct DunlinOptInt keep_alive;
  // Session Expiry Interval, in seconds.
  struct DunlinOptInt session_expiry;
  // Receive Maximum, in messages.
  struct DunlinOptInt receive_maximum;
  // Maximum Packet Size, in bytes.
  struct DunlinOptInt maximum_packet_size;
  // Authentication Data of CONNACK or AUTH.
  struct DunlinSlice data;
  // Since 1.1. Whether the client id may have any form, and not that of `GroupID@@@DeviceID` alone: 0 or 1.
  struct DunlinOptInt any_client_id;
  // Since 1.1. Records of the client's instance in the registry, as `kind/name`: when one appears, changes or goes, the login
  // ends then, and `expiring` is asked.
  struct DunlinSliceList depends;
} DunlinGrant;

// What `connect` changes. What is not there stays.
typedef struct DunlinConnectPatch {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // 1 for no will; `will` does not count then.
  uint32_t remove_will;
  // Another client id.
  struct DunlinSlice client_id;
  // Whether the session begins anew: 0 or 1.
  struct DunlinOptInt clean_start;
  // Keep Alive, in seconds.
  struct DunlinOptInt keep_alive;
  // Session Expiry Interval, in seconds.
  struct DunlinOptInt session_expiry;
  // What changes of the will; null when it stays.
  const struct DunlinConnectWill *will;
  // Since 1.1. The instance that the client is of, if it is another: 1 to 512 bytes.
  struct DunlinSlice instance;
} DunlinConnectPatch;

// What a client is told besides.
typedef struct DunlinConnackPatch {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // Zero.
  uint32_t reserved;
  // User Properties.
  struct DunlinPairList user;
  // Reason String.
  struct DunlinSlice reason_string;
  // Response Information.
  struct DunlinSlice response_information;
  // Server Reference.
  struct DunlinSlice server_reference;
} DunlinConnackPatch;

// What `publish` changes. What is not there stays.
typedef struct DunlinPublishPatch {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // Zero.
  uint32_t reserved;
  // The topic name, without wildcards.
  struct DunlinSlice topic;
  // The payload.
  struct DunlinSlice payload;
  // 0, 1 or 2.
  struct DunlinOptInt qos;
  // The RETAIN flag: 0 or 1.
  struct DunlinOptInt retain;
  // All properties anew; null when they stay.
  const struct DunlinProperties *properties;
  // Messages to publish besides; no hook is asked about them.
  struct DunlinNewMessageList more;
} DunlinPublishPatch;

// What `deliver` changes for one receiver.
typedef struct DunlinDeliverPatch {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // Zero.
  uint32_t reserved;
  // The payload.
  struct DunlinSlice payload;
  // All properties anew; null when they stay.
  const struct DunlinProperties *properties;
} DunlinDeliverPatch;

// What `will` changes.
typedef struct DunlinWillPatch {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // Zero.
  uint32_t reserved;
  // The topic name, without wildcards.
  struct DunlinSlice topic;
  // The payload.
  struct DunlinSlice payload;
  // 0, 1 or 2.
  struct DunlinOptInt qos;
  // The RETAIN flag: 0 or 1.
  struct DunlinOptInt retain;
  // All properties anew; null when they stay.
  const struct DunlinProperties *properties;
} DunlinWillPatch;

// Where a message goes besides.
typedef struct DunlinRouted {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // Zero.
  uint32_t reserved;
  // More topics.
  struct DunlinSliceList topics;
  // More clients, by client id, whatever they are subscribed to.
  struct DunlinSliceList clients;
} DunlinRouted;

// What is done about a login.
typedef struct DunlinControlled {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // Zero.
  uint32_t reserved;
  // Messages to the client itself, whatever it is subscribed to.
  struct DunlinNewMessageList messages;
  // When the login ends now, in seconds since 1970.
  struct DunlinOptNum expires_at;
  // Since 1.1. What later hooks read as `ctx.attrs` from now on: the text of a JSON object.
  struct DunlinSlice attrs;
  // Since 1.1. The client's own rules from now on, as in a grant; an empty list for none.
  struct DunlinSlice acl;
  // Since 1.1. The records that the login depends on from now on. A null `items` leaves them as they are; for none, `items` is
  // not null and `len` is 0.
  struct DunlinSliceList depends;
} DunlinControlled;

// What became of one message of a rule's batch. It never grows.
typedef struct DunlinActionResult {
  // One of `ACTION_`.
  uint32_t result;
  // Zero.
  uint32_t reserved;
  // `ACTION_RETRY`: seconds.
  double retry_after;
  // `ACTION_DEAD_LETTER`: why.
  struct DunlinSlice reason;
} DunlinActionResult;

// One result for each message of a batch, in their order.
typedef struct DunlinActionResultList {
  // The first of them.
  const struct DunlinActionResult *items;
  // How many.
  size_t len;
} DunlinActionResultList;

// A whole answer. `verdict` says which of the other fields count; those of other hooks are not looked at.
typedef struct DunlinOutcome {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // What is answered: one of the verdicts, but neither `ANSWERED` nor `PENDING`.
  int32_t verdict;
  // `DENY`, `DISCONNECT`, `REJECT`: the reason code, if not the usual one.
  struct DunlinOptInt code;
  // `DENY`, `DISCONNECT`, `DROP`, `REJECT`, `ERROR`: why, in words.
  struct DunlinSlice reason;
  // `ALLOW` of `authorize_subscribe`: at most at this QoS.
  struct DunlinOptInt qos;
  // `NUMBER`: the number.
  struct DunlinOptNum number;
  // `REDIRECT`: which server.
  struct DunlinSlice server;
  // `REDIRECT`: 1 for good (0x9D), 0 for now (0x9C).
  uint32_t permanently;
  // `export_state`: the version of `state`.
  uint32_t state_version;
  // `CONTINUE`: the Authentication Data to send.
  struct DunlinSlice data;
  // `CONTINUE`: what `auth_continue` is given with the client's answer, the text of a JSON value. `export_state`: the state.
  struct DunlinSlice state;
  // `ALLOW` of a login; null for nothing besides.
  const struct DunlinGrant *grant;
  // `CHANGE` of `connect`.
  const struct DunlinConnectPatch *connect;
  // `CHANGE` of `connack`.
  const struct DunlinConnackPatch *connack;
  // `CHANGE` of `publish`.
  const struct DunlinPublishPatch *publish;
  // `CHANGE` of `deliver`.
  const struct DunlinDeliverPatch *deliver;
  // `CHANGE` of `will`.
  const struct DunlinWillPatch *will;
  // `CHANGE` of `route`.
  const struct DunlinRouted *routed;
  // `CHANGE` of `expiring` and `control`.
  const struct DunlinControlled *controlled;
  // `CHANGE` of `subscribe`: all filters; the first stand for those that were asked for.
  struct DunlinFilterList subscribe;
  // `CHANGE` of `unsubscribe`: the same.
  struct DunlinSliceList unsubscribe;
  // `DONE` of `rule_action`: one for each message; an empty list when all are done with.
  struct DunlinActionResultList results;
} DunlinOutcome;

// What is known of a session.
typedef struct DunlinSessionInfo {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // Whether a client is connected to it: 0 or 1.
  uint32_t connected;
  // How many subscriptions it has.
  uint64_t subscriptions;
  // How many messages wait in it.
  uint64_t queued;
} DunlinSessionInfo;

// The host's functions.
//
// Each takes `ctx` first, may be called from any thread, and answers one of the statuses (`OK`, `INVALID`, ...). None
// waits for a client or for the network. The table and `ctx` are good from `create` until `destroy` returns; when a
// plugin did not stop in time, for ever, so that a late call is refused and not fatal. A function that this host does
// not have is null.
typedef struct DunlinHost {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // The minor version of the ABI that this host speaks.
  uint32_t abi_minor;
  // To be handed to every function.
  void *ctx;
  // Writes a line to the broker's log. `level` is one of `LEVEL_`; `target` says what it is about and may be none;
  // `text` is one line.
  void (*log)(void *ctx, uint32_t level, struct DunlinSlice target, struct DunlinSlice text);
  // Answers a ticket, once. Everything in `outcome` is copied before it returns. `STALE` when the ticket is not open.
  int32_t (*complete)(void *ctx, uint64_t ticket, const struct DunlinOutcome *outcome);
  // Publishes a message in `instance` (none: the default one). It is noted and done soon; `OK` does not mean delivered.
  int32_t (*publish)(void *ctx, struct DunlinSlice instance, const struct DunlinNewMessage *message);
  // Sends a message to one client, whatever it is subscribed to.
  int32_t (*send)(void *ctx,
                  struct DunlinSlice instance,
                  struct DunlinSlice client_id,
                  const struct DunlinNewMessage *message);
  // Reads a key of a space (`SPACE_OWN` or `SPACE_SHARED`): `OK`, `ABSENT` or `TOO_SMALL`. A number is its decimal text,
  // a script's table is JSON.
  int32_t (*kv_get)(void *ctx, uint32_t space, struct DunlinSlice key, struct DunlinBuffer *value);
  // Sets a key. `ttl_ms` is its time to live in milliseconds, 0 for ever.
  int32_t (*kv_set)(void *ctx,
                    uint32_t space,
                    struct DunlinSlice key,
                    struct DunlinSlice value,
                    uint64_t ttl_ms);
  // Adds to a number, which begins at 0, and writes what it is then to `now`, which may be null. `INVALID` when the key
  // holds no number.
  int32_t (*kv_incr)(void *ctx,
                     uint32_t space,
                     struct DunlinSlice key,
                     double by,
                     uint64_t ttl_ms,
                     double *now);
  // Deletes a key: `OK` or `ABSENT`.
  int32_t (*kv_delete)(void *ctx, uint32_t space, struct DunlinSlice key);
  // Adds to a counter of the policy's own.
  int32_t (*counter_add)(void *ctx, struct DunlinSlice name, struct DunlinPairList labels, double by);
  // Sets a gauge of the policy's own.
  int32_t (*gauge_set)(void *ctx, struct DunlinSlice name, struct DunlinPairList labels, double value);
  // Puts a value into a histogram of the policy's own; seconds, for times.
  int32_t (*histogram_observe)(void *ctx, struct DunlinSlice name, struct DunlinPairList labels, double value);
  // Reads a fact: `settings` (JSON text), `policy` (the entry's name), `broker_version`, `generation`. `OK`, `ABSENT` or
  // `TOO_SMALL`.
  int32_t (*config)(void *ctx, struct DunlinSlice name, struct DunlinBuffer *value);
  // Nanoseconds since 1970.
  uint64_t (*clock_wall)(void *ctx);
  // Nanoseconds since some moment: for measuring.
  uint64_t (*clock_monotonic)(void *ctx);
  // Fills `len` bytes with random ones, good enough for keys.
  int32_t (*random)(void *ctx, uint8_t *bytes, size_t len);
  // Looks up a session. When it answers `OK`, `found` is called exactly once, now or later, on a thread of the host,
  // with `OK` and what is known, or `ABSENT` and null, or `NOT_SERVING` and null; otherwise it is never called.
  int32_t (*session)(void *ctx,
                     struct DunlinSlice instance,
                     struct DunlinSlice client_id,
                     void (*found)(void *data, int32_t status, const struct DunlinSessionInfo *session),
                     void *data);
  // Ends a client's connection with this reason code of DISCONNECT (0: administrative action).
  int32_t (*kick)(void *ctx,
                  struct DunlinSlice instance,
                  struct DunlinSlice client_id,
                  uint32_t code,
                  struct DunlinSlice reason);
  // Asks again about a client's subscriptions (none: all clients of the instance).
  int32_t (*reauthorize)(void *ctx, struct DunlinSlice instance, struct DunlinSlice client_id);
  // Has the host call `call(data)` once, after `delay_ms` milliseconds, on a thread of the host that is none of a
  // shard's. When the generation ends before, it is not called. When this answers `OK`, `release(data)` is called
  // exactly once, after `call` or instead of it, and before `quiesce`; otherwise never. `release` may be null.
  int32_t (*timer)(void *ctx,
                   uint64_t delay_ms,
                   void (*call)(void *data),
                   void (*release)(void *data),
                   void *data);
  // Since 1.1. Reads a record of the registry, as the text of a JSON object: `OK`, `ABSENT` or `TOO_SMALL`. `instance` is said
  // always here; none or an empty one is for records that belong to none.
  int32_t (*registry_get)(void *ctx,
                          struct DunlinSlice instance,
                          struct DunlinSlice kind,
                          struct DunlinSlice name,
                          struct DunlinBuffer *value);
  // Since 1.1. Reads the records of a kind, by the bytes of their names: the first `most` (1,000 at most) behind the name
  // `after`, which may be none; as the text of a JSON list of `{"name": ..., "value": {...}}`. `OK` or `TOO_SMALL`.
  int32_t (*registry_list)(void *ctx,
                           struct DunlinSlice instance,
                           struct DunlinSlice kind,
                           struct DunlinSlice after,
                           uint32_t most,
                           struct DunlinBuffer *records);
} DunlinHost;

// How long the answers of a hook hold, and what they depend on. It never grows.
typedef struct DunlinCacheRule {
  // The number of the hook: `authorize_publish` or `authorize_subscribe`.
  uint32_t hook;
  // Seconds.
  uint32_t ttl;
  // The inputs, by their names in docs/hooks.md. All others are zero or none when the hook is asked.
  struct DunlinSliceList by;
} DunlinCacheRule;

// From where messages come that a hook is asked about. It never grows.
typedef struct DunlinOriginRule {
  // The number of the hook.
  uint32_t hook;
  // A bit for each of `ORIGIN_`: `1 << ORIGIN_CLIENT` and so on.
  uint32_t origins;
} DunlinOriginRule;

// What `create` is given.
typedef struct DunlinSetup {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // The version of `previous`. 0: JSON text, which scripts can read and write.
  uint32_t previous_version;
  // The name of the policy's entry in dunlin.toml.
  struct DunlinSlice policy;
  // The entry's `settings`, as the text of a JSON object.
  struct DunlinSlice settings;
  // What the entry of this name in the generation before handed over, if it did.
  struct DunlinSlice previous;
} DunlinSetup;

// A plugin's functions. All but `create` and `destroy` may be null; a hook's function must be there when the declaration
// has the hook.
//
// The order of a life: `create`, `self_test`, hooks (from any thread, many at once), `export_state`, `on_unload`,
// `quiesce`, `destroy`. `instance` is what `create` returned.
typedef struct DunlinVTable {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // Zero.
  uint32_t reserved;
  // `on_load`: makes an instance, or returns null and says in `error` why the load is to be refused.
  void *(*create)(const struct DunlinHost *host, const struct DunlinSetup *setup, struct DunlinBuffer *error);
  // Tries itself before it serves: 0 when all is well; otherwise the load is refused, and `error` says why.
  int32_t (*self_test)(void *instance, struct DunlinBuffer *error);
  // Hands over state to the next generation: `complete`s the ticket during the call with `ALLOW`, `state` and
  // `state_version` and returns `ANSWERED`, or returns `NEXT` when there is none. It is called while hooks are still
  // served.
  int32_t (*export_state)(void *instance, uint64_t ticket);
  // Ends and joins all threads of the plugin within `deadline_ms`. 0 when nothing of it runs any more; otherwise how
  // many threads do, and then `destroy` is not called and nothing is freed, ever. No hook is called afterwards.
  int32_t (*quiesce)(void *instance, uint32_t deadline_ms);
  // Frees the instance. The last call.
  void (*destroy)(void *instance);
  // A policy is about to be dropped.
  int32_t (*on_unload)(void *instance, const struct DunlinOnUnloadEvent *event, uint64_t ticket);
  // A time that the policy asked for has come.
  int32_t (*on_tick)(void *instance, const struct DunlinOnTickEvent *event, uint64_t ticket);
  // A CONNECT, before authentication.
  int32_t (*connect)(void *instance, const struct DunlinConnectEvent *event, uint64_t ticket);
  // Who is this client, and may it come in?
  int32_t (*authenticate)(void *instance, const struct DunlinAuthenticateEvent *event, uint64_t ticket);
  // A login that ends soon, or has ended.
  int32_t (*expiring)(void *instance, const struct DunlinExpiringEvent *event, uint64_t ticket);
  // A publish to a control topic that a policy owns.
  int32_t (*control)(void *instance, const struct DunlinControlEvent *event, uint64_t ticket);
  // The next step of an MQTT 5 AUTH exchange.
  int32_t (*auth_continue)(void *instance, const struct DunlinAuthContinueEvent *event, uint64_t ticket);
  // The CONNACK, before it is sent.
  int32_t (*connack)(void *instance, const struct DunlinConnackEvent *event, uint64_t ticket);
  // May this client publish this?
  int32_t (*authorize_publish)(void *instance,
                               const struct DunlinAuthorizePublishEvent *event,
                               uint64_t ticket);
  // A message that may be published, before it is routed.
  int32_t (*publish)(void *instance, const struct DunlinPublishEvent *event, uint64_t ticket);
  // May this client subscribe to this filter?
  int32_t (*authorize_subscribe)(void *instance,
                                 const struct DunlinAuthorizeSubscribeEvent *event,
                                 uint64_t ticket);
  // The filters of a SUBSCRIBE.
  int32_t (*subscribe)(void *instance, const struct DunlinSubscribeEvent *event, uint64_t ticket);
  // The filters of an UNSUBSCRIBE.
  int32_t (*unsubscribe)(void *instance, const struct DunlinUnsubscribeEvent *event, uint64_t ticket);
  // A message and the number of its receivers.
  int32_t (*route)(void *instance, const struct DunlinRouteEvent *event, uint64_t ticket);
  // May this receiver have messages of this topic?
  int32_t (*authorize_deliver)(void *instance,
                               const struct DunlinAuthorizeDeliverEvent *event,
                               uint64_t ticket);
  // A message on its way to one receiver.
  int32_t (*deliver)(void *instance, const struct DunlinDeliverEvent *event, uint64_t ticket);
  // May this client send to that client directly?
  int32_t (*p2p)(void *instance, const struct DunlinP2pEvent *event, uint64_t ticket);
  // A message for a client that is not connected.
  int32_t (*offline)(void *instance, const struct DunlinOfflineEvent *event, uint64_t ticket);
  // A will, before it is published.
  int32_t (*will)(void *instance, const struct DunlinWillEvent *event, uint64_t ticket);
  // A session began or was resumed.
  int32_t (*session_start)(void *instance, const struct DunlinSessionStartEvent *event, uint64_t ticket);
  // A session ended for good.
  int32_t (*session_end)(void *instance, const struct DunlinSessionEndEvent *event, uint64_t ticket);
  // A connection ended.
  int32_t (*disconnect)(void *instance, const struct DunlinDisconnectEvent *event, uint64_t ticket);
  // A receiver acknowledged a message.
  int32_t (*acked)(void *instance, const struct DunlinAckedEvent *event, uint64_t ticket);
  // A message was dropped.
  int32_t (*dropped)(void *instance, const struct DunlinDroppedEvent *event, uint64_t ticket);
  // How high is this limit for this instance?
  int32_t (*limit)(void *instance, const struct DunlinLimitEvent *event, uint64_t ticket);
  // A batch of messages that a rule matched.
  int32_t (*rule_action)(void *instance, const struct DunlinRuleActionEvent *event, uint64_t ticket);
} DunlinVTable;

// What a plugin says of itself. It and what it refers to live, unchanged, as long as the image.
typedef struct DunlinDeclaration {
  // The size of this struct in bytes.
  uint32_t struct_size;
  // The major version of the ABI that it speaks: `ABI_MAJOR`.
  uint16_t abi_major;
  // The minor version that it was built with: `ABI_MINOR`.
  uint16_t abi_minor;
  // `MAGIC`.
  uint64_t magic;
  // The least minor version of a host that it can do with. 0 when nothing later is needed.
  uint32_t min_minor;
  // Zero.
  uint32_t reserved;
  // The plugin's name, for logs.
  struct DunlinSlice name;
  // The plugin's version, for logs.
  struct DunlinSlice version;
  // `FLAG_` bits. Unknown ones are refused, unless `abi_minor` is newer than the host's: then they are ignored.
  uint64_t flags;
  // The hooks that it has: a bit for each, `1 << HOOK_AUTHENTICATE` and so on. Each needs its function in the table.
  // Unknown ones are treated as unknown flags are. `on_load` (`create`) and `on_unload` are called without a bit.
  uint64_t hooks;
  // Hooks that want the payload: `authorize_publish` gets none otherwise.
  uint64_t payload;
  // Hooks that may answer later, with `PENDING`.
  uint64_t waits;
  // What may be cached. An answer is cached when every entry that has the hook allows it.
  const struct DunlinCacheRule *caches;
  // How many.
  size_t caches_len;
  // Which origins its hooks want; clients and wills for those that are not listed.
  const struct DunlinOriginRule *origins;
  // How many.
  size_t origins_len;
  // Control topics (filters) that `control` owns.
  struct DunlinSliceList owns;
  // Its functions.
  const struct DunlinVTable *vtable;
} DunlinDeclaration;

#endif  /* DUNLIN_PLUGIN_H */

// A struct of zeros that knows its size.
#define DUNLIN_BLANK(type) dunlin_blank_##type()
#define DUNLIN_BLANK_OF(type)                                                                                \
    static inline type dunlin_blank_##type(void) {                                                           \
        type blank;                                                                                          \
        memset(&blank, 0, sizeof blank);                                                                     \
        blank.struct_size = (uint32_t)sizeof blank;                                                          \
        return blank;                                                                                        \
    }
DUNLIN_BLANK_OF(DunlinOutcome)
DUNLIN_BLANK_OF(DunlinGrant)
DUNLIN_BLANK_OF(DunlinConnectPatch)
DUNLIN_BLANK_OF(DunlinConnackPatch)
DUNLIN_BLANK_OF(DunlinPublishPatch)
DUNLIN_BLANK_OF(DunlinDeliverPatch)
DUNLIN_BLANK_OF(DunlinWillPatch)
DUNLIN_BLANK_OF(DunlinRouted)
DUNLIN_BLANK_OF(DunlinControlled)
DUNLIN_BLANK_OF(DunlinNewMessage)
DUNLIN_BLANK_OF(DunlinProperties)
DUNLIN_BLANK_OF(DunlinConnectWill)
DUNLIN_BLANK_OF(DunlinFilter)
DUNLIN_BLANK_OF(DunlinDeclaration)
DUNLIN_BLANK_OF(DunlinVTable)

// A text as a slice.
static inline DunlinSlice dunlin_text(const char *text) {
    DunlinSlice slice;
    slice.ptr = (const uint8_t *)text;
    slice.len = text ? strlen(text) : 0;
    return slice;
}

// Whether a slice is this text. No value is no text.
static inline int dunlin_is(DunlinSlice slice, const char *text) {
    return slice.ptr && slice.len == strlen(text) && memcmp(slice.ptr, text, slice.len) == 0;
}

// A number that is there.
static inline DunlinOptInt dunlin_int(int64_t value) {
    DunlinOptInt some;
    some.present = 1;
    some.reserved = 0;
    some.value = value;
    return some;
}

// The bit of a hook in a set of hooks.
#define DUNLIN_BIT(hook) ((uint64_t)1 << (hook))

// Says, in a section of the file, what the plugin is, so that a broker knows before any of its code runs. Optional; at the top level of a
// file:  DUNLIN_ABOUT("name", "1.0.0")
#if defined(__ELF__) && defined(__GNUC__)
#define DUNLIN_ABOUT(name, version)                                                                          \
    extern const char dunlin_about[];                                                                        \
    __attribute__((used, visibility("hidden"), section(".dunlin.plugin"))) const char dunlin_about[] =       \
        "abi=1.1\nname=" name "\nversion=" version "\n";
#else
#define DUNLIN_ABOUT(name, version)
#endif

// The entry. Write it as:  DUNLIN_EXPORT const DunlinDeclaration *dunlin_plugin_v1(void) { ... }
#if defined(__GNUC__)
#define DUNLIN_VISIBLE __attribute__((visibility("default")))
#else
#define DUNLIN_VISIBLE
#endif
#ifdef __cplusplus
#define DUNLIN_EXPORT extern "C" DUNLIN_VISIBLE
extern "C" {
#else
#define DUNLIN_EXPORT DUNLIN_VISIBLE
#endif
DUNLIN_VISIBLE const DunlinDeclaration *dunlin_plugin_v1(void);
#ifdef __cplusplus
}
#endif
