#!/usr/bin/env python3
"""Writes custom_cases.json: which identities are let in, with which rights, and how these change.

    python3 tests/policy/custom_cases.py > tests/policy/custom_cases.json
"""

import base64
import hashlib
import hmac

from login_cases import *

CLIENT = "meter-7"
WHO = deny(WRONG, "the user name or the password is wrong")
BLACK = deny(BANNED, "the client id is on the black list")
BARRED = deny(NOT_AUTHORIZED, "a permission denies CONNECT")
CHANGED = "the identity was changed"
LAST = ["deny", "all", "#"]
REFRESH, LEAD = 10, 300

table = Table(CLIENT, "ann")


def user(name, secret, mode="ORIGIN", instance=INSTANCE, **fields):
    value = {"type": "USER", "username": name, "sign_mode": mode, "secret": secret} | fields
    return record("identity", f"USER/{name}", value, instance)


def client(name, client_id, secret, mode="ORIGIN", **fields):
    value = {"type": "CLIENT", "username": name, "client_id": client_id, "sign_mode": mode, "secret": secret} | fields
    return record("identity", f"CLIENT/{name}/{client_id}", value)


def permission(kind, identity, topic, effect="ALLOW", action="PUB_SUB", instance=INSTANCE, name=None, also=None):
    value = {"type": kind, "identity": identity, "topic": topic, "effect": effect, "action": action} | (also or {})
    return record("permission", name or f"{kind}/{identity}/{topic}", value, instance)


def rules(*lines):
    return [line.split(" ", 2) for line in lines] + [LAST]


def digest(acl):
    return hashlib.sha256("\n".join(" ".join(rule) for rule in acl).encode()).hexdigest()[:16]


def attrs(kind, acl):
    return {"identity": kind, "rules": digest(acl)}  # and `proof`, which is another in each process


def depends(*permissions, username="ann", client_id=CLIENT):
    names = [f"identity/CLIENT/{username}/{client_id}", f"identity/USER/{username}", f"black_list/{client_id}"]
    fit = [name for name in names if len(name.split("/", 1)[1].encode()) <= 512]
    return fit + [f"permission/{name}" for name in permissions]


def allow(kind="USER", acl=rules(), *permissions, username="ann", client_id=CLIENT, refresh=REFRESH):
    return {"allow": {"attrs": attrs(kind, acl), "acl": acl, "any_client_id": True, "expires_at": NOW + LEAD + refresh,
                      "depends": depends(*permissions, username=username, client_id=client_id)}}


table.records["usual"] = [
    user("ann", "pass"), user("signed", "XXXXX", "SIGNED"), user("имя 🔑", "секрет"), user("a/b", "slash"), user("empty", ""),
    user("number", 7), user("mode", "pass", "NONE"), user("lower", "pass", "origin"), user("list", ["pass"]), user("none", "none", "SIGNED"),
    user("both", "of the user"), client("both", CLIENT, "of the client"),
    client("signs", CLIENT, "XXXXX", "SIGNED"), user("signs", "pass"),
    client("bad", CLIENT, ""), user("bad", "pass"),
    client("only", "meter-8", "of meter 8"),
    # Names with slashes may be read in several ways.
    client("a", "b/c", "of a and b/c"), record("identity", "CLIENT/a/b/d", {"type": "CLIENT", "username": "a/b", "client_id": "d",
                                                                           "sign_mode": "ORIGIN", "secret": "of a/b and d"}),
    record("identity", f"CLIENT/twisted/{CLIENT}", {"type": "CLIENT", "username": "twisted", "client_id": "meter-8", "sign_mode": "ORIGIN", "secret": "pass"}),
    record("identity", "USER/typed", {"type": "CLIENT", "username": "typed", "client_id": CLIENT, "sign_mode": "ORIGIN", "secret": "pass"}),
    record("identity", "USER/named", {"type": "USER", "username": "other", "sign_mode": "ORIGIN", "secret": "pass"}),
    record("identity", "USER/nothing", {}),
    user("ann", "pass of b", instance="mqtt-b"),
    record("black_list", "stolen", {}), record("black_list", CLIENT, {}, "mqtt-b"), record("access_key", "ann", {"secret": "key"}),
]
table.records["none"] = []


