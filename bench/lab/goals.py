"""The goals of speed, each measured by a run of its own."""

import re
import shutil
import subprocess
import sys
import time

import stage
from stage import number, say


def goal(rows, what, found, aim, met):
    rows.append([what, found, aim, "yes" if met else "**no**"])
    say(f"{what}: {found} ({aim}): {'met' if met else 'MISSED'}")


def flat_out(komandorr, bench, seconds):
    rows = []
    singles = [
        ("8 rumqttc clients, window 100", {"client": "rumqttc", "connections": 8}, 150_000),
        ("100 rumqttc clients, window 100", {"client": "rumqttc", "connections": 100}, 300_000),
        ("8 thin clients, window 1000", {"connections": 8, "window": 1000}, 1_000_000),
        ("8 thin clients, arrays of 500", {"connections": 8, "array": 500, "window": 20}, 1_200_000),
    ]
    for name, options, aim in singles:
        with stage.komandorr(komandorr) as server:
            found = bench.load(server, duration=f"{seconds}s", **options)
        rate, server_cpu = found["samples_per_second"], found["server"]["microseconds_per_sample"]
        longest = found["puback"]["longest_ms"]
        text = f"{number(rate)}/s, {server_cpu:.2f} us of CPU a sample, PUBACK p99 {found['puback']['p99_ms']:.0f} ms"
        goal(rows, name, text, f"{number(aim)}/s", rate >= aim)
        if aim == 1_000_000:
            goal(rows, "the same", f"{server_cpu:.2f} us", "1.5 us of CPU a sample", server_cpu <= 1.5)
        goal(rows, "the same", f"longest PUBACK {longest:.0f} ms", "250 ms", longest <= 250)
        checked(rows, found)
    return rows


def checked(rows, found):
    """What was acknowledged has to be what is stored, in every run."""
    if not found["comparison"]["holds"]:
        goal(rows, "the same", "stored differs from acknowledged", "the same", False)


def steady(komandorr, bench, seconds):
    rows = []
    with stage.komandorr(komandorr) as server:
        found = bench.load(
            server, client="rumqttc", connections=100, rate=20_000, subscribers=1, duration=f"{seconds}s"
        )
        got = found["delivered_percent"]
        goal(rows, "one subscriber at 20 000/s", f"{got:.2f} % of the messages", "all", got > 99.5)
        checked(rows, found)
    with stage.komandorr(komandorr) as server:
        found = bench.load(server, connections=100, rate=1000, duration=f"{seconds}s", warm_up="3s")
        percent, p99 = found["server"]["percent_of_core"], found["puback"]["p99_ms"]
        text = f"{percent:.1f} % of a core, PUBACK p50 {found['puback']['p50_ms']:.1f} ms, p99 {p99:.1f} ms"
        goal(rows, "1000/s over 100 connections", text, "10 % of a core, p99 50 ms", percent <= 10 and p99 < 50)
        checked(rows, found)
        found = bench.load(server, connections=100, rate=1000, streams=20, duration=f"{seconds}s", warm_up="3s")
        fresh = found["freshness"]
        text = f"p50 {fresh['p50_ms']:.0f} ms, p99 {fresh['p99_ms']:.0f} ms of {fresh['count']} events"
        goal(rows, "age of the newest sample in an event, 20 streams at 1000/s", text, "p99 50 ms", fresh["p99_ms"] < 50)
        checked(rows, found)
    return rows


def ten_thousand(komandorr, bench, seconds):
    rows = []
    with stage.komandorr(komandorr) as server:
        # Each service is registered by its first sample: that is over then.
        found = bench.load(
            server, connections=10_000, rate=2000, connecting=200, duration=f"{seconds}s", warm_up="45s"
        )
    server, p99 = found["server"], found["puback"]["p99_ms"]
    text = (
        f"{server['percent_of_core']:.1f} % of a core, {number(server['peak_bytes'] / 1e6)} MB at most, "
        f"PUBACK p99 {p99:.0f} ms"
    )
    met = server["percent_of_core"] < 25 and server["peak_bytes"] < 350e6 and p99 < 500
    goal(rows, "10 000 agents at 5 s intervals", text, "25 % of a core, 350 MB, p99 500 ms", met)
    checked(rows, found)
    return rows


def dashboard(komandorr, bench, seconds):
    if not shutil.which("wrk"):
        sys.exit("bench: wrk is missing: apt-get install wrk")
    rows = []
    with stage.komandorr(komandorr) as server:
        agents = bench.start(server, connections=1000, rate=1000, warm_up="12s", duration=f"{seconds + 10}s")
        # Until all services have reported.
        server.until(lambda: stage.fetch(f"{server.site}/metrics").count('komandorr_service_reports{') >= 1000, "the load")
        time.sleep(5)
        command = ["wrk", "-t1", "-c16", f"-d{seconds}s", "--latency", f"{server.site}/"]
        said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        output, _ = agents.communicate()
        found = stage.finished(agents.returncode, output, ["komandorr-bench"])
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", said).groups()
    p99 = float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]
    text = f"{number(rate)} requests/s, p99 {p99:.1f} ms; PUBACK p99 {found['puback']['p99_ms']:.0f} ms meanwhile"
    met = rate > 2000 and p99 < 20 and "Non-2xx" not in said
    goal(rows, "dashboard of 1000 services at 1000 samples/s", text, "2000 requests/s, p99 20 ms", met)
    checked(rows, found)
    return rows


def table(rows):
    return stage.table(["what", "found", "goal", "met"], rows)
