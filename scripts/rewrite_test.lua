-- Tests of rewrite.lua.

local function with()
	return policy({
		rules = {
			{ action = "all", from = "old/#", match = "^old/(.*)$", to = "new/$1" },
			{ action = "publish", from = "+/up", match = "^([^/]+)/up$", to = "devices/${client}/$1" },
		},
	})
end

test("what is published goes elsewhere", function()
	local p = with()
	equal(p.publish(client(), message({ topic = "old/a/b" })), { topic = "new/a/b" })
	equal(p.publish(client({ client_id = "c$1" }), message({ topic = "x/up" })), { topic = "devices/c$1/x" })
	equal(p.publish(client(), message({ topic = "other" })), "pass")
end)

test("subscriptions follow, and are taken back under their old names", function()
	local p = with()
	local filters = p.subscribe(client(), { { filter = "old/+/b", qos = 1 }, { filter = "x/up", qos = 0 } })
	equal({ filters[1].filter, filters[2].filter }, { "new/+/b", "x/up" })
	equal(p.unsubscribe(client(), { "old/+/b", "x" }), { "new/+/b", "x" })
end)

test("rules that are wrong refuse the load", function()
	refuses({ rules = { { action = "x" } } }, "rule 1: `action` is")
	refuses({ rules = { { action = "all", from = "a", match = "(", to = "b" } } }, "regex parse error")
end)
