---@meta dunlin
-- Types of Dunlin's hooks and modules, for LuaLS: made by `dunlin types` from Dunlin's description of its hooks; changes here are lost.
-- Write `---@type dunlin.Policy` above the table that a policy returns.

---A client. None of it changes while the client is connected; a `ctx` that a script keeps stays good until the client has gone.
---@class dunlin.Context
---@field client_id string # the client id of its CONNECT, or the one that it was given
---@field username string? # the user name of its CONNECT
---@field group_id string? # of a client id such as `GID_fleet@@@truck-7` what stands before `@@@`
---@field device_id string? # and what stands behind it
---@field instance string # the instance that it belongs to
---@field peer string # where it connects from, such as `192.0.2.7:51234`
---@field listener string # the name of the listener that took it
---@field tls dunlin.Tls? # its certificate; nil without TLS
---@field protocol_version integer # 3 (MQTT 3.1), 4 (3.1.1) or 5
---@field attrs table # what `authenticate` granted: read-only, the same in every later hook

---What TLS told of a client. All but `san` are nil when it showed no certificate.
---@class dunlin.Tls
---@field cn string? # the subject's common name
---@field san string[] # the subject's alternative names
---@field serial string? # the serial number, in hex
---@field fingerprint string? # SHA-256 of the certificate, in hex
---@field ca_serial string? # the serial number of the authority that signed it, in hex: one that is registered in the client's instance
---@field valid_from integer? # from when on it is valid, in seconds since 1970
---@field valid_until integer? # until when, in seconds since 1970

---A message. Its fields are made when they are read: what is not read costs nothing.
---@class dunlin.Message
---@field topic string # the topic name
---@field payload string # the payload
---@field size integer # the size of the payload in bytes
---@field qos integer # 0, 1 or 2
---@field retain boolean # the RETAIN flag
---@field properties dunlin.Properties # what travels with it; a new table at every read, so change it and return it
---@field origin "client" | "will" | "script" | "broker" # where it comes from
---@field id string # names the message; zeros before it has a name

---The properties of a message. A patch replaces all of them.
---@class dunlin.Properties
---@field payload_is_text boolean? # Payload Format Indicator
---@field message_expiry integer? # Message Expiry Interval, in seconds
---@field content_type string? # Content Type
---@field response_topic string? # Response Topic
---@field correlation_data string? # Correlation Data
---@field user string[][]? # User Properties: a list of pairs, such as `{ { "name", "value" } }`

---A message that a policy makes, or that a rule matched.
---@class dunlin.NewMessage
---@field topic string # the topic name, without wildcards
---@field payload string? # the payload
---@field qos integer? # 0, 1 or 2
---@field retain boolean? # the RETAIN flag
---@field properties dunlin.Properties? # all its properties

---A CONNECT. The password is `authenticate`'s alone.
---@class dunlin.Connect
---@field client_id string # the client id; empty when the broker is to choose one
---@field username string? # the user name
---@field clean_start boolean # Clean Start, in 3.x Clean Session
---@field keep_alive integer # Keep Alive, in seconds
---@field session_expiry integer? # Session Expiry Interval, in seconds
---@field receive_maximum integer? # Receive Maximum, in messages
---@field maximum_packet_size integer? # Maximum Packet Size, in bytes
---@field user string[][] # User Properties: a list of pairs, such as `{ { "name", "value" } }`
---@field will dunlin.ConnectWill? # the will; nil when there is none

---The will of a CONNECT. In a patch, what is left out stays.
---@class dunlin.ConnectWill
---@field topic string? # the topic name, without wildcards
---@field payload string? # the payload
---@field qos integer? # 0, 1 or 2
---@field retain boolean? # the RETAIN flag
---@field delay integer? # Will Delay Interval, in seconds

---What `connect` changes. What is left out stays.
---@class dunlin.ConnectPatch
---@field client_id string? # another client id
---@field clean_start boolean? # whether the session begins anew
---@field keep_alive integer? # Keep Alive, in seconds
---@field session_expiry integer? # Session Expiry Interval, in seconds
---@field will (dunlin.ConnectWill | boolean)? # what changes of the will, or false for no will
---@field instance string? # the instance that the client is of, if it is another: 1 to 512 bytes; later hooks read it as `ctx.instance`

---What a login brings.
---@class dunlin.Grant
---@field attrs table? # what later hooks read as `ctx.attrs`: 1,024 values at most, where 64 bytes of text count as one
---@field acl string[][]? # the client's own rules, such as `{ { "allow", "publish", "a/#" } }`; the first that fits decides
---@field expires_at number? # when the login ends, in seconds since 1970
---@field keep_alive integer? # Server Keep Alive, in seconds
---@field session_expiry integer? # Session Expiry Interval, in seconds
---@field receive_maximum integer? # Receive Maximum, in messages
---@field maximum_packet_size integer? # Maximum Packet Size, in bytes
---@field data string? # Authentication Data of CONNACK or AUTH
---@field any_client_id boolean? # whether the client id may have any form, and not that of `GroupID@@@DeviceID` alone
---@field depends string[]? # records of the client's instance in the registry, as `kind/name`, 64 at most: when one appears, changes or goes, the login ends then, and `expiring` is asked

