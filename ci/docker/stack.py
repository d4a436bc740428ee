"""The stack of compose.yaml on a real Docker engine: built, started, restarted,
cut off, upgraded; at the end every byte that the agent counted is stored once.

Where no engine answers this says so and tests nothing. Containers, networks and
volumes of a run are removed at its end; images stay, so that the next run finds
their layers."""

import base64
import contextlib
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import duckdb

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import documents

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 120
MOST = {"server": 120_000_000, "agent": 25_000_000}
IMAGES = {"server": "komandorr", "agent": "komandorr-agent"}
BASES = ["rust:1.95-bookworm", "caddy:2", "eclipse-mosquitto:2"]
SERVICE = "docker-host"


def say(text):
    print(f"docker: {text}", flush=True)


def run(*command, environment=None, quiet=False):
    """Runs a command to its end; its output, or the end of all."""
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0 and not quiet:
        raise SystemExit(f"docker: {' '.join(command)} ended with {done.returncode}:\n{done.stdout[-4000:]}")
    return done.stdout


def until(what, condition):
    """Waits for something to be so, and returns it."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(OSError, ValueError, KeyError, IndexError):
            if found := condition():
                return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {PATIENCE} s")
        time.sleep(0.2)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def answers(*command):
    try:
        return subprocess.run(command, capture_output=True, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def compose_program():
    """Compose as docker's plugin, or as a program of its own; None without."""
    for program in (["docker", "compose"], ["docker-compose"]):
        if answers(*program, "version"):
            return program
    return None


def build(version):
    """Both images under a version. The classic builder has the layers in its
    own cache; with BuildKit they are in BuildKit's."""
    for target, image in IMAGES.items():
        began = time.monotonic()
        run("docker", "build", "--target", target, "--build-arg", f"VERSION={version}",
            "--tag", f"{image}:{version}", ".")
        say(f"{image}:{version} built in {time.monotonic() - began:.0f} s")


def inspect(kind, name):
    return json.loads(run("docker", kind, "inspect", name))[0]


def look_at_images(version):
    for target, image in IMAGES.items():
        found = inspect("image", f"{image}:{version}")
        config, size = found["Config"], found["Size"]
        say(f"{image} has {size / 1e6:.1f} MB")
        assert size < MOST[target], f"{image} has {size} bytes"
        assert config["User"] == "65532:65532", config["User"]
        assert config["Healthcheck"]["Test"][-1] == "health", config["Healthcheck"]
        assert config["Labels"]["org.opencontainers.image.version"] == version, config["Labels"]


class Stack:
    """A project of docker compose with a name and ports of its own."""

    def __init__(self, *files, **environment):
        self.files = [argument for file in files for argument in ("-f", file)]
        self.name = f"komandorr-test-{os.getpid()}"
        self.port = free_port()
        self.environment = {
            "COMPOSE_PROJECT_NAME": self.name,
            "DOCKER_BUILDKIT": "0",
            "KOMANDORR_ADDRESS": "127.0.0.1",
            "KOMANDORR_MQTT_ADDRESS": "127.0.0.1",
            "KOMANDORR_PORT": str(self.port),
            "KOMANDORR_MQTT_PORT": str(free_port()),
            "KOMANDORR_VERSION": "test",
            "KOMANDORR_INTERFACE": "lo",  # what this test itself keeps busy
            "KOMANDORR_INTERVAL": "1s",
            **environment,
        }
        self.program = compose_program()
        self.password = None

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        if failure:
            print(self.compose("logs", "--tail", "30", quiet=True), flush=True)
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "10", quiet=True)

    def compose(self, *arguments, quiet=False):
        return run(*self.program, *self.files, *arguments, environment=self.environment, quiet=quiet)

    def container(self, service):
        return self.compose("ps", "-q", service).strip()

    def look(self, service):
        return inspect("container", self.container(service))

    def up(self):
        self.compose("up", "-d")
        for service in ("komandorr", "agent"):
            self.healthy(service)
        self.password = self.password or self.made_password()

    def made_password(self):
        """What the server printed at its first start, once."""
        made = re.findall(r"log in as admin with the password (\w+)", self.log("komandorr"))
        assert len(made) == 1, f"printed {len(made)} times"
        return made[0]

    def healthy(self, service):
        state = lambda: self.look(service)["State"]["Health"]["Status"]
        until(f"{service} is healthy", lambda: state() == "healthy")

    def log(self, service):
        return run("docker", "logs", self.container(service))

    def get(self, path):
        """An answer of the site, asked as its admin."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}")
        pair = base64.b64encode(f"admin:{self.password}".encode()).decode()
        request.add_header("Authorization", f"Basic {pair}")
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.read().decode()

    def sampled_at(self):
        return json.loads(self.get(f"/api/traffic/current?service={SERVICE}"))["services"][0]["sampled_at"]

    def moves(self, what):
        """Waits for a sample that is newer than this moment."""
        before = until(f"{what}: an answer", self.sampled_at)
        until(f"{what}: a new sample", lambda: self.sampled_at() != before)
        say(what)

    def check_from_outside(self, url, certificate):
        """The agent's own check, on the way that an agent elsewhere takes."""
        said = run(
            "docker", "run", "--rm", "--network", "host", "--read-only", "--cap-drop", "ALL",
            "-v", f"{self.name}_tokens:/run/komandorr:ro", "-v", f"{certificate.parent}:/ca:ro",
            f"komandorr-agent:{self.environment['KOMANDORR_VERSION']}", "check", f"--url={url}", "--interface=lo",
            f"--service={SERVICE}", "--token-file=/run/komandorr/agent.token", f"--ca=/ca/{certificate.name}")
        assert "stored" in said, said


