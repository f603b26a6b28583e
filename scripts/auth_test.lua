-- Tests of auth.lua. `policy(settings)` loads it with these settings; `client{...}` makes a ctx.

local KEYS = { demo = "XXXXX", other = "ZZZZZZ-secret-0001" }

local function auth()
	return policy({ instance = "mqtt-demo", keys = KEYS })
end

local device = client({ client_id = "GID_Test@@@0001" })

test("a right signature is let in, and its key is an attribute", function()
	local answer, grant = auth().authenticate(device, "Signature|demo|mqtt-demo", "vI009IZJZVGRwBwZvnbwjfuXxVM=")
	assert(answer == "allow" and grant.attrs.access_key == "demo")
	answer, grant = auth().authenticate(device, "Signature|other|mqtt-demo", "RpL4utOkA9+B2lNUOgOMBxuDmTM=")
	assert(answer == "allow" and grant.attrs.access_key == "other")
end)

test("the signature belongs to the client id", function()
	local other = client({ client_id = "GID_Test@@@0002" })
	local answer, code = auth().authenticate(other, "Signature|demo|mqtt-demo", "vI009IZJZVGRwBwZvnbwjfuXxVM=")
	assert(answer == "deny" and code == 0x86)
end)

test("a wrong signature, an unknown key and no password get the same answer", function()
	for _, case in { { "demo", "AAAA" }, { "unknown", "AAAA" }, { "demo" }, { "", "" } } do
		local answer, code, reason = auth().authenticate(device, `Signature|{case[1]}|mqtt-demo`, case[2])
		assert(answer == "deny" and code == 0x86 and reason == "the signature is wrong")
	end
end)

test("another instance is not ours to let into", function()
	local answer, code = auth().authenticate(device, "Signature|demo|mqtt-other", "vI009IZJZVGRwBwZvnbwjfuXxVM=")
	assert(answer == "deny" and code == 0x87)
end)

test("a user name of another form is refused or left to others", function()
	local answer, code = auth().authenticate(device, "Signature|demo", "x")
	assert(answer == "deny" and code == 0x86)
	answer, code = auth().authenticate(device, "Signature|demo|mqtt-demo|x", "x")
	assert(answer == "deny" and code == 0x86)
	assert(auth().authenticate(device, "Token|demo|mqtt-demo", "x") == "next")
	assert(auth().authenticate(device, nil, nil) == "next")
end)

test("credentials are those that are let in", function()
	local username, password = auth().credentials("GID_Test@@@0001")
	assert(username == "Signature|demo|mqtt-demo" and password == "vI009IZJZVGRwBwZvnbwjfuXxVM=")
	assert(auth().authenticate(device, username, password) == "allow")
end)

test("settings that are missing or wrong refuse the load", function()
	refuses({}, "`instance` is missing")
	refuses({ instance = "a" }, "`keys` is missing")
	refuses({ instance = "a", keys = {} }, "`keys` is missing")
	refuses({ instance = "a", keys = { demo = 1 } }, "the secret of the access key \"demo\"")
	refuses({ instance = "a", keys = { ["a|b"] = "x" } }, "contains a |")
end)