---What is done about a login.
---@class dunlin.Controlled
---@field messages dunlin.NewMessage[]? # messages to the client itself, whatever it is subscribed to
---@field expires_at number? # when the login ends now, in seconds since 1970
---@field attrs table? # what later hooks read as `ctx.attrs` from now on; to them it is a new client, as after it has authenticated again
---@field acl string[][]? # the client's own rules from now on; an empty list for none
---@field depends string[]? # the records that the login depends on from now on, as `kind/name`; an empty list for none

---A CONNACK that is about to be sent.
---@class dunlin.Connack
---@field code integer # the reason code
---@field session_present boolean # whether there is a session to resume
---@field assigned_client_id string? # the client id that the broker chose

---What a client is told besides.
---@class dunlin.ConnackPatch
---@field user string[][]? # User Properties: a list of pairs, such as `{ { "name", "value" } }`
---@field reason_string string? # Reason String
---@field response_information string? # Response Information
---@field server_reference string? # Server Reference

---What `publish` changes. What is left out stays.
---@class dunlin.PublishPatch
---@field topic string? # the topic name, without wildcards
---@field payload string? # the payload
---@field qos integer? # 0, 1 or 2
---@field retain boolean? # the RETAIN flag
---@field properties dunlin.Properties? # all its properties
---@field more dunlin.NewMessage[]? # messages to publish besides; no hook is asked about them

---Where a message goes besides.
---@class dunlin.Routed
---@field topics string[]? # more topics
---@field clients string[]? # more clients, by client id, whatever they are subscribed to

---What `deliver` changes for one receiver.
---@class dunlin.DeliverPatch
---@field payload string? # the payload
---@field properties dunlin.Properties? # all its properties

---What `will` changes.
---@class dunlin.WillPatch
---@field topic string? # the topic name, without wildcards
---@field payload string? # the payload
---@field qos integer? # 0, 1 or 2
---@field retain boolean? # the RETAIN flag
---@field properties dunlin.Properties? # all its properties

---A subscription that is asked for.
---@class dunlin.Filter
---@field filter string # the topic filter, with `$share/NAME/` if it is shared
---@field qos integer? # 0, 1 or 2
---@field no_local boolean? # No Local
---@field retain_as_published boolean? # Retain As Published
---@field retain_handling integer? # Retain Handling: 0, 1 or 2

---A session began or was resumed.
---@class dunlin.SessionStart
---@field resumed boolean # whether there was a session to resume

---A session ended for good.
---@class dunlin.SessionEnd
---@field reason string # why, such as `expired`, `clean start`, `kicked`

---A connection ended.
---@class dunlin.Disconnected
---@field code integer # the reason code of the DISCONNECT, or the nearest one where there was none
---@field reason string # why, in words
---@field by_client boolean # whether the client ended it, with a DISCONNECT
---@field received integer # messages that came from it
---@field sent integer # messages that went to it

---A receiver acknowledged a message.
---@class dunlin.Acked
---@field topic string # its topic
---@field qos integer # the QoS at which it was delivered
---@field message_id string # the message's `id`

---Messages were dropped.
---@class dunlin.Dropped
---@field topic string # the topic of the (first) message
---@field reason string # why, such as `queue full`, or what a policy said
---@field count integer # how many

---A request; behind `http.get` and `http.post` what differs from it.
---@class dunlin.HttpRequest
---@field url string? # where to
---@field method string? # `GET` if none
---@field headers table? # names and values
---@field body string? # what to send
---@field json any # a value to send as JSON, in place of `body`
---@field timeout number? # seconds, if less than the entry allows

---What a server answered.
---@class dunlin.HttpAnswer
---@field status integer # the status code
---@field body string # the body
---@field headers table # the headers, their names in lower case

---Whose subscriptions are asked about again.
---@class dunlin.Reauthorize
---@field client string? # this client's alone
---@field instance string? # of which instance; that of the client which the script is asked about if none, and then the configured one

---Where something is done.
---@class dunlin.Where
---@field instance string? # in which instance; in that of the client which the script is asked about if none, and then in the configured one

---A session that `mqtt.sessions` found.
---@class dunlin.Session
---@field client_id string # whose it is
---@field username string? # the user name of its login
---@field connected boolean # whether the client is connected
---@field subscriptions integer # how many it has