def sent(secret, client_id=CLIENT):
    return sign(secret, client_id)


def known(username, **more):
    return {"username": username, **more}


# Who is let in.
table.case("a user with its secret", b"pass", allow())
table.case("a user that signs", sent("XXXXX"), allow(username="signed"), username="signed")
table.case("the product's vector", b"vI009IZJZVGRwBwZvnbwjfuXxVM=", allow(username="signed", client_id="GID_Test@@@0001"), username="signed",
           client_id="GID_Test@@@0001")
table.case("letters of everywhere", "секрет".encode(), allow(username="имя 🔑"), username="имя 🔑")
table.case("a user with a slash", b"slash", allow(username="a/b"), username="a/b")
for client_id in ["a", "a/b", "a|b", "GID_a@@@1", "a b", "устройство", "🦆", "x" * 512, "x" * 1000, "#", "+/+", "a\"b'c\\d"]:
    table.case(f"any client id: {client_id[:20]!r} of {len(client_id)}", b"pass", allow(client_id=client_id), client_id=client_id)
    table.case(f"any client id, signed: {client_id[:20]!r} of {len(client_id)}", sent("XXXXX", client_id), allow(username="signed", client_id=client_id),
               username="signed", client_id=client_id)
table.case("an identity of the client goes first", b"of the client", allow("CLIENT", username="both"), username="both")
table.case("and hides the user's", b"of the user", WHO, username="both")
table.case("from this client alone", b"of the user", allow(username="both", client_id="other"), username="both", client_id="other")
table.case("another client with this one's secret", b"of the client", WHO, username="both", client_id="other")
table.case("a client that signs", sent("XXXXX"), allow("CLIENT", username="signs"), username="signs")
table.case("a client that signs, with the user's secret", b"pass", WHO, username="signs")
table.case("a client's identity without a secret hides the user's too", b"pass", WHO, username="bad")
table.case("a user without an identity of its own", b"of meter 8", allow("CLIENT", username="only", client_id="meter-8"), username="only",
           client_id="meter-8")
table.case("and from another client", b"of meter 8", WHO, username="only")
table.case("slashes: the client id has one", b"of a and b/c", allow("CLIENT", username="a", client_id="b/c"), username="a", client_id="b/c")
table.case("slashes: read otherwise", b"of a and b/c", WHO, username="a/b", client_id="c")
table.case("slashes: the user name has one", b"of a/b and d", allow("CLIENT", username="a/b", client_id="d"), username="a/b", client_id="d")
table.case("slashes: read otherwise, too", b"of a/b and d", WHO, username="a", client_id="b/d")
table.case("in another instance", b"pass of b", WHO)
table.case("that instance", b"pass of b", BLACK, instance="mqtt-b")
table.case("that instance, another client", b"pass of b", allow(client_id="x"), instance="mqtt-b", client_id="x")

# And who is not: always in the same words.
for name, password in [("another secret", b"guess"), ("the secret and more", b"pass "), ("less of it", b"pas"), ("upper case", b"PASS"),
                       ("nothing", b""), ("none", None), ("a zero behind it", b"pass\0"), ("a signature", sent("pass")), ("its digest", hashlib.sha256(b"pass").digest()),
                       ("no UTF-8", b"\xff\xfe"), ("its name", b"ann"), ("twice", b"passpass"), ("another user's", b"slash"), ("the instance b's", b"pass of b")]:
    table.case(f"ORIGIN, {name}", password, WHO)
