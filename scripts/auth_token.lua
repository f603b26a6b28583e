-- Token credentials: a client brings tokens that somebody has applied for. A token says for how long, and to which topics, it
-- lets a client publish (W), subscribe (R), or both (RW).
--
--     user name   Token|<AccessKeyId>|<InstanceId>
--     password    R|<token>, W|<token> or RW|<token>, joined with | in any order, at most one of each type
--
-- Settings, all optional: `instance` and `keys` as auth.lua has them, for access keys that are not in the registry.
--
-- Tokens are signed with the instance's `token_key` of the registry and can be revoked (`dunlin ctl token`). A connected client
-- is told 300 seconds before a token expires, brings a new one to $SYS/uploadToken, and is told why before it is disconnected.

local BAD_USER_NAME_OR_PASSWORD = 0x86
local NOT_AUTHORIZED = 0x87

local UPLOAD = "$SYS/uploadToken"
local EXPIRES = "$SYS/tokenExpireNotice"
local INVALID = "$SYS/tokenInvalidNotice"

local TYPES = { "R", "W", "RW" }
-- Milliseconds, as all times here: so long before its end a token's client is told.
local LEAD = 300000
-- What a token may hold: what is kept of three of them fits into a client's attributes.
local MOST_RESOURCES = 100
local MOST_BYTES = 12800

-- The product's codes.
local WHY = {
	[-1] = "its access key is gone",
	[1] = "it is no token",
	[2] = "it has expired",
	[3] = "it was revoked",
	[4] = "it is not for this instance or topic",
	[5] = "it is of another type",
	[8] = "its signature is wrong",
}

local instance
local keys = {}

local function why(code, word)
	return `token code {code} ({word}): {WHY[code]}`
end

local function invalid(code, word)
	return { topic = INVALID, payload = json.encode({ code = code, type = word }) }
end

-- Now, but not before the broker's own clock says so.
local function now(at_least)
	return math.max(math.round(time.now() * 1000), math.round((at_least or 0) * 1000))
end

-- Whether there is such an access key, and whether the registry says so.
local function access_key(ctx, id)
	local record = registry.get(ctx.instance, "access_key", id)
	local kept = record ~= nil and type(record.secret) == "string" and record.secret ~= ""
	local own = ctx.instance == instance and keys[id] ~= nil
	return own or kept, not own
end

-- What the instance signs tokens with.
local function token_key(ctx)
	local record = registry.get(ctx.instance, "token_key", "current")
	local secret = record and record.secret
	local key = type(secret) == "string" and crypto.base64_decode(secret) or ""
	return if key ~= "" then key else nil
end

-- Tells keys apart, and says nothing about one: a key is 32 random bytes.
local function fingerprint(key)
	return string.sub(crypto.hex_encode(crypto.sha256(key)), 1, 16)
end

local function is_revoked(ctx, id)
	return registry.get(ctx.instance, "revoked_token", id) ~= nil
end

-- Whether it is a list of topic filters that a token may have.
local function are_resources(list)
	if type(list) ~= "table" or #list == 0 or #list > MOST_RESOURCES then
		return false
	end
	local bytes = 0
	for _, filter in list do
		if type(filter) ~= "string" or string.sub(filter, 1, 7) == "$share/" or not topic.valid_filter(filter) then
			return false
		end
		bytes += #filter
	end
	return bytes <= MOST_BYTES
end

-- Whether it is a time, in milliseconds since 1970.
local function is_time(value)
	return type(value) == "number" and value >= 0 and value < 2 ^ 53 and value % 1 == 0
end

