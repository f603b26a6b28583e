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

test("the user name says which instance a client is of", function()
	local p = auth()
	local function instance_of(username)
		local patch = p.connect(device, { username = username })
		return patch and patch.instance
	end
	equal(instance_of("Signature|demo|mqtt-other"), "mqtt-other")
	for _, username in { "ann", "Signature|demo", "Signature|demo|", "Signature|a|b|c", "Token|demo|mqtt-other" } do
		equal(instance_of(username), nil)
	end
	equal(instance_of("Signature|demo|" .. string.rep("i", 513)), nil)
	equal(p.connect(device, {}), nil)
end)

test("keys of the registry are those of the client's instance", function()
	record("mqtt-a", "access_key", "demo", { secret = "ZZZZZZ-secret-0001" })
	record("mqtt-a", "access_key", "empty", { secret = "" })
	local p = policy({ keys = "registry" })
	local here = client({ client_id = "GID_Test@@@0001", instance = "mqtt-a" })
	local there = client({ client_id = "GID_Test@@@0001", instance = "mqtt-b" })
	local answer, grant = p.authenticate(here, "Signature|demo|mqtt-a", "RpL4utOkA9+B2lNUOgOMBxuDmTM=")
	equal(answer, "allow")
	equal(grant, { attrs = { access_key = "demo" }, depends = { "access_key/demo" } })
	for _, username in { "Signature|other|mqtt-a", "Signature|empty|mqtt-a" } do
		equal((select(3, p.authenticate(here, username, "RpL4utOkA9+B2lNUOgOMBxuDmTM="))), "the signature is wrong")
	end
	local wrong = { p.authenticate(there, "Signature|demo|mqtt-b", "RpL4utOkA9+B2lNUOgOMBxuDmTM=") }
	equal(wrong, { "deny", 0x86, "the signature is wrong" })
	wrong = { p.authenticate(there, "Signature|demo|mqtt-a", "RpL4utOkA9+B2lNUOgOMBxuDmTM=") }
	equal(wrong, { "deny", 0x87, "no such instance" })
	expect_error(function()
		p.credentials("GID_Test@@@0001")
	end, "all access keys are in the registry")
end)

test("keys of the settings are those of one instance, and go first", function()
	record("mqtt-demo", "access_key", "demo", { secret = "ZZZZZZ-secret-0001" })
	record("mqtt-demo", "access_key", "more", { secret = "ZZZZZZ-secret-0001" })
	local p = auth()
	local here = client({ client_id = "GID_Test@@@0001", instance = "mqtt-demo" })
	local _, grant = p.authenticate(here, "Signature|demo|mqtt-demo", "vI009IZJZVGRwBwZvnbwjfuXxVM=")
	equal(grant, { attrs = { access_key = "demo" } })
	equal((p.authenticate(here, "Signature|more|mqtt-demo", "RpL4utOkA9+B2lNUOgOMBxuDmTM=")), "allow")
	local elsewhere = client({ client_id = "GID_Test@@@0001", instance = "mqtt-a" })
	equal((p.authenticate(elsewhere, "Signature|demo|mqtt-a", "vI009IZJZVGRwBwZvnbwjfuXxVM=")), "deny")
end)