table.case("ORIGIN, the longest password", None, WHO, whole={"of": b64(b"A"), "times": LONGEST})
right = sent("XXXXX")
for name, password in [("the secret itself", b"XXXXX"), ("another client's", sent("XXXXX", "other")), ("another secret's", sent("guess")), ("no padding", right.rstrip(b"=")),
                       ("a line end", right + b"\n"), ("lower case", right.lower()), ("nothing", b""), ("none", None), ("its bytes", base64.b64decode(right)),
                       ("no UTF-8", b"\xff"), ("SHA-256", base64.b64encode(hmac.new(b"XXXXX", CLIENT.encode(), hashlib.sha256).digest()))]:
    table.case(f"SIGNED, {name}", password, WHO, username="signed")
for username in ["unknown", "", " ", "Ann", "ANN", "ann ", " ann", "ann\n", "an", "annn", "typed", "twisted", "named", "nothing", "other", "empty", "number", "mode", "lower",
                 "list", "ann/", "/ann", "USER/ann", "both/meter-7", "\u0430nn", "x" * 600]:
    for name, password in [("its secret, if it has one", b"pass"), ("nothing", b""), ("what stands in for a secret", b"none"), ("signed with that", sent("none")),
                           ("signed with nothing", sent("")), ("a signature with its secret", sent("pass"))]:
        table.case(f"the user {username[:20]!r} of {len(username)}, {name}", password, WHO, username=username)
table.case("a user whose secret is what stands in for one", sent("none"), allow(username="none"), username="none")
table.case("the longest user name", b"pass", WHO, username={"of": "a", "times": LONGEST})
table.case("the longest client id", sent("XXXXX", "x" * LONGEST), allow(username="signed", client_id="x" * LONGEST), username="signed",
           client_id={"of": "x", "times": LONGEST})
table.case("an empty registry", b"pass", WHO, records="none")
for username in [None, "ann|", "|ann", "|", "Signature|ann|mqtt-a", "Token|ann|mqtt-a", "DeviceCredential|ann|mqtt-a", "Magic|ann|mqtt-a", "a|b"]:
    table.case(f"the user name {username!r} is another policy's", b"pass", NEXT, username=username)
table.case("a full-width bar is no bar", b"pass", WHO, username="ann\uff5c")

# The black list comes behind the password.
table.case("a client id on the black list", b"pass", BLACK, client_id="stolen")
table.case("a client id on the black list, and a wrong password", b"guess", WHO, client_id="stolen")
table.case("a client id like one on the black list", b"pass", allow(client_id="stole"), client_id="stole")
table.case("on the black list by and by", b"pass", allow(), until(100), change("black_list", "other", {}), change("black_list", CLIENT, {"note": "x"}, over="the client id is on the black list"))

# Permissions.
ANN = [user("ann", "pass"), client("dev", CLIENT, "pass"), user("dev", "pass")]


def permitted(name, permissions, expect, *then, **more):
    table.records[name] = ANN + permissions
    table.case(name, b"pass", expect, *then, records=name, **more)


permitted("all of a topic", [permission("USER", "ann", "a/#")], allow("USER", rules("allow all a/#"), "USER/ann/a/#"))
permitted("publishing", [permission("USER", "ann", "a", action="PUB")], allow("USER", rules("allow publish a"), "USER/ann/a"))
permitted("subscribing", [permission("USER", "ann", "a", action="SUB")], allow("USER", rules("allow subscribe a"), "USER/ann/a"))
permitted("connecting, which brings nothing", [permission("USER", "ann", "#", action="CONNECT")], allow("USER", rules(), "USER/ann/#"))
permitted("denials go first", [permission("USER", "ann", "a/#"), permission("USER", "ann", "b", "DENY"), permission("USER", "ann", "z", "DENY", "SUB")],
          allow("USER", rules("deny all b", "deny subscribe z", "allow all a/#"), "USER/ann/a/#", "USER/ann/b", "USER/ann/z"))
permitted("by the bytes of their names", [permission("USER", "ann", topic) for topic in ["b", "a/b", "a", "я", "Z", "a/#"]],
          allow("USER", rules("allow all Z", "allow all a", "allow all a/#", "allow all a/b", "allow all b", "allow all я"),
                *[f"USER/ann/{topic}" for topic in ["Z", "a", "a/#", "a/b", "b", "я"]]))
