-- How much each client may publish.
--
--     [[policy]]
--     name = "rate_limit"
--     script = "scripts/rate_limit.lua"
--     on_error = "next"
--     [policy.settings]
--     messages = 100         # a window
--     bytes = 1048576        # a window
--     window = 1             # seconds
--     topics = ["telemetry/#"]   # only these; all, if left out
--
-- Whoever exceeds a limit is told 0x97 (quota exceeded) for the rest of the window; a 3.1.1 client is told nothing, its
-- message goes nowhere. The counters are shared by all shards and survive a reload.

local QUOTA_EXCEEDED = 0x97

local messages, bytes, window, topics
local refused

local function positive(settings, name, default)
	local value = settings[name]
	if value == nil then
		return default
	end
	if type(value) ~= "number" or value <= 0 then
		error(`the setting \`{name}\` is a number above 0`, 0)
	end
	return value
end

return {
	name = "rate_limit",
	description = "messages and bytes a client may publish",

	on_load = function(settings)
		messages = positive(settings, "messages")
		bytes = positive(settings, "bytes")
		window = positive(settings, "window", 1)
		topics = settings.topics
		if not messages and not bytes then
			error("there is no limit; set `messages` or `bytes`", 0)
		end
		for _, filter in topics or {} do
			if not topic.valid_filter(filter) then
				error(`"{filter}" in \`topics\` is no topic filter`, 0)
			end
		end
		refused = metrics.counter("rate_limited")
	end,

	authorize_publish = function(ctx, name, qos, retain, size)
		if topics then
			local meant = false
			for _, filter in topics do
				meant = meant or topic.matches(filter, name)
			end
			if not meant then
				return "next"
			end
		end
		local id = ctx.client_id
		if messages and (kv.incr("m" .. id, 1, window) or 0) > messages then
			refused:inc()
			return "deny", QUOTA_EXCEEDED, `more than {messages} messages in {window} s`
		end
		if bytes and (kv.incr("b" .. id, size, window) or 0) > bytes then
			refused:inc()
			return "deny", QUOTA_EXCEEDED, `more than {bytes} bytes in {window} s`
		end
		return "next"
	end,
}
