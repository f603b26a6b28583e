-- Rewrites topics: what clients publish to, and what they subscribe to.
--
--     [[policy]]
--     name = "rewrite"
--     script = "scripts/rewrite.lua"
--     [policy.settings]
--     rules = [
--       { action = "all", from = "old/#", match = "^old/(.*)$", to = "new/$1" },
--       { action = "publish", from = "+/up", match = "^([^/]+)/up$", to = "devices/${client}/$1" },
--     ]
--
-- The first rule that fits is applied, once. `match` is a regular expression; in `to`, $1 and on are its groups, and
-- ${client}, ${user}, ${group} and ${device} are the client's.

local rules

local function filled(ctx, text)
	local values = { client = ctx.client_id, user = ctx.username, group = ctx.group_id, device = ctx.device_id }
	return (string.gsub(text, "%${(%a+)}", function(name)
		-- A $ in a client id is no group of the expression.
		return values[name] and (string.gsub(values[name], "%$", "$$"))
	end))
end

local function rewritten(ctx, action, name)
	for _, rule in rules do
		local meant = rule.action == "all" or rule.action == action
		if meant and topic.overlaps(rule.from, name) and re.test(rule.match, name) then
			return (re.gsub(rule.match, name, filled(ctx, rule.to)))
		end
	end
	return name
end

return {
	name = "rewrite",
	description = "rewrites topics",

	on_load = function(settings)
		rules = settings.rules or {}
		for n, rule in rules do
			if not ({ publish = true, subscribe = true, all = true })[rule.action] then
				error(`rule {n}: \`action\` is "publish", "subscribe" or "all"`, 0)
			elseif type(rule.from) ~= "string" or not topic.valid_filter(rule.from) then
				error(`rule {n}: \`from\` is a topic filter`, 0)
			elseif type(rule.match) ~= "string" or type(rule.to) ~= "string" then
				error(`rule {n}: \`match\` is an expression and \`to\` what becomes of it`, 0)
			end
			re.test(rule.match, "")
		end
	end,

	publish = function(ctx, msg)
		local name = rewritten(ctx, "publish", msg.topic)
		return if name ~= msg.topic then { topic = name } else "pass"
	end,

	subscribe = function(ctx, filters)
		for _, filter in filters do
			filter.filter = rewritten(ctx, "subscribe", filter.filter)
		end
		return filters
	end,

	unsubscribe = function(ctx, filters)
		for n, filter in filters do
			filters[n] = rewritten(ctx, "subscribe", filter)
		end
		return filters
	end,
}
