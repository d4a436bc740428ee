"""The documents' own commands, run: each fenced block of sh, python, js and toml
in README.md, CONTRIBUTING.md and docs/, in order.

A page has a machine of its own: fresh network, process and mount namespaces, in
which the default ports are free and /etc, /usr, /var and this folder can be
written without a trace. A server and an agent (service web-1) run there with
default settings. A block of toml is the settings file of another server, which
must get ready.

What stands before a block as a comment says how it runs. Without one it runs,
and must end with 0 within a minute.

    <!-- not run: REASON -->      not at all; the reason is shown at the end
    <!-- goes on: TEXT -->        it does not end by itself: once it has printed
                                  TEXT it stays until the end of the page
    <!-- until: TEXT -->          the same, and then it is ended, as with Ctrl-C
    <!-- shows: TEXT -->          it must print TEXT
    <!-- before: COMMAND -->      what the reader has at this point
    <!-- page: no server -->      nothing runs on this page but its blocks
    <!-- page not run: REASON --> none of its blocks
    <!-- output of: COMMAND -->   it is not run: it is what COMMAND prints
    <!-- engine: ... -->          left to ci/docker/stack.py, which has an engine

    ci/documents.py [--write] [PAGE ...]     --write renews what commands print"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
# Languages of what is shown and not done.
SHOWN = {"", "text", "json", "yaml", "sql", "conf", "ini", "http", "html"}
COMMENT = re.compile(r"^<!-- (not run|goes on|until|shows|before|page|page not run|output of|engine): (.+) -->$")
PATIENCE = 60


class Block:
    """One fenced block, with what the comments before it say."""

    def __init__(self, page, line, language, comments):
        self.place, self.language, self.comments = f"{page}:{line}", language, dict(comments)
        self.lines = []

    @property
    def name(self):
        return re.sub(r"\W", "-", self.place)

    @property
    def text(self):
        return "\n".join(self.lines) + "\n"


def blocks(page):
    """The fenced blocks of a page, and the comments about the page itself."""
    found, block, comments, about = [], None, [], {}
    for number, line in enumerate((ROOT / page).read_text().splitlines(), 1):
        if block and line.rstrip() == "```":
            found.append(block)
            block = None
        elif block:
            block.lines.append(line)
        elif line.startswith("```"):
            block, comments = Block(page, number, line[3:].strip(), comments), []
        elif comment := COMMENT.match(line):
            kind, text = comment.groups()
            if kind.startswith("page"):
                about[kind] = text
            else:
                comments.append((kind, text))
        elif line.strip():
            comments = []
    for block in found:
        if reason := about.get("page not run"):
            block.comments.setdefault("not run", reason)
    return found, about


def runs(block):
    """Whether there is anything to do for a block."""
    if {"not run", "engine"} & block.comments.keys():
        return False
    return "output of" in block.comments or block.language not in SHOWN


def output(command):
    """What a command prints."""
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.rstrip() + "\n"


def renew(page):
    """Writes what commands print now into a page."""
    lines = (ROOT / page).read_text().splitlines()
    # From the end, so that the places of the others stay.
    for block in reversed(blocks(page)[0]):
        if command := block.comments.get("output of"):
            first = int(block.place.rsplit(":", 1)[1])
            lines[first : first + len(block.lines)] = output(command).splitlines()
    (ROOT / page).write_text("\n".join(lines) + "\n")


class Machine:
    """What a page's blocks run on; to be used in namespaces of its own."""

    def __init__(self, folder):
        self.folder, self.processes = Path(folder), []
        self.environment = {
            **os.environ,
            "NODE_PATH": "/usr/share/nodejs",
            "PYTHONUNBUFFERED": "1",
            # Cargo's own folders stay where they are.
            "CARGO_HOME": os.environ.get("CARGO_HOME", str(Path.home() / ".cargo")),
            "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", str(Path.home() / ".rustup")),
            "HOME": str(self.folder / "home"),
        }
        (self.folder / "home").mkdir()
        (self.folder / "variables").touch()

    def command(self, block):
        script = self.folder / f"{block.name}.{block.language}"
        text = block.text
        if block.language == "sh":
            # Variables live on, as in the shell of whoever follows the page.
            kept = self.folder / "variables"
            text = f"set -eu\n. {kept}\n{text}\nexport -p > {kept}\n"
        script.write_text(text)
        match block.language:
            case "sh":
                return ["bash", str(script)]
            case "python":
                return [sys.executable, str(script)]
            case "js":
                return ["node", str(script)]
            case "toml":
                data = self.folder / "other.duckdb"
                doors = ["--set", f"storage.path={data}"]
                if "http" not in text:
                    doors += ["--set", "http.listen=127.0.0.1:0"]
                if not re.search(r"^listen", text, re.MULTILINE):
                    doors += ["--set", "mqtt.listen=127.0.0.1:0"]
                return ["komandorr", "--config", str(script), *doors]

    def run(self, block):
        """What is wrong with a block, if anything."""
        if command := block.comments.get("output of"):
            if output(command) != block.text:
                return f"`{command}` prints something else now: ci/documents.py --write renews it (CONTRIBUTING.md)"
            return None
        shows = next((block.comments[kind] for kind in ("goes on", "until", "shows") if kind in block.comments), None)
        ends = "until" in block.comments or block.language == "toml"
        if block.language == "toml":
            shows = "the site is at"
        if before := block.comments.get("before"):
            subprocess.run(["sh", "-ec", before], cwd=ROOT, env=self.environment, check=True)
        log = (self.folder / f"{block.name}.log").open("w+b")
        process = subprocess.Popen(
            self.command(block), cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        self.processes.append(process)
        said = lambda: Path(log.name).read_text(errors="replace")
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < deadline:
            if (ends or "goes on" in block.comments) and shows in said():
                if ends:
                    self.end(process)
                return None
            time.sleep(0.05)
        if process.poll() is None:
            self.end(process)
            return f"it does not end within {PATIENCE} s:\n{said()}"
        if process.returncode != 0:
            return f"it ended with {process.returncode}:\n{said()}"
        if shows and shows not in said():
            return f"it does not show {shows!r}:\n{said()}"
        return None

    def end(self, process):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)

    def start(self, *command):
        process = subprocess.Popen(
            command, cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        self.processes.append(process)

    def wait_for(self, command):
        deadline = time.monotonic() + PATIENCE
        while subprocess.run(["sh", "-c", command], env=self.environment, capture_output=True).returncode != 0:
            if time.monotonic() > deadline:
                sys.exit(f"documents: the machine does not get ready: {command}")
            time.sleep(0.1)


def furnish(folder):
    """Makes the machine: interfaces, and folders whose changes are forgotten."""
    run = lambda *command: subprocess.run(command, check=True)
    run("mount", "-t", "tmpfs", "page", folder)
    for place in ["/etc", "/usr/local", "/var/lib", str(ROOT)]:
        layer = Path(folder, place.strip("/").replace("/", "-"))
        upper, work = layer / "upper", layer / "work"
        upper.mkdir(parents=True)
        work.mkdir()
        run("mount", "-t", "overlay", "page", "-o", f"lowerdir={place},upperdir={upper},workdir={work}", place)
    os.chdir(ROOT)
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "world")
    run("ip", "link", "set", "eth0", "up")
    run("ip", "link", "set", "world", "up")