---Which sessions are listed.
---@class dunlin.SessionsOptions
---@field prefix string? # the beginning of their client ids
---@field connected boolean? # only those of clients that are connected, or are not
---@field limit integer? # how many at most, 100 if none, up to 10,000
---@field instance string? # of which instance; that of the client which the script is asked about if none, and then the configured one

---How a cache is made.
---@class dunlin.CacheOptions
---@field ttl number? # how many seconds a value holds, 60 if none
---@field size integer? # how many values, 1,024 if none

---Which records of a kind are listed.
---@class dunlin.RegistryPage
---@field after string? # those behind this name: the last of the page before
---@field limit integer? # how many at most, 100 if none, up to 1,000

---A record that `registry.list` found.
---@class dunlin.RegistryRecord
---@field name string # its name among its kind
---@field value table # what it says

---How a token is signed.
---@class dunlin.JwtOptions
---@field alg "EdDSA" | "ES256" | "HS256" | "HS384" | "HS512" | "RS256" # the algorithm; what the token says of it does not count
---@field key string # a secret, or a key in PEM
---@field issuer string? # who must have issued it
---@field audience string? # for whom it must be
---@field leeway number? # how many seconds clocks may differ

---What `redis.open` gives. Arguments are strings and numbers.
---@class dunlin.Redis
local Redis = {}

---any command; waits
---@param name string # the command, its arguments behind it
---@param ... any
---@return any value # what the server answered; nil for nothing
---@return string? why # why there is no result
function Redis:command(name, ...) end

---GET; waits
---@param key string # which key
---@param ... any
---@return any value # what the server answered; nil for nothing
---@return string? why # why there is no result
function Redis:get(key, ...) end

---SET; waits
---@param key string # which key
---@param ... any
---@return any value # what the server answered; nil for nothing
---@return string? why # why there is no result
function Redis:set(key, ...) end

---DEL; waits
---@param key string # which key
---@param ... any
---@return any value # what the server answered; nil for nothing
---@return string? why # why there is no result
function Redis:del(key, ...) end

---INCR; waits
---@param key string # which key
---@param ... any
---@return any value # what the server answered; nil for nothing
---@return string? why # why there is no result
function Redis:incr(key, ...) end

---EXPIRE; waits
---@param key string # which key
---@param ... any
---@return any value # what the server answered; nil for nothing
---@return string? why # why there is no result
function Redis:expire(key, ...) end

---HGET; waits
---@param key string # which key
---@param ... any
---@return any value # what the server answered; nil for nothing
---@return string? why # why there is no result
function Redis:hget(key, ...) end

---HSET; waits
---@param key string # which key
---@param ... any
---@return any value # what the server answered; nil for nothing
---@return string? why # why there is no result
function Redis:hset(key, ...) end

---PUBLISH; waits
---@param key string # which key
---@param ... any
---@return any value # what the server answered; nil for nothing
---@return string? why # why there is no result
function Redis:publish(key, ...) end

---EVAL; waits
---@param key string # which key
---@param ... any
---@return any value # what the server answered; nil for nothing
---@return string? why # why there is no result
function Redis:eval(key, ...) end

---What `sql.open` gives.
---@class dunlin.Database
local Database = {}

---all rows; waits
---@param statement string # SQL, with the database's own marks for parameters
---@param parameters? any[] # what the marks stand for: put what comes from strangers here
---@return table[]? rows # tables by column; NULL is `json.null`
---@return string? why # why there is no result
function Database:query(statement, parameters) end

---the first row; waits
---@param statement string # SQL, with the database's own marks for parameters
---@param parameters? any[] # what the marks stand for: put what comes from strangers here
---@return table? row # a table by column; nil when there is none
---@return string? why # why there is no result
function Database:row(statement, parameters) end

---a statement without rows; waits
---@param statement string # SQL, with the database's own marks for parameters
---@param parameters? any[] # what the marks stand for: put what comes from strangers here
---@return integer? affected # how many rows changed
---@return string? why # why there is no result
function Database:execute(statement, parameters) end

---What `cache.new` makes.
---@class dunlin.Cache
local Cache = {}

---the value under a key, if it still holds
---@param key string # under which key
---@return any value # the value; nil when there is none
function Cache:get(key) end

---remembers a value
---@param key string # under which key
---@param value any # any value; nil forgets the key
---@param ttl? number # for how many seconds; the cache's own if none
function Cache:set(key, value, ttl) end

---forgets a value; whether there was one
---@param key string # under which key
---@return boolean truth # whether it is so
function Cache:delete(key) end

---the value under a key, or what `load(key)` returns, which is remembered unless it is nil
---@param key string # under which key
---@param load function # is called for a value that is not remembered; it may wait
---@return any value # the value; nil when `load` has none
---@return string? why # why there is no result
function Cache:fetch(key, load) end

---What `metrics.counter` makes.
---@class dunlin.Counter
local Counter = {}

