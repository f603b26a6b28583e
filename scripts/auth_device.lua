-- Device credentials: each device has a key of its own, which is good for its client id alone.
--
--     user name   DeviceCredential|<DeviceAccessKeyId>|<InstanceId>
--     password    base64(HMAC-SHA1(DeviceAccessKeySecret, client id))
--
-- No settings: credentials are in the registry (`dunlin ctl credential`), as `device_credential` under the client id. A login ends
-- when its credential is changed or deleted.

local BAD_USER_NAME_OR_PASSWORD = 0x86
local NOT_AUTHORIZED = 0x87

local function text(value)
	return if type(value) == "string" and value ~= "" then value else nil
end

return {
	name = "auth_device",
	description = "device credentials",

	-- The third part of the user name says which instance the client is of. An id has at most 512 bytes.
	connect = function(_, connect)
		local parts = string.split(connect.username or "", "|")
		if parts[1] == "DeviceCredential" and #parts == 3 and parts[3] ~= "" and #parts[3] <= 512 then
			return { instance = parts[3] }
		end
		return nil
	end,

	authenticate = function(ctx, username, password)
		if username == nil or string.sub(username, 1, 17) ~= "DeviceCredential|" then
			return "next" -- not ours; perhaps another policy knows it
		end
		local parts = string.split(username, "|")
		if #parts ~= 3 then
			local why = "the user name is not DeviceCredential|<DeviceAccessKeyId>|<InstanceId>"
			return "deny", BAD_USER_NAME_OR_PASSWORD, why
		elseif parts[3] ~= ctx.instance then
			return "deny", NOT_AUTHORIZED, "no such instance"
		end
		local record = registry.get(ctx.instance, "device_credential", ctx.client_id) or {}
		local secret, id = text(record.secret), text(record.access_key_id)
		-- No credential, another's key and a wrong signature take as long and get the same answer.
		local is_its_key = crypto.equal(id or "none", parts[2])
		local signature = crypto.base64_encode(crypto.hmac("sha1", secret or "none", ctx.client_id))
		local right = crypto.equal(signature, password or "")
		if secret == nil or id == nil or not is_its_key or not right then
			return "deny", BAD_USER_NAME_OR_PASSWORD, "the signature is wrong"
		end
		return "allow", {
			attrs = { device_access_key = id },
			depends = { `device_credential/{ctx.client_id}` },
		}
	end,
}
