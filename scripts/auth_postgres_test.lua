-- Tests of auth_postgres.lua, with a database of a table.

local users = {}
local asked = 0

local function with(settings)
	stub("sql.open", function(name)
		equal(name, "users")
		return {
			row = function(_, query, parameters)
				asked += 1
				if users.down then
					return nil, "users is down"
				end
				return users[parameters[1]]
			end,
		}
	end)
	return policy(settings or {})
end

test("a right password is let in with its attributes", function()
	users = { ann = { password_hash = crypto.argon2_hash("secret"), attrs = { role = "meter" } } }
	local p = with()
	equal({ p.authenticate(client(), "ann", "secret") }, { "allow", { attrs = { role = "meter" } } })
	equal({ p.authenticate(client(), "ann", "guess") }, { "deny", 0x86, "unknown user or wrong password" })
	equal({ p.authenticate(client(), "bob", "secret") }, { "deny", 0x86, "unknown user or wrong password" })
	equal(p.authenticate(client(), nil, "secret"), "next")
end)

test("bcrypt is understood", function()
	users = { ann = { password_hash = crypto.bcrypt_hash("secret", 4) } }
	local p = with()
	equal((p.authenticate(client(), "ann", "secret")), "allow")
	equal((p.authenticate(client(), "ann", "guess")), "deny")
end)

test("a good login is not hashed again, and a new password is", function()
	users = { ann = { password_hash = crypto.argon2_hash("secret") } }
	local p = with()
	equal((p.authenticate(client(), "ann", "secret")), "allow")
	stub("crypto.argon2_verify", function() return false end)
	equal((p.authenticate(client(), "ann", "secret")), "allow")
	users.ann = { password_hash = users.ann.password_hash .. "x" }
	equal((p.authenticate(client(), "ann", "secret")), "deny")
end)

test("a database that is down is an error, so that on_error decides", function()
	users = { down = true }
	local p = with()
	expect_error(function() p.authenticate(client(), "ann", "secret") end, "users is down")
end)

test("settings that are wrong refuse the load", function()
	stub("sql.open", function() return {} end)
	refuses({ query = 1 }, "the setting `query` is not a text")
	refuses({ cache = "long" }, "the setting `cache` is a number")
end)
