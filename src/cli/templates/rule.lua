-- What a rule does with the messages that it matched: here it posts each to a web service.
--
-- Settings in dunlin.toml:
--
--     http.allow = ["hooks.example.com:443"]               # beside `script`: where this policy may connect
--     settings.url = "https://hooks.example.com/mqtt"

local url

return {
	name = "NAME",
	description = "posts messages",

	on_load = function(settings)
		url = settings.url or "http://127.0.0.1:8080/"
	end,

	-- Gets a batch. May wait. Returns "done" for all, or for each message "done", { "retry", seconds } or
	-- { "dead letter", reason }.
	rule_action = function(rule, messages)
		local outcomes = {}
		for n, msg in messages do
			local answer, why = http.post(url, msg.payload, { headers = { ["X-Topic"] = msg.topic } })
			if not answer then
				log.debug("a post failed", { why = why })
				outcomes[n] = { "retry", 5 }
			elseif answer.status >= 500 then
				outcomes[n] = { "retry", 30 }
			elseif answer.status >= 400 then
				outcomes[n] = { "dead letter", `the service answers {answer.status}` }
			else
				outcomes[n] = "done"
			end
		end
		return outcomes
	end,
}
