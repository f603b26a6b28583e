-- Tests of paho.lua.

test("one filter is refused and everything else left to the defaults", function()
	local paho = policy({})
	assert(paho.authorize_subscribe(client({}), "test/nosubscribe") == "deny")
	assert(paho.authorize_subscribe(client({}), "test/other") == "next")
end)
