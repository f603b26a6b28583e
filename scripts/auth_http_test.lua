-- Tests of auth_http.lua, with a service that answers what the test says.

local function with(answer)
	stub("http.request", answer)
	return policy({ url = "http://auth/" })
end

test("a yes is kept for a minute", function()
	set_time(1000)
	local p = with(function() return { status = 200, body = '{"attrs":{"role":"x"}}' } end)
	local c = client({ client_id = "c1" })
	for _ = 1, 3 do
		equal({ p.authenticate(c, "u", "p") }, { "allow", { attrs = { role = "x" } } })
	end
	equal(#calls("http.request"), 1)
	equal(calls("http.request")[1][1].json, { client_id = "c1", username = "u", password = "p", peer = c.peer })
	p.authenticate(c, "u", "other")
	advance(61)
	p.authenticate(c, "u", "p")
	equal(#calls("http.request"), 3)
end)

test("a no is kept for a moment", function()
	set_time(1000)
	local p = with(function() return { status = 403, body = "" } end)
	equal((p.authenticate(client(), "u", "p")), "deny")
	equal((p.authenticate(client(), "u", "p")), "deny")
	equal(#calls("http.request"), 1)
	advance(3)
	p.authenticate(client(), "u", "p")
	equal(#calls("http.request"), 2)
end)

test("others are left to others, and trouble is an error", function()
	equal(with(function() return { status = 404, body = "" } end).authenticate(client(), "u", "p"), "next")
	local ill = with(function() return { status = 500, body = "" } end)
	expect_error(function() ill.authenticate(client(), "u", "p") end, "the service answers 500")
	local down = with(function() return nil, "no route" end)
	expect_error(function() down.authenticate(client(), "u", "p") end, "no route")
	refuses({}, "the setting `url` is missing")
end)