def look_at_guards(stack):
    """What compose.yaml promises is what the engine has been told."""
    for service, memory in {"komandorr": 1 << 30, "agent": 64 << 20}.items():
        host = stack.look(service)["HostConfig"]
        assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and not host["Privileged"], host
        assert host["SecurityOpt"] == ["no-new-privileges:true"], host["SecurityOpt"]
        assert host["RestartPolicy"]["Name"] == "unless-stopped", host["RestartPolicy"]
        assert host["Memory"] == memory and host["PidsLimit"] > 0, host["Memory"]
        assert host["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}, host["LogConfig"]
    assert stack.look("agent")["HostConfig"]["NetworkMode"] == "host"


def look_at_pages(stack):
    assert SERVICE in stack.get("/"), "the dashboard does not name the service"
    assert SERVICE in stack.get(f"/services/{SERVICE}"), "the service has no page"
    with contextlib.suppress(urllib.error.HTTPError):
        urllib.request.urlopen(f"http://127.0.0.1:{stack.port}/api/traffic/current", timeout=5)
        raise AssertionError("the API answers whoever asks")


def stop_and_start(stack, service):
    """As PID 1 the program heeds the signal, and leaves no dead children."""
    container = stack.container(service)
    processes = run("docker", "top", container, "-o", "pid,stat").splitlines()[1:]
    assert not [p for p in processes if p.split()[1].startswith("Z")], processes
    began = time.monotonic()
    run("docker", "stop", "--time", "30", container)
    state, took = inspect("container", container)["State"], time.monotonic() - began
    assert state["ExitCode"] == 0 and took < 20, f"{service}: {state}, {took:.0f} s"
    run("docker", "start", container)
    stack.healthy(service)
    stack.moves(f"{service} was stopped in {took:.1f} s and started again")


def cut_and_join(stack):
    server, network = stack.container("komandorr"), f"{stack.name}_default"
    run("docker", "network", "disconnect", network, server)
    log = lambda: stack.log("agent").rsplit("connected", 1)[-1]
    until("the agent notices the cut", lambda: "cannot" in log() or "closed" in log() or "lost" in log())
    run("docker", "network", "connect", "--alias", "komandorr", network, server)
    stack.moves("the network was cut and joined")


def upgrade(stack):
    images = lambda: {service: stack.look(service)["Image"] for service in ("komandorr", "agent")}
    before = images()
    build("next")
    stack.environment["KOMANDORR_VERSION"] = "next"
    stack.up()
    assert not set(before.values()) & set(images().values()), "the containers still run the old images"
    assert "log in as admin" not in stack.log("komandorr"), "an upgrade made another password"
    stack.moves("both were upgraded, volumes kept")


def follow_documents(stack, folder):
    """The documents' blocks that want an engine, on this stack."""
    shim = folder / "docker"
    shim.write_text(f"""#!/bin/sh
if [ "$1" = compose ]; then shift; exec {" ".join(stack.program)} "$@"; fi
exec {shutil.which("docker")} "$@"
""")
    shim.chmod(0o755)
    environment = {**stack.environment, "PATH": f"{folder}:{os.environ['PATH']}"}
    for page in documents.PAGES:
        for block in documents.blocks(page)[0]:
            if "engine" in block.comments:
                run("bash", "-euc", block.text, environment=environment)
                say(f"{block.place} works")


def count(stack, folder):
    """The database against what the agent counted."""
    run("docker", "stop", stack.container("agent"))
    log = stack.log("agent")
    counted = re.findall(r"agent stopped waiting=(\d+) seq=(\d+) up_total=(\d+) down_total=(\d+)", log)
    identity = re.findall(r'agent started .*agent="(\w+)"', log)[-1]
    waiting, seq, up, down = map(int, counted[-1])
    run("docker", "stop", stack.container("komandorr"))
    run("docker", "cp", f"{stack.container('komandorr')}:/var/lib/komandorr/.", str(folder / "data"))
    with duckdb.connect(str(folder / "data/komandorr.duckdb"), read_only=True) as database:
        ranges = database.sql(
            f"SELECT first_seq, last_seq FROM stored_range JOIN agent USING (agent_no) WHERE identity = '{identity}' ORDER BY 1").fetchall()
        stored = database.sql(
            f"SELECT sum(up_bytes), sum(down_bytes), sum(samples) FROM traffic_by_hour WHERE service = '{SERVICE}'").fetchone()
    numbers = [number for first, last in ranges for number in range(first, last + 1)]
    assert waiting == 0, f"{waiting} samples wait"
    assert numbers == list(range(1, seq + 1)), f"of {seq} samples these are stored: {ranges}"
    assert tuple(map(int, stored[:2])) == (up, down), f"stored {stored}, counted {(up, down)}"
    say(f"{seq} samples, {up} and {down} bytes: counted by the agent and stored, each once")


def whole_life(folder):
    with Stack("compose.yaml") as stack:
        stack.up()
        look_at_guards(stack)
        stack.moves("the agent's samples arrive")
        look_at_pages(stack)
        follow_documents(stack, folder)
        for service in ("komandorr", "agent"):
            stop_and_start(stack, service)
        cut_and_join(stack)
        upgrade(stack)
        count(stack, folder)


def https_by_caddy(folder):
    port = free_port()
    with Stack("compose.yaml", "deploy/compose/caddy.yaml", KOMANDORR_HOST="localhost",
               KOMANDORR_HTTPS_PORT=str(port), KOMANDORR_HTTP_PORT=str(free_port())) as stack:
        stack.up()
        authority = folder / "caddy.crt"
        place = f"{stack.container('caddy')}:/data/caddy/pki/authorities/local/root.crt"
        until("Caddy has a certificate", lambda: run("docker", "cp", place, str(authority), quiet=True) is not None
              and authority.exists())
        authority.chmod(0o644)
        trust = ssl.create_default_context(cafile=str(authority))
        ask = lambda path: urllib.request.urlopen(f"https://localhost:{port}{path}", context=trust, timeout=5)
        until("HTTPS answers", lambda: ask("/healthz").status == 200)
        with contextlib.suppress(urllib.error.HTTPError):
            ask("/api/traffic/current")
            raise AssertionError("whoever comes through the proxy is let in")
        stack.check_from_outside(f"https://localhost:{port}", authority)
        say("HTTPS and the WebSocket work through Caddy")


def tls(folder):
    port, certificate = free_port(), folder / "cert.pem"
    # A certificate that may sign others is none for a server.
    (folder / "openssl.conf").write_text(
        "[req]\ndistinguished_name = name\nx509_extensions = server\n[name]\n"
        "[server]\nbasicConstraints = critical, CA:FALSE\nsubjectAltName = DNS:localhost\n")
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
        "-subj", "/CN=localhost", "-config", str(folder / "openssl.conf"), "-keyout", str(folder / "key.pem"), "-out", str(certificate))
    (folder / "key.pem").chmod(0o644)
    with Stack("compose.yaml", "deploy/compose/tls.yaml", KOMANDORR_CERTS=str(folder),
               KOMANDORR_MQTTS_PORT=str(port)) as stack:
        stack.up()
        for url in (f"mqtts://localhost:{port}", f"https://localhost:{stack.port}"):
            stack.check_from_outside(url, certificate)
        say("MQTT over TLS and HTTPS work")


def another_broker(_folder):
    with Stack("compose.yaml", "deploy/compose/mosquitto.yaml", MQTT_PASSWORD="over-the-hills",
               MOSQUITTO_PORT=str(free_port())) as stack:
        stack.up()
        stack.moves("samples arrive through mosquitto")


def main():
    if not answers("docker", "version") or not compose_program():
        print("docker: LEFT OUT: no Docker engine with Compose answers here, so images and stack are not tested")
        return
    began = time.monotonic()
    say(run("ci/docker/stand_in_images.sh", *BASES).strip() or "the base images are there")
    build("test")
    look_at_images("test")
    for part in (whole_life, https_by_caddy, tls, another_broker):
        with tempfile.TemporaryDirectory() as folder:
            # Containers look into it as a user of their own.
            Path(folder).chmod(0o755)
            part(Path(folder))
    say(f"all is well after {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
