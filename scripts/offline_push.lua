-- A push notification when a message comes for a client that is not there.
--
--     [[policy]]
--     name = "offline_push"
--     script = "scripts/offline_push.lua"
--     http.allow = ["push.example.com:443"]
--     [policy.settings]
--     url = "https://push.example.com/send"
--     topics = "chat/#"
--     every = 60             # seconds between two notifications of one client
--     keep = true            # whether the message waits for the client as well
--
-- The service is posted {"client_id", "topic", "payload"}: the payload if it is text of at most 256 bytes.

local url, topics, every, keep
local sent

return {
	name = "offline_push",
	description = "push notifications for those who are away",

	on_load = function(settings)
		url, topics = settings.url, settings.topics or "#"
		if type(url) ~= "string" then
			error("the setting `url` is missing", 0)
		elseif not topic.valid_filter(topics) then
			error("the setting `topics` is a topic filter", 0)
		end
		every = settings.every or 60
		keep = settings.keep ~= false
		sent = metrics.counter("push_notifications")
	end,

	offline = function(ctx, msg)
		if not topic.matches(topics, msg.topic) then
			return "keep"
		end
		-- Only the first of a while is told; `add` is atomic over all shards.
		if kv.add(ctx.client_id, true, every) then
			local note = { client_id = ctx.client_id, topic = msg.topic }
			if msg.size <= 256 and utf8.len(msg.payload) then
				note.payload = msg.payload
			end
			task.spawn(function()
				local answer, why = http.request({ method = "POST", url = url, json = note })
				if not answer or answer.status >= 300 then
					log.warn("a push notification failed", { client_id = note.client_id, why = why or answer.status })
				else
					sent:inc()
				end
			end)
		end
		if keep then
			return "keep"
		end
		return "skip", "pushed"
	end,
}
