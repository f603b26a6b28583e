"""The product's credentials as a device uses them, with Eclipse Paho's client, and an operator who gives them out and takes them back.

    scenario.py HOST PORT 4|5 SCENARIO CTL...       4 is MQTT 3.1.1, 5 is MQTT 5.0; CTL is `dunlin ctl` with what it needs
"""

import base64
import hashlib
import hmac
import json
import os
import queue
import subprocess
import sys
import time

import paho.mqtt.client as mqtt

PATIENCE = 10
HOST, PORT, VERSION, SCENARIO, *CTL = sys.argv[1:]
PORT, VERSION = int(PORT), int(VERSION)
TAG = f"p{VERSION}x{os.getpid()}"

# What tests/credentials/main.rs has put into the registry before the broker was started.
INSTANCE = "mqtt-a"
TOKEN_KEY = bytes(range(32))
DEVICE_SECRET = "dev-secret-0001"

UPLOAD, EXPIRES, INVALID = "$SYS/uploadToken", "$SYS/tokenExpireNotice", "$SYS/tokenInvalidNotice"


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def ctl(*args):
    """What the operator's command prints, read as JSON where it is."""
    done = subprocess.run([*CTL[:2], *args, *CTL[2:], "--json"], capture_output=True, text=True, timeout=PATIENCE)
    expect(done.returncode == 0, f"ctl {args}: {done.stderr}")
    try:
        return json.loads(done.stdout)
    except json.JSONDecodeError:
        return done.stdout


def sign(secret, client_id):
    return base64.b64encode(hmac.new(secret.encode(), client_id.encode(), hashlib.sha1).digest()).decode()


def token(kind, resources, seconds, key=TOKEN_KEY):
    """Signed here, because the operator's tokens live for a minute at least."""
    url = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    ends = round((time.time() + seconds) * 1000)
    says = {"i": INSTANCE, "a": kind, "r": resources, "e": ends, "n": os.urandom(8).hex()}
    signed = "DT1." + url(json.dumps(says).encode())
    return signed + "." + url(hmac.new(key, signed.encode(), hashlib.sha256).digest())


class Client:
    """What happens to it waits in queues."""

    def __init__(self, client_id, username, password):
        self.id = client_id
        self.messages, self.acks, self.ended = queue.Queue(), queue.Queue(), queue.Queue()
        options = {} if VERSION == 5 else {"clean_session": True}
        self.mqtt = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=client_id, protocol=VERSION,
                                reconnect_on_failure=False, **options)
        self.mqtt.username_pw_set(username, password)
        self.mqtt.on_connect = lambda _c, _u, _f, code, _p: self.acks.put(code)
        self.mqtt.on_subscribe = lambda _c, _u, _m, codes, _p: self.acks.put([code.value for code in codes])
        self.mqtt.on_publish = lambda _c, _u, _m, code, _p: self.acks.put(code.value)
        self.mqtt.on_disconnect = lambda _c, _u, _f, code, _p: self.ended.put(code)
        self.mqtt.on_message = lambda _c, _u, message: self.messages.put((message.topic, message.payload.decode()))
        self.mqtt.connect(HOST, PORT, keepalive=30)
        self.mqtt.loop_start()
        self.code = self.acks.get(timeout=PATIENCE)

    def is_in(self):
        expect(self.code == 0, f"{self.id}: CONNACK {self.code}")
        return self

    def is_refused(self, *codes):
        """With one of these codes of MQTT 5, which a 3.1.1 client is told as 4 or 5."""
        # Paho tells a 3.1.1 client's codes by the names of MQTT 5, too.
        expect(self.code.value in codes or VERSION == 4 and self.code.value in (0x86, 0x87), f"{self.id}: CONNACK {self.code}")
        self.mqtt.loop_stop()
        return self

    def subscribe(self, filter, code=1):
        self.mqtt.subscribe(filter, 1)
        got = self.acks.get(timeout=PATIENCE)
        expect(got == [code], f"SUBACK {got} for {filter}")

    def publish(self, topic, payload="x", code=0):
        self.mqtt.publish(topic, payload, 1)
        got = self.acks.get(timeout=PATIENCE)
        # 0x10 says that nobody has subscribed to it.
        expect(got == code or got == 0x10 and code == 0 or VERSION == 4, f"PUBACK {got} for {topic}")

    def send(self, topic, payload="x"):
        """Without waiting for an answer."""
        self.mqtt.publish(topic, payload, 1)

    def gets(self, topic, payload, within=PATIENCE):
        got = self.messages.get(timeout=within)
        expect(got == (topic, payload), f"{self.id} got {got}, not {topic} {payload}")

    def notice(self, topic, within=PATIENCE, **fields):
        try:
            got = self.messages.get(timeout=within)
        except queue.Empty:
            raise AssertionError(f"{self.id} is not told {topic} {fields}")
        expect(got[0] == topic, f"{self.id} got {got}, not {topic}")
        says = json.loads(got[1])
        for name, value in fields.items():
            expect(says.get(name) == value, f"{self.id}: {says}, not {fields}")
        return says

    def is_out(self, within=PATIENCE):
        began = time.monotonic()
        try:
            self.ended.get(timeout=within)
        except queue.Empty:
            raise AssertionError(f"{self.id} is not disconnected within {within} s")
        self.mqtt.loop_stop()
        return time.monotonic() - began

    def stays(self, seconds):
        try:
            self.ended.get(timeout=seconds)
        except queue.Empty:
            return
        raise AssertionError(f"{self.id} was disconnected")

    def quiet(self, seconds=0.3):
        try:
            got = self.messages.get(timeout=seconds)
        except queue.Empty:
            return
        raise AssertionError(f"{self.id} got {got}")

    def leave(self):
        self.mqtt.disconnect()
        self.is_out()


