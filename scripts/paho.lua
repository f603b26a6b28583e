-- For the Eclipse Paho interoperability suite, which wants one topic filter refused. Everything else is left to the
-- defaults of the open profile, which allow it.

return {
	name = "paho",
	description = "refuses SUBSCRIBE to test/nosubscribe, as the Paho interoperability suite expects",

	cache = { authorize_subscribe = { ttl = 3600, by = { "filter" } } },

	authorize_subscribe = function(_, filter)
		if filter == "test/nosubscribe" then
			-- The suite takes no other code than 0x80, in 5.0 either.
			return "deny", 0x80, "the suite wants it refused"
		end
		return "next"
	end,
}
