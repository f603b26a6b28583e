"""What the tables of tokens, device credentials and custom authentication have in common: see token_cases.py and its like.

A case is a login and, if it is let in, what happens then, step by step, at a clock that begins at NOW. The verdicts stand in the
generators, one beside each case; they sign in their own way. So the tables owe nothing to scripts/ and plugins/auth, which are
both held to them. login_cases.rs reads them.
"""

import base64
import hashlib
import hmac
import json

NOW = 1700000000  # seconds; where the clock of the SDK's mock host begins
INSTANCE = "mqtt-a"
LONGEST = 65535  # what a length of two bytes can say: no string of MQTT is longer

WRONG = 0x86
NOT_AUTHORIZED = 0x87
BANNED = 0x8A
NEXT = "next"
OVER = "the login has ended"


def b64(data):
    return base64.b64encode(data).decode()


def sign(secret, client_id):
    return base64.b64encode(hmac.new(secret.encode(), client_id.encode(), hashlib.sha1).digest())


def deny(code, why):
    return {"deny": [code, why]}


def record(kind, name, value, instance=INSTANCE):
    return [instance, kind, name, value]


class Table:
    def __init__(self, client_id, username):
        self.cases, self.records, self.instances = [], {}, []
        self.client_id, self.username = client_id, username

    def case(self, name, password, expect, *then, client_id=None, username=..., records="usual", settings=None,
             instance=INSTANCE, whole=None):
        """`password` is bytes or None. What is too long to be written out is {"begin": .., "of": .., "times": ..}, for a
        password (`whole`) in base64 each."""
        entry = {
            "name": name,
            "client_id": self.client_id if client_id is None else client_id,
            "username": self.username if username is ... else username,
            "password": whole or (None if password is None else b64(password)),
            "records": records,
            "expect": expect,
        }
        if instance != INSTANCE:
            entry["instance"] = instance
        if settings:
            entry["settings"] = settings
        if then:
            entry["then"] = list(then)
        self.cases.append(entry)

    def names(self, username, instance):
        """The `connect` hook says that a client with this user name is of this instance; None when it says nothing."""
        self.instances.append([username, instance])

    def print(self):
        names = [entry["name"] for entry in self.cases]
        assert len(set(names)) == len(names), [name for name in names if names.count(name) > 1]
        lines = lambda entries: ",\n".join("    " + json.dumps(entry) for entry in entries)
        records = ",\n".join(f"    {json.dumps(name)}: {json.dumps(these)}" for name, these in self.records.items())
        print(f'{{\n  "records": {{\n{records}\n  }},\n  "cases": [\n{lines(self.cases)}\n  ],\n'
              f'  "instances": [\n{lines(self.instances)}\n  ]\n}}')

    def word(self, mode):
        """User names as one mode has them: what all modes have in common."""
        self.names(f"{mode}|AK|mqtt-b", "mqtt-b")
        self.names(f"{mode}||мост 1", "мост 1")
        self.names(f"{mode}|AK|{'i' * 512}", "i" * 512)
        for username in [None, "", mode, f"{mode}|", f"{mode}|AK", f"{mode}|AK|", f"{mode}||", f"{mode}|AK|a|b",
                         f"|{mode}|AK|a", f"{mode.lower()}|AK|a", f"{mode}s|AK|a", f"{mode} |AK|a", "ann",
                         f"{mode}|AK|{'i' * 513}", f"{mode}\uff5cAK\uff5ca"]:
            self.names(username, None)


def step(what, value, told=(), over=None, **more):
    """Something happens; the client is `told` messages, and it is `over`, for that reason, or goes on."""
    entry = {what: value, **more}
    if told:
        entry["told"] = [[NOW + at, topic, text] for at, topic, text in told]
    if over:
        entry["over"] = over
    return entry


def change(kind, name, value, *told, over=None, **more):
    return step("change", [kind, name, value], told, over, **more)


def until(seconds, *told, over=None, **more):
    return step("until", NOW + seconds, told, over, **more)