def device(name="d"):
    return f"GID_Test@@@{TAG}{name}"


def access_key():
    """A new access key."""
    made = ctl("key", "create", "-i", INSTANCE)
    return made["id"], made["secret"]


def brings(pairs, name="d", key=None):
    """A client with these tokens."""
    key = key or access_key()[0]
    return Client(device(name), f"Token|{key}|{INSTANCE}", "|".join(f"{kind}|{text}" for kind, text in pairs))


def signature():
    """The vectors of the product, and a key that is taken back."""
    who = "GID_Test@@@0001"
    for key, secret, password in [("AKfirst", "XXXXX", "vI009IZJZVGRwBwZvnbwjfuXxVM="), ("AKsecond", "ZZZZZZ-secret-0001", "RpL4utOkA9+B2lNUOgOMBxuDmTM=")]:
        key += TAG
        ctl("key", "create", "--id", key, "--secret", secret, "-i", INSTANCE)
        client = Client(who, f"Signature|{key}|{INSTANCE}", password).is_in()
        Client(who + "x", f"Signature|{key}|{INSTANCE}", password).is_refused(0x86)
        Client(who, f"Signature|{key}x|{INSTANCE}", password).is_refused(0x86)
        client.stays(0.2)
        ctl("key", "delete", key, "-i", INSTANCE)
        client.is_out(1)
        Client(who, f"Signature|{key}|{INSTANCE}", password).is_refused(0x86)
    other, (key, secret) = device(), access_key()
    Client(other, f"Signature|{key}|mqtt-nobody", sign(secret, other)).is_refused(0x87)
    Client(other, f"Signature|{key}", sign(secret, other)).is_refused(0x86)
    made = ctl("instance", "create", "--name", "second" + TAG, "--set", "product.client_ids=any")["id"]
    theirs = ctl("key", "create", "-i", made)
    Client(other, f"Signature|{theirs['id']}|{made}", sign(theirs["secret"], other)).is_in().leave()
    Client(other, f"Signature|{key}|{made}", sign(secret, other)).is_refused(0x86)
    Client(other, f"Signature|{theirs['id']}|{INSTANCE}", sign(theirs["secret"], other)).is_refused(0x86)


