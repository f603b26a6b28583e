-- Tests of offline_push.lua.

local function with(settings)
	stub("http.request", function() return { status = 200, body = "" } end)
	settings.url = "http://push/"
	return policy(settings)
end

test("the first message of a while is told", function()
	set_time(1000)
	local p = with({ topics = "chat/#" })
	local c = client({ client_id = "sleeper" })
	for _ = 1, 3 do
		equal(p.offline(c, message({ topic = "chat/1", payload = "hi" })), "keep")
	end
	task.sleep(0)
	task.sleep(0)
	equal(#calls("http.request"), 1)
	equal(calls("http.request")[1][1].json, { client_id = "sleeper", topic = "chat/1", payload = "hi" })
	advance(60)
	p.offline(c, message({ topic = "chat/1", payload = "\255" }))
	task.sleep(0)
	task.sleep(0)
	equal(calls("http.request")[2][1].json.payload, nil)
end)

test("other topics are kept, and a message need not be", function()
	equal(with({ topics = "chat/#" }).offline(client(), message({ topic = "x" })), "keep")
	equal((with({ keep = false }).offline(client(), message({ topic = "x" }))), "skip")
end)

test("settings that are wrong refuse the load", function()
	refuses({}, "the setting `url` is missing")
	refuses({ url = "x", topics = "a/#/b" }, "is a topic filter")
end)
