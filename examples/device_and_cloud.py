"""Devices and a cloud application: status goes up on a parent topic, commands come down by P2P.

    device_and_cloud.py                   two lamps and the cloud application; ends when both are on
    device_and_cloud.py cloud             the cloud application alone, until Ctrl-C
    device_and_cloud.py device lamp-1     one lamp alone, until Ctrl-C
"""

import json
import time

from client import arguments, connect

LAMPS = "demo/lamps"  # below the parent topic `demo`; what is below needs no creation


class Lamp:
    """Says how it is on demo/lamps/<DeviceID>/status. A command comes by P2P: a lamp subscribes to nothing."""

    def __init__(self, args, device):
        self.device, self.state = device, "off"
        self.client = connect(args, f"GID_Demo@@@{device}", self.on_command)
        self.report()

    def report(self):
        self.client.publish(f"{LAMPS}/{self.device}/status", json.dumps({"lamp": self.state}), qos=1)

    def on_command(self, client, _topic, command):
        self.state = command["set"]
        print(f"{self.device}: turns {self.state}", flush=True)
        done = {"command": command["id"], "lamp": self.state}
        client.publish(f"{LAMPS}/{self.device}/done", json.dumps(done), qos=1)


class Cloud:
    """Reads what all lamps say through one wildcard, and turns on those that are off."""

    def __init__(self, args):
        self.open, self.on = {}, set()  # the command that a lamp has not confirmed; the lamps that are on
        self.client = connect(args, "GID_Cloud@@@lights", self.on_message, subscribe=f"{LAMPS}/+/+")

    def on_message(self, client, topic, said):
        device, kind = topic.split("/")[2:]
        if kind == "status":
            print(f"cloud: {device} is {said['lamp']}", flush=True)
            if said["lamp"] == "off":
                self.send(client, device)
        elif kind == "done" and said["command"] == self.open.get(device):
            del self.open[device]
            self.on.add(device)
            print(f"cloud: {device} has done it", flush=True)

    def send(self, client, device):
        # The id says which command is confirmed: QoS 1 may bring a message twice.
        self.open[device] = command = f"{device}-{time.time_ns()}"
        text = json.dumps({"id": command, "set": "on"})
        client.publish(f"demo/p2p/GID_Demo@@@{device}", text, qos=1)


def main():
    args = arguments(__doc__, ["cloud", "device"])
    cloud = Cloud(args) if args.role != "device" else None
    names = {"all": ["lamp-1", "lamp-2"], "device": [args.device or "lamp-1"], "cloud": []}[args.role]
    lamps = [Lamp(args, name) for name in names]
    while args.role != "all" or len(cloud.on) < len(lamps):
        time.sleep(0.1 if args.role == "all" else 2)
        for lamp in lamps if args.role == "device" else []:
            lamp.report()  # every 2 s: whoever comes later hears it, too


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
