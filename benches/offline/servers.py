"""Brokers that the benches start, stop and look at: Dunlin, mosquitto and nats-server."""

import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))

# The oldest CONNECT there is: protocol 3.1.1, clean session, client id "ready".
CONNECT = b"\x10\x11\x00\x04MQTT\x04\x02\x00\x00\x00\x05ready"
PAGE = os.sysconf("SC_PAGE_SIZE")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port):
    """Whether a CONNECT gets the CONNACK that accepts it."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
            client.sendall(CONNECT)
            answer = client.recv(4)
            client.sendall(b"\xe0\x00")
            client.recv(1)  # the broker closes the connection
            return answer == b"\x20\x02\x00\x00"
    except OSError:
        return False


class Server:
    """A process with a folder of its own and a port for MQTT."""

    def __init__(self, label, durability, folder, core=None):
        self.label, self.durability, self.folder, self.core = label, durability, pathlib.Path(folder), core
        self.port, self.process = free_port(), None
        self.data = self.folder / "data"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.data.mkdir(parents=True)

    def command(self):
        raise NotImplementedError

    def start(self, patience=600):
        """Starts the process; returns the seconds until a client got its CONNACK."""
        pin = (lambda: os.sched_setaffinity(0, {self.core})) if self.core is not None else None
        began = time.monotonic()
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, preexec_fn=pin)
        while not answers(self.port):
            if self.process.poll() is not None or time.monotonic() - began > patience:
                raise SystemExit(f"{self.label} does not start:\n{self.log()}")
            time.sleep(0.002)
        return time.monotonic() - began

    def log(self):
        """The end of what it has written."""
        return (self.folder / "log").read_text(errors="replace")[-2000:]

    def load(self, command, pin=None):
        """What a client program says in JSON about this server."""
        done = subprocess.run(command, stdout=subprocess.PIPE, preexec_fn=pin)
        if done.returncode != 0:
            raise SystemExit(f"{command[0]} failed; the end of the log of {self.label}:\n{self.log()}")
        return json.loads(done.stdout)

    def stop(self, by=signal.SIGTERM, patience=600):
        """Ends the process; returns the seconds that this took."""
        began = time.monotonic()
        if self.process and self.process.poll() is None:
            self.process.send_signal(by)
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return time.monotonic() - began

    def rss(self):
        """Resident bytes."""
        return int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * PAGE

    def cpu(self):
        """Seconds of user and system time since the process began."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def disk(self):
        """Bytes that the folder of the data takes on the disk."""
        total = 0
        for folder, _, files in os.walk(self.data):
            for name in files:
                try:
                    total += os.lstat(os.path.join(folder, name)).st_blocks * 512
                except FileNotFoundError:
                    pass
        return total

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