---counts up
---@param by? number # how much, 1 if none
function Counter:inc(by) end

---What `metrics.gauge` makes.
---@class dunlin.Gauge
local Gauge = {}

---counts up, or down
---@param by? number # how much, 1 if none
function Gauge:inc(by) end

---sets it
---@param value number # the value
function Gauge:set(value) end

---What `metrics.histogram` makes.
---@class dunlin.Histogram
local Histogram = {}

---counts a value
---@param value number # the value
function Histogram:observe(value) end

---The table that a policy returns.
---@class dunlin.Policy
---@field name string? # what it is called, for people
---@field description string? # what it does, in a few words
---@field credentials function? # `credentials(client_id)` returns the user name and the password that this client should connect with; `dunlin credentials` calls it
---@field payload string[]? # the hooks that are handed the payload, such as `{ "authorize_publish" }`
---@field cache table? # which answers may be kept, such as `{ authorize_publish = { ttl = 60, by = { "topic" } } }`
---@field waits string[]? # the hooks of the hot path that may wait, such as `{ "authorize_publish" }`
---@field owns string[]? # the `$SYS` topics that go to `control`, such as `{ "$SYS/uploadToken" }`
---@field origins table? # messages of which origins a hook is asked about, such as `{ publish = { "client", "will" } }`
---@field on_load? fun(settings: any, previous: any): any, any?, any? # A policy is loaded: it reads its settings; an error refuses the load.
---@field on_unload? fun(reason: "replaced" | "rolled back" | "stopping") # A policy is about to be dropped.
---@field on_tick? fun(now: number): number?, any?, any? # A time that the policy asked for has come.
---@field connect? fun(ctx: dunlin.Context, connect: dunlin.Connect): ("pass" | "reject" | "redirect" | dunlin.ConnectPatch)?, any?, any? # A CONNECT, before authentication.
---@field authenticate? fun(ctx: dunlin.Context, username: string?, password: string?, method: string?, data: string?): "allow" | "deny" | "continue" | "next", any?, any? # Who is this client, and may it come in?
---@field expiring? fun(ctx: dunlin.Context, expires_at: number, ended: boolean): ("pass" | "disconnect" | dunlin.Controlled)?, any?, any? # A login that ends soon, or has ended.
---@field control? fun(ctx: dunlin.Context, msg: dunlin.Message): ("pass" | "disconnect" | dunlin.Controlled)?, any?, any? # A publish to a control topic that a policy owns.
---@field auth_continue? fun(ctx: dunlin.Context, method: string?, data: string?, state: any): "allow" | "deny" | "continue" | "next", any?, any? # The next step of an MQTT 5 AUTH exchange.
---@field connack? fun(ctx: dunlin.Context, connack: dunlin.Connack): ("pass" | dunlin.ConnackPatch)?, any?, any? # The CONNACK, before it is sent.
---@field authorize_publish? fun(ctx: dunlin.Context, topic: string, qos: integer, retain: boolean, size: integer, payload: string?): "allow" | "deny" | "disconnect" | "next", any?, any? # May this client publish this?
---@field publish? fun(ctx: dunlin.Context?, msg: dunlin.Message): ("pass" | "drop" | dunlin.PublishPatch)?, any?, any? # A message that may be published, before it is routed.
---@field authorize_subscribe? fun(ctx: dunlin.Context, filter: string, qos: integer, share: string?): "allow" | "deny" | "disconnect" | "next", any?, any? # May this client subscribe to this filter?
---@field subscribe? fun(ctx: dunlin.Context, filters: dunlin.Filter[]): ("pass" | dunlin.Filter[])?, any?, any? # The filters of a SUBSCRIBE.
---@field unsubscribe? fun(ctx: dunlin.Context, filters: string[]): ("pass" | string[])?, any?, any? # The filters of an UNSUBSCRIBE.
---@field route? fun(ctx: dunlin.Context?, msg: dunlin.Message, receivers: integer): ("pass" | "drop" | dunlin.Routed)?, any?, any? # A message and the number of its receivers.
---@field authorize_deliver? fun(ctx: dunlin.Context, topic: string): "allow" | "deny" | "disconnect" | "next", any?, any? # May this receiver have messages of this topic?
---@field deliver? fun(ctx: dunlin.Context, msg: dunlin.Message): ("pass" | "skip" | dunlin.DeliverPatch)?, any?, any? # A message on its way to one receiver.
---@field p2p? fun(ctx: dunlin.Context?, target: string, msg: dunlin.Message): "allow" | "deny" | "disconnect" | "next", any?, any? # May this client send to that client directly?
---@field offline? fun(ctx: dunlin.Context, msg: dunlin.Message): ("keep" | "skip")?, any?, any? # A message for a client that is not connected.
---@field will? fun(ctx: dunlin.Context, msg: dunlin.Message): ("pass" | "suppress" | dunlin.WillPatch)?, any?, any? # A will, before it is published.
---@field session_start? fun(ctx: dunlin.Context, event: dunlin.SessionStart) # A session began or was resumed.
---@field session_end? fun(ctx: dunlin.Context, event: dunlin.SessionEnd) # A session ended for good.
---@field disconnect? fun(ctx: dunlin.Context, event: dunlin.Disconnected) # A connection ended.
---@field acked? fun(ctx: dunlin.Context, event: dunlin.Acked) # A receiver acknowledged a message.
---@field dropped? fun(ctx: dunlin.Context?, event: dunlin.Dropped) # A message was dropped.
---@field limit? fun(instance: string, name: string): number?, any?, any? # How high is this limit for this instance?
---@field rule_action? fun(rule: table, messages: dunlin.NewMessage[]): "done" | any[], any?, any? # A batch of messages that a rule matched.

