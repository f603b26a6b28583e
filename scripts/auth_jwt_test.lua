-- Tests of auth_jwt.lua.

local KEY = { alg = "HS256", key = "secret" }

local function token(claims)
	return crypto.jwt_sign(claims, KEY)
end

test("a token is let in until it ends", function()
	set_time(1000)
	local p = policy({ alg = "HS256", key = "secret", client_claim = "cid" })
	local c = client({ client_id = "c1" })
	local t = token({ cid = "c1", exp = 2000, role = "x", acl = { { "allow", "publish", "a/#" } } })
	local answer, grant = p.authenticate(c, "u", t)
	equal(answer, "allow")
	equal(grant.expires_at, 2000)
	equal(grant.attrs, { cid = "c1", exp = 2000, role = "x" })
	equal(grant.acl, { { "allow", "publish", "a/#" } })
	set_time(2000)
	equal({ p.authenticate(c, "u", t) }, { "deny", 0x86, "the token has expired" })
end)

test("another client, another user, another key, no token", function()
	local p = policy({ alg = "HS256", key = "secret", client_claim = "cid", username_claim = "sub" })
	local c = client({ client_id = "c1" })
	equal((select(2, p.authenticate(c, "u", token({ cid = "c2", sub = "u" })))), 0x85)
	equal((select(3, p.authenticate(c, "v", token({ cid = "c1", sub = "u" })))), "the token is for another user")
	local foreign = crypto.jwt_sign({ cid = "c1", sub = "u" }, { alg = "HS256", key = "other" })
	equal((p.authenticate(c, "u", foreign)), "deny")
	equal(p.authenticate(c, "u", "password"), "next")
	equal(p.authenticate(c, "u", nil), "next")
end)

test("settings that are wrong refuse the load", function()
	refuses({ alg = "HS256" }, "the setting `key` is missing")
	refuses({ alg = "none", key = "x" }, "no algorithm `none`")
end)
