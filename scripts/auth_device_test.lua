-- Tests of auth_device.lua. tests/policy/device_cases.json has many more, for the compiled plugin as well.

local USERNAME = "DeviceCredential|DAK1|mqtt-a"
local RIGHT = "WOtA4XxMuBcjNmSSqUxzJyA8CVM="

local device = client({ client_id = "GID_Test@@@dev-001", instance = "mqtt-a" })

local function credential(id, secret)
	record("mqtt-a", "device_credential", "GID_Test@@@dev-001", { access_key_id = id, secret = secret })
end

test("a device comes in with its own credential, for as long as that is good", function()
	credential("DAK1", "dev-secret-0001")
	local answer, grant = policy().authenticate(device, USERNAME, RIGHT)
	equal(answer, "allow")
	equal(grant.attrs, { device_access_key = "DAK1" })
	equal(grant.depends, { "device_credential/GID_Test@@@dev-001" })
	credential("DAK2", "dev-secret-0001")
	equal({ policy().authenticate(device, USERNAME, RIGHT) }, { "deny", 0x86, "the signature is wrong" })
end)

test("no credential, another client's, and a wrong signature get the same answer", function()
	local wrong = { "deny", 0x86, "the signature is wrong" }
	equal({ policy().authenticate(device, USERNAME, RIGHT) }, wrong)
	credential("DAK1", "dev-secret-0001")
	equal({ policy().authenticate(device, USERNAME, "AAAA") }, wrong)
	equal({ policy().authenticate(device, USERNAME, nil) }, wrong)
	local other = client({ client_id = "GID_Test@@@dev-002", instance = "mqtt-a" })
	equal({ policy().authenticate(other, USERNAME, RIGHT) }, wrong)
end)

test("other instances and other forms", function()
	local p = policy()
	equal({ p.authenticate(device, "DeviceCredential|DAK1|mqtt-b", RIGHT) }, { "deny", 0x87, "no such instance" })
	equal((select(2, p.authenticate(device, "DeviceCredential|DAK1", RIGHT))), 0x86)
	equal(p.authenticate(device, "Signature|DAK1|mqtt-a", RIGHT), "next")
	equal(p.connect(device, { username = USERNAME }), { instance = "mqtt-a" })
	equal(p.connect(device, { username = "DeviceCredential|DAK1" }), nil)
end)