---What a policy remembers for a while, in its own state: each shard has its own.
---@class dunlin.module.cache
cache = {}

---a cache; when it is full, what was not used for longest goes
---@param options? dunlin.CacheOptions # how long and how many
---@return dunlin.Cache cache # an empty cache
function cache.new(options) end

---RFC 8949, by the same rules as `json`.
---@class dunlin.module.cbor
cbor = {}

---the value, or nil and why not; bytes come in as strings
---@param data string # what to work on
---@return any value # the value; nil for what is none
---@return string? why # why there is no result
function cbor.decode(data) end

---a string that is no UTF-8 goes out as bytes, one that is as text; the keys of maps are sorted
---@param value any # what to encode
---@return string bytes # the result
function cbor.encode(value) end

---marks a string as bytes in any case
---@param text string # what to work on
---@return any value # for `cbor.encode`
function cbor.bytes(text) end

---Digests, HMAC and encodings.
---@class dunlin.module.crypto
crypto = {}

---HMAC as raw bytes
---@param algorithm "md5" | "sha1" | "sha256" | "sha384" | "sha512" # which digest
---@param key string # the secret
---@param data string # what is signed
---@return string bytes # the result
function crypto.hmac(algorithm, key, data) end

---the digest as raw bytes
---@param data string # what to work on
---@return string bytes # the result
function crypto.md5(data) end

---the digest as raw bytes
---@param data string # what to work on
---@return string bytes # the result
function crypto.sha1(data) end

---the digest as raw bytes
---@param data string # what to work on
---@return string bytes # the result
function crypto.sha256(data) end

---the digest as raw bytes
---@param data string # what to work on
---@return string bytes # the result
function crypto.sha512(data) end

---standard alphabet, with padding
---@param data string # what to work on
---@return string text # the result
function crypto.base64_encode(data) end

---the bytes, or nil for bad text
---@param text string # what to work on
---@return string? bytes # the result; nil for bad text
function crypto.base64_decode(text) end

---URL-safe alphabet, without padding
---@param data string # what to work on
---@return string text # the result
function crypto.base64url_encode(data) end

---the bytes, or nil for bad text
---@param text string # what to work on
---@return string? bytes # the result; nil for bad text
function crypto.base64url_decode(text) end

---two lower-case digits a byte
---@param data string # what to work on
---@return string text # the result
function crypto.hex_encode(data) end

---the bytes, or nil for bad text
---@param text string # what to work on
---@return string? bytes # the result; nil for bad text
function crypto.hex_decode(text) end

---compares in constant time: use it for secrets
---@param a string # one
---@param b string # the other
---@return boolean truth # whether it is so
function crypto.equal(a, b) end

---random bytes, good for secrets
---@param bytes integer # how many: 1 to 1,024
---@return string bytes # the result
function crypto.random(bytes) end

---whether the hash is of this password; nil and why for a bad hash, or when too many wait; waits
---@param password string # the password
---@param hash string # its hash, such as `$2b$10$...`
---@return boolean? right # whether it is so
---@return string? why # why there is no result
function crypto.argon2_verify(password, hash) end

---whether the hash is of this password; nil and why for a bad hash, or when too many wait; waits
---@param password string # the password
---@param hash string # its hash, such as `$2b$10$...`
---@return boolean? right # whether it is so
---@return string? why # why there is no result
function crypto.bcrypt_verify(password, hash) end

---a hash of a password by argon2id, with a salt of its own; waits
---@param password string # the password
---@return string? hash # the hash
---@return string? why # why there is no result
function crypto.argon2_hash(password) end

---a hash of a password, with a salt of its own; waits
---@param password string # the password
---@param cost? integer # 4 to 14, 10 if none
---@return string? hash # the hash
---@return string? why # why there is no result
function crypto.bcrypt_hash(password, cost) end

