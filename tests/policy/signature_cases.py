#!/usr/bin/env python3
"""Writes signature_cases.json: access keys of the registry. auth_cases.py has what holds for all keys.

    python3 tests/policy/signature_cases.py > tests/policy/signature_cases.json
"""

from login_cases import *

DEVICE = "GID_Test@@@0001"
SIGNATURE = deny(WRONG, "the signature is wrong")
ELSEWHERE = deny(NOT_AUTHORIZED, "no such instance")
FIRST, SECOND = "XXXXX", "ZZZZZZ-secret-0001"  # product-facts, 2.1
VECTORS = {FIRST: b"vI009IZJZVGRwBwZvnbwjfuXxVM=", SECOND: b"RpL4utOkA9+B2lNUOgOMBxuDmTM="}
assert all(sign(secret, DEVICE) == signature for secret, signature in VECTORS.items())

table = Table(DEVICE, f"Signature|AK|{INSTANCE}")


def key(name, secret, instance=INSTANCE):
    return record("access_key", name, {"secret": secret}, instance)


def allow(name):
    return {"allow": {"attrs": {"access_key": name}, "depends": [f"access_key/{name}"]}}


def own(name):
    return {"allow": {"attrs": {"access_key": name}}}


def user(name, instance=INSTANCE):
    return f"Signature|{name}|{instance}"


table.records["usual"] = [key("AK", FIRST), key("second", SECOND), key("ключ 🔑", "секрет"), key("empty", ""), key("number", 7), key("both", FIRST),
                          record("access_key", "nothing", {}), key("AK", SECOND, "mqtt-b"), key("of b", FIRST, "mqtt-b"),
                          record("device_credential", "device", {"access_key_id": "device", "secret": FIRST})]
table.records["none"] = []

table.case("the product's first vector", VECTORS[FIRST], allow("AK"))
table.case("the product's second vector", VECTORS[SECOND], allow("second"), username=user("second"))
table.case("letters of everywhere", sign("секрет", DEVICE), allow("ключ 🔑"), username=user("ключ 🔑"))
table.case("another instance has its own secret", VECTORS[SECOND], allow("AK"), username=user("AK", "mqtt-b"), instance="mqtt-b")
table.case("and not this one's", VECTORS[FIRST], SIGNATURE, username=user("AK", "mqtt-b"), instance="mqtt-b")
table.case("a key of another instance", VECTORS[FIRST], SIGNATURE, username=user("of b"))
table.case("another instance than the client's", VECTORS[SECOND], ELSEWHERE, username=user("AK", "mqtt-b"))
for name in ["unknown", "", "ak", "AK ", "empty", "number", "nothing", "device", "k" * 1000]:
    for what, password in [("the first vector", VECTORS[FIRST]), ("signed with nothing", sign("", DEVICE)), ("signed with what stands in for a secret", sign("none", DEVICE)),
                           ("nothing", b""), ("none", None)]:
        table.case(f"the key {name[:20]!r} of {len(name)}, {what}", password, SIGNATURE, username=user(name))
for what, password in [("another client's", sign(FIRST, DEVICE + "x")), ("another secret's", VECTORS[SECOND]), ("the secret", FIRST.encode()), ("nothing", b"")]:
    table.case(f"a wrong signature: {what}", password, SIGNATURE)
table.case("an empty registry", VECTORS[FIRST], SIGNATURE, records="none")

# Beside keys of the settings.
HERE = {"instance": INSTANCE, "keys": {"own": SECOND, "both": SECOND}}
table.case("a key of the settings", VECTORS[SECOND], own("own"), username=user("own"), settings=HERE)
table.case("a key of the registry", VECTORS[FIRST], allow("AK"), settings=HERE)
table.case("a key of both: that of the settings counts", VECTORS[SECOND], own("both"), username=user("both"), settings=HERE)
table.case("a key of both: that of the registry does not", VECTORS[FIRST], SIGNATURE, username=user("both"), settings=HERE)
table.case("a key of the settings is good for one instance", VECTORS[SECOND], SIGNATURE, username=user("own", "mqtt-b"), instance="mqtt-b", settings=HERE)
table.case("a key of the registry in another instance", VECTORS[SECOND], allow("AK"), username=user("AK", "mqtt-b"), instance="mqtt-b", settings=HERE)
for secret in FIRST, SECOND:
    table.case(f"another instance than that of the settings, whose name it gives: {secret}", VECTORS[secret], SIGNATURE, instance="mqtt-b", settings=HERE)
table.case("no key of the settings where there are none", VECTORS[SECOND], SIGNATURE, username=user("own"))
table.case("a third instance", VECTORS[FIRST], ELSEWHERE, username=user("AK", "mqtt-c"), settings=HERE)

# A login lasts as long as its key.
table.case("the key is deleted", VECTORS[FIRST], allow("AK"), until(1000000), change("access_key", "second", None), change("access_key", "AK", None, over=OVER))
table.case("the key is changed", VECTORS[FIRST], allow("AK"), change("access_key", "AK", {"secret": SECOND}, over=OVER))
table.case("a key of the settings stays what it is", VECTORS[SECOND], own("both"), change("access_key", "both", None), until(10), username=user("both"), settings=HERE)
table.case("tokens are nothing to it", VECTORS[FIRST], allow("AK"), step("upload", "{}"), step("publish", "a", says=NEXT), step("subscribe", "a/#", says=NEXT))

table.word("Signature")
table.print()
