#!/usr/bin/env python3
"""Writes auth_cases.json: what signature credentials are let in, and what is said to all others.

    python3 tests/policy/auth_cases.py > tests/policy/auth_cases.json

The verdicts stand here, one beside each case; the signatures are Python's. So the table owes nothing to scripts/auth.lua or
plugins/auth, which are both held to it.
"""

import base64
import hashlib
import hmac
import json

WRONG = 0x86
ELSEWHERE = 0x87
FORM = {"deny": [WRONG, "the user name is not Signature|<AccessKeyId>|<InstanceId>"]}
SIGNATURE = {"deny": [WRONG, "the signature is wrong"]}
INSTANCE = {"deny": [ELSEWHERE, "no such instance"]}
NEXT = "next"

LONGEST = 65535  # what a length of two bytes can say: no string of MQTT is longer

SETTINGS = {
    "demo": {
        "instance": "mqtt-demo",
        "keys": {"demo": "XXXXX", "other": "ZZZZZZ-secret-0001"},
    },
    "odd": {
        "instance": "мост 1",
        "keys": {
            "": "a key without a name",
            " ": "a blank",
            "Demo": "another than demo",
            "ключ": "секрет",
            "🔑": "🔒🔒",
            "long": "s" * 200,
            "block": "b" * 64,
            "a=b&c": "\\\"'\n\t\u0000end",
            "__index": "no metatable",
            "1": "one",
        },
    },
    "nameless": {"instance": "", "keys": {"k": "s"}},
    "barred": {"instance": "a|b", "keys": {"k": "s"}},
    "more": {"instance": "i", "keys": {"k": "s"}, "comment": "other settings do not matter"},
}

DEVICE = "GID_Test@@@0001"
cases = []
refused = []


def digest(secret, client_id, algorithm=hashlib.sha1):
    return hmac.new(secret.encode(), client_id.encode(), algorithm).digest()


def sign(secret, client_id, algorithm=hashlib.sha1):
    return base64.b64encode(digest(secret, client_id, algorithm))


def allow(key):
    return {"allow": {"access_key": key}}


def case(name, username, password, expect, client_id=DEVICE, settings="demo", whole=None):
    """`password` is bytes or None. What is too long to be written out is {"begin": .., "of": .., "times": ..}, for a password
    (`whole`) in base64 each."""
    cases.append(
        {
            "name": name,
            "settings": settings,
            "client_id": client_id,
            "username": username,
            "password": whole or (None if password is None else base64.b64encode(password).decode()),
            "expect": expect,
        }
    )


def refuse(name, settings, says):
    refused.append({"name": name, "settings": settings, "says": says})


DEMO = "Signature|demo|mqtt-demo"
RIGHT = sign("XXXXX", DEVICE)

# Right ones.
case("the demo key", DEMO, RIGHT, allow("demo"))
case("another key", "Signature|other|mqtt-demo", sign("ZZZZZZ-secret-0001", DEVICE), allow("other"))
for client_id in ["", "a", "GID_Test@@@0002", "plain", "a|b", "Signature|demo|mqtt-demo", "@@@", "GID_a@@@b@@@c",
                  "a b", " a ", "a\tb", "a\"b'c\\d", "устройство-7", "设备", "🦆", "e\u0301", "\u00e9", "\ufeffa",
                  "x" * 23, "x" * 64, "x" * 1000]:
    case(f"the client id {client_id[:30]!r} of {len(client_id)}", DEMO, sign("XXXXX", client_id), allow("demo"), client_id)
LONG = {"of": "x", "times": LONGEST}
case("the longest client id", DEMO, sign("XXXXX", "x" * LONGEST), allow("demo"), LONG)
case("the longest client id, one short of what was signed", DEMO, sign("XXXXX", "x" * (LONGEST - 1)), SIGNATURE, LONG)
odd = SETTINGS["odd"]
for key, secret in odd["keys"].items():
    case(f"the key {key!r}", f"Signature|{key}|{odd['instance']}", sign(secret, DEVICE), allow(key), settings="odd")
    case(f"the key {key!r} and another client's signature", f"Signature|{key}|{odd['instance']}",
         sign(secret, "GID_Test@@@0002"), SIGNATURE, settings="odd")
case("an instance without a name", "Signature|k|", sign("s", DEVICE), allow("k"), settings="nameless")
case("other settings beside", "Signature|k|i", sign("s", DEVICE), allow("k"), settings="more")

