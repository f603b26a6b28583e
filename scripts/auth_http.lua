-- Asks a web service who may come in.
--
--     [[policy]]
--     name = "auth_http"
--     script = "scripts/auth_http.lua"
--     on_error = { answer = "stale", stale = "1h" }
--     http.allow = ["auth.example.com:443"]
--     [policy.settings]
--     url = "https://auth.example.com/mqtt"
--     cache = 60             # seconds for which a yes is kept
--     cache_denials = 2      # seconds for which a no is kept: a storm of bad logins is one request
--
-- It posts {"client_id", "username", "password", "peer"} as JSON. 200 lets in, with the fields `attrs`, `acl` and
-- `expires_at` of a JSON answer; 401 and 403 refuse; 404 leaves the client to the next policy; anything else is an error.

local url, yes, no, salt

return {
	name = "auth_http",
	description = "asks a web service",

	on_load = function(settings)
		url = settings.url
		if type(url) ~= "string" then
			error('the setting `url` is missing; write for instance `settings.url = "https://auth.example.com/mqtt"`', 0)
		end
		yes = cache.new({ ttl = settings.cache or 60, size = 10000 })
		no = cache.new({ ttl = settings.cache_denials or 2, size = 10000 })
		salt = crypto.random(16)
	end,

	authenticate = function(ctx, username, password)
		-- The key of the caches holds no password.
		local key = crypto.hmac("sha256", salt, json.encode({ ctx.client_id, username or "", crypto.hex_encode(password or "") }))
		local known = yes:get(key)
		if known then
			return "allow", known
		end
		if no:get(key) then
			return "deny", 0x86, "refused a moment ago"
		end
		local text = password and (string.find(password, "[\128-\255]") and crypto.base64_encode(password) or password)
		local answer, why = http.request({
			method = "POST",
			url = url,
			json = { client_id = ctx.client_id, username = username or json.null, password = text or json.null, peer = ctx.peer },
		})
		if not answer then
			error(why, 0)
		end
		if answer.status == 200 then
			local told = json.decode(answer.body)
			local granted = {}
			if type(told) == "table" then
				granted = { attrs = told.attrs, acl = told.acl, expires_at = told.expires_at }
			end
			yes:set(key, granted)
			return "allow", granted
		elseif answer.status == 401 or answer.status == 403 then
			no:set(key, true)
			return "deny", 0x86, "refused by the service"
		elseif answer.status == 404 then
			return "next"
		end
		error(`the service answers {answer.status}`, 0)
	end,
}
