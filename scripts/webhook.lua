-- A rule's action: posts its messages to a web service, a batch a request.
--
--     [[policy]]
--     name = "webhook"
--     script = "scripts/webhook.lua"
--     http.allow = ["hooks.example.com:443"]
--     [policy.settings]
--     url = "https://hooks.example.com/mqtt"     # a rule's own `url` counts before this one
--     token = "..."                              # optional: sent as "Authorization: Bearer ..."
--
-- 2xx is done. 4xx is the messages' own fault: dead letter (408 and 429 are not). Anything else is tried again, later each
-- time. Payloads go as text, or as base64 where they are none.

local url, headers

-- After n failures in a row: 1, 2, 4, ... 60 seconds.
local failures = 0

return {
	name = "webhook",
	description = "posts a rule's messages",

	on_load = function(settings)
		url = settings.url
		headers = if settings.token then { Authorization = "Bearer " .. settings.token } else nil
	end,

	rule_action = function(rule, messages)
		local target = rule.url or url
		if type(target) ~= "string" then
			error("neither the rule nor the settings have a `url`", 0)
		end
		local batch = {}
		for n, msg in messages do
			local text = utf8.len(msg.payload) ~= nil
			batch[n] = {
				topic = msg.topic,
				qos = msg.qos,
				payload = if text then msg.payload else crypto.base64_encode(msg.payload),
				encoding = if text then "text" else "base64",
			}
		end
		local answer, why = http.request({ method = "POST", url = target, headers = headers, json = { rule = rule.name, messages = batch } })
		local outcome
		if answer and answer.status < 300 then
			failures = 0
			return "done"
		elseif answer and answer.status >= 400 and answer.status < 500 and answer.status ~= 408 and answer.status ~= 429 then
			outcome = { "dead letter", `the service answers {answer.status}` }
		else
			failures += 1
			outcome = { "retry", math.min(2 ^ (failures - 1), 60) }
			log.debug("a webhook failed", { url = target, why = why or answer.status })
		end
		local outcomes = {}
		for n in messages do
			outcomes[n] = outcome
		end
		return outcomes
	end,
}