class Dunlin(Server):
    """With the open profile and one kind of durability: "memory", or how its store syncs."""

    DURABILITY = {
        "memory": "none: lost with the process",
        "never": "survives a killed process; power loss may take what the system had not written",
        "interval": "survives a killed process; power loss may take the last 200 ms",
        "always": "on the disk (fsync) before PUBACK",
    }

    def __init__(self, binary, kind, folder, core=None, settings=()):
        label = "Dunlin, memory" if kind == "memory" else f"Dunlin, fsync {kind}"
        super().__init__(label, self.DURABILITY[kind], folder, core)
        self.binary, self.kind, self.settings, self.admin = binary, kind, settings, free_port()

    def command(self):
        engine = ['store.engine="memory"']
        if self.kind != "memory":
            engine = ['store.engine="embedded"', f'store.fsync="{self.kind}"']
        settings = [
            f'listeners.tcp.bind="127.0.0.1:{self.port}"',
            f'admin.bind="127.0.0.1:{self.admin}"',
            *engine,
            *self.settings,
        ]
        command = [self.binary, "serve", "--config", str(ROOT / "dunlin.open.toml"), "--data", str(self.data)]
        return command + [word for setting in settings for word in ("--set", setting)]

    def metric(self, name):
        """A metric without labels, as the admin port has it now."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics", timeout=60) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(f"{name} "):
                    return int(float(line.split()[1]))
        raise SystemExit(f"there is no metric {name}")


class Mosquitto(Server):
    """With persistence and without the limits that would drop messages."""

    def __init__(self, binary, autosave, folder, core=None):
        durability = f"none in between: all in memory, a snapshot of all every {autosave} s and when it ends"
        super().__init__(f"mosquitto, autosave {autosave} s", durability, folder, core)
        self.binary, self.configuration = binary, self.folder / "mosquitto.conf"
        self.configuration.write_text(
            f"listener {self.port} 127.0.0.1\n"
            "allow_anonymous true\n"
            "persistence true\n"
            f"persistence_location {self.data}/\n"
            f"autosave_interval {autosave}\n"
            "max_queued_messages 0\n"
            "max_queued_bytes 0\n"
            "max_inflight_messages 65535\n"
            "set_tcp_nodelay true\n"
            "log_type error\n"
            # It would give up root for a user who may not write here.
            "user root\n"
        )

    def command(self):
        return [self.binary, "-c", str(self.configuration)]


class Nats(Server):
    """MQTT over JetStream with its file store. `sync`: None is what it does without being told."""

    def __init__(self, binary, sync, folder, core=None):
        durability = "on the disk (fsync) before PUBACK" if sync else "survives a killed process; fsync every 2 min"
        super().__init__(f"NATS, sync {sync or '2 min'}", durability, folder, core)
        self.binary, self.configuration = binary, self.folder / "nats.conf"
        self.configuration.write_text(
            'server_name: "bench"\n'
            f'listen: "127.0.0.1:{free_port()}"\n'
            f'jetstream {{ store_dir: "{self.data}", max_file_store: 16GB'
            f'{f", sync_interval: {sync}" if sync else ""} }}\n'
            f'mqtt {{ listen: "127.0.0.1:{self.port}", ack_wait: "10m", max_ack_pending: 65535 }}\n'
            'logtime: true\n'
        )

    def command(self):
        return [self.binary, "-c", str(self.configuration)]


def settled(figure, expected, patience=2):
    """What `figure` tells when it is as expected, or at last: who has just gone may still be counted."""
    ends = time.monotonic() + patience
    while (value := figure()) != expected and time.monotonic() < ends:
        time.sleep(0.05)
    return value


def add_options(parser):
    """Options that all benches have. One that is told to stop stops its brokers first."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parser.add_argument("--dunlin", metavar="PATH", default=os.environ.get("DUNLIN", str(TARGET / "release/dunlin")),
                        help="the broker; by default that of `cargo build --release`")
    parser.add_argument("--work", metavar="FOLDER", default=str(TARGET / "offline-bench"),
                        help="where the brokers keep their data meanwhile; its disk is what is measured")


def dunlin_binary(path):
    """`path`, built if it is the default and not there."""
    if path == str(TARGET / "release/dunlin") and not os.path.exists(path):
        subprocess.run(["cargo", "build", "--release", "--bin", "dunlin"], cwd=ROOT, check=True)
    return binary(path, "--dunlin", "cargo build --release")


def driver_binary():
    """The driver, built."""
    manifest = HERE / "driver/Cargo.toml"
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE / "driver/target"))
    command = ["cargo", "build", "--release", "--quiet", "--manifest-path", str(manifest)]
    subprocess.run(command, check=True)
    return str(target / "release/offline-driver")


def binary(name, option, remedy):
    """The path of a program, or a sentence that says what to do."""
    found = shutil.which(name)
    if not found:
        raise SystemExit(f"there is no {name}: {remedy}, or name one with {option} PATH")
    return found


def table(head, rows, align="--:"):
    """Prints a Markdown table; `align` is that of all columns but the first."""
    print(f"| {' | '.join(head)} |")
    print(f"|---|{f'{align}|' * (len(head) - 1)}")
    for row in rows:
        print(f"| {' | '.join(str(cell) for cell in row)} |")
    print(flush=True)


def size(amount):
    """Bytes, for people."""
    if amount is None:
        return "–"
    for unit, below in (("B", 1 << 10), ("KiB", 1 << 20), ("MiB", 1 << 30)):
        if amount < below:
            number = amount / (below >> 10)
            return f"{number:.0f} {unit}" if unit == "B" or number >= 10 else f"{number:.1f} {unit}"
    return f"{amount / (1 << 30):.2f} GiB"


def number(value):
    """A figure with as many digits as it deserves."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def sync_cost(folder):
    """A sentence about the disk: what syncing costs depends on it alone."""
    times = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(100):
            file.write(bytes(4096))
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return f"Appending 4 KiB and fdatasync takes {statistics.median(times) * 1e6:,.0f} us on this disk (median of 100)."


def say(text):
    print(text, file=sys.stderr, flush=True)