def credential():
    """The vector of the product, and a device whose secret changes."""
    Client("GID_Test@@@dev-001", f"DeviceCredential|DAK1|{INSTANCE}", "WOtA4XxMuBcjNmSSqUxzJyA8CVM=").is_in().leave()
    who = device()
    first = ctl("credential", "register", who, "-i", INSTANCE)
    username = f"DeviceCredential|{first['id']}|{INSTANCE}"
    client = Client(who, username, sign(first["secret"], who)).is_in()
    Client(device("other"), username, sign(first["secret"], device("other"))).is_refused(0x86)
    fresh = ctl("credential", "refresh", who, "-i", INSTANCE)
    client.is_out(1)
    Client(who, username, sign(first["secret"], who)).is_refused(0x86)
    client = Client(who, username, sign(fresh["secret"], who)).is_in()
    ctl("credential", "unregister", who, "-i", INSTANCE)
    client.is_out(1)


def tokens():
    """Tokens of the operator's: what they allow, messages from device to device, the end when one is revoked."""
    key = access_key()[0]
    apply = lambda actions, resources: ctl("token", "apply", "--actions", actions, "--resources", resources, "--expire", "3600", "-i", INSTANCE)["token"]
    read, write, both = apply("R", "a/#"), apply("W", f"a/{TAG}/#,b/p2p/+"), apply("R,W", "b/#")
    receiver = brings([("R", read)], "r", key).is_in()
    sender = brings([("RW", both), ("W", write)], "s", key).is_in()
    receiver.subscribe(f"a/{TAG}/+")
    sender.publish(f"a/{TAG}/x", "to whoever listens")
    receiver.gets(f"a/{TAG}/x", "to whoever listens")
    sender.publish(f"b/p2p/{device('r')}", "to you alone")
    receiver.gets(f"b/p2p/{device('r')}", "to you alone")
    sender.subscribe(f"b/{TAG}")
    brings([("R", write)], key=key).is_refused(0x87)
    brings([("W", write + "A")], key=key).is_refused(0x86)
    brings([("W", write), ("R", "x")], key=key).is_refused(0x86)
    brings([("W", write)], key="nobody").is_refused(0x86)
    ctl("token", "revoke", read, "-i", INSTANCE)
    began = time.monotonic()
    receiver.notice(INVALID, code=3, type="R")
    receiver.is_out()
    took = time.monotonic() - began
    print(f"a revoked token was good for {took:.3f} s")
    expect(took < 10, f"a revoked token was good for {took} s")
    brings([("R", read)], "r", key).is_refused(0x87)
    sender.stays(0.2)
    ctl("key", "delete", key, "-i", INSTANCE)
    codes = [sender.notice(INVALID, code=-1)["type"] for _ in range(2)]
    expect(codes == ["W", "RW"], f"{codes}")
    sender.is_out(1)


def expiry():
    """A token that expires while its client is connected."""
    text = token("R", ["a/#"], 3)
    began = time.time()
    client = brings([("R", text)]).is_in()
    says = client.notice(EXPIRES, type="R", within=20)
    expect(abs(says["expireTime"] / 1000 - began - 3) < 0.5, f"{says}")
    client.subscribe(f"a/{TAG}")
    client.notice(INVALID, code=2, type="R")
    took = time.time() - began
    client.is_out(1)
    expect(2.9 < took < 4, f"the token was good for {took} s")
    brings([("R", text)]).is_refused(0x87)


def renewal():
    """A client that brings a new token in time goes on."""
    client = brings([("RW", token("RW", ["a/#"], 3))]).is_in()
    client.notice(EXPIRES, type="RW", within=20)
    client.publish(UPLOAD, json.dumps({"token": token("RW", [f"b/{TAG}"], 3600), "type": "RW"}))
    client.stays(4)
    client.quiet(0.1)
    client.subscribe(f"b/{TAG}")
    client.publish(f"b/{TAG}", "still here")
    client.gets(f"b/{TAG}", "still here")
    # What the old one allowed is over.
    client.send("a/x")
    client.notice(INVALID, code=4, type="RW", within=20)
    client.is_out(1)


