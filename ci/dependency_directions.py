"""Who may know whom: the rooms' walls, asserted on what Cargo.toml files ask for.

Dev-dependencies are free: a test may use what its room may not."""

import json
import subprocess
import sys

# Our package -> which of ours it may import.
ROOMS = {
    "komandorr-wire": set(),
    "komandorr-config": set(),
    "komandorr-bench": {"komandorr-wire"},
    "komandorr-broker": {"komandorr-wire", "komandorr-config"},
    "komandorr-agent": {"komandorr-wire", "komandorr-config"},
    "komandorr-collector": {"komandorr-wire", "komandorr-config"},
    "komandorr-import": {"komandorr-wire"},
    "komandorr-web": {"komandorr-wire", "komandorr-config", "komandorr-collector"},
    "komandorr": {
        "komandorr-wire", "komandorr-config", "komandorr-broker",
        "komandorr-agent", "komandorr-collector", "komandorr-import", "komandorr-web",
    },
}

# Third party -> the rooms that it stays in.
THIRD_PARTIES = {
    "duckdb": {"komandorr-collector"},
    "libduckdb-sys": {"komandorr-collector"},
    "parquet": {"komandorr-collector"},
    "rumqttd": {"komandorr-broker"},
    "rumqttc": {"komandorr-agent", "komandorr-bench", "komandorr-collector"},
    "axum": {"komandorr-web"},
    "askama": {"komandorr-web"},
    "sysinfo": {"komandorr-agent"},
    "rmp": {"komandorr-wire"},
    "rmp-serde": {"komandorr-wire"},
    # What is serialised describes itself where it is defined.
    "utoipa": {"komandorr-collector", "komandorr-web"},
    "rusqlite": {"komandorr-import"},
}

# What must not reach the machines that agents run on, by any way.
NOT_IN_THE_AGENT = {"duckdb", "libduckdb-sys", "axum", "rumqttd"}


def cargo(*arguments):
    done = subprocess.run(["cargo", *arguments], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit("dependency directions: cargo failed, as it says above")
    return done.stdout


def between_rooms(packages):
    """What the packages' own manifests ask for against the rules."""
    ours = {package["name"] for package in packages}
    for package in packages:
        name = package["name"]
        if name not in ROOMS:
            yield f"{name} is new: say in ci/dependency_directions.py which rooms it may import"
            continue
        asked = {d["name"] for d in package["dependencies"] if d["kind"] != "dev"}
        for other in sorted((asked & ours) - ROOMS[name]):
            may = ", ".join(sorted(ROOMS[name])) or "none of ours"
            yield f"{name} imports {other}, but may import {may} (docs/architecture.md)"
        for crate in sorted(asked & THIRD_PARTIES.keys()):
            rooms = THIRD_PARTIES[crate]
            if name not in rooms:
                keepers = " and ".join(sorted(rooms))
                yield f"{name} imports {crate}, which stays in {keepers}: use what that room offers"
    for room in sorted(ROOMS.keys() - ours):
        yield f"{room} is gone: take it out of ci/dependency_directions.py"


def in_the_agent(packages):
    """What reached the agent by any way."""
    for crate in sorted(packages & NOT_IN_THE_AGENT):
        yield (
            f"komandorr-agent pulls in {crate}: "
            f"`cargo tree -p komandorr-agent -e normal -i {crate}` shows how"
        )


def refuse(violations):
    """Ends with one line for each violation, where there is one."""
    lines = [f"dependency directions: {violation}" for violation in violations]
    if lines:
        sys.exit("\n".join(lines))


def main():
    # Manifests first: cargo refuses to draw the tree of rooms that import each other.
    metadata = cargo("metadata", "--no-deps", "--locked", "--format-version", "1")
    rooms = json.loads(metadata)["packages"]
    refuse(between_rooms(rooms))
    tree = cargo("tree", "--locked", "-p", "komandorr-agent", "-e", "normal", "--prefix", "none")
    agent = {line.split()[0] for line in tree.splitlines() if line}
    refuse(in_the_agent(agent))
    print(f"{len(rooms)} rooms and the agent's {len(agent)} packages keep the directions")


if __name__ == "__main__":
    main()
