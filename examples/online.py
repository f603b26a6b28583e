"""Who is online, by the broker's status events.

    online.py [OPTIONS]     until Ctrl-C. Options are those of `dunlin ctl events`: -i INSTANCE, --data DIR ...

It runs where the broker runs, in the same folder. DUNLIN=PATH in the environment is another `dunlin`.
"""

import json
import os
import subprocess
import sys

DUNLIN = os.environ.get("DUNLIN", "target/release/dunlin")


def ctl(command):
    """What `dunlin ctl COMMAND --json` prints, line by line as it comes."""
    arguments = [DUNLIN, "ctl", command, "--json", *sys.argv[1:]]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        yield from map(json.loads, process.stdout)


def main():
    online = {}  # instance and client id: the channel of the connection
    for event in ctl("events"):
        kind, client = event["event"], (event.get("instance"), event.get("client_id"))
        before = set(online)
        if kind in ("watching", "missed"):
            # What came before this line, or was missed, the list of those who are connected tells.
            online = {(row["instance"], row["client_id"]): row["channel"] for row in ctl("clients")}
        elif kind == "connect":
            online[client] = event["channel"]
        elif kind == "tcpclean" and online.get(client) == event["channel"]:
            del online[client]  # the end of another channel is that of an older connection, and says nothing
        for changed in sorted(before ^ set(online)):
            print(*changed, "online" if changed in online else "offline", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