-- What a token says that was brought as one of this type; or nil and the code of what is wrong with it. Without a key it takes
-- as long as with a wrong one.
local function read(ctx, key, word, text)
	local signed, payload, signature = string.match(text, "^(DT1%.([%w_%-]+))%.([%w_%-]+)$")
	if signed == nil then
		return nil, 1
	end
	local right = crypto.base64url_encode(crypto.hmac("sha256", key or "none", signed))
	local equal = crypto.equal(right, signature)
	if key == nil or not equal then
		return nil, 8
	end
	local says = json.decode(crypto.base64url_decode(payload) or "")
	if type(says) ~= "table" or type(says.i) ~= "string" or not table.find(TYPES, says.a) then
		return nil, 1
	elseif not is_time(says.e) or not are_resources(says.r) then
		return nil, 1
	elseif says.i ~= ctx.instance then
		return nil, 4
	elseif says.a ~= word then
		return nil, 5
	end
	local id = crypto.hex_encode(crypto.sha256(text))
	if is_revoked(ctx, id) then
		return nil, 3
	elseif says.e <= now() then
		return nil, 2
	end
	return { id = id, expires = says.e, resources = says.r }
end

-- The tokens of a password by type; or nil, the code and the type of the first that is wrong.
local function read_all(ctx, key, password)
	local parts = string.split(password, "|")
	local tokens = {}
	for n = 1, #parts, 2 do
		local word, text = parts[n], parts[n + 1]
		if not table.find(TYPES, word) or text == nil or tokens[word] ~= nil then
			return nil
		end
		local token, code = read(ctx, key, word, text)
		if token == nil then
			return nil, code, word
		end
		tokens[word] = token
	end
	return tokens
end

-- When the broker is to ask next. It asks by itself 300 seconds before a login ends; later tokens of the same client have
-- their notice in between.
local function next_look(tokens, at)
	local ends, due = math.huge, math.huge
	for _, token in tokens do
		ends = math.min(ends, token.expires)
		due = math.min(due, if token.warned then token.expires else token.expires - LEAD)
	end
	return (if ends - LEAD > at then ends else math.max(due, at)) / 1000
end

-- The records that a login with these attributes rests on.
local function records(attrs, kept)
	local list = { "token_key/current" }
	if kept then
		table.insert(list, `access_key/{attrs.access_key}`)
	end
	for _, word in TYPES do
		if attrs.tokens[word] then
			table.insert(list, `revoked_token/{attrs.tokens[word].id}`)
		end
	end
	return list
end

-- The code of what is wrong with a token that was good when it came.
local function trouble(ctx, token, at)
	local key = token_key(ctx)
	if not access_key(ctx, ctx.attrs.access_key) then
		return -1
	elseif key == nil or fingerprint(key) ~= ctx.attrs.token_key then
		return 8
	elseif is_revoked(ctx, token.id) then
		return 3
	end
	return if token.expires <= at then 2 else nil
end

-- Attributes with one thing changed.
local function with(attrs, name, value)
	local copy = table.clone(attrs)
	copy[name] = value
	return copy
end

-- Whether one of the client's tokens of these types fits; otherwise it is told, and disconnected.
local function ask(ctx, types, fits)
	local tokens, ours, any = ctx.attrs.tokens, nil, nil
	if tokens == nil then
		return "next"
	end
	for _, word in TYPES do
		local token = tokens[word]
		any = any or (token and word)
		if token and table.find(types, word) then
			ours = ours or word
			for _, filter in token.resources do
				if fits(filter) and not ctx.attrs.over then
					return "allow"
				end
			end
		end
	end
	local code, word = if ours then 4 else 5, ours or any
	if not ctx.attrs.over then
		mqtt.p2p(ctx.client_id, invalid(code, word))
	end
	return "disconnect", why(code, word)
end

