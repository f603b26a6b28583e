-- Tests of NAME.lua: `dunlin test scripts/NAME.lua`. They run before every reload, too.

local function published(topic_name, payload)
	return policy({}).publish(client({}), message({ topic = topic_name, payload = payload }))
end

test("Fahrenheit becomes Celsius", function()
	local patch = published("sensors/1/temperature", '{"unit":"F","value":212}')
	equal(json.decode(patch.payload), { unit = "C", value = 100 })
end)

test("everything else passes", function()
	equal(published("sensors/1/temperature", '{"unit":"C","value":20}'), nil)
	equal(published("sensors/1/humidity", "40 %"), nil)
end)

test("what is no JSON is dropped", function()
	equal(published("sensors/1/temperature", "hot"), "drop")
	equal(published("sensors/1/temperature", "20"), "drop")
end)

test("a mistake in the settings is told", function()
	refuses({ filter = "a/#/b" }, "is no topic filter")
end)
