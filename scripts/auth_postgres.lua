-- Users in PostgreSQL, their passwords hashed with argon2 (or bcrypt).
--
--     [[policy]]
--     name = "auth_postgres"
--     script = "scripts/auth_postgres.lua"
--     on_error = { answer = "stale", stale = "1h" }     # while the database is down, those who were known go on
--     [policy.sql.users]
--     url = "postgres://dunlin:${PG_PASSWORD}@127.0.0.1/app"
--     [policy.settings]
--     query = "select password_hash, attrs from mqtt_users where username = $1 and enabled"
--     cache = 60                                        # seconds for which a good login is not checked again
--
-- The query has one parameter, the user name, and gives password_hash and, if you like, attrs (json), which later hooks
-- read as ctx.attrs.

local BAD_USER_NAME_OR_PASSWORD = 0x86
local DEFAULT_QUERY = "select password_hash from mqtt_users where username = $1"

local query, database, known

-- What is kept of a good login: enough to know it again, and nothing that helps a thief.
local function seal(username, password, hash)
	return crypto.hmac("sha256", hash, username .. "\0" .. password)
end

return {
	name = "auth_postgres",
	description = "users in PostgreSQL with argon2",

	on_load = function(settings)
		query = settings.query or DEFAULT_QUERY
		if type(query) ~= "string" then
			error("the setting `query` is not a text", 0)
		end
		local seconds = settings.cache or 60
		if type(seconds) ~= "number" or seconds < 0 then
			error("the setting `cache` is a number of seconds", 0)
		end
		database = sql.open("users")
		known = if seconds > 0 then cache.new({ ttl = seconds, size = 10000 }) else nil
	end,

	authenticate = function(ctx, username, password)
		if username == nil or password == nil or password == "" then
			return "next"
		end
		local row, why = database:row(query, { username })
		if why then
			error(why, 0) -- on_error decides: deny, or what was known before
		end
		local hash = row and row.password_hash
		if type(hash) ~= "string" then
			-- A name that does not exist costs a hash as well, so that nobody learns from the time which names do.
			crypto.argon2_verify(password, "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2E$Y2Vydy+q0UuZqbKrzXQIFY3MRZNZ0ZHxyEE1F3hVJ2g")
			return "deny", BAD_USER_NAME_OR_PASSWORD, "unknown user or wrong password"
		end
		local sealed = seal(username, password, hash)
		local right = known ~= nil and known:get(sealed) ~= nil
		if not right then
			if string.sub(hash, 1, 2) == "$2" then
				right, why = crypto.bcrypt_verify(password, hash)
			else
				right, why = crypto.argon2_verify(password, hash)
			end
			if why then
				error(why, 0)
			end
		end
		if not right then
			return "deny", BAD_USER_NAME_OR_PASSWORD, "unknown user or wrong password"
		end
		if known then
			known:set(sealed, true)
		end
		local attrs = row.attrs
		return "allow", { attrs = if type(attrs) == "table" then attrs else nil }
	end,
}
