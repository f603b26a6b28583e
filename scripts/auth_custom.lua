-- Custom authentication: identities and permissions that the operator keeps in the registry (`dunlin ctl identity`,
-- `permission`, `blacklist`).
--
--     user name   any without a |
--     password    as the identity's SignMode says: ORIGIN, its secret; SIGNED, base64(HMAC-SHA1(secret, client id))
--
-- An identity of type CLIENT is good for one client id, and asked before one of type USER, which any client may use. Client ids
-- may have any form. All user names without a | are ours, so this comes last of the policies that log clients in.
--
--     settings.refresh = 10       # after so many seconds at most a new permission is in force; changed ones are at once

local BAD_USER_NAME_OR_PASSWORD = 0x86
local NOT_AUTHORIZED = 0x87
local BANNED = 0x8A
local QUOTA_EXCEEDED = 0x97

-- The broker takes 256 rules of a client's own and 64 records that a login rests on.
local MOST_RULES = 256
local MOST_RECORDS = 64
-- The registry has no longer names.
local LONGEST_NAME = 512
local PAGE = 50
-- The broker asks so many seconds before a login ends. Nothing is lost if the question fails then: it asks at the end again.
local LEAD = 300

local ACTIONS = { PUB = "publish", SUB = "subscribe", PUB_SUB = "all" }

local refresh
local salt

local function find(ctx, username)
	for _, kind in { "CLIENT", "USER" } do
		local is_client = kind == "CLIENT"
		local name = if is_client then `CLIENT/{username}/{ctx.client_id}` else `USER/{username}`
		local record = registry.get(ctx.instance, "identity", name)
		-- A name may be read in several ways, where there are slashes in it.
		if record and record.type == kind and record.username == username then
			if not is_client or record.client_id == ctx.client_id then
				return record, kind
			end
		end
	end
	return nil
end

-- The secret of an identity that is one.
local function secret_of(identity)
	local secret = identity and identity.secret
	local is_mode = identity and (identity.sign_mode == "ORIGIN" or identity.sign_mode == "SIGNED")
	return if is_mode and type(secret) == "string" and secret ~= "" then secret else nil
end

-- Tells whether an identity is still what it was, and says nothing of its secret to whoever sees the attributes.
local function proof(identity, kind)
	local all = `{kind}|{identity.sign_mode}|{identity.secret}`
	return string.sub(crypto.hex_encode(crypto.hmac("sha256", salt, all)), 1, 32)
end