# The signature is another's.
for name, client_id in [("another client's", "GID_Test@@@0002"), ("the group's", "GID_Test"), ("nobody's", ""),
                        ("upper case's", DEVICE.upper()), ("a longer id's", DEVICE + "1"),
                        ("a shorter id's", DEVICE[:-1]), ("the user name's", DEMO), ("the id's with a line end", DEVICE + "\n")]:
    case(f"{name} signature", DEMO, sign("XXXXX", client_id), SIGNATURE)
case("\u00e9 is not e and an accent", DEMO, sign("XXXXX", "e\u0301"), SIGNATURE, "\u00e9")
for name, secret in [("the other key's", "ZZZZZZ-secret-0001"), ("a guessed", "guess"), ("no", ""), ("a longer", "XXXXXX"),
                     ("a shorter", "XXXX"), ("a lower-case", "xxxxx"), ("a secret with a line end, which is another", "XXXXX\n"),
                     ("the key's name as", "demo")]:
    case(f"{name} secret", DEMO, sign(secret, DEVICE), SIGNATURE)
case("the demo key's signature for the other key", "Signature|other|mqtt-demo", RIGHT, SIGNATURE)
for algorithm in ["md5", "sha256", "sha384", "sha512"]:
    case(f"HMAC-{algorithm}", DEMO, sign("XXXXX", DEVICE, getattr(hashlib, algorithm)), SIGNATURE)
case("a digest of both, which is no HMAC", DEMO,
     base64.b64encode(hashlib.sha1(("XXXXX" + DEVICE).encode()).digest()), SIGNATURE)
case("secret and client id the wrong way round", DEMO, sign(DEVICE, "XXXXX"), SIGNATURE)
case("the secret itself", DEMO, b"XXXXX", SIGNATURE)

# The signature in another writing.
raw = digest("XXXXX", DEVICE)
last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
assert RIGHT.endswith(b"=") and not RIGHT.endswith(b"==")
unused = RIGHT[:-2] + last[last.index(chr(RIGHT[-2])) + 1].encode() + b"="
assert base64.b64decode(unused) == raw
case("bits set that base64 does not use", DEMO, unused, SIGNATURE)
plus = next(f"GID_Test@@@{n:04}" for n in range(9999) if b"+" in sign("XXXXX", f"GID_Test@@@{n:04}"))
slash = next(f"GID_Test@@@{n:04}" for n in range(9999) if b"/" in sign("XXXXX", f"GID_Test@@@{n:04}"))
case("a signature with a +", DEMO, sign("XXXXX", plus), allow("demo"), plus)
case("a signature with a /", DEMO, sign("XXXXX", slash), allow("demo"), slash)
case("the URL's alphabet for +", DEMO, base64.urlsafe_b64encode(digest("XXXXX", plus)), SIGNATURE, plus)
case("the URL's alphabet for /", DEMO, base64.urlsafe_b64encode(digest("XXXXX", slash)), SIGNATURE, slash)
case("a blank for the +", DEMO, sign("XXXXX", plus).replace(b"+", b" "), SIGNATURE, plus)
case("percent signs", DEMO, RIGHT.replace(b"=", b"%3D"), SIGNATURE)
case("no padding", DEMO, RIGHT.rstrip(b"="), SIGNATURE)
case("too much padding", DEMO, RIGHT + b"=", SIGNATURE)
case("a line end behind it", DEMO, RIGHT + b"\n", SIGNATURE)
case("CR LF behind it", DEMO, RIGHT + b"\r\n", SIGNATURE)
case("a line end within it", DEMO, RIGHT[:14] + b"\n" + RIGHT[14:], SIGNATURE)
case("a blank before it", DEMO, b" " + RIGHT, SIGNATURE)
case("a blank behind it", DEMO, RIGHT + b" ", SIGNATURE)
case("a zero behind it", DEMO, RIGHT + b"\0", SIGNATURE)
case("a byte order mark before it", DEMO, b"\xef\xbb\xbf" + RIGHT, SIGNATURE)
case("quotes around it", DEMO, b'"' + RIGHT + b'"', SIGNATURE)
case("lower case", DEMO, RIGHT.lower(), SIGNATURE)
case("upper case", DEMO, RIGHT.upper(), SIGNATURE)
case("the first letter in the other case", DEMO, RIGHT[:1].swapcase() + RIGHT[1:], SIGNATURE)
case("the last letter changed", DEMO, RIGHT[:-2] + b"A=", SIGNATURE)
case("the first letter missing", DEMO, RIGHT[1:], SIGNATURE)
case("the last four missing", DEMO, RIGHT[:-4], SIGNATURE)
case("the first half", DEMO, RIGHT[:14], SIGNATURE)
case("twice", DEMO, RIGHT + RIGHT, SIGNATURE)
case("backwards", DEMO, RIGHT[::-1], SIGNATURE)
case("in base64 once more", DEMO, base64.b64encode(RIGHT), SIGNATURE)
case("in hex", DEMO, raw.hex().encode(), SIGNATURE)
case("in base32", DEMO, base64.b32encode(raw), SIGNATURE)
case("as its bytes", DEMO, raw, SIGNATURE)
case("in UTF-16", DEMO, RIGHT.decode().encode("utf-16-le"), SIGNATURE)
case("in full-width letters", DEMO, "".join(chr(ord(c) + 0xFEE0) for c in RIGHT.decode()).encode(), SIGNATURE)

