#!/usr/bin/env python3
"""Writes token_cases.json: which tokens let a client in, what it may do with them, and how that ends.

    python3 tests/policy/token_cases.py > tests/policy/token_cases.json
"""

import base64
import hashlib
import hmac
import itertools
import json

from login_cases import *

DEVICE = "GID_Test@@@0001"
USER = f"Token|AK|{INSTANCE}"
KEY, OTHER = bytes(range(32)), bytes(range(32, 64))
UPLOAD, EXPIRES, INVALID = "$SYS/uploadToken", "$SYS/tokenExpireNotice", "$SYS/tokenInvalidNotice"
LEAD = 300
HOUR = 3600

FORM = deny(WRONG, "the user name is not Token|<AccessKeyId>|<InstanceId>")
PASSWORD = deny(WRONG, "token code 1: the password is not R|<token>, W|<token> or RW|<token>, at most one of each")
ELSEWHERE = deny(NOT_AUTHORIZED, "no such instance")
WHY = {1: "it is no token", 2: "it has expired", 3: "it was revoked", 4: "it is not for this instance or topic",
       5: "it is of another type", 8: "its signature is wrong"}

table = Table(DEVICE, USER)


def url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def seal(payload, key=KEY, version="DT1", algorithm=hashlib.sha256):
    """A token around any bytes."""
    signed = f"{version}.{url(payload)}"
    return signed + "." + url(hmac.new(key, signed.encode(), algorithm).digest())


def ends(seconds):
    return round((NOW + seconds) * 1000)


def token(kind="R", resources=("a/#",), seconds=HOUR, instance=INSTANCE, key=KEY, **fields):
    says = {"i": instance, "a": kind, "r": list(resources), "e": ends(seconds), "n": "0123"} | fields
    return seal(json.dumps({name: value for name, value in says.items() if value is not ...}).encode(), key)


def identity(text):
    return hashlib.sha256(text.encode()).hexdigest()


def held(text, resources, seconds, warned=False):
    return {"id": identity(text), "expires": ends(seconds), "resources": list(resources)} | ({"warned": True} if warned else {})


def attrs(tokens, key=KEY, access_key="AK"):
    return {"access_key": access_key, "token_key": hashlib.sha256(key).hexdigest()[:16], "tokens": tokens}


def allow(tokens, at, access_key="AK", kept=True):
    """`tokens` by type: text, resources, seconds."""
    rests = ["token_key/current"] + ([f"access_key/{access_key}"] if kept else [])
    rests += [f"revoked_token/{identity(tokens[kind][0])}" for kind in ["R", "W", "RW"] if kind in tokens]
    brought = {kind: held(*those) for kind, those in tokens.items()}
    return {"allow": {"attrs": attrs(brought, access_key=access_key), "expires_at": NOW + at, "depends": rests}}


def refused(code, kind):
    return deny(WRONG if code in (1, 8) else NOT_AUTHORIZED, f"token code {code} ({kind}): {WHY[code]}")


def invalid(at, code, kind):
    return [at, INVALID, json.dumps({"code": code, "type": kind}, separators=(",", ":"))]


def expires(at, seconds, kind):
    return [at, EXPIRES, json.dumps({"expireTime": ends(seconds), "type": kind}, separators=(",", ":"))]


def password(*pairs):
    return "|".join(f"{kind}|{text}" for kind, text in pairs).encode()


def records(key=base64.b64encode(KEY).decode(), more=()):
    usual = [record("access_key", "AK", {"secret": "of no use here"}), record("access_key", "ключ", {"secret": "s"}),
             record("access_key", "AK", {"secret": "s"}, "mqtt-b"), record("access_key", "B", {"secret": "s"}, "mqtt-b"),
             record("access_key", "empty", {"secret": ""}), record("access_key", "number", {"secret": 7}),
             record("token_key", "current", {"secret": base64.b64encode(OTHER).decode()}, "mqtt-b")]
    return usual + ([record("token_key", "current", {"secret": key})] if key is not None else []) + list(more)


R, W, RW = token("R"), token("W"), token("RW")
REVOKED = token("W", n="revoked")
table.records["usual"] = records(more=[record("revoked_token", identity(REVOKED), {"expires": ends(HOUR)}),
                                       record("revoked_token", identity(R), {"expires": 0}, "mqtt-b")])