permitted("a topic with blanks", [permission("USER", "ann", "a b/ c")], allow("USER", rules("allow all a b/ c"), "USER/ann/a b/ c"))
permitted("others' permissions", [permission("USER", "anna", "a"), permission("USER", "an", "n/a"), permission("CLIENT", "ann", "c"), permission("USER", "bob", "b"),
                                  permission("USER", "ann", "b", instance="mqtt-b"), permission("USER", "ann/x", "y"), permission("CLIENT", "other", "o")], allow())
permitted("a name that does not say what it says", [permission("USER", "bob", "x", name="USER/ann/x"), permission("USER", "ann", "y", name="USER/ann/z"),
                                                    permission("CLIENT", "ann", "c", name="USER/ann/c")], allow("USER", rules("allow all y"), "USER/ann/z"))
permitted("effects, actions and topics that nobody knows", [
    permission("USER", "ann", "a", "MAYBE"), permission("USER", "ann", "b", action="ALL"), permission("USER", "ann", "c#"), permission("USER", "ann", "d", "allow"),
    permission("USER", "ann", "e", also={"topic": 7}), permission("USER", "ann", "f", also={"action": None}), permission("USER", "ann", "g/#/h", "DENY"), permission("USER", "ann", "h")],
    allow("USER", rules("allow all h"), *[f"USER/ann/{topic}" for topic in ["a", "b", "c#", "d", "e", "f", "g/#/h", "h"]]))
permitted("not even connecting", [permission("USER", "ann", "#", "DENY", "CONNECT"), permission("USER", "ann", "a")], BARRED)
permitted("not even connecting, this client", [permission("CLIENT", CLIENT, "#", "DENY", "CONNECT")], BARRED)
permitted("not even connecting, and a wrong password", [permission("USER", "ann", "#", "DENY", "CONNECT")], BARRED)
table.case("not even connecting: the password comes first", b"guess", WHO, records="not even connecting")
permitted("not even connecting, another client", [permission("CLIENT", "other", "#", "DENY", "CONNECT")], allow())

# Of the user name and of the client id.
OF_BOTH = [permission("USER", "dev", "u"), permission("USER", "dev", "ud", "DENY"), permission("CLIENT", CLIENT, "c"), permission("CLIENT", CLIENT, "cd", "DENY")]
NAMES = [f"CLIENT/{CLIENT}/c", f"CLIENT/{CLIENT}/cd", "USER/dev/u", "USER/dev/ud"]
permitted("a client's identity brings its permissions and the user's", OF_BOTH,
          allow("CLIENT", rules("deny all cd", "deny all ud", "allow all c", "allow all u"), *NAMES, username="dev"), username="dev")
table.records["the same for ann"] = ANN + OF_BOTH + [permission("USER", "ann", "u")]
table.case("who takes a client id gets what it is denied, and nothing that it may", b"pass",
           allow("USER", rules("deny all cd", "allow all u"), f"CLIENT/{CLIENT}/c", f"CLIENT/{CLIENT}/cd", "USER/ann/u"), records="the same for ann")

# How many.
many = [f"t{n:03}" for n in range(255)]
permitted("255 permissions", [permission("USER", "ann", topic) for topic in many],
          allow("USER", rules(*[f"allow all {topic}" for topic in many]), *[f"USER/ann/{topic}" for topic in many[:61]]))
TOO_MANY = "there are more than 255 permissions for this client"
permitted("256 permissions", [permission("USER", "ann", topic) for topic in [*many, "z"]], deny(0x97, TOO_MANY))
for count in 49, 50, 51, 100:
    permitted(f"{count} permissions, and others' behind them",
              [permission("USER", "ann", topic) for topic in many[:count]] + [permission("USER", "anna", topic) for topic in many[:60]],
              allow("USER", rules(*[f"allow all {topic}" for topic in many[:count]]), *[f"USER/ann/{topic}" for topic in many[:min(count, 61)]]))

# How they change.
permitted("some permissions", [permission("USER", "ann", "a")], allow("USER", rules("allow all a"), "USER/ann/a"), until(1000))
some = allow("USER", rules("allow all a"), "USER/ann/a")


