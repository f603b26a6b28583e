"""Eclipse Paho's Python client against a broker: one scenario, then exit 0, or 1 and why.

    scenario.py HOST PORT 4|5 SCENARIO        4 is MQTT 3.1.1, 5 is MQTT 5.0
"""

import os
import queue
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

PATIENCE = 10
HOST, PORT, VERSION = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
TAG = f"paho{VERSION}x{os.getpid()}"


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


class Client:
    """A connected client; its events wait in queues."""

    def __init__(self, name, clean=True, expiry=0, will=None):
        self.messages, self.acks = queue.Queue(), queue.Queue()
        options = {} if VERSION == 5 else {"clean_session": clean}
        self.mqtt = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=TAG + name, protocol=VERSION, reconnect_on_failure=False, **options
        )
        self.mqtt.on_connect = lambda _c, _u, flags, code, props: self.acks.put((flags, code, props))
        self.mqtt.on_subscribe = lambda _c, _u, mid, codes, _p: self.acks.put((mid, codes))
        self.mqtt.on_unsubscribe = lambda _c, _u, mid, codes, _p: self.acks.put((mid, codes))
        self.mqtt.on_disconnect = lambda *_: self.acks.put("disconnected")
        self.mqtt.on_message = lambda _c, _u, message: self.messages.put(message)
        if will:
            self.mqtt.will_set(*will)
        if VERSION == 5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = expiry
            self.mqtt.connect(HOST, PORT, keepalive=30, clean_start=clean, properties=properties)
        else:
            self.mqtt.connect(HOST, PORT, keepalive=30)
        self.mqtt.loop_start()
        self.flags, code, self.connack = self.acks.get(timeout=PATIENCE)
        expect(code == 0, f"CONNACK {code}")

    def subscribe(self, topic, qos):
        if VERSION == 5:
            self.mqtt.subscribe(topic, options=SubscribeOptions(qos=qos))
        else:
            self.mqtt.subscribe(topic, qos)
        _, codes = self.acks.get(timeout=PATIENCE)
        expect([code.value for code in codes] == [qos], f"SUBACK {codes}")

    def publish(self, topic, payload, qos, retain=False, properties=None):
        info = self.mqtt.publish(topic, payload, qos, retain, properties)
        info.wait_for_publish(PATIENCE)
        expect(info.is_published(), f"QoS {qos} was not acknowledged")

    def next(self):
        return self.messages.get(timeout=PATIENCE)

    def quiet(self, seconds=0.3):
        try:
            message = self.messages.get(timeout=seconds)
        except queue.Empty:
            return
        raise AssertionError(f"a message too many: {message.topic} {message.payload[:40]}")

    def disconnect(self):
        self.mqtt.disconnect()
        expect(self.acks.get(timeout=PATIENCE) == "disconnected", "disconnect")
        self.mqtt.loop_stop()

    def vanish(self):
        """Goes away without DISCONNECT."""
        self.mqtt.loop_stop()
        self.mqtt.socket().close()


def qos():
    topic = TAG + "/qos"
    receiver, sender = Client("r"), Client("s")
    receiver.subscribe(topic, 2)
    for level in (0, 1, 2):
        for n in range(20):
            sender.publish(topic, f"{level} {n}", level)
    for level in (0, 1, 2):
        for n in range(20):
            message = receiver.next()
            expect(
                (message.payload, message.qos, message.retain) == (f"{level} {n}".encode(), level, False),
                f"{message.payload} QoS {message.qos}, not {level} {n}",
            )
    receiver.quiet()
    receiver.mqtt.unsubscribe(topic)
    receiver.acks.get(timeout=PATIENCE)
    sender.publish(topic, "after UNSUBSCRIBE", 1)
    receiver.quiet()
    receiver.disconnect()
    sender.disconnect()


def granted():
    topic = TAG + "/granted"
    client = Client("g")
    client.subscribe(topic, 1)
    client.publish(topic, "sent with 2", 2)
    expect(client.next().qos == 1, "the granted QoS is the limit")
    client.disconnect()


def retained():
    topic = TAG + "/retained"
    sender = Client("s")
    sender.publish(topic, "kept", 1, retain=True)
    late = Client("r")
    late.subscribe(topic, 1)
    message = late.next()
    expect((message.payload, message.retain) == (b"kept", True), f"{message.payload} {message.retain}")
    sender.publish(topic, "newer", 1, retain=True)
    message = late.next()
    expect((message.payload, message.retain) == (b"newer", False), "to those who subscribed before, RETAIN is 0")
    sender.publish(topic, b"", 1, retain=True)
    expect(late.next().payload == b"", "the empty message")
    late.disconnect()
    later = Client("l")
    later.subscribe(topic, 1)
    later.quiet()
    later.disconnect()
    sender.disconnect()


def will():
    topic = TAG + "/will"
    watcher = Client("w")
    watcher.subscribe(topic, 1)
    Client("polite", will=(topic, "not this one", 1)).disconnect()
    Client("gone", will=(topic, "gone", 1)).vanish()
    expect(watcher.next().payload == b"gone", "the will")
    watcher.quiet()
    watcher.disconnect()


def session():
    topic = TAG + "/session"
    absent = Client("p", clean=False, expiry=3600)
    expect(not absent.flags.session_present, "a new session is not present")
    absent.subscribe(topic, 2)
    absent.disconnect()
    sender = Client("s")
    for level in (1, 2):
        for n in range(50):
            sender.publish(topic, f"{level} {n}", level)
    back = Client("p", clean=False, expiry=3600)
    expect(back.flags.session_present, "the session is there")
    for level in (1, 2):
        for n in range(50):
            message = back.next()
            expect((message.payload, message.qos) == (f"{level} {n}".encode(), level), f"{message.payload} {message.qos}")
    back.quiet()
    back.disconnect()
    fresh = Client("p", clean=True)
    expect(not fresh.flags.session_present, "a clean start ends the session")
    sender.publish(topic, "nobody subscribes to this", 1)
    fresh.quiet()
    fresh.disconnect()
    sender.disconnect()


