"""An agent as the original's: standard library alone, its habits and its units.

It keeps its totals in `.traffic_state_<id>.json`, posts every INTERVAL seconds
over one connection that is kept alive, waits 10 s for an answer, never repeats
a report, follows redirects as `requests` does, and takes only status 200 as
success. Settings come from the environment as in the original; beside them
COUNTERS names a file in the format of /proc/net/dev, and REPORTS how many
reports to post before it ends."""

import base64
import gzip
import http.client
import json
import os
import sys
import time
import urllib.parse
from datetime import datetime

URL = os.environ["KOMANDORR_URL"].rstrip("/")
SERVICE = os.environ["SERVICE_ID"]
INTERFACE = os.environ.get("INTERFACE", "eth0")
INTERVAL = float(os.environ.get("INTERVAL", "2"))
COUNTERS = os.environ.get("COUNTERS", "/proc/net/dev")
REPORTS = int(os.environ.get("REPORTS", "0"))
USER, PASSWORD = os.environ.get("KOMANDORR_USER"), os.environ.get("KOMANDORR_PASSWORD")
STATE = f".traffic_state_{SERVICE}.json"
MIB, GIB = 1024**2, 1024**3


def counters():
    """Bytes sent and received of the interface."""
    with open(COUNTERS) as lines:
        for line in lines:
            name, _, figures = line.partition(":")
            if name.strip() == INTERFACE:
                figures = figures.split()
                return int(figures[8]), int(figures[0])
    sys.exit(f"no interface {INTERFACE}")


def load_state():
    try:
        with open(STATE) as file:
            state = json.load(file)
        return state["total_sent_gb"], state["total_recv_gb"]
    except FileNotFoundError:
        return 0.0, 0.0


def save_state(sent, received):
    with open(STATE, "w") as file:
        json.dump({
            "total_sent_gb": sent, "total_recv_gb": received,
            "last_updated": datetime.now().isoformat(),
        }, file)


class Session:
    """One connection, kept alive."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
        self.headers = {"Content-Type": "application/json", "User-Agent": "python-requests/2.31.0",
                        "Accept-Encoding": "gzip, deflate", "Accept": "*/*", "Connection": "keep-alive"}
        if USER:
            code = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            self.headers["Authorization"] = f"Basic {code}"

    def post(self, path, report):
        method, body = "POST", json.dumps(report)
        for _ in range(5):
            self.connection.request(method, path, body, self.headers)
            answer = self.connection.getresponse()
            text = answer.read()
            if answer.headers.get("Content-Encoding") == "gzip":
                text = gzip.decompress(text)
            text = text.decode()
            if answer.status not in (301, 302, 307, 308):
                return answer.status, text
            path = urllib.parse.urlsplit(answer.headers["Location"]).path
            if answer.status in (301, 302):
                method, body = "GET", None
        sys.exit("too many redirects")


def main():
    sent, received = load_state()
    session, failed = Session(URL), 0
    last, last_at = counters(), time.monotonic()
    report = 0
    while not REPORTS or report < REPORTS:
        report += 1
        time.sleep(INTERVAL)
        now, now_at = counters(), time.monotonic()
        new = [max(0, after - before) for before, after in zip(last, now)]
        elapsed, last, last_at = now_at - last_at, now, now_at
        sent, received = sent + new[0] / GIB, received + new[1] / GIB
        status, text = session.post("/api/traffic/update", {
            "service_id": SERVICE,
            "bandwidth_up": round(new[0] / elapsed / MIB, 2),
            "bandwidth_down": round(new[1] / elapsed / MIB, 2),
            "total_up": round(sent, 3),
            "total_down": round(received, 3),
            "max_bandwidth": 250.0,
            "cpu_percent": 12.5,
            "memory_percent": 40.0,
        })
        save_state(sent, received)
        if status != 200:
            failed += 1
        print(status, text, flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