# What is no signature at all.
case("no password", DEMO, None, SIGNATURE)
case("an empty password", DEMO, b"", SIGNATURE)
case("a password of one zero", DEMO, b"\0", SIGNATURE)
case("a password of blanks", DEMO, b" " * 28, SIGNATURE)
case("a password of 28 zeros", DEMO, b"\0" * 28, SIGNATURE)
case("every byte there is", DEMO, bytes(range(256)), SIGNATURE)
case("no UTF-8", DEMO, b"\xff\xfe\xfd\xc0\x80", SIGNATURE)
case("half a letter of UTF-8", DEMO, "я".encode()[:1], SIGNATURE)
case("padding alone", DEMO, b"=", SIGNATURE)
case("the right one and then some", DEMO, RIGHT + b"A" * 5000, SIGNATURE)
case("the longest password", DEMO, None, SIGNATURE, whole={"of": base64.b64encode(b"A").decode(), "times": LONGEST})
case("the longest password that is no text", DEMO, None, SIGNATURE,
     whole={"of": base64.b64encode(b"\xff").decode(), "times": LONGEST})

# Keys that do not exist: not to be told from wrong signatures.
for key in ["unknown", "", " ", "Demo", "DEMO", "demo ", " demo", "demo\n", "dem", "demoo", "1", "nil", "__index", "ключ",
            "demo\u0000", "k" * 1000]:
    case(f"the unknown key {key[:30]!r} of {len(key)}", f"Signature|{key}|mqtt-demo", RIGHT, SIGNATURE)
case("an unknown key, signed with what stands in for its secret", "Signature|unknown|mqtt-demo", sign("none", DEVICE), SIGNATURE)
case("an unknown key, signed with nothing", "Signature|unknown|mqtt-demo", sign("", DEVICE), SIGNATURE)
case("an unknown key and no password", "Signature|unknown|mqtt-demo", None, SIGNATURE)
case("an unknown key and an empty password", "Signature|unknown|mqtt-demo", b"", SIGNATURE)
case("a key of another broker's", "Signature|demo|мост 1", RIGHT, SIGNATURE, settings="odd")

# Other instances.
for instance in ["mqtt-other", "", " ", "mqtt-demo ", " mqtt-demo", "Mqtt-demo", "MQTT-DEMO", "mqtt-dem", "mqtt-demo2",
                 "mqtt-demo\n", "mqtt-demo\r\n", "mqtt-demo\u0000", "mqtt\u2010demo", "*", "#", "i" * 1000]:
    case(f"the instance {instance[:30]!r} of {len(instance)}", f"Signature|demo|{instance}", RIGHT, INSTANCE)
case("another instance, an unknown key", "Signature|unknown|mqtt-other", RIGHT, INSTANCE)
case("another instance, no password", "Signature|demo|mqtt-other", None, INSTANCE)
case("another instance where it has no name", "Signature|k|x", sign("s", DEVICE), INSTANCE, settings="nameless")
case("an instance that no user name can name", "Signature|k|a", sign("s", DEVICE), INSTANCE, settings="barred")
case("an instance with a bar in it", "Signature|k|a|b", sign("s", DEVICE), FORM, settings="barred")

# User names that begin as ours do and go on otherwise.
for username in ["Signature|", "Signature|demo", "Signature|mqtt-demo", "Signature|demo|mqtt-demo|", "Signature|demo|mqtt-demo|x",
                 "Signature|demo||mqtt-demo", "Signature||demo|mqtt-demo", "Signature||||", "Signature|||", "Signature|\n",
                 "Signature|demo|mqtt-demo\n|", "Signature|Signature|demo|mqtt-demo"]:
    case(f"the user name {username!r}", username, RIGHT, FORM)