def large():
    topic = TAG + "/large"
    payload = os.urandom(1 << 20)
    client = Client("l")
    client.subscribe(topic, 2)
    for level in (0, 1, 2):
        client.publish(topic, payload, level)
        message = client.next()
        expect(message.payload == payload and message.qos == level, f"1 MiB with QoS {level} came changed")
    client.disconnect()


def properties():
    topic = TAG + "/properties"
    client = Client("p", expiry=3600)
    client.subscribe(topic, 2)
    sent = Properties(PacketTypes.PUBLISH)
    sent.UserProperty = [("first", "1"), ("same", "a"), ("same", "b"), ("ünï", "çødé")]
    sent.ContentType = "text/plain; charset=utf-8"
    sent.ResponseTopic = topic + "/answers"
    sent.CorrelationData = bytes(range(256))
    sent.MessageExpiryInterval = 600
    sent.PayloadFormatIndicator = 1
    for level in (0, 1, 2):
        client.publish(topic, "héllo", level, properties=sent)
        got = client.next().properties
        for name in ("UserProperty", "ContentType", "ResponseTopic", "CorrelationData", "PayloadFormatIndicator"):
            expect(getattr(got, name) == getattr(sent, name), f"{name}: {getattr(got, name)}")
        expect(598 <= got.MessageExpiryInterval <= 600, f"expiry {got.MessageExpiryInterval}")
        expect(not hasattr(got, "SubscriptionIdentifier"), "an identifier nobody gave")
    client.disconnect()


def expiry():
    topic = TAG + "/expiry"
    absent = Client("a", clean=False, expiry=3600)
    absent.subscribe(topic, 1)
    absent.disconnect()
    sender = Client("s")
    for seconds in (1, 600):
        sent = Properties(PacketTypes.PUBLISH)
        sent.MessageExpiryInterval = seconds
        sender.publish(topic, str(seconds), 1, properties=sent)
    sender.quiet(2.5)
    back = Client("a", clean=False, expiry=0)
    message = back.next()
    expect(message.payload == b"600", f"{message.payload} ought to have expired")
    left = message.properties.MessageExpiryInterval
    expect(595 <= left <= 598, f"of 600 seconds, about two were spent waiting; left: {left}")
    back.quiet()
    back.disconnect()
    sender.disconnect()


def identifier():
    topic = TAG + "/identifier"
    client = Client("i")
    for filter, number in ((topic, 7), (TAG + "/+", 268435455)):
        given = Properties(PacketTypes.SUBSCRIBE)
        given.SubscriptionIdentifier = number
        client.mqtt.subscribe(filter, options=SubscribeOptions(qos=1), properties=given)
        client.acks.get(timeout=PATIENCE)
    client.publish(topic, "x", 1)
    seen = list(client.next().properties.SubscriptionIdentifier)
    try:
        while True:
            seen += client.messages.get(timeout=0.3).properties.SubscriptionIdentifier
    except queue.Empty:
        pass
    expect(sorted(seen) == [7, 268435455], f"identifiers {seen}")
    client.disconnect()


def options():
    topic = TAG + "/options"
    client, other = Client("o"), Client("p")

    def subscribe(who, **given):
        who.mqtt.subscribe(topic, options=SubscribeOptions(qos=1, **given))
        who.acks.get(timeout=PATIENCE)

    subscribe(client, noLocal=True)
    client.publish(topic, "own", 1)
    client.quiet()
    subscribe(other, retainAsPublished=True)
    client.publish(topic, "kept", 1, retain=True)
    expect(other.next().retain, "Retain As Published")
    subscribe(client, retainHandling=2)
    client.quiet()
    subscribe(client, retainHandling=0)
    expect(client.next().retain, "Retain Handling 0")
    client.disconnect()
    other.disconnect()


def shared():
    """Every message to one member of the group, of whatever version the other is."""
    topic = TAG + "/shared"
    members, sender = [Client("a"), Client("b")], Client("s")
    for member in members:
        member.subscribe("$share/group/" + topic, 1)
    for n in range(40):
        sender.publish(topic, str(n), 1)
    seen = []
    for _ in range(100):
        for member in members:
            while not member.messages.empty():
                seen.append(int(member.messages.get().payload))
        if len(seen) == 40:
            break
        sender.quiet(0.05)
    for client in [*members, sender]:
        client.quiet(0.1)
        client.disconnect()
    expect(sorted(seen) == list(range(40)), f"of 40 messages came {sorted(seen)}")


def takeover():
    first = Client("t")
    second = Client("t")
    expect(first.acks.get(timeout=PATIENCE) == "disconnected", "the first connection lives on")
    topic = TAG + "/takeover"
    second.subscribe(topic, 1)
    second.publish(topic, "here", 1)
    expect(second.next().payload == b"here", "the second one works")
    second.disconnect()


if __name__ == "__main__":
    try:
        globals()[sys.argv[4]]()
    except queue.Empty:
        sys.exit(f"{sys.argv[4]}: nothing came within {PATIENCE} seconds (line {sys.exc_info()[2].tb_next.tb_lineno})")
    except AssertionError as e:
        sys.exit(f"{sys.argv[4]}: {e}")
