-- Changes JSON payloads on their way: converts units, takes out what is nobody's business, packs them as CBOR.
--
--     [[policy]]
--     name = "transform"
--     script = "scripts/transform.lua"
--     [policy.settings]
--     rules = [
--       { topics = "plant/+/temperature", convert = { t = "fahrenheit_to_celsius" } },
--       { topics = "users/#", redact = ["password", "card.number"] },
--       { topics = "bulk/#", to = "cbor", append = "/cbor" },
--     ]
--
-- All rules that fit a topic are applied, in order. A payload that is no JSON passes as it is. Paths have dots.

local CONVERSIONS = {
	fahrenheit_to_celsius = function(x) return (x - 32) * 5 / 9 end,
	celsius_to_fahrenheit = function(x) return x * 9 / 5 + 32 end,
	kelvin_to_celsius = function(x) return x - 273.15 end,
	psi_to_bar = function(x) return x * 0.0689475729 end,
	miles_to_kilometers = function(x) return x * 1.609344 end,
	milli_to_base = function(x) return x / 1000 end,
}

local rules

-- Replaces what is at `path` by what `change` makes of it; whether there was anything.
local function at(value, path, change)
	local parts = string.split(path, ".")
	for n = 1, #parts - 1 do
		value = type(value) == "table" and value[parts[n]]
	end
	local last = parts[#parts]
	if type(value) ~= "table" or value[last] == nil then
		return false
	end
	value[last] = change(value[last])
	return true
end

local function check(n, rule)
	local function wrong(what)
		error(`rule {n}: {what}`, 0)
	end
	if type(rule) ~= "table" or type(rule.topics) ~= "string" or not topic.valid_filter(rule.topics) then
		wrong("`topics` is a topic filter")
	end
	for path, name in rule.convert or {} do
		if not CONVERSIONS[name] then
			wrong(`there is no conversion "{name}" for {path}`)
		end
	end
	if rule.to ~= nil and rule.to ~= "cbor" then
		wrong("`to` can be \"cbor\"")
	end
end

return {
	name = "transform",
	description = "units, redaction, CBOR",

	on_load = function(settings)
		rules = settings.rules or {}
		for n, rule in rules do
			check(n, rule)
		end
	end,

	publish = function(ctx, msg)
		local value, changed, to
		local name = msg.topic
		for _, rule in rules do
			if not topic.matches(rule.topics, msg.topic) then
				continue
			end
			if value == nil then
				value = json.decode(msg.payload)
				if type(value) ~= "table" then
					return "pass"
				end
			end
			for path, conversion in rule.convert or {} do
				local convert = CONVERSIONS[conversion]
				local done = at(value, path, function(old)
					return if type(old) == "number" then convert(old) else old
				end)
				changed = changed or done
			end
			for _, path in rule.redact or {} do
				local done = at(value, path, function() return nil end)
				changed = changed or done
			end
			if rule.to == "cbor" then
				to = "cbor"
				name = name .. (rule.append or "")
			end
		end
		if to == "cbor" then
			local properties = msg.properties
			properties.content_type, properties.payload_is_text = "application/cbor", nil
			return { topic = name, payload = cbor.encode(value), properties = properties }
		end
		return if changed then { payload = json.encode(value) } else "pass"
	end,
}
