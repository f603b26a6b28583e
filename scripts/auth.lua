-- Signature credentials: a client signs its client id with a secret that it shares with the broker.
--
--     user name   Signature|<AccessKeyId>|<InstanceId>
--     password    base64(HMAC-SHA1(AccessKeySecret, client id))
--
-- Settings in dunlin.toml:
--
--     settings.instance = "mqtt-demo"                 # the instance that `keys` are of
--     settings.keys = { demo = "demo-secret" }        # access key ids and their secrets
--
-- Keys are also looked for in the registry, in the client's instance (`dunlin ctl key create`); a login with such a key ends
-- when the key is changed or deleted. With `settings.keys = "registry"` there are no others.
--
-- `dunlin credentials CLIENT_ID` prints what a client should send.

local BAD_USER_NAME_OR_PASSWORD = 0x86
local NOT_AUTHORIZED = 0x87

local instance
local keys

local function sign(secret, client_id)
	return crypto.base64_encode(crypto.hmac("sha1", secret, client_id))
end

-- The secret of a key of the registry.
local function registered(ctx, id)
	local record = registry.get(ctx.instance, "access_key", id)
	local secret = record and record.secret
	return if type(secret) == "string" and secret ~= "" then secret else nil
end

return {
	name = "auth",
	description = "signature credentials",

	on_load = function(settings)
		instance, keys = settings.instance, settings.keys
		if keys == "registry" then
			keys = {}
			return
		elseif type(instance) ~= "string" then
			error('the setting `instance` is missing; write for instance `settings.instance = "mqtt-demo"`', 0)
		elseif type(keys) ~= "table" or next(keys) == nil then
			error('the setting `keys` is missing; write for instance `settings.keys = { demo = "demo-secret" }`', 0)
		end
		for id, secret in keys do
			if type(secret) ~= "string" or secret == "" then
				error(`the secret of the access key "{id}" is not a text`, 0)
			elseif string.find(id, "|", 1, true) then
				error(`the access key id "{id}" contains a |, which separates the parts of a user name`, 0)
			end
		end
	end,

	-- The third part of the user name says which instance the client is of. An id has at most 512 bytes.
	connect = function(_, connect)
		local parts = string.split(connect.username or "", "|")
		if parts[1] == "Signature" and #parts == 3 and parts[3] ~= "" and #parts[3] <= 512 then
			return { instance = parts[3] }
		end
		return nil
	end,

	authenticate = function(ctx, username, password)
		if username == nil or string.sub(username, 1, 10) ~= "Signature|" then
			return "next" -- not ours; perhaps another policy knows it
		end
		local parts = string.split(username, "|")
		if #parts ~= 3 then
			return "deny", BAD_USER_NAME_OR_PASSWORD, "the user name is not Signature|<AccessKeyId>|<InstanceId>"
		end
		local id, named = parts[2], parts[3]
		if named ~= instance and named ~= ctx.instance then
			return "deny", NOT_AUTHORIZED, "no such instance"
		end
		-- A key that does not exist takes as long as a wrong signature and gets the same answer: nobody learns which
		-- keys there are.
		local kept = if named == ctx.instance then registered(ctx, id) else nil
		local own = if named == instance then keys[id] else nil
		local secret = own or kept
		local right = crypto.equal(sign(secret or "none", ctx.client_id), password or "")
		if secret == nil or not right then
			return "deny", BAD_USER_NAME_OR_PASSWORD, "the signature is wrong"
		end
		return "allow", { attrs = { access_key = id }, depends = if own then nil else { `access_key/{id}` } }
	end,

	credentials = function(client_id)
		local ids = {}
		for id in keys do
			table.insert(ids, id)
		end
		if #ids == 0 then
			error("all access keys are in the registry; a client signs its client id with the secret that `dunlin ctl` printed", 0)
		end
		table.sort(ids)
		return `Signature|{ids[1]}|{instance}`, sign(keys[ids[1]], client_id)
	end,
}
