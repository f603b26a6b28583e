-- Client certificates of registered authorities.
--
-- Whoever shows a certificate comes in only if its authority is registered in the client's instance and active
-- (`dunlin ctl ca`), and if the certificate itself has not been deactivated (`dunlin ctl certificate`). When either changes,
-- the connection ends. Put this policy before the others that authenticate, and a listener before it that asks for certificates:
--
--     [listeners.tls]
--     bind = "0.0.0.0:8883"
--     client_auth = "required"           # or "optional": who shows none is left to the other policies
--     client_ca = "registered"
--
--     [[policy]]
--     name = "auth_certificate"
--     script = "scripts/auth_certificate.lua"
--     [policy.settings]
--     username_required = true           # optional: false lets clients in by their certificate alone
--     cn = "device_id"                   # optional: the certificate's common name has to be this of the client
--                                        # ("client_id" or "device_id")

local NOT_AUTHORIZED = 0x87
local ACTIVE = "1"

local username_required, cn

-- Why a client may not be here with its certificate; nil if it may.
local function refusal(ctx)
	local tls = ctx.tls
	-- ca_serial is nil for authorities that this instance has not registered, whatever numbers they have.
	local ca = tls.ca_serial and registry.get(ctx.instance, "ca_certificate", tls.ca_serial)
	if not ca then
		return "the authority of the certificate is not registered in this instance"
	elseif ca.status ~= ACTIVE then
		return "the authority of the certificate is not active"
	end
	-- A certificate that nobody knows yet is registered by the broker when its client is in.
	local device = registry.get(ctx.instance, "device_certificate", `{tls.ca_serial}/{tls.serial}`)
	if device and device.status ~= ACTIVE then
		return "the certificate is not active"
	elseif cn == "client_id" and tls.cn ~= ctx.client_id or cn == "device_id" and tls.cn ~= ctx.device_id then
		return "the certificate is for another device"
	end
	return nil
end

return {
	name = "auth_certificate",
	description = "client certificates of registered authorities",

	on_load = function(settings)
		username_required, cn = settings.username_required, settings.cn
		if username_required == nil then
			username_required = true
		end
		if type(username_required) ~= "boolean" then
			error("the setting `username_required` is true or false", 0)
		elseif cn ~= nil and cn ~= "client_id" and cn ~= "device_id" then
			error('the setting `cn` is "client_id" or "device_id"; leave it out for certificates of any name', 0)
		end
	end,

	authenticate = function(ctx)
		if ctx.tls == nil then
			return "next" -- it has shown none
		end
		local why = refusal(ctx)
		if why then
			return "deny", NOT_AUTHORIZED, why
		elseif username_required then
			return "next"
		end
		return "allow", { expires_at = ctx.tls.valid_until }
	end,

	-- A login with a certificate rests on both records, so this is asked when one of them has changed. Other policies may have
	-- the login go on, as far as they are concerned; this ends it.
	expiring = function(ctx, expires_at, ended)
		local why = ended and ctx.tls and refusal(ctx)
		if why then
			return "disconnect", NOT_AUTHORIZED, why
		end
		return nil
	end,
}
