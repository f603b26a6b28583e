-- Tests of acl.lua. `policy(settings)` loads it with these settings; `client{...}` makes a ctx.

local truck = client({ client_id = "GID_fleet@@@truck-7", group_id = "GID_fleet", device_id = "truck-7" })
local ops = client({ client_id = "GID_ops@@@desk", group_id = "GID_ops", device_id = "desk" })

-- These are the demo's rules, written out: those at the top of acl.lua are yours to change.
local demo = {
	{ "allow", "all", "*", "demo/#" },
	{ "allow", "all", "*", "devices/%c/#" },
	{ "deny", "subscribe", "*", "secret/#" },
	{ "allow", "subscribe", "GID_ops@@@*", "#" },
	{ "allow", "subscribe", "GID_ops@@@*", "$SYS/#" },
}

test("the rules in the file are rules", function()
	policy({})
end)

test("the demo's rules", function()
	local acl = policy({ rules = demo })
	assert(acl.authorize_publish(truck, "demo/hello") == "allow")
	assert(acl.authorize_publish(truck, "devices/GID_fleet@@@truck-7/up") == "allow")
	assert(acl.authorize_publish(truck, "devices/GID_fleet@@@truck-8/up") == "next")
	assert(acl.authorize_subscribe(truck, "devices/GID_fleet@@@truck-7/#") == "allow")
	assert(acl.authorize_subscribe(truck, "#") == "deny") -- it would reach secret/
	assert(acl.authorize_subscribe(ops, "plant/+/alarm") == "allow")
	assert(acl.authorize_subscribe(ops, "$SYS/broker/#") == "allow")
	assert(acl.authorize_subscribe(ops, "secret/plans") == "deny")
	assert(acl.authorize_publish(ops, "plant/1/alarm") == "next")
end)

test("the first rule that fits decides", function()
	local acl = policy({ rules = { { "deny", "publish", "*", "a/b" }, { "allow", "all", "*", "a/#" } } })
	assert(acl.authorize_publish(truck, "a/b") == "deny")
	assert(acl.authorize_publish(truck, "a/c") == "allow")
	assert(acl.authorize_subscribe(truck, "a/b") == "allow")
end)

test("a subscription is allowed when all of it is, and denied when any of it is", function()
	local acl = policy({ rules = { { "deny", "subscribe", "*", "a/secret" }, { "allow", "subscribe", "*", "a/#" } } })
	assert(acl.authorize_subscribe(truck, "a/b/c") == "allow")
	assert(acl.authorize_subscribe(truck, "a/+/c") == "allow")
	assert(acl.authorize_subscribe(truck, "a/+") == "deny")
	assert(acl.authorize_subscribe(truck, "#") == "deny")
	assert(acl.authorize_subscribe(truck, "+/b") == "next")
end)

test("clients are told apart by their client ids", function()
	local acl = policy({ rules = { { "allow", "publish", "GID_*@@@truck-?", "x" }, { "allow", "publish", "a.b-%", "y" } } })
	assert(acl.authorize_publish(truck, "x") == "next") -- ? is no wildcard
	assert(acl.authorize_publish(client({ client_id = "GID_a@@@truck-?" }), "x") == "allow")
	assert(acl.authorize_publish(client({ client_id = "a.b-%" }), "y") == "allow")
	assert(acl.authorize_publish(client({ client_id = "aXb-%" }), "y") == "next")
end)

test("placeholders", function()
	local acl = policy({ rules = { { "allow", "publish", "*", "%i/%g/%d/%u/#" } } })
	local who = client({ client_id = "G@@@d", group_id = "G", device_id = "d", instance = "i", username = "u" })
	assert(acl.authorize_publish(who, "i/G/d/u/x") == "allow")
	assert(acl.authorize_publish(who, "i/G/other/u/x") == "next")
	-- A client without a group fits no rule about groups.
	assert(acl.authorize_publish(client({ client_id = "d", instance = "i", username = "u" }), "i//d/u/x") == "next")
end)

test("a client id with wildcards reaches nothing but itself", function()
	local acl = policy({ rules = { { "allow", "all", "*", "devices/%c/#" } } })
	for _, id in { "#", "+", "a/b", "+/x", "" } do
		local sly = client({ client_id = id })
		assert(acl.authorize_subscribe(sly, "devices/" .. (if id == "" then "x" else "other") .. "/up") == "next")
		assert(acl.authorize_publish(sly, "devices/other/up") == "next")
	end
end)

test("a rule with a mistake refuses the load and is named", function()
	refuses({ rules = { { "permit", "all", "*", "#" } } }, 'rule 1: it begins with "allow" or "deny", not with permit')
	refuses({ rules = { { "allow", "all", "*", "#" }, { "deny", "read", "*", "#" } } }, "rule 2: its second part")
	refuses({ rules = { { "allow", "all", "*", "a/#/b" } } }, '"a/#/b" is no topic filter')
	refuses({ rules = { { "allow", "all", "*", "a/%x" } } }, '"%x" is no placeholder')
	refuses({ rules = { { "allow", "all", "*" } } }, "its fourth part is a topic filter")
	refuses({ rules = { "allow" } }, "rule 1 is a string")
end)