---the claims of a token that is right and in its time, or nil and why not
---@param token string # the JSON Web Token
---@param options dunlin.JwtOptions # how it has to be signed, and what it has to say
---@return table? claims # what the token says
---@return string? why # why there is no result
function crypto.jwt_verify(token, options) end

---a JSON Web Token
---@param claims table # what the token says
---@param options dunlin.JwtOptions # how to sign it
---@return string text # the result
function crypto.jwt_sign(claims, options) end

---Requests to places that the policy's entry allows.
---@class dunlin.module.http
http = {}

---asks; waits
---@param url string # where to; the policy's entry has to allow it
---@param options? dunlin.HttpRequest # what differs
---@return dunlin.HttpAnswer? answer # whatever its status; nil when there is none
---@return string? why # why there is no result
function http.get(url, options) end

---sends; waits
---@param url string # where to; the policy's entry has to allow it
---@param body? string # what to send
---@param options? dunlin.HttpRequest # what differs
---@return dunlin.HttpAnswer? answer # whatever its status; nil when there is none
---@return string? why # why there is no result
function http.post(url, body, options) end

---a request of any kind; waits
---@param request dunlin.HttpRequest # all of it
---@return dunlin.HttpAnswer? answer # whatever its status; nil when there is none
---@return string? why # why there is no result
function http.request(request) end

---Payloads as tables and back.
---@class dunlin.module.json
---@field null any # a null
json = {}

---the value, or nil and why not. An integer beyond 2^53 stays what it is: it can be compared, printed and encoded
---@param text string # what to work on
---@return any value # the value; nil for what is none
---@return string? why # why there is no result
function json.decode(text) end

---the text; an error for what JSON cannot say. Fields are sorted
---@param value any # what to encode
---@return string text # the result
function json.encode(value) end

---marks a table as a list, which an empty one does not show
---@param list table # a table
---@return table list # the same table
function json.array(list) end

---the integer, also beyond 2^53
---@param digits string # an integer of at most 64 bits
---@return any value # the value; nil for what is none
---@return string? why # why there is no result
function json.int(digits) end

---one value of a text, without building the rest; nil when it is not there
---@param text string # a JSON text
---@param path string | any[] # names and, in lists, numbers from 1: `"values.1.name"`, or a list of such steps
---@return any value # the value; nil for what is none
---@return string? why # why there is no result
function json.get(text, path) end

---a text with one value replaced, added or taken out
---@param text string # a JSON text
---@param path string | any[] # names and, in lists, numbers from 1: `"values.1.name"`, or a list of such steps
---@param value any # what comes there; nil takes it out
---@return string? text # the text, otherwise byte for byte as it was
---@return string? why # why there is no result
function json.set(text, path, value) end

---A policy's values, shared by all shards; they outlive a reload, not the process.
---@class dunlin.module.kv
kv = {}

---the value under a key
---@param key string # under which key
---@return any value # the value; nil when there is none
function kv.get(key) end

---puts a value
---@param key string # under which key
---@param value any # a string, a number, a boolean or a small table
---@param ttl? number # for how many seconds; for good if none
---@return boolean? done # whether it was put; nil when there is no room
---@return string? why # why there is no result
function kv.set(key, value, ttl) end

---puts a value if there is none
---@param key string # under which key
---@param value any # a string, a number, a boolean or a small table
---@param ttl? number # for how many seconds; for good if none
---@return boolean? done # whether it was put; nil when there is no room
---@return string? why # why there is no result
function kv.add(key, value, ttl) end

---puts a value if the old one is as expected
---@param key string # under which key
---@param old? any # what must be there; nil for nothing
---@param new any # a string, a number, a boolean or a small table
---@param ttl? number # for how many seconds; for good if none
---@return boolean? done # whether it was put; nil when there is no room
---@return string? why # why there is no result
function kv.cas(key, old, new, ttl) end

---adds to a number, at once on all shards; a key that is new begins at 0 and lives for `ttl`
---@param key string # under which key
---@param by? number # how much, 1 if none
---@param ttl? number # for how many seconds; for good if none
---@return number? sum # the new value; nil for what is no number, or when there is no room
---@return string? why # why there is no result
function kv.incr(key, by, ttl) end

---takes a value away; whether there was one
---@param key string # under which key
---@return boolean truth # whether it is so
function kv.delete(key) end

---how long a value stays, math.huge for good
---@param key string # under which key
---@return number? seconds # how long it stays; nil when there is none
function kv.ttl(key) end

---keys that there are, page by page
---@param prefix? string # how they begin
---@param limit? integer # how many at most, 1,000 if none
---@param after? string # those behind this key: the last of the page before
---@return string[] keys # in order of their bytes
function kv.keys(prefix, limit, after) end

---The same for all policies together.
---@class dunlin.module.kv.shared
kv.shared = {}

