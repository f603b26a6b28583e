-- A JSON Web Token as the password.
--
--     [[policy]]
--     name = "auth_jwt"
--     script = "scripts/auth_jwt.lua"
--     [policy.settings]
--     alg = "RS256"                     # HS256, HS384, HS512, RS256, ES256, EdDSA
--     key = "-----BEGIN PUBLIC KEY-----..."
--     issuer = "https://login.example.com"
--     audience = "mqtt"                 # optional
--     leeway = 5                        # seconds, for clocks that differ
--     client_claim = "client_id"        # optional: the claim that names the client id
--     username_claim = "sub"            # optional: the claim that names the user name
--
-- The login ends when the token does. A claim `acl`, a list of { "allow", "publish", "a/#" }, gives the client rights of
-- its own; all other claims are ctx.attrs.

local options, client_claim, username_claim

return {
	name = "auth_jwt",
	description = "JSON Web Tokens",

	on_load = function(settings)
		for _, name in { "alg", "key" } do
			if type(settings[name]) ~= "string" then
				error(`the setting \`{name}\` is missing`, 0)
			end
		end
		options = {
			alg = settings.alg,
			key = settings.key,
			issuer = settings.issuer,
			audience = settings.audience,
			leeway = settings.leeway,
		}
		client_claim, username_claim = settings.client_claim, settings.username_claim
		crypto.jwt_verify("", options) -- a wrong `alg` is found now, not at the first login
	end,

	authenticate = function(ctx, username, password)
		-- A token has three parts; what has not is some other kind of password.
		if password == nil or select(2, string.gsub(password, "%.", "")) ~= 2 then
			return "next"
		end
		local claims, why = crypto.jwt_verify(password, options)
		if not claims then
			return "deny", 0x86, why
		end
		if client_claim and claims[client_claim] ~= ctx.client_id then
			return "deny", 0x85, "the token is for another client id"
		end
		if username_claim and claims[username_claim] ~= username then
			return "deny", 0x86, "the token is for another user"
		end
		local acl = claims.acl
		claims.acl = nil
		return "allow", { attrs = claims, acl = acl, expires_at = claims.exp }
	end,
}