case("two bars, and nothing between", "Signature||", RIGHT, INSTANCE)
case("as many bars as fit", {"of": "Signature|", "times": 6553}, RIGHT, FORM)
case("a very long instance", {"begin": "Signature|demo|", "of": "i", "times": LONGEST - 15}, RIGHT, INSTANCE)
case("a very long key", {"begin": "Signature|", "of": "k", "times": LONGEST - 10}, RIGHT, FORM)

# User names of others.
case("no user name", None, RIGHT, NEXT)
case("no user name and no password", None, None, NEXT)
for username in ["", "Signature", "signature|demo|mqtt-demo", "SIGNATURE|demo|mqtt-demo", "SignaturE|demo|mqtt-demo",
                 " Signature|demo|mqtt-demo", "\nSignature|demo|mqtt-demo", "\ufeffSignature|demo|mqtt-demo",
                 "Signature |demo|mqtt-demo", "Signatures|demo|mqtt-demo", "Signatur|demo|mqtt-demo", "Signature/demo/mqtt-demo",
                 "Signature\uff5cdemo\uff5cmqtt-demo", "Signature\u0000|demo|mqtt-demo", "Token|demo|mqtt-demo",
                 "DeviceCredential|demo|mqtt-demo", "|demo|mqtt-demo", "|Signature|demo|mqtt-demo", "||", "demo", "ann", "*",
                 "Ѕignature|demo|mqtt-demo"]:
    case(f"the user name {username!r}", username, RIGHT, NEXT)
case("the longest user name of others", {"of": "a", "times": LONGEST}, RIGHT, NEXT)
case("somebody else's, without a password", "ann", None, NEXT)

# Settings.
NO_INSTANCE = "the setting `instance` is missing; write for instance `settings.instance = \"mqtt-demo\"`"
NO_KEYS = "the setting `keys` is missing; write for instance `settings.keys = { demo = \"demo-secret\" }`"
KEYS = {"demo": "XXXXX"}
refuse("no settings", {}, NO_INSTANCE)
refuse("no instance", {"keys": KEYS}, NO_INSTANCE)
for instance in [7, 7.5, True, False, ["mqtt-demo"], {"name": "mqtt-demo"}, [], {}]:
    refuse(f"the instance {json.dumps(instance)}", {"instance": instance, "keys": KEYS}, NO_INSTANCE)
refuse("an instance by another name", {"Instance": "mqtt-demo", "keys": KEYS}, NO_INSTANCE)
refuse("no keys", {"instance": "mqtt-demo"}, NO_KEYS)
for keys in [{}, [], "demo", 7, True, False]:
    refuse(f"the keys {json.dumps(keys)}", {"instance": "mqtt-demo", "keys": keys}, NO_KEYS)
refuse("one key, and no table of keys", {"instance": "mqtt-demo", "key": KEYS}, NO_KEYS)
for secret in ["", 1, 1.5, True, False, ["XXXXX"], {"secret": "XXXXX"}, [], {}]:
    refuse(f"the secret {json.dumps(secret)}", {"instance": "mqtt-demo", "keys": {"demo": secret}},
           "the secret of the access key \"demo\" is not a text")
refuse("one good key and a bad one", {"instance": "mqtt-demo", "keys": {"demo": "XXXXX", "ключ": 7}},
       "the secret of the access key \"ключ\" is not a text")
refuse("a bad key without a name", {"instance": "mqtt-demo", "keys": {"": ""}}, "the secret of the access key \"\" is not a text")
for key in ["a|b", "|", "|demo", "demo|", "demo|mqtt-demo"]:
    refuse(f"the key {key}", {"instance": "mqtt-demo", "keys": {key: "x"}},
           f"the access key id \"{key}\" contains a |, which separates the parts of a user name")
refuse("a bar in an id, and no secret", {"instance": "mqtt-demo", "keys": {"a|b": ""}},
       "the secret of the access key \"a|b\" is not a text")

names = [entry["name"] for entry in cases]
assert len(set(names)) == len(names), [name for name in names if names.count(name) > 1]


def lines(entries):
    return ",\n".join("    " + json.dumps(entry, ensure_ascii=True) for entry in entries)


settings = ",\n".join(f"    {json.dumps(name)}: {json.dumps(value)}" for name, value in SETTINGS.items())
print(f'{{\n  "settings": {{\n{settings}\n  }},\n  "cases": [\n{lines(cases)}\n  ],\n  "refused": [\n{lines(refused)}\n  ]\n}}')