table.records["without a token key"] = records(None)
table.records["with a token key of another form"] = records("not base64!")
table.records["with an empty token key"] = records("")
table.records["with a number for a token key"] = records(7)
table.records["none"] = []

# One of each, and joined in every order.
good = {"R": (R, ["a/#"], HOUR), "W": (W, ["a/#"], HOUR), "RW": (RW, ["a/#"], HOUR)}
for count in 1, 2, 3:
    for kinds in itertools.permutations(good, count):
        chosen = {kind: good[kind] for kind in kinds}
        table.case("tokens " + "|".join(kinds), password(*[(kind, good[kind][0]) for kind in kinds]), allow(chosen, HOUR))
for kinds in itertools.permutations(good, 2):
    twice = [kinds[0], kinds[1], kinds[0]]
    table.case("tokens " + "|".join(twice), password(*[(kind, good[kind][0]) for kind in twice]), PASSWORD)
for kind in good:
    table.case(f"{kind} twice", password((kind, good[kind][0]), (kind, good[kind][0])), PASSWORD)
    other = token(kind, ["b"])
    table.case(f"{kind} twice, with two tokens", password((kind, good[kind][0]), (kind, other)), PASSWORD)
short, long = token("R", ["a"], 1000), token("W", ["a"], 2000)
table.case("the earliest end counts", password(("W", long), ("R", short)),
           allow({"R": (short, ["a"], 1000), "W": (long, ["a"], 2000)}, 1000))
table.case("a token for letters of everywhere", password(("R", token("R", ["устройства/+/🦆"]))),
           allow({"R": (token("R", ["устройства/+/🦆"]), ["устройства/+/🦆"], HOUR)}, HOUR))
table.case("an access key with letters of everywhere", password(("R", R)), allow({"R": good["R"]}, HOUR, "ключ"),
           username=f"Token|ключ|{INSTANCE}")
for client_id in ["", "plain", "a|b", "x" * 1000]:
    table.case(f"tokens are not tied to a client id: {client_id[:30]!r}", password(("R", R)), allow({"R": good["R"]}, HOUR),
               client_id=client_id)
settings = {"instance": INSTANCE, "keys": {"own": "secret"}}
table.case("an access key of the settings", password(("R", R)), allow({"R": good["R"]}, HOUR, "own", kept=False), settings=settings,
           username=f"Token|own|{INSTANCE}")
table.case("an access key of the registry beside the settings", password(("R", R)), allow({"R": good["R"]}, HOUR), settings=settings)
table.case("an access key of the settings, for another instance", password(("R", token(instance="mqtt-b", key=OTHER))),
           refused(8, "R"), settings=settings, username="Token|own|mqtt-b", instance="mqtt-b")

# What is no pair of type and token.
for name, text in [("a token alone", R), ("a type alone", "R"), ("a type and a bar", "R|"), ("nothing", ""), ("a bar", "|"),
                   ("an unknown type", "X|" + R), ("a type in lower case", "r|" + R), ("WR", "WR|" + RW), ("R,W", "R,W|" + RW),
                   ("a blank before it", " R|" + R), ("a bar before it", "|R|" + R), ("the wrong way round", R + "|R"),
                   ("a second one that is cut off", f"R|{R}|W"), ("a full-width bar", "R\uff5c" + R), ("a comma", "R," + R),
                   ("a signature", "vI009IZJZVGRwBwZvnbwjfuXxVM="), ("a type of nothing", "|" + R), ("a zero", "\0")]:
    expect = refused(1, "R") if text == "R|" else PASSWORD
    table.case(f"the password: {name}", text.encode(), expect)
