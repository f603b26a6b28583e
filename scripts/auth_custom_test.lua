-- Tests of auth_custom.lua. tests/policy/custom_cases.json has many more, for the compiled plugin as well.

local NOW = 1700000000

local function device(attrs, username)
	return client({ client_id = "meter-7", instance = "mqtt-a", username = username or "ann", attrs = attrs })
end

local function identity(name, fields)
	record("mqtt-a", "identity", name, fields)
end

local function permission(effect, action, topic)
	local value = { type = "USER", identity = "ann", topic = topic, effect = effect, action = action }
	record("mqtt-a", "permission", `USER/ann/{topic}`, value)
end

local function begin()
	set_time(NOW)
	identity("USER/ann", { type = "USER", username = "ann", sign_mode = "ORIGIN", secret = "pass" })
	return policy()
end

local WRONG = { "deny", 0x86, "the user name or the password is wrong" }

test("a user comes in with its secret, under any client id, and may what permissions say", function()
	local p = begin()
	permission("ALLOW", "PUB_SUB", "a/#")
	permission("DENY", "PUB", "a/secret")
	local answer, grant = p.authenticate(device(), "ann", "pass")
	equal(answer, "allow")
	equal(grant.any_client_id, true)
	equal(grant.acl, { { "deny", "publish", "a/secret" }, { "allow", "all", "a/#" }, { "deny", "all", "#" } })
	equal(grant.depends, {
		"identity/CLIENT/ann/meter-7",
		"identity/USER/ann",
		"black_list/meter-7",
		"permission/USER/ann/a/#",
		"permission/USER/ann/a/secret",
	})
	equal({ p.authenticate(device(), "ann", "Pass") }, WRONG)
	equal({ p.authenticate(device(), "bob", "pass") }, WRONG)
	equal(p.authenticate(device(), "Signature|ann|mqtt-a", "pass"), "next")
end)

test("an identity of the client goes before that of the user", function()
	local p = begin()
	identity("CLIENT/ann/meter-7", {
		type = "CLIENT",
		username = "ann",
		client_id = "meter-7",
		sign_mode = "SIGNED",
		secret = "XXXXX",
	})
	local signature = crypto.base64_encode(crypto.hmac("sha1", "XXXXX", "meter-7"))
	equal((p.authenticate(device(), "ann", signature)), "allow")
	equal({ p.authenticate(device(), "ann", "pass") }, WRONG)
end)

test("the black list and a permission to connect", function()
	local p = begin()
	record("mqtt-a", "black_list", "meter-7", { note = "stolen" })
	equal({ p.authenticate(device(), "ann", "pass") }, { "deny", 0x8A, "the client id is on the black list" })
	record("mqtt-a", "black_list", "meter-7", nil)
	permission("DENY", "CONNECT", "#")
	equal({ p.authenticate(device(), "ann", "pass") }, { "deny", 0x87, "a permission denies CONNECT" })
end)

test("new permissions hold without a reconnect, and another secret ends the login", function()
	local p = begin()
	local _, grant = p.authenticate(device(), "ann", "pass")
	equal(grant.expires_at, NOW + 310)
	local c = device(grant.attrs)
	advance(10)
	equal(p.expiring(c, NOW + 310, false), { expires_at = NOW + 320 })
	permission("ALLOW", "SUB", "a")
	local done = p.expiring(c, NOW + 320, false)
	equal(done.acl, { { "allow", "subscribe", "a" }, { "deny", "all", "#" } })
	identity("USER/ann", { type = "USER", username = "ann", sign_mode = "ORIGIN", secret = "other" })
	equal({ p.expiring(c, NOW, true) }, { "disconnect", 0x87, "the identity was changed" })
	identity("USER/ann", nil)
	equal((p.expiring(c, NOW, true)), "disconnect")
	equal(p.expiring(device({}), NOW, true), nil)
end)

test("settings that are wrong refuse the load", function()
	refuses({ refresh = 0 }, "`refresh` is a number of seconds")
	refuses({ refresh = "10s" }, "`refresh` is a number of seconds")
end)
