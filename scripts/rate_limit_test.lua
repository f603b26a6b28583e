-- Tests of rate_limit.lua.

test("messages are counted by client and window", function()
	set_time(1000)
	local p = policy({ messages = 2, window = 10 })
	local a, b = client({ client_id = "a" }), client({ client_id = "b" })
	equal(p.authorize_publish(a, "t", 0, false, 1), "next")
	equal(p.authorize_publish(a, "t", 0, false, 1), "next")
	equal({ p.authorize_publish(a, "t", 0, false, 1) }, { "deny", 0x97, "more than 2 messages in 10 s" })
	equal(p.authorize_publish(b, "t", 0, false, 1), "next")
	advance(10)
	equal(p.authorize_publish(a, "t", 0, false, 1), "next")
end)

test("bytes are counted", function()
	set_time(1000)
	local p = policy({ bytes = 100 })
	equal(p.authorize_publish(client(), "t", 0, false, 60), "next")
	equal((p.authorize_publish(client(), "t", 0, false, 60)), "deny")
end)

test("only the topics that are meant", function()
	set_time(1000)
	local p = policy({ messages = 1, topics = { "t/#" } })
	for _ = 1, 3 do
		equal(p.authorize_publish(client(), "other", 0, false, 1), "next")
	end
	equal(p.authorize_publish(client(), "t/1", 0, false, 1), "next")
	equal((p.authorize_publish(client(), "t/2", 0, false, 1)), "deny")
end)

test("settings that are wrong refuse the load", function()
	refuses({}, "there is no limit")
	refuses({ messages = 0 }, "the setting `messages` is a number above 0")
	refuses({ messages = 1, topics = { "a/#/b" } }, "is no topic filter")
end)
