-- Tests of NAME.lua: `dunlin test scripts/NAME.lua`. They run before every reload, too.

local MESSAGES = { { topic = "a", payload = "1" }, { topic = "b", payload = "2" } }

local function answered(with)
	stub("http.post", with)
	return policy({ url = "http://hook/" }).rule_action({}, MESSAGES)
end

test("each message is posted", function()
	equal(answered({ status = 204, body = "", headers = {} }), { "done", "done" })
	equal(calls("http.post")[2], { "http://hook/", "2", { headers = { ["X-Topic"] = "b" } } })
end)

test("trouble is tried again", function()
	equal(answered(function() return nil, "no route" end)[1], { "retry", 5 })
	equal(answered({ status = 503 })[1], { "retry", 30 })
end)

test("what is refused is a dead letter", function()
	equal(answered({ status = 400 })[2], { "dead letter", "the service answers 400" })
end)
