-- Tests of auth_token.lua. tests/policy/token_cases.json has many more, for the compiled plugin as well.

local NOW = 1700000000
local KEY = string.rep("k", 32)
local USERNAME = "Token|AK|mqtt-a"

local function token(kind, resources, seconds, key)
	local says = { i = "mqtt-a", a = kind, r = resources, e = (NOW + seconds) * 1000, n = "1" }
	local signed = "DT1." .. crypto.base64url_encode(json.encode(says))
	return signed .. "." .. crypto.base64url_encode(crypto.hmac("sha256", key or KEY, signed))
end

local function revoke(text)
	record("mqtt-a", "revoked_token", crypto.hex_encode(crypto.sha256(text)), { expires = 0 })
end

local function begin()
	set_time(NOW)
	record("mqtt-a", "access_key", "AK", { secret = "x" })
	record("mqtt-a", "token_key", "current", { secret = crypto.base64_encode(KEY) })
	return policy()
end

local function device(attrs)
	return client({ client_id = "GID_a@@@1", instance = "mqtt-a", attrs = attrs })
end

local function invalid(code, kind)
	return { topic = "$SYS/tokenInvalidNotice", payload = `\{"code":{code},"type":"{kind}"}` }
end

test("tokens of all types, in any order", function()
	local p = begin()
	local r, w = token("R", { "a/#" }, 1000), token("W", { "b" }, 2000)
	for _, password in { `R|{r}|W|{w}`, `W|{w}|R|{r}` } do
		local answer, grant = p.authenticate(device(), USERNAME, password)
		equal(answer, "allow")
		equal(grant.expires_at, NOW + 1000)
		equal(grant.attrs.tokens.R.resources, { "a/#" })
		equal(grant.attrs.tokens.W.expires, (NOW + 2000) * 1000)
		equal(#grant.depends, 4)
	end
	equal(p.connect(device(), { username = USERNAME }), { instance = "mqtt-a" })
	equal(p.connect(device(), { username = "ann" }), nil)
	equal(p.authenticate(device(), "ann", "x"), "next")
end)

test("one bad token is one too many", function()
	local p = begin()
	local good, gone = token("R", { "a" }, 60), token("W", { "a" }, 60)
	revoke(gone)
	local function why(password)
		local answer, code, reason = p.authenticate(device(), USERNAME, password)
		return if answer == "deny" then `{code} {reason}` else answer
	end
	equal(why(`R|{good}`), "allow")
	equal(why(`R|{good}|W|x`), "134 token code 1 (W): it is no token")
	equal(why(`R|{good}|W|{token("W", { "a" }, 0)}`), "135 token code 2 (W): it has expired")
	equal(why(`R|{good}|W|{gone}`), "135 token code 3 (W): it was revoked")
	equal(why(`R|{good}|W|{token("R", { "a" }, 60)}`), "135 token code 5 (W): it is of another type")
	equal(why(`R|{good}|W|{token("W", { "a" }, 60, "other")}`), "134 token code 8 (W): its signature is wrong")
	local form = "134 token code 1: the password is not R|<token>, W|<token> or RW|<token>, at most one of each"
	for _, password in { "", good, `R|{good}|R|{good}`, `R|{good}|`, `X|{good}` } do
		equal(why(password), form)
	end
	record("mqtt-a", "access_key", "AK", nil)
	equal(why(`R|{good}`), "134 token code 8 (R): its signature is wrong")
end)

test("a client may do what its tokens say, and is told why it has to go", function()
	stub("mqtt.p2p", nil)
	local p = begin()
	local _, grant = p.authenticate(device(), USERNAME, `W|{token("W", { "a/#", "b/+" }, 60)}`)
	local c = device(grant.attrs)
	equal(p.authorize_publish(c, "a"), "allow")
	equal(p.authorize_publish(c, "b/p2p"), "allow")
	equal({ p.authorize_publish(c, "b/p2p/x") }, { "disconnect", "token code 4 (W): it is not for this instance or topic" })
	equal({ p.authorize_subscribe(c, "a/#") }, { "disconnect", "token code 5 (W): it is of another type" })
	equal(calls("mqtt.p2p"), { { "GID_a@@@1", invalid(4, "W") }, { "GID_a@@@1", invalid(5, "W") } })
	equal(p.authorize_publish(device({ access_key = "AK" }), "a"), "next")
end)

test("notices before the end, at the end, and when a token is revoked", function()
	local p = begin()
	local r = token("R", { "a" }, 1000)
	local _, grant = p.authenticate(device(), USERNAME, `R|{r}`)
	set_time(NOW + 700)
	local done = p.expiring(device(grant.attrs), NOW + 1000, false)
	equal(done.messages, { { topic = "$SYS/tokenExpireNotice", payload = '{"expireTime":1700001000000,"type":"R"}' } })
	equal(done.expires_at, NOW + 1000)
	-- A record changed that does not matter.
	local warned = device(done.attrs)
	equal(p.expiring(warned, NOW + 700, true), { messages = {}, expires_at = NOW + 1000 })
	set_time(NOW + 1000)
	equal(p.expiring(warned, NOW + 1000, true), { messages = { invalid(2, "R") } })
	set_time(NOW + 800)
	revoke(r)
	equal(p.expiring(warned, NOW + 800, true), { messages = { invalid(3, "R") } })
	equal(p.expiring(device({ access_key = "AK" }), NOW, true), nil)
end)

test("a new token takes the place of one, and a bad one ends the login", function()
	local p = begin()
	local _, grant = p.authenticate(device(), USERNAME, `R|{token("R", { "a" }, 1000)}`)
	local function upload(payload)
		return p.control(device(grant.attrs), message({ topic = "$SYS/uploadToken", payload = payload }))
	end
	local done = upload(json.encode({ type = "R", token = token("R", { "b" }, 5000) }))
	equal(done.expires_at, NOW + 5000)
	equal(done.attrs.tokens.R.resources, { "b" })
	done = upload(json.encode({ type = "W", token = token("R", { "b" }, 5000) }))
	equal(done.messages, { invalid(5, "W") })
	equal(done.expires_at, NOW)
	equal(p.expiring(device(done.attrs), NOW, true), nil)
	equal(upload("{}").messages, { invalid(1, "RW") })
	equal(p.control(device({}), message({ payload = "{}" })), nil)
end)
