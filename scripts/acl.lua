-- Who may publish and subscribe to what.
--
-- Edit the rules and save: the new ones are in force within a second, nobody is disconnected. If there is a mistake in
-- them the log says where, and the rules before keep serving.
--
-- A rule has four parts:
--
--     { "allow" or "deny",  "publish", "subscribe" or "all",  which clients,  which topics }
--
-- Clients are client ids; `*` stands for anything. Topics are topic filters, with `+` and `#` as in MQTT and with these
-- placeholders: %c the client id, %u the user name, %i the instance, and of a client id such as GID_fleet@@@truck-7,
-- %g the group (GID_fleet) and %d the device (truck-7).
--
-- The first rule that fits decides; what no rule fits is not allowed. The settings of this policy in dunlin.toml can
-- hold rules too (`settings.rules`, in the same form); then those count, and the ones below do not.

local rules = {
	-- Everybody may use the demo topics.
	{ "allow", "all", "*", "demo/#" },

	-- A device may publish what it likes below its own name, and read what is said to it there.
	{ "allow", "all", "*", "devices/%c/#" },

	-- Devices of the group GID_ops may read along everywhere, except in what is secret.
	{ "deny", "subscribe", "*", "secret/#" },
	{ "allow", "subscribe", "GID_ops@@@*", "#" },
	{ "allow", "subscribe", "GID_ops@@@*", "$SYS/#" },
}

-- From here on: how it is done. ------------------------------------------------------------------------------------------

local placeholders = { c = "client_id", d = "device_id", g = "group_id", i = "instance", u = "username" }

-- The rules as they are used: one list for publishing, one for subscribing.
local compiled = { publish = {}, subscribe = {} }

-- "GID_*" as a Lua pattern; nil for "*", which fits everybody.
local function client_pattern(glob)
	if glob == "*" then
		return nil
	end
	local escaped = string.gsub(glob, "[^%w*]", "%%%0")
	return "^" .. string.gsub(escaped, "%*", ".*") .. "$"
end

local function compile(n, rule)
	local effect, action, clients, filter = rule[1], rule[2], rule[3], rule[4]
	local function wrong(what)
		error(`rule {n}: {what}; a rule is \{ "allow", "publish", "*", "demo/#" }`, 0)
	end
	if effect ~= "allow" and effect ~= "deny" then
		wrong(`it begins with "allow" or "deny", not with {tostring(effect)}`)
	elseif action ~= "publish" and action ~= "subscribe" and action ~= "all" then
		wrong(`its second part is "publish", "subscribe" or "all", not {tostring(action)}`)
	elseif type(clients) ~= "string" then
		wrong("its third part says which clients, such as \"*\"")
	elseif type(filter) ~= "string" then
		wrong("its fourth part is a topic filter")
	elseif #rule > 4 then
		wrong("it has more than four parts")
	end
	for placeholder in string.gmatch(filter, "%%(.?)") do
		if not placeholders[placeholder] then
			wrong(`"%{placeholder}" is no placeholder; there are %c, %d, %g, %i and %u`)
		end
	end
	if not topic.valid_filter((string.gsub(filter, "%%%a", "x"))) then
		wrong(`"{filter}" is no topic filter`)
	end
	local made = {
		allow = effect == "allow",
		clients = client_pattern(clients),
		filter = filter,
		has_placeholders = string.find(filter, "%", 1, true) ~= nil,
	}
	for _, list in { "publish", "subscribe" } do
		if action == "all" or action == list then
			table.insert(compiled[list], made)
		end
	end
end

-- The rule's topic filter for this client; false when it cannot be one. A client id with a wildcard or a slash in it must
-- not reach further than its own topics, so such a value fits no rule.
local function fill_in(ctx, filter)
	local complete = true
	local filled = string.gsub(filter, "%%(%a)", function(placeholder)
		local value = ctx[placeholders[placeholder]]
		if value == nil or value == "" or string.find(value, "[+#/]") then
			complete = false
			return ""
		end
		return value
	end)
	return complete and filled
end

-- What was filled in, by client: a client asks about more than one topic. It is forgotten with the ctx.
local filled_in = setmetatable({}, { __mode = "k" })

local function filter_for(ctx, rule)
	if not rule.has_placeholders then
		return rule.filter
	end
	local own = filled_in[ctx]
	if own == nil then
		own = {}
		filled_in[ctx] = own
	end
	local filter = own[rule]
	if filter == nil then
		filter = fill_in(ctx, rule.filter)
		own[rule] = filter
	end
	return filter
end

-- The first rule of `list` that fits decides. `fits(filter, wanted)` for an allowing rule, `touches` for a denying one.
local function decide(ctx, list, wanted, fits, touches)
	local client_id
	for _, rule in list do
		if rule.clients then
			client_id = client_id or ctx.client_id
			if not string.find(client_id, rule.clients) then
				continue
			end
		end
		local filter = filter_for(ctx, rule)
		if filter and (if rule.allow then fits else touches)(filter, wanted) then
			return if rule.allow then "allow" else "deny"
		end
	end
	return "next"
end

return {
	name = "acl",
	description = "who may publish and subscribe to what",

	-- The answers depend on the client and the topic and on nothing else, so each is worked out once a minute at most.
	cache = {
		authorize_publish = { ttl = 60, by = { "topic" } },
		authorize_subscribe = { ttl = 60, by = { "filter" } },
	},

	on_load = function(settings)
		for n, rule in settings.rules or rules do
			if type(rule) ~= "table" then
				error(`rule {n} is a {type(rule)}; a rule is \{ "allow", "publish", "*", "demo/#" }`, 0)
			end
			compile(n, rule)
		end
	end,

	authorize_publish = function(ctx, name)
		return decide(ctx, compiled.publish, name, topic.matches, topic.matches)
	end,

	-- A filter is allowed when a rule covers all that it could match, and denied when a rule denies any of it.
	authorize_subscribe = function(ctx, filter)
		return decide(ctx, compiled.subscribe, filter, topic.covers, topic.overlaps)
	end,
}