---the value under a key
---@param key string # under which key
---@return any value # the value; nil when there is none
function kv.shared.get(key) end

---puts a value
---@param key string # under which key
---@param value any # a string, a number, a boolean or a small table
---@param ttl? number # for how many seconds; for good if none
---@return boolean? done # whether it was put; nil when there is no room
---@return string? why # why there is no result
function kv.shared.set(key, value, ttl) end

---puts a value if there is none
---@param key string # under which key
---@param value any # a string, a number, a boolean or a small table
---@param ttl? number # for how many seconds; for good if none
---@return boolean? done # whether it was put; nil when there is no room
---@return string? why # why there is no result
function kv.shared.add(key, value, ttl) end

---puts a value if the old one is as expected
---@param key string # under which key
---@param old? any # what must be there; nil for nothing
---@param new any # a string, a number, a boolean or a small table
---@param ttl? number # for how many seconds; for good if none
---@return boolean? done # whether it was put; nil when there is no room
---@return string? why # why there is no result
function kv.shared.cas(key, old, new, ttl) end

---adds to a number, at once on all shards; a key that is new begins at 0 and lives for `ttl`
---@param key string # under which key
---@param by? number # how much, 1 if none
---@param ttl? number # for how many seconds; for good if none
---@return number? sum # the new value; nil for what is no number, or when there is no room
---@return string? why # why there is no result
function kv.shared.incr(key, by, ttl) end

---takes a value away; whether there was one
---@param key string # under which key
---@return boolean truth # whether it is so
function kv.shared.delete(key) end

---how long a value stays, math.huge for good
---@param key string # under which key
---@return number? seconds # how long it stays; nil when there is none
function kv.shared.ttl(key) end

---keys that there are, page by page
---@param prefix? string # how they begin
---@param limit? integer # how many at most, 1,000 if none
---@param after? string # those behind this key: the last of the page before
---@return string[] keys # in order of their bytes
function kv.shared.keys(prefix, limit, after) end

---Lines in the broker's log, marked with the policy's name.
---@class dunlin.module.log
log = {}

---a line for who looks for a mistake
---@param message string # the line
---@param fields? table # what goes with it
function log.debug(message, fields) end

---a line
---@param message string # the line
---@param fields? table # what goes with it
function log.info(message, fields) end

---a line about something odd
---@param message string # the line
---@param fields? table # what goes with it
function log.warn(message, fields) end

---a line about something broken; it raises nothing
---@param message string # the line
---@param fields? table # what goes with it
function log.error(message, fields) end

---A policy's own counters, gauges and histograms, beside the broker's. Make them while the script loads.
---@class dunlin.module.metrics
metrics = {}

---a number that only grows
---@param name string # letters, digits and _, a letter first
---@param labels? table # labels and their values; the policy's name is added
---@return dunlin.Counter counter # the series
function metrics.counter(name, labels) end

---a number that goes up and down
---@param name string # letters, digits and _, a letter first
---@param labels? table # labels and their values; the policy's name is added
---@return dunlin.Gauge gauge # the series
function metrics.gauge(name, labels) end

---how often values of which size occur; `buckets` among the labels lists the upper ends, by default for times in seconds
---@param name string # letters, digits and _, a letter first
---@param labels? table # labels and their values; the policy's name is added
---@return dunlin.Histogram histogram # the series
function metrics.histogram(name, labels) end

---What a script can have the broker do. Each is noted, and done when the turn of the shard ends.
---@class dunlin.module.mqtt
mqtt = {}

---publishes a message, whose origin is `script`
---@param message dunlin.NewMessage # what to send
---@param options? dunlin.Where # where
function mqtt.publish(message, options) end

---sends a message to one client, whatever it is subscribed to
---@param client_id string # which client
---@param message dunlin.NewMessage # what to send
---@param options? dunlin.Where # where
function mqtt.p2p(client_id, message, options) end

---ends a client's connection
---@param client_id string # which client
---@param code? integer # a reason code of DISCONNECT, 0x98 (administrative action) if none
---@param reason? string # why
---@param options? dunlin.Where # where
function mqtt.kick(client_id, code, reason, options) end

---asks again whether subscriptions are allowed, and takes back those that are not
---@param options? dunlin.Reauthorize # whose; everybody's of the instance if none
function mqtt.reauthorize(options) end

---the sessions that there are, on all shards; waits
---@param options? dunlin.SessionsOptions # which; the first hundred if none
---@return dunlin.Session[]? sessions # in no order
---@return string? why # why there is no result
function mqtt.sessions(options) end

---Regular expressions that take little time, whatever a stranger puts into a topic or a payload. The syntax is that of Rust's `regex`.
---@class dunlin.module.re
re = {}

---whether it matches anywhere
---@param pattern string # a regular expression, of 4,096 bytes at most
---@param text string # where to look
---@return boolean truth # whether it is so
function re.test(pattern, text) end