return {
	name = "auth_token",
	description = "token credentials",
	owns = { UPLOAD },
	-- New tokens make a new client of it, for which nothing is kept.
	cache = {
		authorize_publish = { ttl = 60, by = { "topic" } },
		authorize_subscribe = { ttl = 60, by = { "filter" } },
	},

	on_load = function(settings)
		instance = settings.instance
		keys = if type(settings.keys) == "table" then settings.keys else {}
	end,

	-- The third part of the user name says which instance the client is of. An id has at most 512 bytes.
	connect = function(_, connect)
		local parts = string.split(connect.username or "", "|")
		if parts[1] == "Token" and #parts == 3 and parts[3] ~= "" and #parts[3] <= 512 then
			return { instance = parts[3] }
		end
		return nil
	end,

	authenticate = function(ctx, username, password)
		if username == nil or string.sub(username, 1, 6) ~= "Token|" then
			return "next" -- not ours; perhaps another policy knows it
		end
		local parts = string.split(username, "|")
		if #parts ~= 3 then
			return "deny", BAD_USER_NAME_OR_PASSWORD, "the user name is not Token|<AccessKeyId>|<InstanceId>"
		elseif parts[3] ~= ctx.instance then
			return "deny", NOT_AUTHORIZED, "no such instance"
		end
		-- With a key that does not exist all signatures are wrong: nobody learns which keys there are.
		local known, kept = access_key(ctx, parts[2])
		local key = token_key(ctx)
		local tokens, code, word = read_all(ctx, if known then key else nil, password or "")
		if tokens == nil then
			local forged = code == nil or code == 1 or code == 8
			local form = "token code 1: the password is not R|<token>, W|<token> or RW|<token>, at most one of each"
			return "deny",
				if forged then BAD_USER_NAME_OR_PASSWORD else NOT_AUTHORIZED,
				if code then why(code, word) else form
		end
		local attrs = { access_key = parts[2], token_key = fingerprint(key), tokens = tokens }
		return "allow", { attrs = attrs, expires_at = next_look(tokens, now()), depends = records(attrs, kept) }
	end,

	expiring = function(ctx, expires_at, ended)
		local tokens = ctx.attrs.tokens
		if tokens == nil or ctx.attrs.over then
			return nil -- another policy's client; or it knows why it has to go
		end
		local at = now(if ended then expires_at else expires_at - LEAD / 1000)
		local messages, renewed = {}, nil
		for _, word in TYPES do
			local code = if ended and tokens[word] then trouble(ctx, tokens[word], at) else nil
			if code then
				table.insert(messages, invalid(code, word))
			end
		end
		if #messages > 0 then
			return { messages = messages }
		end
		for _, word in TYPES do
			local token = tokens[word]
			if token and not token.warned and token.expires - LEAD <= at then
				local notice = json.encode({ expireTime = token.expires, type = word })
				table.insert(messages, { topic = EXPIRES, payload = notice })
				renewed = with(renewed or tokens, word, with(token, "warned", true))
			end
		end
		return {
			messages = messages,
			expires_at = next_look(renewed or tokens, at),
			attrs = if renewed then with(ctx.attrs, "tokens", renewed) else nil,
		}
	end,

	control = function(ctx, msg)
		local tokens = ctx.attrs.tokens
		if tokens == nil or ctx.attrs.over then
			return nil -- it came with other credentials, which no token prolongs; or it is on its way out
		end
		local says = json.decode(msg.payload)
		local is_form = type(says) == "table" and type(says.token) == "string" and table.find(TYPES, says.type)
		local known, kept = access_key(ctx, ctx.attrs.access_key)
		local key = token_key(ctx)
		local token, code, word = nil, 1, "RW"
		if is_form then
			word = says.type
			token, code = read(ctx, if known then key else nil, word, says.token)
		end
		if token == nil then
			-- It ends at once, behind this message.
			return {
				messages = { invalid(code, word) },
				attrs = with(ctx.attrs, "over", true),
				expires_at = now() / 1000,
			}
		end
		local attrs = with(ctx.attrs, "tokens", with(tokens, word, token))
		return { attrs = attrs, expires_at = next_look(attrs.tokens, now()), depends = records(attrs, kept) }
	end,

	authorize_publish = function(ctx, name)
		return ask(ctx, { "W", "RW" }, function(filter)
			return topic.matches(filter, name)
		end)
	end,

	authorize_subscribe = function(ctx, wanted)
		return ask(ctx, { "R", "RW" }, function(filter)
			return topic.covers(filter, wanted)
		end)
	end,
}
