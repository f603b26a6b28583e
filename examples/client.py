"""What the examples have in common: arguments, signature, connection. Needs `pip install paho-mqtt` (2.x)."""

import argparse
import base64
import hashlib
import hmac
import json
import sys
import threading

import paho.mqtt.client as mqtt


def arguments(doc, roles):
    """The command line. The defaults are those of the demo instance in dunlin.toml."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--instance", default="mqtt-cn-dunlindemo")
    parser.add_argument("--key", default="DemoAccessKey", help="AccessKeyId")
    parser.add_argument("--secret", default="DemoAccessSecret", help="AccessKeySecret")
    parser.add_argument("role", nargs="?", default="all", choices=["all", *roles])
    parser.add_argument("device", nargs="?", help="a DeviceID of your choice")
    return parser.parse_args()


def connect(args, client_id, on_message, subscribe=None):
    """A connected client (MQTT 3.1.1). `on_message(client, topic, said)` gets the JSON that comes, maybe
    before this returns: a session may have kept something. `subscribe` is a topic filter."""
    # clean_session=False: what comes with QoS 1 while the client is away is kept for it. Never change this for a client id.
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id, clean_session=False)
    signature = hmac.new(args.secret.encode(), client_id.encode(), hashlib.sha1).digest()
    client.username_pw_set(f"Signature|{args.key}|{args.instance}", base64.b64encode(signature).decode())
    ready, refused = threading.Event(), []

    def on_connect(_client, _userdata, _flags, reason, _properties):
        if reason.is_failure:
            refused.append(f"{client_id} was refused: {reason}")
        elif subscribe:
            client.subscribe(subscribe, qos=1)  # again after every reconnect; the answer is on_subscribe
            return
        ready.set()

    def on_mqtt(_client, _userdata, message):
        try:
            on_message(client, message.topic, json.loads(message.payload))
        except (ValueError, LookupError, TypeError):  # anybody may write here
            print(f"{client_id}: not understood: {message.topic} {message.payload[:80]}", flush=True)

    def on_disconnect(_client, _userdata, _flags, reason, _properties):
        if reason.is_failure and ready.is_set():
            print(f"{client_id}: the connection has ended; a client of the same id?", file=sys.stderr, flush=True)

    client.on_connect, client.on_disconnect = on_connect, on_disconnect
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = on_mqtt
    client.connect(args.host, args.port, keepalive=60)
    client.loop_start()  # a thread of its own; paho reconnects by itself
    if not ready.wait(10) or refused:
        client.loop_stop()
        sys.exit(refused[0] if refused else f"{client_id}: no answer; do the group and the topics exist in {args.instance}?")
    return client