def try_page(page):
    """Runs a page; to be called in namespaces of its own."""
    folder = tempfile.mkdtemp()
    furnish(folder)
    machine, (found, about) = Machine(folder), blocks(page)
    if "page" not in about:
        machine.start("komandorr")
        machine.wait_for("curl -fs http://127.0.0.1:3000/readyz")
        machine.start("komandorr-agent", "--url=mqtt://127.0.0.1:1883", "--service=web-1",
                      f"--state-dir={folder}/agent", "--interval=1", "--max-bandwidth=1Gbps")
        machine.wait_for("curl -fs http://127.0.0.1:3000/api/services/web-1")
    failed = 0
    for block in found:
        if not runs(block):
            continue
        trouble = machine.run(block)
        failed += trouble is not None
        print(f"{'FAIL' if trouble else 'ok'}   {block.place}", flush=True)
        if trouble:
            print(f"{block.text}{trouble}", flush=True)
    for process in machine.processes:
        machine.end(process)
    sys.exit(failed > 0)


def in_namespaces(page):
    """Runs this program for one page on a machine of its own."""
    own = ["unshare", "--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        own += ["--map-root-user"]
    return subprocess.run([*own, sys.executable, __file__, "--here", page]).returncode


def main():
    if sys.argv[1:2] == ["--here"]:
        try_page(sys.argv[2])
    built = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"), "debug").resolve()
    if not (built / "komandorr").exists():
        sys.exit(f"documents: there is no komandorr in {built}: run ./check programs first")
    # The python3 of whoever has installed what a page asks for is this one.
    os.environ["PATH"] = f"{built}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    pages = [page for page in sys.argv[1:] if page != "--write"] or PAGES
    if "--write" in sys.argv:
        for page in pages:
            renew(page)
        return
    unknown = [b.place for p in pages for b in blocks(p)[0]
               if b.language not in SHOWN | {"sh", "python", "js", "toml"}]
    if unknown:
        sys.exit(f"documents: no way to run the block at {unknown[0]}")
    failed = [page for page in pages if in_namespaces(page) != 0]
    print("\nnot run:")
    skipped = [b for p in pages for b in blocks(p)[0] if "not run" in b.comments]
    for block in skipped:
        print(f"  {block.place}: {block.comments['not run']}")
    print(f"{len(pages) - len(failed)} passed, {len(failed)} failed")
    sys.exit(len(failed) > 0)


if __name__ == "__main__":
    main()