def upload():
    """A bad token is acknowledged, told, and the end."""
    for kind, text, code in [("R", token("R", ["a/#"], 3600, b"another key"), 8), ("R", token("W", ["a/#"], 3600), 5), ("W", "x", 1),
                             ("R", token("R", ["a/#"], -1), 2)]:
        client = brings([("R", token("R", ["a/#"], 3600))]).is_in()
        client.publish(UPLOAD, json.dumps({"token": text, "type": kind}))
        client.notice(INVALID, code=code, type=kind)
        client.is_out(1)
    # Others may upload what they like.
    who, (key, secret) = device(), access_key()
    client = Client(who, f"Signature|{key}|{INSTANCE}", sign(secret, who)).is_in()
    client.publish(UPLOAD, "x")
    client.stays(0.3)
    client.leave()


def mismatch():
    """Who does what its token does not say is told, and has to go, whatever other policies say."""
    for kind, verb, topic, code in [("W", "send", "b/x", 4), ("R", "send", "a/x", 5), ("R", "subscribe", "b/#", 4), ("W", "subscribe", "a/x", 5),
                                    ("RW", "send", "free/x", 4), ("RW", "subscribe", "a/#", 4)]:
        resources = ["a/x"] if kind == "RW" else ["a/#"]
        client = brings([(kind, token(kind, resources, 3600))]).is_in()
        if verb == "send":
            client.send(topic)
        else:
            client.mqtt.subscribe(topic, 1)
        client.notice(INVALID, code=code, type=kind, within=20)
        client.is_out(1)


def custom():
    """Identities and permissions, while clients are connected."""
    ann, who = f"ann{TAG}", f"any-{TAG}-client"
    refused = 0x87
    add = lambda *args: ctl(*args, "-i", INSTANCE)
    add("identity", "add", ann, "--secret", "pass")
    add("permission", "add", "--user", ann, f"a/{TAG}/#")
    add("permission", "add", "--user", ann, f"a/{TAG}/secret", "--effect", "DENY", "--action", "PUB")
    Client(who, ann, "guess").is_refused(0x86)
    Client(who, ann + "x", "pass").is_refused(0x86)
    client = Client(who, ann, "pass").is_in()
    client.subscribe(f"a/{TAG}/x")
    client.publish(f"a/{TAG}/x", "hello")
    client.gets(f"a/{TAG}/x", "hello")
    # A new permission is in force soon, without a reconnect ...
    add("permission", "add", "--user", ann, f"b/{TAG}")
    time.sleep(1.5)
    client.publish(f"b/{TAG}")
    # ... and one that is taken away at once; what was subscribed to goes with it.
    add("permission", "update", "--user", ann, f"a/{TAG}/#", "--action", "PUB")
    time.sleep(0.5)
    client.publish(f"a/{TAG}/x", "to nobody")
    client.quiet()
    if VERSION == 5:
        client.publish(f"a/{TAG}/secret", code=refused)
        client.publish("free/x", code=refused)
        client.publish("b/other", code=refused)
        client.stays(0.2)
        add("identity", "update", ann, "--secret", "new")
    else:
        client.send(f"a/{TAG}/secret")
    client.is_out(1)
    if VERSION == 4:
        add("identity", "update", ann, "--secret", "new")
    Client(who, ann, "pass").is_refused(0x86)
    client = Client(who, ann, "new").is_in()
    # An identity of the client's own goes first, and signs.
    add("identity", "add", ann, "--client-id", who, "--sign-mode", "SIGNED", "--secret", "own")
    client.is_out(1)
    Client(who, ann, "new").is_refused(0x86)
    client = Client(who, ann, sign("own", who)).is_in()
    Client(who + "2", ann, "new").is_in().leave()
    add("blacklist", "add", who)
    client.is_out(1)
    Client(who, ann, sign("own", who)).is_refused(0x8A)
    add("blacklist", "delete", who)
    Client(who, ann, sign("own", who)).is_in().leave()


if __name__ == "__main__":
    try:
        globals()[SCENARIO]()
    except queue.Empty:
        sys.exit(f"{SCENARIO}: nothing came within its time (line {sys.exc_info()[2].tb_next.tb_lineno})")
    except AssertionError as e:
        sys.exit(f"{SCENARIO}: {e} (line {sys.exc_info()[2].tb_next.tb_lineno})")
