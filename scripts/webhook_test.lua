-- Tests of webhook.lua.

local MESSAGES = { { topic = "a", payload = "x", qos = 1 }, { topic = "b", payload = "\255", qos = 0 } }

local function with(status)
	stub("http.request", function()
		if not status then
			return nil, "no route"
		end
		return { status = status, body = "" }
	end)
	return policy({ url = "http://hook/", token = "t" })
end

test("a batch is one request", function()
	equal(with(204).rule_action({ name = "r" }, MESSAGES), "done")
	local sent = calls("http.request")[1][1]
	equal(sent.headers, { Authorization = "Bearer t" })
	equal(sent.json, {
		rule = "r",
		messages = {
			{ topic = "a", qos = 1, payload = "x", encoding = "text" },
			{ topic = "b", qos = 0, payload = "/w==", encoding = "base64" },
		},
	})
end)

test("trouble is tried again, later each time", function()
	for _, status in { 500, 429, false } do
		local p = with(status)
		equal(p.rule_action({}, MESSAGES), { { "retry", 1 }, { "retry", 1 } })
		equal(p.rule_action({}, MESSAGES)[1][2], 2)
	end
end)

test("what is refused is a dead letter", function()
	equal(with(400).rule_action({}, MESSAGES)[2], { "dead letter", "the service answers 400" })
end)

test("a rule has its own url, or the settings have", function()
	with(200).rule_action({ url = "http://other/" }, MESSAGES)
	equal(calls("http.request")[1][1].url, "http://other/")
	expect_error(function() policy({}).rule_action({}, MESSAGES) end, "neither the rule nor the settings")
end)
