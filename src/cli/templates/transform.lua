-- Changes messages on their way: readings in Fahrenheit become Celsius, and what is no JSON goes nowhere.
--
-- Settings in dunlin.toml:
--
--     settings.filter = "sensors/+/temperature"     # the messages that this is about

local filter

return {
	name = "NAME",
	description = "temperatures in Celsius",

	on_load = function(settings)
		filter = settings.filter or "sensors/+/temperature"
		if not topic.valid_filter(filter) then
			error(`the setting filter, "{filter}", is no topic filter`, 0)
		end
	end,

	-- Return nothing to let a message pass, "drop" and a reason to stop it, or a table of what changes: topic, payload,
	-- qos, retain, properties, or more messages.
	publish = function(ctx, msg)
		if not topic.matches(filter, msg.topic) then
			return nil
		end
		local reading, why = json.decode(msg.payload)
		if type(reading) ~= "table" then
			return "drop", `no JSON object: {why or type(reading)}`
		end
		if reading.unit ~= "F" or type(reading.value) ~= "number" then
			return nil
		end
		reading.value = (reading.value - 32) * 5 / 9
		reading.unit = "C"
		return { payload = json.encode(reading) }
	end,
}
