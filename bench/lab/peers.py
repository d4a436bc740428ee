"""Komandorr beside other programs that do a part of its work, in one run."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys

import goals
import stage
from stage import Program, free_port, number, say

MOSQUITTO = """listener {port} 127.0.0.1
allow_anonymous true
user root
set_tcp_nodelay true
# As many as come: the default of 1000 would drop what the subscriber lags.
max_queued_messages 0
"""
INFLUX = """reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
query-log-enabled = false
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
"""
# Everything is kept, as the others do.
KEEP_ALL = {"storage.samples_per_service": "400000000"}


def needed(program, package):
    # Where an ordinary user's PATH ends, mosquitto begins.
    path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if not path:
        sys.exit(f"bench: {program} is missing: apt-get install {package}")
    return path


def answers(port):
    with socket.create_connection(("127.0.0.1", port), 1):
        return True


class Mosquitto(Program):
    def __init__(self, folder):
        port = free_port()
        file = pathlib.Path(folder) / "mosquitto.conf"
        file.write_text(MOSQUITTO.format(port=port))
        super().__init__([needed("mosquitto", "mosquitto"), "-c", str(file)], folder)
        self.mqtt = f"mqtt://127.0.0.1:{port}"
        self.until(lambda: answers(port), "mosquitto")


class VictoriaMetrics(Program):
    name = "VictoriaMetrics"

    def __init__(self, folder):
        port = free_port()
        command = [needed("victoria-metrics", "victoria-metrics"), f"-storageDataPath={folder}/data"]
        super().__init__([*command, f"-httpListenAddr=127.0.0.1:{port}", "-retentionPeriod=12"], folder)
        self.base = f"http://127.0.0.1:{port}"
        self.to = f"{self.base}/write?precision=ms"
        self.until(lambda: stage.fetch(f"{self.base}/health"), "victoria-metrics")

    def rows(self):
        """Values that it took, of which a row has six."""
        lines = stage.fetch(f"{self.base}/metrics").splitlines()
        values = [line for line in lines if line.startswith('vm_rows_inserted_total{type="influx"}')]
        return int(float(values[0].rsplit(" ", 1)[1])) // 6


class InfluxDB(Program):
    name = "InfluxDB"

    def __init__(self, folder):
        port, rpc = free_port(), free_port()
        file = pathlib.Path(folder) / "influxdb.conf"
        file.write_text(INFLUX.format(port=port, rpc=rpc, folder=folder))
        super().__init__([needed("influxd", "influxdb"), "-config", str(file)], folder)
        self.base = f"http://127.0.0.1:{port}"
        self.to = f"{self.base}/write?db=bench&precision=ms"
        create = b"q=CREATE+DATABASE+bench"
        self.until(lambda: stage.fetch(f"{self.base}/query", create), "influxd")

    def rows(self):
        answer = json.loads(stage.query(f"{self.base}/query", db="bench", q="SELECT count(up) FROM traffic"))
        return answer["results"][0]["series"][0]["values"][0][1]


def relay(komandorr, bench, seconds):
    """Single samples of 100 flat-out clients, with and without a subscriber."""
    lines = []
    options = {"client": "rumqttc", "connections": 100, "duration": f"{seconds}s"}
    for subscribers in (0, 1):
        with stage.running(Mosquitto) as broker:
            say(f"mosquitto, {subscribers} subscribers")
            lines.append(("mosquitto relays", bench.load(broker, subscribers=subscribers, **options)))
        with stage.komandorr(komandorr) as server:
            say(f"komandorr, {subscribers} subscribers")
            found = bench.load(server, subscribers=subscribers, **options)
            lines.append(("komandorr stores and relays", found))
    return lines


def relay_table(lines):
    rows = []
    for name, found in lines:
        got = found.get("delivered_per_second")
        rows.append([
            name,
            number(found["samples_per_second"]),
            "no subscriber" if got is None else f"{number(got)} ({found['delivered_percent']:.1f} %)",
            f"{found['server']['microseconds_per_sample']:.1f}",
            number(found["server"]["peak_bytes"] / 1e6),
            f"{found['puback']['p99_ms']:.0f}",
        ])
    head = ["100 rumqttc clients flat out, window 100", "acknowledged/s", "subscriber got/s"]
    return stage.table([*head, "CPU us each", "peak MB", "PUBACK p99 ms"], rows)


def verdict(rows, what, ours, theirs, times):
    """Whether we come up to a goal that is set by another program."""
    goals.goal(rows, what, f"{ours / max(theirs, 1):.2f} times", f"{times} times", ours >= times * theirs)


def databases(komandorr, bench, seconds):
    """Rows in batches of 500: ours over MQTT, the others' over HTTP."""
    lines = []
    ours = [("komandorr as it comes, arrays over MQTT at QoS 1", {}), ("komandorr, every sample kept", KEEP_ALL)]
    for name, settings in ours:
        with stage.komandorr(komandorr, **settings) as server:
            say(name)
            found = bench.load(server, connections=8, array=500, window=20, duration=f"{seconds}s")
            server.stop()
            lines.append((name, found, found["comparison"]["counted"], server.database.stat().st_size))
    for peer in (VictoriaMetrics, InfluxDB):
        with stage.running(peer) as server:
            say(f"{peer.name}, batches of 500 rows")
            found = bench.rows(server, to=server.to, connections=8, batch=500, duration=f"{seconds}s")
            rows = server.rows()
            server.stop()
            data = sum(stage.bytes_below(server.folder / part) for part in ("data", "wal", "meta"))
            lines.append((f"{peer.name}, line protocol over HTTP", found, rows, data))
    return lines


def databases_table(lines):
    rows = []
    for name, found, count, data in lines:
        times = found.get("puback") or found["request"]
        rows.append([
            name,
            number(found["samples_per_second"]),
            f"{found['server']['microseconds_per_sample']:.2f}",
            number(found["server"]["peak_bytes"] / 1e6),
            f"{data / max(count, 1):.1f}",
            f"{times['p99_ms']:.0f}",
        ])
    head = ["8 writers, 500 rows a batch", "rows/s", "CPU us a row", "peak MB", "bytes a row on disk"]
    return stage.table([*head, "batch p99 ms"], rows)


def versions():
    """Which of Debian's packages were compared."""
    command = ["dpkg-query", "-W", "-f", "${Package} ${Version}; ", "mosquitto", "victoria-metrics", "influxdb"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout.rstrip("; ")


def side_by_side(komandorr, bench, seconds):
    """All of it, as text."""
    relayed = relay(komandorr, bench, seconds)
    stored = databases(komandorr, bench, seconds)
    verdicts = []
    theirs, ours = (found["delivered_per_second"] for _, found in relayed[2:])
    verdict(verdicts, "to one subscriber beside flat-out publishers, against mosquitto", ours, theirs, 1)
    ours, theirs = (stored[at][1]["samples_per_second"] for at in (0, 2))
    verdict(verdicts, "rows a second as it comes, against VictoriaMetrics", ours, theirs, 3)
    return "\n".join([
        relay_table(relayed),
        databases_table(stored),
        goals.table(verdicts),
        versions(),
    ])
