-- Tests of auth_certificate.lua.

local INSTANCE = "mqtt-test"

local function authority(status)
	record(INSTANCE, "ca_certificate", "CA01", { name = "fleet", status = status })
end

local function certificate(status)
	record(INSTANCE, "device_certificate", "CA01/07", status and { name = "truck-7", status = status })
end

local function device(tls)
	tls = tls or { cn = "truck-7", serial = "07", fingerprint = "f0", ca_serial = "CA01", valid_until = 2000000000 }
	return client({ client_id = "GID_fleet@@@truck-7", tls = tls })
end

test("a certificate of an active authority is left to who knows user names", function()
	authority("1")
	local p = policy({})
	equal(p.authenticate(device(), "u", "p"), "next")
	certificate("1")
	equal(p.authenticate(device(), "u", "p"), "next")
end)

test("or lets its client in, until it is no longer valid", function()
	authority("1")
	local p = policy({ username_required = false })
	equal({ p.authenticate(device()) }, { "allow", { expires_at = 2000000000 } })
end)

test("who shows no certificate is left to others", function()
	local p = policy({ username_required = false })
	equal(p.authenticate(client({ client_id = "GID_fleet@@@truck-7" }), "u", "p"), "next")
end)

test("an authority that is not registered here, or not active", function()
	local p = policy({})
	local why = "the authority of the certificate is not registered in this instance"
	equal({ p.authenticate(device()) }, { "deny", 0x87, why })
	authority("1")
	equal({ p.authenticate(device({ cn = "truck-7", serial = "07", fingerprint = "f0" })) }, { "deny", 0x87, why })
	authority("0")
	equal({ p.authenticate(device()) }, { "deny", 0x87, "the authority of the certificate is not active" })
	-- Another instance's word does not count.
	record("mqtt-other", "ca_certificate", "CA01", { status = "1" })
	record(INSTANCE, "ca_certificate", "CA01", nil)
	equal({ p.authenticate(device()) }, { "deny", 0x87, why })
end)

test("a certificate that was deactivated", function()
	authority("1")
	certificate("0")
	for _, required in { true, false } do
		local p = policy({ username_required = required })
		equal({ p.authenticate(device()) }, { "deny", 0x87, "the certificate is not active" })
	end
end)

test("a login ends with what it rests on", function()
	authority("1")
	certificate("1")
	local p = policy({})
	equal(p.expiring(device(), 1, true), nil)
	certificate("0")
	equal(p.expiring(device(), 1, false), nil)
	equal({ p.expiring(device(), 1, true) }, { "disconnect", 0x87, "the certificate is not active" })
	certificate(nil)
	equal(p.expiring(device(), 1, true), nil)
	authority("0")
	equal({ p.expiring(device(), 1, true) }, { "disconnect", 0x87, "the authority of the certificate is not active" })
	equal(p.expiring(client({ client_id = "a" }), 1, true), nil)
end)

test("the common name may have to be the client's", function()
	authority("1")
	local other = { cn = "truck-8", serial = "07", fingerprint = "f0", ca_serial = "CA01" }
	local whole = { cn = "GID_fleet@@@truck-7", serial = "07", fingerprint = "f0", ca_serial = "CA01" }
	local p = policy({ cn = "device_id" })
	equal(p.authenticate(device()), "next")
	equal({ p.authenticate(device(other)) }, { "deny", 0x87, "the certificate is for another device" })
	p = policy({ cn = "client_id" })
	equal(p.authenticate(device(whole)), "next")
	equal({ p.authenticate(device()) }, { "deny", 0x87, "the certificate is for another device" })
end)

test("settings that are wrong refuse the load", function()
	refuses({ username_required = "no" }, "`username_required` is true or false")
	refuses({ cn = "name" }, "the setting `cn`")
end)