def changes(name, *then, grant=some, records="some permissions", **more):
    table.case(name, b"pass", grant, *then, records=records, **more)


def value(*args, **more):
    return permission(*args, **more)[3]


with_b = rules("allow all a", "allow all b")
changes("a new permission, at the next look", until(5), change("permission", "USER/ann/b", value("USER", "ann", "b"), acl=rules("allow all a")), until(9.9, acl=rules("allow all a")),
        until(10, acl=with_b, attrs=attrs("USER", with_b), depends=depends("USER/ann/a", "USER/ann/b")), until(100, acl=with_b))
changes("a changed permission, at once", change("permission", "USER/ann/a", value("USER", "ann", "a", "DENY"), acl=rules("deny all a")), until(100))
changes("a permission that is taken away, at once", change("permission", "USER/ann/a", None, acl=rules(), depends=depends()), until(100))
changes("a permission that was new, and is changed", change("permission", "USER/ann/b", value("USER", "ann", "b")), until(10, acl=with_b),
        change("permission", "USER/ann/b", None, acl=rules("allow all a")))
changes("a permission that changes nothing", change("permission", "USER/ann/a", value("USER", "ann", "a", also={"note": "x"}), acl=rules("allow all a")), until(100))
changes("CONNECT is denied", change("permission", "USER/ann/#", value("USER", "ann", "#", "DENY", "CONNECT")), until(9.9), until(10, over="a permission denies CONNECT"))
changes("the client may not connect", change("permission", f"CLIENT/{CLIENT}/#", value("CLIENT", CLIENT, "#", "DENY", "CONNECT")), until(10, over="a permission denies CONNECT"))
changes("CONNECT is denied by a permission that was there", change("permission", "USER/ann/a", value("USER", "ann", "a", "DENY", "CONNECT"), over="a permission denies CONNECT"))
changes("another's permission", change("permission", "USER/bob/a", value("USER", "bob", "a")), until(100, acl=rules("allow all a")))
changes("another secret", until(50), change("identity", "USER/ann", user("ann", "new")[3], over=CHANGED))
changes("the same identity again", change("identity", "USER/ann", user("ann", "pass", note="x")[3]), until(100))
changes("another SignMode", change("identity", "USER/ann", user("ann", "pass", "SIGNED")[3], over=CHANGED))
changes("no SignMode", change("identity", "USER/ann", user("ann", "pass", "x")[3], over=CHANGED))
changes("no secret any more", change("identity", "USER/ann", user("ann", "")[3], over=CHANGED))
changes("no identity any more", change("identity", "USER/ann", None, over=CHANGED))
changes("an identity of the client's own", change("identity", f"CLIENT/ann/{CLIENT}", client("ann", CLIENT, "pass")[3], over=CHANGED))
changes("an identity of another client", change("identity", "CLIENT/ann/other", client("ann", "other", "pass")[3]), until(100))
changes("a client's identity is taken away", change("identity", f"CLIENT/dev/{CLIENT}", None, over=CHANGED), grant=allow("CLIENT", username="dev"), username="dev")
changes("other looks", until(59), change("permission", "USER/ann/b", value("USER", "ann", "b")), until(59.9, acl=rules("allow all a")), until(60, acl=with_b),
        grant=allow("USER", rules("allow all a"), "USER/ann/a", refresh=60), settings={"refresh": 60})
table.case("too many by and by", b"pass", allow("USER", rules(*[f"allow all {topic}" for topic in many]), *[f"USER/ann/{topic}" for topic in many[:61]]),
           change("permission", "USER/ann/z", value("USER", "ann", "z")), until(10, over=TOO_MANY), records="255 permissions")
changes("tokens are nothing to it", step("upload", "{}"), step("publish", "a", says=NEXT), step("subscribe", "a/#", says=NEXT))

for username in [None, "", "ann", "a|b", "Magic|AK|mqtt-a"]:
    table.names(username, None)
table.print()
