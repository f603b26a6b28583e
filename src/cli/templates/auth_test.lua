-- Tests of NAME.lua: `dunlin test scripts/NAME.lua`. They run before every reload, too.

local function with_alice()
	return policy({ users = { alice = crypto.argon2_hash("secret") } })
end

test("a right password is let in", function()
	local answer, grant = with_alice().authenticate(client({}), "alice", "secret")
	equal(answer, "allow")
	equal(grant, { attrs = { user = "alice" } })
end)

test("a wrong one is not", function()
	local answer, code = with_alice().authenticate(client({}), "alice", "wrong")
	equal(answer, "deny")
	equal(code, 0x86)
	equal(with_alice().authenticate(client({}), "alice", nil), "deny")
end)

test("other users are left to other policies", function()
	equal(with_alice().authenticate(client({}), "bob", "secret"), "next")
	equal(policy({}).authenticate(client({}), nil, nil), "next")
end)

test("a mistake in the settings or in a hash is told", function()
	refuses({ users = { alice = 1 } }, 'the hash of the user "alice"')
	expect_error(function()
		policy({ users = { alice = "no hash" } }).authenticate(client({}), "alice", "x")
	end, "cannot be checked")
end)