---the first match, or nil
---@param pattern string # a regular expression, of 4,096 bytes at most
---@param text string # where to look
---@return table? groups # `[0]` is all of it, `[1]` and on the groups, also by their names
function re.match(pattern, text) end

---the place of the first match, as string.find tells it
---@param pattern string # a regular expression, of 4,096 bytes at most
---@param text string # where to look
---@return integer? first # where the first match begins
---@return integer? last # where it ends
function re.find(pattern, text) end

---the text cut at every match
---@param pattern string # a regular expression, of 4,096 bytes at most
---@param text string # where to look
---@return string[] parts # what lies between the matches
function re.split(pattern, text) end

---the text with every match replaced
---@param pattern string # a regular expression, of 4,096 bytes at most
---@param text string # where to look
---@param replacement string | function # a text, in which `$1` and `$name` are groups, or a function of the groups that returns one, or nil for no change
---@return string text # the result
---@return integer count # how many matches there were
function re.gsub(pattern, text, replacement) end

---Servers that the policy's entry names.
---@class dunlin.module.redis
redis = {}

---a server; open it while the script loads
---@param name string # what the policy's entry calls it
---@return dunlin.Redis redis # the server
function redis.open(name) end

---What operators have set up while the broker runs: groups, keys, credentials, and more. For reading, without waiting.
---@class dunlin.module.registry
registry = {}

---a record
---@param instance string # of which instance, such as `ctx.instance`; empty for what belongs to none
---@param kind string # of which kind, such as `group`
---@param name string # under which name
---@return table? value # what the record says, a new table; nil when there is none
function registry.get(instance, kind, name) end

---records of a kind, page by page
---@param instance string # of which instance, such as `ctx.instance`; empty for what belongs to none
---@param kind string # of which kind, such as `group`
---@param options? dunlin.RegistryPage # which; the first hundred if none
---@return dunlin.RegistryRecord[] records # in order of the bytes of their names
function registry.list(instance, kind, options) end

---Databases that the policy's entry names: PostgreSQL, MySQL, SQLite.
---@class dunlin.module.sql
sql = {}

---a database; open it while the script loads
---@param name string # what the policy's entry calls it
---@return dunlin.Database database # the database
function sql.open(name) end

---A policy's own small values that survive a reload.
---@class dunlin.module.state
state = {}

---the value under a name
---@param name string # under which name
---@return any value # the value; nil when there is none
function state.get(name) end

---puts a value, nil for none
---@param name string # under which name
---@param value? any # a string, a number, a boolean or a small table
---@return boolean? done # whether it was put; nil when there is no room
---@return string? why # why there is no result
function state.set(name, value) end

---What a script does beside its hooks. A task belongs to its generation and ends with it; there may be 1,000 of them in a state.
---@class dunlin.module.task
task = {}

---calls a function beside the hook; it may wait
---@param body function # is called with the arguments behind it
---@param ... any
function task.spawn(body, ...) end

---waits; waits
---@param seconds number # how long
function task.sleep(seconds) end

---calls a function again and again, with so much time between two calls
---@param seconds number # how long
---@param body function # what to do; it may wait
function task.every(seconds, body) end

---The clock, and times as text, in UTC.
---@class dunlin.module.time
time = {}

---seconds since 1970
---@return number seconds # with fractions
function time.now() end

---a time as text, to the millisecond
---@param seconds number # since 1970
---@param format? string # as of strftime; RFC 3339 if none
---@return string text # the time
function time.format(seconds, format) end

---the time that a text says, with any offset
---@param text string # such as `2026-11-23T13:20:00Z`
---@return number? seconds # since 1970; nil for bad text
---@return string? why # why there is no result
function time.parse_rfc3339(text) end

---What MQTT says about topic names and filters.
---@class dunlin.module.topic
topic = {}

---whether the filter matches the topic name
---@param filter string # a topic filter
---@param topic string # a topic name
---@return boolean truth # whether it is so
function topic.matches(filter, topic) end

---whether `outer` matches all that `inner` matches
---@param outer string # a topic filter
---@param inner string # a topic filter
---@return boolean truth # whether it is so
function topic.covers(outer, inner) end

---whether a topic exists that both match
---@param a string # a topic filter
---@param b string # a topic filter
---@return boolean truth # whether it is so
function topic.overlaps(a, b) end

---whether it is a topic filter
---@param text string # what to work on
---@return boolean truth # whether it is so
function topic.valid_filter(text) end

---the same as `log.info` of its arguments
---@param ... any
function print(...) end

---another file beside the script, loaded, hashed and watched with it; only while the script loads
---@param name string # a file beside the script without its `.lua`, such as `lib/units`
---@return any value # what the file returns
function require(name) end
