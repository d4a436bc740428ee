"""The running server against its own description of the API.

Starts a real server with real traffic (`komandorr demo`) on free ports, and
has Schemathesis ask it everything that the description allows and much that it
does not. No answer may be a 5xx, or other than described."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).parent
# Longest that anything here may take to get ready, seconds.
PATIENCE = 60
# For all questions together; ./check is to stay short.
SECONDS = 75
SERVICES = 3


def fail(words):
    sys.exit(f"API conformance: {words}")


def program():
    """The server as cargo builds it."""
    command = ["cargo", "build", "--locked", "-p", "komandorr", "--message-format", "json-render-diagnostics"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        fail("the server does not compile, as cargo says above")
    messages = map(json.loads, done.stdout.splitlines())
    programs = [m["executable"] for m in messages if m.get("executable")]
    return programs[-1] if programs else fail("cargo names no program")


def start(folder, log):
    """Starts the server; the process and where its site is."""
    settings = ["http.listen=127.0.0.1:0", "mqtt.listen=127.0.0.1:0", "log.format=json"]
    flags = [part for setting in settings for part in ("--set", setting)]
    command = [program(), "demo", "--simulate", str(SERVICES), *flags]
    server = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True)
    for line in server.stdout:
        if line.strip().startswith("http://"):
            return server, line.strip()
    code = server.wait()
    print(pathlib.Path(log.name).read_text())
    fail(f"the server ended with {code} before it said where the site is; its log is above")


def wait_for_traffic(site):
    """Until every service has reported."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"{site}/api/traffic/current", timeout=10) as answer:
            totals = json.load(answer)["totals"]
        if totals["services"] > SERVICES and totals["new"] == 0:
            return
        time.sleep(0.2)
    fail(f"not every service reported within {PATIENCE} s")


def question(site, folder):
    """Schemathesis' exit code."""
    tool = pathlib.Path(sys.executable).with_name("schemathesis")
    # One worker: Python 3.11 counts how deep its parser is for all threads
    # together, and two that parse at once fail now and then.
    command = [
        tool, "--config-file", HERE / "schemathesis.toml", "run", f"{site}/openapi.json",
        "--max-time", str(SECONDS), "--workers", "1",
    ]
    hooks = {"SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(HERE)}
    return subprocess.run(command, cwd=folder, env={**os.environ, **hooks}).returncode


def main():
    with tempfile.TemporaryDirectory() as folder:
        log_path = pathlib.Path(folder, "log")
        with log_path.open("w") as log:
            server, site = start(folder, log)
            try:
                wait_for_traffic(site)
                code = question(site, folder)
                alive = server.poll() is None
            finally:
                server.terminate()
                server.wait(timeout=PATIENCE)
        records = log_path.read_text().splitlines()
        errors = [line for line in records if '"level":"ERROR"' in line or "panicked" in line]
        print("\n".join(errors[:20]))
        if code != 0:
            fail("answers differ from the description, as Schemathesis says above")
        if not alive:
            fail(f"the server ended with {server.returncode}")
        if errors:
            fail(f"the server logged {len(errors)} errors, the first of them above")


if __name__ == "__main__":
    main()