table.case("the password: none", None, PASSWORD)
table.case("the password: no UTF-8", b"\xff\xfe|\xfd", PASSWORD)
table.case("the password: every byte", bytes(range(256)), PASSWORD)
table.case("the password: the longest", None, PASSWORD, whole={"of": b64(b"A"), "times": LONGEST})
table.case("the password: as many bars as fit", None, PASSWORD, whole={"of": b64(b"|"), "times": LONGEST})
table.case("the password: as many types as fit", None, refused(1, "R"), whole={"of": b64(b"R|"), "times": LONGEST // 2})
table.case("the password: a good one, and bars", None, PASSWORD, whole={"begin": b64(f"R|{R}".encode()), "of": b64(b"|"), "times": 999})

# 1: forged, unparsable.
head, body, tail = R.split(".")
for name, text in [("a bar behind it", R + "|"), ("nothing", ""), ("a word", "token"), ("another version", seal(b"{}", version="DT2")),
                   ("lower case", R.lower()), ("no version", f"{body}.{tail}"), ("no signature", f"{head}.{body}"),
                   ("an empty signature", f"{head}.{body}."), ("an empty payload", f"{head}..{tail}"), ("a fourth part", R + ".x"),
                   ("a dot before it", "." + R), ("padding", R + "="), ("a blank behind it", R + " "), ("a line end behind it", R + "\n"),
                   ("a zero behind it", R + "\0"), ("a + in it", R[:-1] + "+"), ("a / in it", R[:-1] + "/"),
                   ("a blank in it", f"{head}. {body}.{tail}"), ("letters of everywhere", f"{head}.{body}é.{tail}")]:
    expect = PASSWORD if "|" in text else refused(1, "R")
    table.case(f"a token with {name}", f"R|{text}".encode(), expect)
    table.case(f"a good token, and one with {name}", f"W|{W}|R|{text}".encode(), expect)
table.case("a token that is no UTF-8", b"R|\xff\xfe", refused(1, "R"))
table.case("a token as long as fits", None, refused(8, "R"), whole={"begin": b64(b"R|DT1.e30."), "of": b64(b"A"), "times": LONGEST - 10})
table.case("dots as many as fit", None, refused(1, "R"), whole={"begin": b64(b"R|DT1"), "of": b64(b"."), "times": LONGEST - 5})
for name, payload in [("nothing in it", b""), ("text", b"x"), ("no JSON", b"{"), ("a list", b"[]"), ("a number", b"1"), ("null", b"null"),
                      ("an empty object", b"{}"), ("something behind the JSON", json.dumps({}).encode() + b"x"),
                      ("no UTF-8", b'{"i":"\xff"}')]:
    table.case(f"a signed token with {name}", f"R|{seal(payload)}".encode(), refused(1, "R"))
for field in "iare":
    table.case(f"a signed token without `{field}`", password(("R", token(**{field: ...}))), refused(1, "R"))
    for value in [None, True, [], {}, 7.5, -1, "", "x", [7], {"R": "R"}, [["a"]]]:
        if field == "i" and isinstance(value, str):
            continue  # the name of another instance, below
        table.case(f"a signed token with {json.dumps(value)} for `{field}`", password(("R", token(**{field: value}))), refused(1, "R"))
for value in ["r", "WR", "R,W", "R ", "RWR"]:
    table.case(f"a signed token with the permission {value!r}", password(("R", token(a=value))), refused(1, "R"))
for value in ["#/a", "a#", "a/#/b", "+a", "a+", "", "$share/g/a", "$share/g", "a\0b"]:
    table.case(f"a signed token with the resource {value!r}", password(("R", token(r=["a", value]))), refused(1, "R"))
for value in [2**53, 2**53 + 1, 2**63, 2**64, 1e300, ends(HOUR) + 0.5]:
    table.case(f"a signed token that expires at {value}", password(("R", token(e=value))), refused(1, "R"))
last = 2**53 - 1
table.case("a signed token that expires as late as can be", password(("R", token(e=last))),
           {"allow": {"attrs": attrs({"R": {"id": identity(token(e=last)), "expires": last, "resources": ["a/#"]}}),
                      "expires_at": last / 1000,
                      "depends": ["token_key/current", "access_key/AK", f"revoked_token/{identity(token(e=last))}"]}})
table.case("a time with a point and a zero is one", password(("R", token(e=float(ends(HOUR))))),
           allow({"R": (token(e=float(ends(HOUR))), ["a/#"], HOUR)}, HOUR))
table.case("fields that nobody knows", password(("R", token(x=1, n=...))), allow({"R": (token(x=1, n=...), ["a/#"], HOUR)}, HOUR))
twice = json.dumps({"i": INSTANCE, "a": "W", "r": ["a/#"], "e": ends(HOUR)})[:-1] + ', "a": "R"}'
table.case("a field that is there twice counts as it is last", password(("R", seal(twice.encode()))),
           allow({"R": (seal(twice.encode()), ["a/#"], HOUR)}, HOUR))

# How many resources.
hundred = [f"topic{n:03}/#" for n in range(100)]
table.case("100 resources", password(("R", token("R", hundred))), allow({"R": (token("R", hundred), hundred, HOUR)}, HOUR),
           step("subscribe", "topic000/a", says="allow"), step("subscribe", "topic099", says="allow"),
           step("subscribe", "topic100", [invalid(0, 4, "R")], f"token code 4 (R): {WHY[4]}", says="disconnect"))
table.case("101 resources", password(("R", token("R", hundred + ["b"]))), refused(1, "R"))
wide = [f"{n:03}/" + "w" * 124 for n in range(100)]
table.case("100 resources of 128 bytes, for each type", password(*[(kind, token(kind, wide)) for kind in good]),
           allow({kind: (token(kind, wide), wide, HOUR) for kind in good}, HOUR))
table.case("one byte too many", password(("R", token("R", wide[:99] + [wide[99] + "w"]))), refused(1, "R"))
table.case("the same resource twice", password(("R", token("R", ["a", "a"]))), allow({"R": (token("R", ["a", "a"]), ["a", "a"], HOUR)}, HOUR))

# 2: expired. At its millisecond it has.
for name, seconds in [("long ago", -HOUR), ("a millisecond ago", -0.001), ("now", 0)]:
    table.case(f"a token that expired {name}", password(("R", token("R", seconds=seconds))), refused(2, "R"))
table.case("a token that expired when time began", password(("R", token(e=0))), refused(2, "R"))
brief = token("R", seconds=0.001)
table.case("a token that expires in a millisecond", password(("R", brief)), allow({"R": (brief, ["a/#"], 0.001)}, 0),
           until(1, expires(0, 0.001, "R"), invalid(0.001, 2, "R"), over=OVER))

# 3: revoked. 4: another instance's. 5: of another type. 8: signed otherwise.
table.case("a revoked token", password(("W", REVOKED)), refused(3, "W"))
gone = token("R", seconds=-1, n="gone")
table.records["revoked and expired"] = records(more=[record("revoked_token", identity(gone), {})])
table.case("a token that was revoked and has expired", password(("R", gone)), refused(3, "R"), records="revoked and expired")
for instance in ["mqtt-b", "", "MQTT-A", "mqtt-a "]:
    table.case(f"a token of the instance {instance!r}, with this one's key", password(("R", token(instance=instance))), refused(4, "R"))
table.case("a token of another instance", password(("R", token(instance="mqtt-b", key=OTHER))), refused(8, "R"))
table.case("this instance's token in another", password(("R", R)), refused(8, "R"), username="Token|AK|mqtt-b", instance="mqtt-b")
of_b = token(instance="mqtt-b", key=OTHER)
b_grant = {"allow": {"attrs": attrs({"R": held(of_b, ["a/#"], HOUR)}, OTHER), "expires_at": NOW + HOUR,
                     "depends": ["token_key/current", "access_key/AK", f"revoked_token/{identity(of_b)}"]}}
table.case("another instance has its own keys", password(("R", of_b)), b_grant, username="Token|AK|mqtt-b", instance="mqtt-b")
for brought, kind in itertools.permutations(good, 2):
    table.case(f"a token of type {kind} brought as {brought}", password((brought, good[kind][0])), refused(5, brought))
table.case("expired, revoked, and of another type", password(("R", REVOKED)), refused(5, "R"))
for name, text in [("another key", token(key=OTHER)), ("an empty key", token(key=b"")), ("what stands in for a key", token(key=b"none")),
                   ("the key in base64", token(key=base64.b64encode(KEY))), ("SHA-1", seal(b"{}", algorithm=hashlib.sha1)),
                   ("SHA-512", seal(b"{}", algorithm=hashlib.sha512)),
                   ("another's signature", f"{head}.{body}.{W.split('.')[2]}"), ("another's payload", f"{head}.{W.split('.')[1]}.{tail}"),
                   ("the last letter changed", R[:-1] + ("A" if R[-1] != "A" else "E")), ("a letter less", R[:-1]), ("a letter more", R + "A"),
                   ("the signature of nothing", f"{head}.{body}.{url(hmac.new(KEY, b'', hashlib.sha256).digest())}"),
                   ("the payload's signature alone", f"{head}.{body}.{url(hmac.new(KEY, body.encode(), hashlib.sha256).digest())}")]:
    table.case(f"a token signed with {name}", f"R|{text}".encode(), refused(8, "R"))
    table.case(f"a good token, and one signed with {name}", f"W|{W}|R|{text}".encode(), refused(8, "R"))
    table.case(f"one signed with {name}, and a good token", f"R|{text}|W|{W}".encode(), refused(8, "R"))
bits = next(letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
            if letter != R[-1] and base64.urlsafe_b64decode(tail[:-1] + letter + "=") == base64.urlsafe_b64decode(tail + "="))
table.case("a token with bits set that base64 does not use", f"R|{R[:-1]}{bits}".encode(), refused(8, "R"))
for name in ["without a token key", "with a token key of another form", "with an empty token key", "with a number for a token key", "none"]:
    for key in KEY, b"", b"none":
        table.case(f"an instance {name}, a token signed with {key[:4]!r}", password(("R", token(key=key))), refused(8, "R"), records=name)
    table.case(f"an instance {name}, and what is no token", b"R|x", refused(1, "R"), records=name)

# Access keys that do not exist: not to be told from wrong signatures.
for key in ["unknown", "", "ak", "AK ", "AK\n", "B", "empty", "number", "current", "k" * 1000]:
    table.case(f"the access key {key[:20]!r} of {len(key)}", password(("R", R)), refused(8, "R"), username=f"Token|{key}|{INSTANCE}")
table.case("an unknown access key and what is no token", b"R|x", refused(1, "R"), username=f"Token|unknown|{INSTANCE}")

# Instances and forms.
for instance in ["mqtt-b", "", "mqtt-a ", "MQTT-A", "*", "i" * 1000]:
    table.case(f"the instance {instance[:30]!r} of {len(instance)}", password(("R", R)), ELSEWHERE, username=f"Token|AK|{instance}")
for username in ["Token|", "Token|AK", "Token|AK|mqtt-a|", "Token|AK||mqtt-a", "Token||AK|mqtt-a", "Token|||", "Token|\n"]:
    table.case(f"the user name {username!r}", password(("R", R)), FORM, username=username)
table.case("two bars, and nothing between", password(("R", R)), ELSEWHERE, username="Token||")
for username in [None, "Token", "token|AK|mqtt-a", "TOKEN|AK|mqtt-a", " Token|AK|mqtt-a", "Tokens|AK|mqtt-a", "Signature|AK|mqtt-a",
                 "Token\uff5cAK\uff5cmqtt-a", "|Token|AK|mqtt-a", "ann"]:
    table.case(f"the user name {username!r}, another policy's", password(("R", R)), NEXT, username=username)


# What a client may do with its tokens. (name, tokens, question, topic, answer: None for yes, else code and type)
def ask(name, tokens, *questions):
    brought = {kind: (token(kind, resources), resources, HOUR) for kind, resources in tokens.items()}
    login = password(*[(kind, text) for kind, (text, _, _) in brought.items()])
    for number, (verb, about, no) in enumerate(questions):
        if no is None:
            then = step(verb, about, says="allow")
        else:
            code, kind = no
            then = step(verb, about, [invalid(0, code, kind)], f"token code {code} ({kind}): {WHY[code]}", says="disconnect")
        table.case(f"{name}: {verb} {about[:40]!r} of {len(about)} ({number})", login, allow(brought, HOUR), then)


def publish(topic, *no):
    return "publish", topic, no or None


def subscribe(filter, *no):
    return "subscribe", filter, no or None


ask("R alone", {"R": ["a/#"]}, subscribe("a/b"), subscribe("a"), publish("a", 5, "R"), publish("b", 5, "R"), subscribe("b", 4, "R"))
ask("W alone", {"W": ["a/#"]}, publish("a/b"), publish("a"), subscribe("a", 5, "W"), publish("b", 4, "W"), subscribe("b", 5, "W"))
ask("RW alone", {"RW": ["a/#"]}, publish("a/b"), subscribe("a/b"), publish("b", 4, "RW"), subscribe("b", 4, "RW"))
ask("R and W", {"R": ["r"], "W": ["w"]}, publish("w"), subscribe("r"), publish("r", 4, "W"), subscribe("w", 4, "R"))
ask("R and RW", {"R": ["r"], "RW": ["b"]}, publish("b"), subscribe("b"), subscribe("r"), publish("r", 4, "RW"), subscribe("x", 4, "R"))
ask("W and RW", {"W": ["w"], "RW": ["b"]}, publish("w"), publish("b"), subscribe("w", 4, "RW"), publish("x", 4, "W"))
ask("all three", {"R": ["r"], "W": ["w"], "RW": ["b"]}, publish("w"), publish("b"), subscribe("r"), subscribe("b"), publish("r", 4, "W"),
    subscribe("w", 4, "R"))
ask("a wildcard of many levels", {"RW": ["a/#"]}, publish("a/b/c/d"), publish("a/"), publish("ab", 4, "RW"), publish("/a", 4, "RW"),
    publish("A", 4, "RW"), subscribe("a/#"), subscribe("a/+/#"), subscribe("a/b/#"), subscribe("#", 4, "RW"), subscribe("+/#", 4, "RW"),
    subscribe("+", 4, "RW"))
ask("a wildcard of one level", {"RW": ["a/+"]}, publish("a/b"), publish("a/"), publish("a", 4, "RW"), publish("a/b/c", 4, "RW"), subscribe("a/+"),
    subscribe("a/#", 4, "RW"), subscribe("a/b/c", 4, "RW"))
ask("a wildcard in the middle", {"RW": ["a/+/c"]}, publish("a/b/c"), publish("a//c"), publish("a/b/c/d", 4, "RW"), subscribe("a/+/c"),
    subscribe("a/+/+", 4, "RW"), subscribe("+/b/c", 4, "RW"))
ask("everything", {"RW": ["#"]}, publish("a"), publish("/"), subscribe("#"), subscribe("+/+"), publish("$SYS/x", 4, "RW"), publish("$x", 4, "RW"),
    subscribe("$SYS/#", 4, "RW"))
ask("system topics by name", {"RW": ["$SYS/#"]}, publish("$SYS/x"), subscribe("$SYS/+"), publish("$SYSx", 4, "RW"))
ask("two that cover a filter only together", {"R": ["a", "a/+/#"]}, subscribe("a"), subscribe("a/b"), subscribe("a/#", 4, "R"))
ask("levels without a name", {"RW": ["/a", "b/", "c//d"]}, publish("/a"), publish("b/"), publish("c//d"), publish("a", 4, "RW"),
    publish("b", 4, "RW"), publish("c/d", 4, "RW"))
ask("topics of P2P are ordinary ones", {"RW": ["a/p2p/+"]}, publish("a/p2p/GID_Test@@@0002"), publish(f"a/p2p/{DEVICE}"), publish("a/p2p", 4, "RW"),
    publish("b/p2p/GID_Test@@@0002", 4, "RW"), subscribe(f"a/p2p/{DEVICE}"), subscribe(f"b/p2p/{DEVICE}", 4, "RW"))
ask("a parent alone is not its P2P topics", {"W": ["a"]}, publish("a/p2p/GID_Test@@@0002", 4, "W"))
ask("letters of everywhere", {"RW": ["мост/🦆", "\u00e9"]}, publish("мост/🦆"), publish("\u00e9"), publish("e\u0301", 4, "RW"))
ask("long topics", {"RW": ["x/#"]}, publish("x/" + "y" * 5000), publish("y" * 5000, 4, "RW"))

# How it ends: 300 seconds before, at the end, when it is revoked.
one = token("R", seconds=1000)
grant = allow({"R": (one, ["a/#"], 1000)}, 1000)
warned = attrs({"R": held(one, ["a/#"], 1000, True)})
notice = expires(700, 1000, "R")
table.case("nothing until 300 seconds before", password(("R", one)), grant, until(699.999), until(700, notice, attrs=warned))
table.case("a notice, once, and the end", password(("R", one)), grant, until(800, notice), until(999.999),
           until(1001, invalid(1000, 2, "R"), over=OVER))
table.case("revoked", password(("R", one)), grant, until(100), change("revoked_token", identity(one), {"expires": 1}, invalid(100, 3, "R"), over=OVER))
table.case("revoked behind the notice", password(("R", one)), grant, until(800, notice),
           change("revoked_token", identity(one), {}, invalid(800, 3, "R"), over=OVER))
table.case("another token is revoked", password(("R", one)), grant, change("revoked_token", identity(W), {}), until(700, notice))
table.case("its access key is deleted", password(("R", one)), grant, change("access_key", "AK", None, invalid(0, -1, "R"), over=OVER))
table.case("its access key is changed", password(("R", one)), grant, change("access_key", "AK", {"secret": "new"}), until(700, notice))
table.case("another access key is deleted", password(("R", one)), grant, change("access_key", "ключ", None), until(700, notice))
key_record = {"secret": base64.b64encode(KEY).decode()}
table.case("the token key is changed", password(("R", one)), grant,
           change("token_key", "current", {"secret": base64.b64encode(OTHER).decode()}, invalid(0, 8, "R"), over=OVER))
table.case("the token key is gone", password(("R", one)), grant, change("token_key", "current", None, invalid(0, 8, "R"), over=OVER))
table.case("the token key is written again", password(("R", one)), grant, change("token_key", "current", key_record), until(700, notice))
table.case("a change behind the notice brings no second one", password(("R", one)), grant, until(800, notice),
           change("token_key", "current", key_record), until(999), until(1001, invalid(1000, 2, "R"), over=OVER))
table.case("an access key of the settings may be anything in the registry", password(("R", one)),
           allow({"R": (one, ["a/#"], 1000)}, 1000, "own", kept=False), change("access_key", "own", None), until(10), settings=settings,
           username=f"Token|own|{INSTANCE}")
short = token("R", seconds=120)
table.case("a notice at once for who has less than 300 seconds", password(("R", short)), allow({"R": (short, ["a/#"], 120)}, 0),
           until(0, expires(0, 120, "R")), until(119), until(200, invalid(120, 2, "R"), over=OVER))
two = token("W", seconds=1100)
table.case("two tokens, one soon behind the other", password(("R", one), ("W", two)),
           allow({"R": (one, ["a/#"], 1000), "W": (two, ["a/#"], 1100)}, 1000), until(750, notice), until(900, expires(800, 1100, "W")),
           until(2000, invalid(1000, 2, "R"), over=OVER))
late = token("W", seconds=5000)
table.case("two tokens, far from each other", password(("W", late), ("R", one)),
           allow({"R": (one, ["a/#"], 1000), "W": (late, ["a/#"], 5000)}, 1000), until(2000, notice, invalid(1000, 2, "R"), over=OVER))
same = token("W", seconds=1000)
table.case("two tokens that end together", password(("R", one), ("W", same)),
           allow({"R": (one, ["a/#"], 1000), "W": (same, ["a/#"], 1000)}, 1000), until(700, notice, expires(700, 1000, "W")),
           until(1000, invalid(1000, 2, "R"), invalid(1000, 2, "W"), over=OVER))
table.case("one of two is revoked", password(("R", one), ("W", late)),
           allow({"R": (one, ["a/#"], 1000), "W": (late, ["a/#"], 5000)}, 1000),
           change("revoked_token", identity(late), {}, invalid(0, 3, "W"), over=OVER))


# New tokens for old ones.
def upload(kind, text, *told, over=None, **more):
    return step("upload", json.dumps({"token": text, "type": kind}), told, over, **more)


def rests(*texts):
    return ["token_key/current", "access_key/AK"] + [f"revoked_token/{identity(text)}" for text in texts]


new = token("R", ["b"], 4000)
table.case("a new token behind the notice", password(("R", one)), grant, until(800, notice),
           upload("R", new, attrs=attrs({"R": held(new, ["b"], 4000)}), depends=rests(new)),
           step("subscribe", "b", says="allow"), until(3699), until(3800, expires(3700, 4000, "R")), until(5000, invalid(4000, 2, "R"), over=OVER))
table.case("what the old one allowed is over", password(("R", one)), grant, upload("R", new),
           step("subscribe", "a", [invalid(0, 4, "R")], f"token code 4 (R): {WHY[4]}", says="disconnect"))
table.case("the old one may be revoked", password(("R", one)), grant, upload("R", new), change("revoked_token", identity(one), {}),
           change("revoked_token", identity(new), {}, invalid(0, 3, "R"), over=OVER))
table.case("a token of another type is one more", password(("R", one)), grant,
           upload("W", late, attrs=attrs({"R": held(one, ["a/#"], 1000), "W": held(late, ["a/#"], 5000)}), depends=rests(one, late)),
           step("publish", "a", says="allow"), step("subscribe", "a", says="allow"), until(700, notice))
both = token("RW", ["c"], 4000)
table.case("RW takes the place of neither", password(("R", one)), grant, upload("RW", both), step("subscribe", "a", says="allow"),
           step("publish", "c", says="allow"), until(1000, notice, invalid(1000, 2, "R"), over=OVER))
table.case("the same token again", password(("R", one)), grant, until(800, notice), upload("R", one, expires(800, 1000, "R")),
           until(1000, invalid(1000, 2, "R"), over=OVER))
soon = token("R", ["b"], 900)
table.case("a new token with less than 300 seconds", password(("R", one)), grant, until(800, notice), upload("R", soon, expires(800, 900, "R")),
           until(899), until(900, invalid(900, 2, "R"), over=OVER))
table.case("the other one's notice is not forgotten", password(("R", one), ("W", two)),
           allow({"R": (one, ["a/#"], 1000), "W": (two, ["a/#"], 1100)}, 1000), until(750, notice), upload("R", new),
           until(900, expires(800, 1100, "W")), upload("W", late), until(3699), until(3700, expires(3700, 4000, "R")))
table.case("who comes without any token of a type may bring it", password(("W", late)), allow({"W": (late, ["a/#"], 5000)}, 5000),
           upload("R", one), step("subscribe", "a", says="allow"))

# And bad ones, which end the connection.
for code, text, kind in [(1, "x", "R"), (1, "", "R"), (2, token("R", seconds=0), "R"), (3, REVOKED, "W"), (4, token(instance="mqtt-b"), "R"),
                         (5, W, "R"), (5, R, "RW"), (8, token(key=OTHER), "R"), (8, R[:-1], "R")]:
    table.case(f"a bad token is brought: {code}, {kind} {text[-3:]}", password(("R", one)), grant,
               upload(kind, text, invalid(0, code, kind), over=OVER))
table.case("nothing is allowed behind a bad token", password(("R", one)), grant,
           step("upload", "{}", [invalid(0, 1, "RW")], OVER))
table.case("a token of a key that is gone", password(("R", one)), grant, change("token_key", "current", None, invalid(0, 8, "R"), over=OVER))
for name, payload in [("nothing", ""), ("no JSON", "{"), ("null", "null"), ("a list", "[]"), ("a text", '"x"'), ("a number", "1"),
                      ("no token", '{"type":"R"}'), ("a number for a token", '{"type":"R","token":1}'),
                      ("a token alone", new), ("the password's form", f"R|{new}"), ("no type", json.dumps({"token": new})),
                      ("an unknown type", json.dumps({"token": new, "type": "X"})), ("two types", json.dumps({"token": both, "type": "R,W"})),
                      ("a type in a list", json.dumps({"token": new, "type": ["R"]})), ("something behind it", json.dumps({"token": new, "type": "R"}) + "x")]:
    table.case(f"what is brought is {name}", password(("R", one)), grant, step("upload", payload, [invalid(0, 1, "RW")], OVER))
table.case("more in it than is asked for", password(("R", one)), grant,
           step("upload", json.dumps({"token": new, "type": "R", "n": [1, {"x": None}]})), step("subscribe", "b", says="allow"))
table.case("very much of it", password(("R", one)), grant,
           step("upload", json.dumps({"token": "x" * 100000, "type": "R"}), [invalid(0, 1, "R")], OVER))

table.word("Token")
table.print()
