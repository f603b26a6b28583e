"""Two devices: an app controls a heater by P2P, and the heater answers the app by P2P. Nobody subscribes to anything.

    device_and_device.py                      both ends
    device_and_device.py device heater-1      the heater alone, until Ctrl-C
    device_and_device.py app heater-1         the app alone: two commands, two answers
"""

import json
import queue
import sys
import threading
import time

from client import arguments, connect


def p2p(client_id):
    """The topic that one client gets, and no other: PARENT/p2p/CLIENT_ID."""
    return f"demo/p2p/{client_id}"


class Heater:
    def __init__(self, args, device):
        self.client_id = f"GID_Demo@@@{device}"
        self.client = connect(args, self.client_id, self.on_command)

    def on_command(self, client, _topic, command):
        print(f"heater: {command['from']} wants {command['celsius']} degrees", flush=True)
        celsius = min(command["celsius"], 30)  # it knows its limit
        answer = {"id": command["id"], "from": self.client_id, "celsius": celsius}
        client.publish(p2p(command["from"]), json.dumps(answer), qos=1)


class App:
    def __init__(self, args):
        self.client_id = "GID_App@@@phone-1"
        self.answers = queue.Queue()
        self.client = connect(args, self.client_id, lambda _client, _topic, answer: self.answers.put(answer))

    def set(self, device, celsius):
        """Sends the command and waits for its answer; `None` if none comes."""
        command = {"id": time.time_ns(), "from": self.client_id, "celsius": celsius}
        self.client.publish(p2p(f"GID_Demo@@@{device}"), json.dumps(command), qos=1)
        try:
            while True:
                answer = self.answers.get(timeout=5)
                if answer["id"] == command["id"]:  # and not one of before, which was kept
                    return answer["celsius"]
        except queue.Empty:
            return None


def main():
    args = arguments(__doc__, ["app", "device"])
    device = args.device or "heater-1"
    if args.role != "app":
        Heater(args, device)
    if args.role == "device":
        threading.Event().wait()
    app = App(args)
    for celsius in (21, 99):
        print(f"app: sets {celsius} degrees", flush=True)
        answer = app.set(device, celsius)
        if answer is None:
            sys.exit(f"{device} does not answer: has it ever been here?")
        print(f"app: {device} is at {answer} degrees", flush=True)
    app.client.disconnect()
    app.client.loop_stop()  # waits until it is sent


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
