-- Tests of transform.lua.

local RULES = {
	{ topics = "plant/+/temperature", convert = { t = "fahrenheit_to_celsius" } },
	{ topics = "users/#", redact = { "password", "card.number" } },
	{ topics = "bulk/#", to = "cbor", append = "/cbor" },
}

local function publish(name, payload)
	return policy({ rules = RULES }).publish(client(), message({ topic = name, payload = payload }))
end

test("units are converted", function()
	equal(json.decode(publish("plant/1/temperature", '{"t":212,"id":9007199254740993}').payload).t, 100)
	equal(publish("plant/1/temperature", '{"t":"hot"}').payload, '{"t":"hot"}')
	-- A large number that nobody touches stays what it is.
	assert(string.find(publish("plant/1/temperature", '{"t":212,"id":9007199254740993}').payload, "9007199254740993", 1, true))
end)

test("fields are taken out", function()
	local value = json.decode(publish("users/1", '{"name":"a","password":"p","card":{"number":1,"name":"n"}}').payload)
	equal(value, { name = "a", card = { name = "n" } })
end)

test("JSON becomes CBOR", function()
	local patch = publish("bulk/1", '{"a":[1,2]}')
	equal(patch.topic, "bulk/1/cbor")
	equal(cbor.decode(patch.payload), { a = { 1, 2 } })
	equal(patch.properties.content_type, "application/cbor")
end)

test("everything else passes", function()
	equal(publish("other", '{"t":1}'), "pass")
	equal(publish("users/1", "no json"), "pass")
	equal(publish("users/1", "42"), "pass")
	equal(publish("users/1", '{"name":"a"}'), "pass")
end)

test("rules that are wrong refuse the load", function()
	refuses({ rules = { { topics = "a/#/b" } } }, "rule 1: `topics` is a topic filter")
	refuses({ rules = { { topics = "a", convert = { t = "x" } } } }, 'rule 1: there is no conversion "x" for t')
	refuses({ rules = { { topics = "a", to = "xml" } } }, "`to` can be")
end)
