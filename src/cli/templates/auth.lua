-- Who may come in: users with hashed passwords, from this policy's settings.
--
-- Settings in dunlin.toml:
--
--     settings.users = { alice = "$argon2id$..." }     # user names and their passwords' hashes
--
-- Other places to keep users: scripts/auth_postgres.lua asks a database, scripts/auth_http.lua a web service.

local BAD_USER_NAME_OR_PASSWORD = 0x86

local users = {}

return {
	name = "NAME",
	description = "users from the settings",

	-- An error here refuses the load: the place to say what is wrong with the settings.
	on_load = function(settings)
		users = settings.users or {}
		for name, hash in users do
			if type(hash) ~= "string" then
				error(`the hash of the user "{name}" is not a text`, 0)
			end
		end
	end,

	-- May wait, as hashing does: only this client waits with it.
	authenticate = function(ctx, username, password)
		local hash = username and users[username]
		if not hash then
			return "next" -- not ours; when no policy says yes, the answer is no
		end
		local right, why = crypto.argon2_verify(password or "", hash)
		if right == nil then
			error(`the hash of "{username}" cannot be checked: {why}`, 0) -- counts as `on_error`: deny
		elseif not right then
			return "deny", BAD_USER_NAME_OR_PASSWORD, "wrong password"
		end
		-- What stands in attrs is `ctx.attrs` in every later hook.
		return "allow", { attrs = { user = username } }
	end,
}
