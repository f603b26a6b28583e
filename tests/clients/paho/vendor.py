"""The vendor's published way of connecting, as its documents have it: by the instance's own host name, with a signature.

    vendor.py CA_FILE TCP TLS WS WSS        ports of the demo instance on this machine
"""

import base64
import hashlib
import hmac
import queue
import socket
import sys

import paho.mqtt.client as mqtt

INSTANCE, KEY, SECRET = "mqtt-cn-dunlindemo", "DemoAccessKey", "DemoAccessSecret"
ENDPOINT = INSTANCE + ".mqtt.localhost"
INTERNAL = INSTANCE + "-internal-vpc.mqtt.localhost"


def credentials(client_id):
    """User name and password, as the vendor computes them."""
    digest = hmac.new(SECRET.encode(), client_id.encode(), hashlib.sha1).digest()
    return f"Signature|{KEY}|{INSTANCE}", base64.b64encode(digest).decode()


def resolve(host, *rest, _system=socket.getaddrinfo, **more):
    """What the operator's DNS does."""
    return _system("127.0.0.1" if str(host).endswith(".mqtt.localhost") else host, *rest, **more)


socket.getaddrinfo = resolve


def connect(host, port, version, transport, ca, client_id, username=None):
    client = mqtt.Client(
        mqtt.CallbackAPIVersion.VERSION2, client_id, protocol=version, transport=transport, reconnect_on_failure=False
    )
    client.username_pw_set(*credentials(client_id))
    if username:
        client.username_pw_set(username, credentials(client_id)[1])
    if ca:
        client.tls_set(ca)
    codes, client.messages = queue.Queue(), queue.Queue()
    client.on_connect = lambda _c, _u, _f, code, _p: codes.put(code)
    client.on_message = lambda _c, _u, message: client.messages.put(message)
    client.on_subscribe = lambda *_: codes.put("subscribed")
    client.codes = codes
    client.connect(host, port, keepalive=90)
    client.loop_start()
    return client, codes.get(timeout=10)


def main():
    ca, ports = sys.argv[1], dict(zip(("tcp", "tls", "ws", "wss"), map(int, sys.argv[2:6])))
    for kind, port in ports.items():
        transport = "websockets" if kind.startswith("w") else "tcp"
        authority = ca if kind in ("tls", "wss") else None
        for version in (4, 5):
            for host in (ENDPOINT, INTERNAL, "localhost"):
                ids = [f"GID_Demo@@@{name}-{kind}-{version}" for name in ("reader", "writer")]
                reader, code = connect(host, port, version, transport, authority, ids[0])
                assert code == 0, (kind, version, host, code)
                reader.subscribe("demo/#", 1)
                assert reader.codes.get(timeout=10) == "subscribed"
                writer, code = connect(host, port, version, transport, authority, ids[1])
                assert code == 0, (kind, version, host, code)
                payload = f"{kind} {version} {host}"
                writer.publish("demo/vendor", payload, 1).wait_for_publish(10)
                assert reader.messages.get(timeout=10).payload.decode() == payload
                # And to one device, which has not asked for it.
                writer.publish(f"demo/p2p/{ids[0]}", "you", 1).wait_for_publish(10)
                message = reader.messages.get(timeout=10)
                assert (message.topic, message.payload) == (f"demo/p2p/{ids[0]}", b"you"), message.topic
                for client in (reader, writer):
                    client.disconnect()
                    client.loop_stop()
            if kind != "tcp":
                # By a host name the instance is known before the user name is read; plain TCP tells none.
                other = f"Signature|{KEY}|mqtt-cn-another"
                _, code = connect(ENDPOINT, port, version, transport, authority, "GID_Demo@@@x", other)
                assert code != 0, (kind, version, code)
                _, code = connect("mqtt-cn-nobody.mqtt.localhost", port, version, transport, authority, "GID_Demo@@@x")
                assert code != 0, (kind, version, code)
        print(kind, "ok")


main()
