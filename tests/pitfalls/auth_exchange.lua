-- A method for the tests, "COUNT": the client answers each challenge with the number behind it.
--
--     CONNECT data "0" -> AUTH 0x18 "1" -> AUTH "2" -> AUTH 0x18 "3" -> AUTH "4" -> CONNACK, with data "welcome"

return {
	name = "auth_exchange",
	description = "an authentication exchange of two rounds",

	authenticate = function(ctx, username, password, method, data)
		if method == nil then
			return "next"
		elseif method ~= "COUNT" then
			return "deny", 0x8C, "no such method"
		elseif data ~= "0" then
			return "deny", 0x87, "count from 0"
		end
		return "continue", "1", { wanted = 2 }
	end,

	auth_continue = function(ctx, method, data, state)
		if state == nil then
			return "continue", "1", { wanted = 2 } -- a re-authentication begins
		elseif tonumber(data) ~= state.wanted then
			return "deny", 0x87, "you cannot count"
		elseif state.wanted == 2 then
			return "continue", "3", { wanted = 4 }
		end
		return "allow", { data = "welcome" }
	end,
}
