// MQTT.js over WebSocket against a broker: one scenario, then exit 0, or 1 and why.
//
//     node scenario.js URL 4|5 SCENARIO        4 is MQTT 3.1.1, 5 is MQTT 5.0

const assert = require('node:assert/strict')
const { randomBytes } = require('node:crypto')
const { once } = require('node:events')
const mqtt = require('mqtt')

const [url, protocol, scenario] = process.argv.slice(2)
const protocolVersion = Number(protocol)
const tag = `js${protocolVersion}x${process.pid}`
const PATIENCE = 10_000

const within = (what, promise) =>
  Promise.race([
    promise,
    new Promise((_, reject) => setTimeout(() => reject(new Error(`${what} did not come`)), PATIENCE).unref()),
  ])

const sleep = (ms) => new Promise((done) => setTimeout(done, ms))

// A connected client whose messages wait in a queue.
async function connect(name, { clean = true, expiry = 0, will } = {}) {
  const options = { clientId: tag + name, protocolVersion, clean, reconnectPeriod: 0, rejectUnauthorized: false, will }
  if (protocolVersion === 5) options.properties = { sessionExpiryInterval: expiry }
  const client = mqtt.connect(url, options)
  const waiting = []
  const wanted = []
  client.on('message', (topic, payload, packet) => {
    const take = wanted.shift()
    take ? take(packet) : waiting.push(packet)
  })
  const connack = await within(
    'CONNACK',
    new Promise((resolve, reject) => client.once('connect', resolve).once('error', reject)),
  )
  return {
    connack,
    client,
    subscribe: async (topic, qos) => {
      const [granted] = await within('SUBACK', client.subscribeAsync(topic, { qos }))
      assert.equal(granted.qos, qos, 'the granted QoS')
    },
    publish: (topic, payload, options) => within('the acknowledgement', client.publishAsync(topic, payload, options)),
    next: () => within('a message', waiting.length ? waiting.shift() : new Promise((take) => wanted.push(take))),
    quiet: async (ms = 300) => {
      await sleep(ms)
      assert.equal(waiting.length, 0, `a message too many: ${waiting[0]?.payload}`)
    },
    end: () => client.endAsync(),
    vanish: () => client.stream.destroy(),
  }
}

