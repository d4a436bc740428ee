"""A long run under everything at once: does it stay as it was?"""

import subprocess
import threading
import time

import stage
from stage import number, say

LOOK_EVERY_SECONDS = 5
# Memory settles in the beginning: caches fill, services register.
SETTLED_AFTER_SECONDS = 300
MOST_GROWTH_PERCENT = 5
# The store keeps the last thousand samples of a service, and each agent begins
# with so many in a minute: what fills up is full before memory is compared.
SAMPLES_KEPT = 1000


def watch(server, seen, over):
    """Memory, every few seconds."""
    begun = time.monotonic()
    while not over.wait(LOOK_EVERY_SECONDS):
        seen.append((time.monotonic() - begun, stage.resident_bytes(server.pid)))


def soak(komandorr, bench, seconds):
    """500 agents at 1 s with churning connections, 20 dashboards, 5 readers."""
    seen, over = [], threading.Event()
    with stage.komandorr(komandorr) as server:
        watcher = threading.Thread(target=watch, args=(server, seen, over))
        watcher.start()
        try:
            found = bench.load(
                server, connections=500, rate=500, ahead=SAMPLES_KEPT, churn=5, dashboards=20,
                readers=5, streams=2, warm_up="60s", duration=f"{seconds}s",
            )
        finally:
            over.set()
            watcher.join()
        ready = stage.fetch(f"{server.site}/readyz")
        server.stop()
        clean = server.process.returncode == 0
        log = server.said()
    errors = [line for line in log.splitlines() if '"level":"ERROR"' in line or '"level":"WARN"' in line]
    return {"found": found, "memory": seen, "ready": ready, "clean": clean, "errors": errors}


def growth(memory, seconds):
    """Median of the first tenth after settling and of the last, in percent."""
    settled = min(SETTLED_AFTER_SECONDS, seconds / 3)
    later = [size for at, size in memory if at >= settled]
    part = max(len(later) // 10, 1)
    middle = lambda sizes: sorted(sizes)[len(sizes) // 2]
    first, last = middle(later[:part]), middle(later[-part:])
    return first, last, (last - first) * 100 / first, settled


def report(result, seconds):
    """Markdown, and whether all is well."""
    found, comparison = result["found"], result["found"]["comparison"]
    first, last, grown, settled = growth(result["memory"], seconds)
    rows = [
        ["samples", f"{number(comparison['acknowledged'])} acknowledged, {number(comparison['counted'])} counted"],
        ["stored bytes", "as acknowledged" if comparison["holds"] else "**differ**"],
        ["memory", f"{first / 1e6:.0f} MB after {settled:.0f} s, {last / 1e6:.0f} MB at the end: {grown:+.1f} %"],
        ["server", f"{found['server']['percent_of_core']:.1f} % of a core"],
        ["PUBACK", f"p50 {found['puback']['p50_ms']:.1f} ms, p99 {found['puback']['p99_ms']:.1f} ms, longest {found['puback']['longest_ms']:.0f} ms"],
        ["answers to readers and dashboards", f"{found['answer']['count']}, p99 {found['answer']['p99_ms']:.0f} ms"],
        ["connections", f"{found['churned_connections']} churned, {found['broken_connections']} broke"],
        ["errors and warnings in the log", len(result["errors"])],
        ["clean stop", "yes" if result["clean"] else "**no**"],
    ]
    for trouble in found["troubles"] + result["errors"][:5]:
        rows.append(["trouble", trouble.replace("|", "/")])
    well = comparison["holds"] and comparison["counted"] == comparison["sent"]
    well = well and found["broken_connections"] == 0 and not result["errors"] and result["clean"]
    return stage.table(["soak", f"{seconds} s"], rows), well and grown < MOST_GROWTH_PERCENT
