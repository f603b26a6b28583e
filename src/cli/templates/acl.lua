-- Who may publish and subscribe to what: every client has topics of its own below `devices/`, and all read `public/`.
--
-- scripts/acl.lua does the same from a list of rules; write your own where rules do not say it.

-- What the client may use besides the public topics. A client id with a wildcard or a slash must not reach further.
local function own_filter(ctx)
	local id = ctx.client_id
	if id == "" or string.find(id, "[+#/]") then
		return nil
	end
	return `devices/{id}/#`
end

return {
	name = "NAME",
	description = "every client has topics of its own",

	-- The answers depend on the client and the topic alone: each is worked out once a minute at most. An input that is
	-- not listed here is nil.
	cache = {
		authorize_publish = { ttl = 60, by = { "topic" } },
		authorize_subscribe = { ttl = 60, by = { "filter" } },
	},

	authorize_publish = function(ctx, topic_name)
		local own = own_filter(ctx)
		if own and topic.matches(own, topic_name) then
			return "allow"
		end
		return "next" -- no opinion; when no policy says yes, the answer is no
	end,

	authorize_subscribe = function(ctx, filter)
		if topic.covers("public/#", filter) then
			return "allow", 1 -- at QoS 1 at most
		end
		local own = own_filter(ctx)
		if own and topic.covers(own, filter) then
			return "allow"
		end
		return "next"
	end,
}
