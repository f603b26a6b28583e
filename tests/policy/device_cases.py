#!/usr/bin/env python3
"""Writes device_cases.json: what device credentials are let in, and what is said to all others.

    python3 tests/policy/device_cases.py > tests/policy/device_cases.json
"""

import base64
import hashlib
import hmac

from login_cases import *

DEVICE = "GID_Test@@@dev-001"
SECRET = "dev-secret-0001"
KEY = "DAK1"
USER = f"DeviceCredential|{KEY}|{INSTANCE}"
RIGHT = b"WOtA4XxMuBcjNmSSqUxzJyA8CVM="  # product-facts, 2.1
assert sign(SECRET, DEVICE) == RIGHT

FORM = deny(WRONG, "the user name is not DeviceCredential|<DeviceAccessKeyId>|<InstanceId>")
SIGNATURE = deny(WRONG, "the signature is wrong")
ELSEWHERE = deny(NOT_AUTHORIZED, "no such instance")

table = Table(DEVICE, USER)


def credential(client_id, key, secret, instance=INSTANCE):
    return record("device_credential", client_id, {"access_key_id": key, "secret": secret}, instance)


def allow(key, client_id=DEVICE):
    return {"allow": {"attrs": {"device_access_key": key}, "depends": [f"device_credential/{client_id}"]}}


ODD = ["a", "plain", "a|b", "@@@", "a/b", "a b", " a ", "a\"b'c\\d", "устройство-7", "设备", "🦆", "e\u0301", "\u00e9", "x" * 512]
table.records["usual"] = [
    credential(DEVICE, KEY, SECRET),
    credential("GID_Test@@@dev-002", "DAK2", "another secret"),
    credential("GID_Test@@@dev-003", KEY, SECRET),
    credential("ключ", "ключ 🔑", "секрет"),
    credential("no secret", KEY, ""),
    credential("no key", "", SECRET),
    credential(DEVICE, "DAK9", "of another instance", "mqtt-b"),
    record("device_credential", "number", {"access_key_id": KEY, "secret": 7}),
    record("device_credential", "list", {"access_key_id": [KEY], "secret": SECRET}),
    record("device_credential", "nothing", {}),
    record("access_key", "AK", {"secret": "an access key of the instance"}),
]
table.records["odd"] = [credential(client_id, KEY, SECRET) for client_id in ODD]
table.records["none"] = []

table.case("the product's vector", RIGHT, allow(KEY))
table.case("another device", sign("another secret", "GID_Test@@@dev-002"), allow("DAK2", "GID_Test@@@dev-002"),
           client_id="GID_Test@@@dev-002", username=f"DeviceCredential|DAK2|{INSTANCE}")
table.case("a device with the same key id and secret", sign(SECRET, "GID_Test@@@dev-003"), allow(KEY, "GID_Test@@@dev-003"),
           client_id="GID_Test@@@dev-003")
table.case("letters of everywhere", sign("секрет", "ключ"), allow("ключ 🔑", "ключ"), client_id="ключ",
           username=f"DeviceCredential|ключ 🔑|{INSTANCE}")
table.case("in another instance", sign("of another instance", DEVICE), allow("DAK9"), instance="mqtt-b",
           username="DeviceCredential|DAK9|mqtt-b")
for client_id in ODD:
    table.case(f"the client id {client_id[:30]!r} of {len(client_id)}", sign(SECRET, client_id), allow(KEY, client_id),
               client_id=client_id, records="odd")
    table.case(f"the client id {client_id[:30]!r} of {len(client_id)}, which has no credential", sign(SECRET, client_id),
               SIGNATURE, client_id=client_id)

# Who has none, or another.
for name, client_id in [("another device's client id", "GID_Test@@@dev-002"), ("a client id without a credential", "GID_Test@@@x"),
                        ("an empty client id", ""), ("a credential without a secret", "no secret"),
                        ("a credential without a key id", "no key"), ("a secret that is a number", "number"),
                        ("a key id that is a list", "list"), ("an empty record", "nothing"),
                        ("a client id in other letters", DEVICE.lower()), ("the group alone", "GID_Test"),
                        ("a longer client id", DEVICE + "1")]:
    table.case(name, sign(SECRET, client_id), SIGNATURE, client_id=client_id)
    table.case(name + ", signed with nothing", sign("", client_id), SIGNATURE, client_id=client_id)
    table.case(name + ", signed with what stands in for a secret", sign("none", client_id), SIGNATURE, client_id=client_id)
