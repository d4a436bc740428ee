"""What measurements run on: programs, started on free loopback ports with
folders of their own, and ended by whoever started them."""

import contextlib
import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 60


def say(text):
    """Progress, for whoever waits."""
    print(text, file=sys.stderr, flush=True)


def programs():
    """Builds server and bench, and says where they are: as the image has them
    where DUCKDB_LIB_DIR names a folder with DuckDB's library; else with our own
    code optimised and DuckDB as it is compiled already."""
    raise_file_limit()
    command = ["cargo", "build", "--locked", "--message-format=json"]
    command += ["-p", "komandorr", "-p", "komandorr-bench"]
    environment = {**os.environ, "CARGO_PROFILE_DEV_OPT_LEVEL": "3"}
    if library := os.environ.get("DUCKDB_LIB_DIR"):
        command += ["--release", "--no-default-features"]
        os.environ["LD_LIBRARY_PATH"] = library
    say("building komandorr and komandorr-bench")
    built = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    if built.returncode != 0:
        sys.exit("bench: cargo build failed, as it says above")
    found = {}
    for line in built.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable"):
            found[message["target"]["name"]] = message["executable"]
    return found["komandorr"], found["komandorr-bench"]


def raise_file_limit():
    """Ten thousand connections are as many open files, at both ends."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetch(url, data=None, patience=PATIENCE_SECONDS):
    with urllib.request.urlopen(url, data=data, timeout=patience) as answer:
        return answer.read().decode()


def query(url, **parameters):
    return fetch(f"{url}?{urllib.parse.urlencode(parameters)}")


def bytes_below(folder):
    files = (path for path in pathlib.Path(folder).rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files)


def resident_bytes(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"process {pid} has no memory: it has ended")


class Program:
    """A process with a folder of its own; ends with its `with` block."""

    def __init__(self, command, folder, environment=None):
        self.folder = pathlib.Path(folder)
        self.log = open(self.folder / "log.txt", "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            env={**os.environ, **(environment or {})},
        )
        self.pid = self.process.pid

    def said(self):
        return (self.folder / "log.txt").read_text(encoding="utf-8")

    def until(self, so, what):
        """Asks until it is so, while the process lives."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            with contextlib.suppress(OSError):
                found = so()
                if found:
                    return found
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"bench: {what} does not get ready:\n{self.said()[-2000:]}")
            time.sleep(0.05)

    def stop(self):
        """Ends it in order, where it still runs."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@contextlib.contextmanager
def running(make):
    """A program in a temporary folder, both gone afterwards."""
    folder = tempfile.mkdtemp(prefix="komandorr-bench-")
    os.chmod(folder, 0o755)
    program = None
    try:
        program = make(folder)
        yield program
    finally:
        if program:
            program.stop()
            program.log.close()
        shutil.rmtree(folder, ignore_errors=True)


class Komandorr(Program):
    """The server, with limits that one machine's load does not meet."""

    SETTINGS = {
        "http.listen": "127.0.0.1:0",
        "mqtt.listen": "127.0.0.1:0",
        "log.format": "json",
        "limits.connections": "20000",
        "limits.connections_per_address": "20000",
        "limits.handshakes": "1000",
        "limits.handshakes_per_address": "1000",
    }

    def __init__(self, binary, folder, **settings):
        self.database = pathlib.Path(folder) / "komandorr.duckdb"
        chosen = {**self.SETTINGS, "storage.path": str(self.database), **settings}
        flags = [f"--set={key}={value}" for key, value in chosen.items()]
        super().__init__([binary, *flags], folder)
        self.mqtt, self.site = self.until(self._places, "komandorr")

    def _places(self):
        mqtt = site = None
        for line in self.said().splitlines():
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                mqtt = event.get("mqtt", mqtt)
                message = event.get("message", "")
                if message.startswith("the site is at "):
                    site = message.removeprefix("the site is at ")
        return (f"mqtt://{mqtt}", site) if mqtt and site else None


def komandorr(binary, **settings):
    return running(lambda folder: Komandorr(binary, folder, **settings))


class Bench:
    """komandorr-bench, its results as Python."""

    def __init__(self, binary):
        self.binary = binary

    def load(self, server, **options):
        """One run against a server; `site=None` for another broker."""
        options.setdefault("mqtt", server.mqtt)
        options.setdefault("site", getattr(server, "site", None))
        options.setdefault("server_pid", server.pid)
        return self._run("load", options)

    def start(self, server, **options):
        """The same, going on while something else is measured."""
        options = {"mqtt": server.mqtt, "site": server.site, "server_pid": server.pid, **options}
        command = self._command("load", options)
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def rows(self, server, **options):
        return self._run("rows", {"server_pid": server.pid, **options})

    def _command(self, what, options):
        flags = [
            f"--{name.replace('_', '-')}={value}"
            for name, value in options.items() if value is not None
        ]
        return [self.binary, what, "--json=-", *flags]

    def _run(self, what, options):
        command = self._command(what, options)
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        return finished(done.returncode, done.stdout, command)


def finished(status, output, command):
    """The results of a run, which has to have gone well."""
    if not output:
        sys.exit(f"bench: {' '.join(command)} failed, as it says above")
    result = json.loads(output)
    if status != 0:
        say(f"bench: what was stored differs from what was acknowledged: {result['comparison']}")
    return result


def table(head, rows):
    """Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def number(value, digits=0):
    """Digits in groups of three."""
    return f"{value:,.{digits}f}".replace(",", " ")