const scenarios = {
  async qos() {
    const topic = `${tag}/qos`
    const receiver = await connect('r')
    const sender = await connect('s')
    await receiver.subscribe(topic, 2)
    for (const qos of [0, 1, 2]) {
      for (let n = 0; n < 20; n++) await sender.publish(topic, `${qos} ${n}`, { qos })
      for (let n = 0; n < 20; n++) {
        const message = await receiver.next()
        assert.deepEqual([String(message.payload), message.qos, message.retain], [`${qos} ${n}`, qos, false])
      }
    }
    await receiver.quiet()
    await receiver.end()
    await sender.end()
  },

  async retained() {
    const topic = `${tag}/retained`
    const sender = await connect('s')
    await sender.publish(topic, 'kept', { qos: 1, retain: true })
    const late = await connect('l')
    await late.subscribe(topic, 1)
    const message = await late.next()
    assert.deepEqual([String(message.payload), message.retain], ['kept', true])
    await sender.publish(topic, '', { qos: 1, retain: true })
    assert.equal((await late.next()).payload.length, 0)
    await late.end()
    const later = await connect('m')
    await later.subscribe(topic, 1)
    await later.quiet()
    await later.end()
    await sender.end()
  },

  async will() {
    const topic = `${tag}/will`
    const watcher = await connect('w')
    await watcher.subscribe(topic, 1)
    const polite = await connect('p', { will: { topic, payload: Buffer.from('not this one'), qos: 1 } })
    await polite.end()
    const gone = await connect('g', { will: { topic, payload: Buffer.from('gone'), qos: 1 } })
    gone.vanish()
    assert.equal(String((await watcher.next()).payload), 'gone')
    await watcher.quiet()
    await watcher.end()
  },

  async session() {
    const topic = `${tag}/session`
    const absent = await connect('a', { clean: false, expiry: 3600 })
    assert.equal(absent.connack.sessionPresent, false)
    await absent.subscribe(topic, 2)
    await absent.end()
    const sender = await connect('s')
    for (const qos of [1, 2]) for (let n = 0; n < 50; n++) await sender.publish(topic, `${qos} ${n}`, { qos })
    const back = await connect('a', { clean: false, expiry: 3600 })
    assert.equal(back.connack.sessionPresent, true)
    for (const qos of [1, 2]) {
      for (let n = 0; n < 50; n++) {
        const message = await back.next()
        assert.deepEqual([String(message.payload), message.qos], [`${qos} ${n}`, qos])
      }
    }
    await back.quiet()
    await back.end()
    const fresh = await connect('a', { clean: true })
    assert.equal(fresh.connack.sessionPresent, false)
    await fresh.end()
    await sender.end()
  },

  async large() {
    const topic = `${tag}/large`
    const payload = randomBytes(1 << 20)
    const client = await connect('l')
    await client.subscribe(topic, 2)
    for (const qos of [0, 1, 2]) {
      await client.publish(topic, payload, { qos })
      const message = await client.next()
      assert(message.payload.equals(payload) && message.qos === qos, `1 MiB with QoS ${qos} came changed`)
    }
    await client.end()
  },

  async properties() {
    const topic = `${tag}/properties`
    const client = await connect('p')
    await client.subscribe(topic, 2)
    const properties = {
      payloadFormatIndicator: true,
      messageExpiryInterval: 600,
      responseTopic: `${topic}/answers`,
      correlationData: Buffer.from([...Array(256).keys()]),
      userProperties: { first: '1', same: ['a', 'b'], ünï: 'çødé' },
      contentType: 'text/plain; charset=utf-8',
    }
    for (const qos of [0, 1, 2]) {
      await client.publish(topic, 'héllo', { qos, properties })
      const { messageExpiryInterval: left, userProperties, ...rest } = (await client.next()).properties
      const { messageExpiryInterval: given, userProperties: user, ...expected } = properties
      assert.deepEqual({ ...rest }, expected)
      assert.deepEqual({ ...userProperties }, user)
      assert(given - 2 <= left && left <= given, `expiry ${left}`)
    }
    await client.end()
  },
}

// Topic aliases both ways: MQTT.js puts the topic back in before it hands a message on.
scenarios.aliases = async () => {
  const clientId = `${tag}alias`
  const properties = { topicAliasMaximum: 5 }
  const client = mqtt.connect(url, {
    clientId,
    protocolVersion,
    properties,
    autoUseTopicAlias: true,
    reconnectPeriod: 0,
    rejectUnauthorized: false,
  })
  const [connack] = await within('CONNACK', once(client, 'connect'))
  assert(connack.properties.topicAliasMaximum > 0, 'no aliases allowed')
  await client.subscribeAsync(`${tag}/alias/#`, { qos: 1 })
  for (let n = 0; n < 24; n++) {
    const topic = `${tag}/alias/${n % 3}`
    const message = within('a message', once(client, 'message'))
    await client.publishAsync(topic, `${n}`, { qos: n % 3 })
    const [from, payload] = await message
    assert.deepEqual([from, String(payload)], [topic, `${n}`])
  }
  await client.endAsync()
}

// Small and large ones at once: frames hold several packets, and packets span frames.
scenarios.pipelined = async () => {
  const topic = `${tag}/pipelined`
  const client = await connect('p')
  await client.subscribe(topic, 1)
  const large = randomBytes(1 << 20)
  const payloads = Array.from({ length: 200 }, (_, n) => (n % 100 === 50 ? large : Buffer.from(`${n}`)))
  const sent = Promise.all(payloads.map((payload) => client.publish(topic, payload, { qos: 1 })))
  for (const payload of payloads) assert(payload.equals((await client.next()).payload), 'another message')
  await sent
  await client.end()
}

scenarios[scenario]().then(
  () => process.exit(0),
  (error) => {
    console.error(`${scenario}: ${error.stack}`)
    process.exit(1)
  },
)
