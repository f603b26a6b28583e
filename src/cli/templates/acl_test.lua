-- Tests of NAME.lua: `dunlin test scripts/NAME.lua`. They run before every reload, too.

local truck = client({ client_id = "truck-7" })

test("a client has its own topics", function()
	local acl = policy({})
	equal(acl.authorize_publish(truck, "devices/truck-7/up"), "allow")
	equal(acl.authorize_subscribe(truck, "devices/truck-7/#"), "allow")
	equal(acl.authorize_publish(truck, "devices/truck-8/up"), "next")
	equal(acl.authorize_subscribe(truck, "devices/#"), "next")
end)

test("everybody reads what is public", function()
	local acl = policy({})
	local answer, qos = acl.authorize_subscribe(truck, "public/news")
	equal(answer, "allow")
	equal(qos, 1)
	equal(acl.authorize_publish(truck, "public/news"), "next")
end)

test("a client id with wildcards reaches nothing", function()
	local sly = client({ client_id = "+" })
	equal(policy({}).authorize_subscribe(sly, "devices/+/up"), "next")
	equal(policy({}).authorize_publish(sly, "devices/truck-7/up"), "next")
end)