long = {"of": "x", "times": LONGEST}
table.case("the longest client id", sign(SECRET, "x" * LONGEST), SIGNATURE, client_id=long)
table.case("nobody has a credential", RIGHT, SIGNATURE, records="none")
table.case("an access key of the instance is no device's", sign("an access key of the instance", DEVICE), SIGNATURE,
           username=f"DeviceCredential|AK|{INSTANCE}")
for key in ["DAK2", "", " ", "none", "dak1", "DAK1 ", " DAK1", "DAK", "DAK11", "AK", "DAK1\n", "k" * 1000]:
    table.case(f"the key id {key[:30]!r} of {len(key)}", RIGHT, SIGNATURE, username=f"DeviceCredential|{key}|{INSTANCE}")
table.case("no key id where there is none", sign(SECRET, "no key"), SIGNATURE, client_id="no key",
           username=f"DeviceCredential||{INSTANCE}")
table.case("what stands in for a key id where there is none", sign(SECRET, "no key"), SIGNATURE, client_id="no key",
           username=f"DeviceCredential|none|{INSTANCE}")

# Passwords.
for name, password in [("another secret", sign("guess", DEVICE)), ("another device's signature", sign(SECRET, "GID_Test@@@dev-002")),
                       ("the secret itself", SECRET.encode()), ("no padding", RIGHT.rstrip(b"=")), ("too much padding", RIGHT + b"="),
                       ("a line end behind it", RIGHT + b"\n"), ("a zero behind it", RIGHT + b"\0"), ("lower case", RIGHT.lower()),
                       ("twice", RIGHT + RIGHT), ("its bytes", base64.b64decode(RIGHT)), ("no UTF-8", b"\xff\xfe"),
                       ("in hex", base64.b64decode(RIGHT).hex().encode()), ("empty", b""), ("none", None),
                       ("SHA-256", base64.b64encode(hmac.new(SECRET.encode(), DEVICE.encode(), hashlib.sha256).digest())),
                       ("as a token", b"R|" + RIGHT), ("every byte there is", bytes(range(256)))]:
    table.case(f"the password: {name}", password, SIGNATURE)
table.case("the longest password", None, SIGNATURE, whole={"of": b64(b"A"), "times": LONGEST})

# Instances.
for instance in ["mqtt-b", "", " ", "mqtt-a ", "MQTT-A", "mqtt-a\n", "*", "i" * 1000]:
    table.case(f"the instance {instance[:30]!r} of {len(instance)}", RIGHT, ELSEWHERE, username=f"DeviceCredential|{KEY}|{instance}")
table.case("this instance's credential in another", RIGHT, SIGNATURE, instance="mqtt-b", username=f"DeviceCredential|{KEY}|mqtt-b")

# Forms.
for username in ["DeviceCredential|", "DeviceCredential|DAK1", "DeviceCredential|DAK1|mqtt-a|", "DeviceCredential|DAK1|mqtt-a|x",
                 "DeviceCredential|DAK1||mqtt-a", "DeviceCredential||DAK1|mqtt-a", "DeviceCredential|||", "DeviceCredential|\n"]:
    table.case(f"the user name {username!r}", RIGHT, FORM, username=username)
table.case("two bars, and nothing between", RIGHT, ELSEWHERE, username="DeviceCredential||")
table.case("as many bars as fit", RIGHT, FORM, username={"begin": "DeviceCredential", "of": "|", "times": LONGEST - 16})
for username in ["DeviceCredential", "deviceCredential|DAK1|mqtt-a", "DEVICECREDENTIAL|DAK1|mqtt-a", " DeviceCredential|DAK1|mqtt-a",
                 "DeviceCredentials|DAK1|mqtt-a", "DeviceCredential\uff5cDAK1\uff5cmqtt-a", "Magic|DAK1|mqtt-a",
                 "|DeviceCredential|DAK1|mqtt-a", "||"]:
    table.case(f"the user name {username!r}", RIGHT, NEXT, username=username)
table.case("no user name", RIGHT, NEXT, username=None)

# A login lasts as long as its credential.
changed = {"access_key_id": KEY, "secret": "new"}
table.case("refreshed while connected", RIGHT, allow(KEY), until(1000000),
           change("device_credential", "GID_Test@@@dev-002", changed),
           change("device_credential", DEVICE, changed, over=OVER))
table.case("unregistered while connected", RIGHT, allow(KEY), change("device_credential", DEVICE, None, over=OVER))
table.case("tokens are nothing to it", RIGHT, allow(KEY), step("upload", "{}"), step("publish", "a", says=NEXT),
           step("subscribe", "a/#", says=NEXT))

table.word("DeviceCredential")
table.print()