-- All permissions of a user name or a client id.
local function permissions(ctx, kind, identity)
	local prefix, found = `{kind}/{identity}/`, {}
	local after = prefix
	while true do
		local page = registry.list(ctx.instance, "permission", { after = after, limit = PAGE })
		for _, record in page do
			if string.sub(record.name, 1, #prefix) ~= prefix then
				return found
			elseif record.value.type == kind and record.value.identity == identity then
				table.insert(found, record)
			end
		end
		if #page < PAGE then
			return found
		end
		after = page[PAGE].name
	end
end

-- What a client may: its rules, the names of the permissions that they come from, and whether it may not even connect.
-- Permissions of a client id count when the identity is that client's; their denials count for everybody who takes that id.
local function rights(ctx, username, kind)
	local denied, allowed, names, barred = {}, {}, {}, false
	local function add(permission, with_allowed)
		local value = permission.value
		local action = ACTIONS[value.action]
		table.insert(names, permission.name)
		if value.effect == "DENY" and value.action == "CONNECT" then
			barred = true
		elseif action == nil or type(value.topic) ~= "string" or not topic.valid_filter(value.topic) then
			return
		elseif value.effect == "DENY" then
			table.insert(denied, { "deny", action, value.topic })
		elseif value.effect == "ALLOW" and with_allowed then
			table.insert(allowed, { "allow", action, value.topic })
		end
	end
	for _, permission in permissions(ctx, "CLIENT", ctx.client_id) do
		add(permission, kind == "CLIENT")
	end
	for _, permission in permissions(ctx, "USER", username) do
		add(permission, true)
	end
	local acl = denied
	table.move(allowed, 1, #allowed, #acl + 1, acl)
	-- What no rule names is denied.
	table.insert(acl, { "deny", "all", "#" })
	return { acl = acl, names = names, barred = barred }
end

-- Tells rules apart.
local function digest(acl)
	local lines = {}
	for _, rule in acl do
		table.insert(lines, table.concat(rule, " "))
	end
	return string.sub(crypto.hex_encode(crypto.sha256(table.concat(lines, "\n"))), 1, 16)
end

-- The records that a login rests on, as many as it may: first those that decide whether there is one.
local function records(ctx, username, names)
	local list = {}
	local function add(kind, name)
		if #name <= LONGEST_NAME and #list < MOST_RECORDS then
			table.insert(list, `{kind}/{name}`)
		end
	end
	add("identity", `CLIENT/{username}/{ctx.client_id}`)
	add("identity", `USER/{username}`)
	add("black_list", ctx.client_id)
	for _, name in names do
		add("permission", name)
	end
	return list
end

-- What a login brings; or nil, a code and why there is none.
local function login(ctx, username, identity, kind)
	if registry.get(ctx.instance, "black_list", ctx.client_id) then
		return nil, BANNED, "the client id is on the black list"
	end
	local found = rights(ctx, username, kind)
	if found.barred then
		return nil, NOT_AUTHORIZED, "a permission denies CONNECT"
	elseif #found.acl > MOST_RULES then
		return nil, QUOTA_EXCEEDED, `there are more than {MOST_RULES - 1} permissions for this client`
	end
	return {
		attrs = { identity = kind, proof = proof(identity, kind), rules = digest(found.acl) },
		acl = found.acl,
		depends = records(ctx, username, found.names),
		expires_at = time.now() + LEAD + refresh,
	}
end

return {
	name = "auth_custom",
	description = "custom authentication",

	on_load = function(settings)
		refresh = settings.refresh or 10
		if type(refresh) ~= "number" or refresh < 1 then
			error("the setting `refresh` is a number of seconds, 1 or more; write for instance `settings.refresh = 10`", 0)
		end
		-- One for all shards, and for every version of this policy.
		kv.add("salt", crypto.hex_encode(crypto.random(32)))
		salt = kv.get("salt")
	end,

	authenticate = function(ctx, username, password)
		if username == nil or string.find(username, "|", 1, true) then
			return "next" -- not ours; perhaps another policy knows it
		end
		-- Who does not exist takes as long as a wrong password and gets the same answer. Digests are compared: the length
		-- of a secret is a secret, too.
		local identity, kind = find(ctx, username)
		local secret = secret_of(identity)
		local signed = crypto.base64_encode(crypto.hmac("sha1", secret or "none", ctx.client_id))
		local right = if secret and identity.sign_mode == "ORIGIN" then secret else signed
		local equal = crypto.equal(crypto.sha256(right), crypto.sha256(password or ""))
		if secret == nil or not equal then
			return "deny", BAD_USER_NAME_OR_PASSWORD, "the user name or the password is wrong"
		end
		local grant, code, why = login(ctx, username, identity, kind)
		if grant == nil then
			return "deny", code, why
		end
		grant.any_client_id = true
		return "allow", grant
	end,

	-- Asked every `refresh` seconds, and when a record changed that the login rests on: new permissions hold without a
	-- reconnect, and who may no longer be here goes.
	expiring = function(ctx)
		if ctx.attrs.identity == nil then
			return nil -- another policy's client
		end
		local identity, kind = find(ctx, ctx.username)
		if secret_of(identity) == nil or proof(identity, kind) ~= ctx.attrs.proof then
			return "disconnect", NOT_AUTHORIZED, "the identity was changed"
		end
		local grant, _, why = login(ctx, ctx.username, identity, kind)
		if grant == nil then
			return "disconnect", NOT_AUTHORIZED, why
		elseif grant.attrs.rules == ctx.attrs.rules then
			return { expires_at = grant.expires_at }
		end
		return grant
	end,
}
