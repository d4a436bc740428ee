"""DuckDB's C++ takes some 20 minutes: every cargo command must share one compilation.

Cargo compiles it anew when anything below its build script differs, down to a
feature of a build dependency; and features depend on which packages are built
together. This compares the plans that cargo makes and compiles nothing."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile

COMMANDS = [
    ["build"],  # what `cargo run` builds
    ["build", "--workspace", "--all-targets"],
    ["test", "--workspace", "--no-run"],
    ["test", "--workspace", "--doc"],
    ["check", "--workspace", "--all-targets"],  # what clippy checks
    ["doc", "--workspace", "--no-deps"],
    ["test", "--no-run", "-p", "komandorr-collector"],
    ["test", "--no-run", "-p", "komandorr-web"],
    ["test", "--no-run", "-p", "komandorr"],
]


def plan(command, target_dir):
    """The units that a cargo command would build."""
    # --unit-graph is unstable, and the stable compiler is what we have.
    environment = {**os.environ, "RUSTC_BOOTSTRAP": "1", "CARGO_TARGET_DIR": target_dir}
    arguments = ["cargo", *command, "--locked", "-Z", "unstable-options", "--unit-graph"]
    done = subprocess.run(arguments, stdout=subprocess.PIPE, env=environment)
    if done.returncode != 0:
        sys.exit("DuckDB compiled once: cargo failed, as it says above")
    return json.loads(done.stdout)["units"]


def compilations(units):
    """Key -> what is below it, of each run of DuckDB's build script."""
    below = {}

    def key(index):
        if index not in below:
            below[index] = ("", {})
            unit = units[index]
            profile = {k: v for k, v in unit["profile"].items() if k != "name"}
            own = [unit["pkg_id"], unit["target"]["kind"], profile, unit["mode"], unit["features"], unit["platform"]]
            parts = {f"{unit['pkg_id']} ({unit['mode']})": f"{unit['features']} {profile}"}
            keys = []
            for dependency in unit["dependencies"]:
                inner, inner_parts = key(dependency["index"])
                keys.append(inner)
                parts |= inner_parts
            text = json.dumps([own, sorted(keys)], sort_keys=True)
            below[index] = (hashlib.sha1(text.encode()).hexdigest()[:12], parts)
        return below[index]

    return dict(
        key(index)
        for index, unit in enumerate(units)
        if "libduckdb-sys" in unit["pkg_id"] and unit["mode"] == "run-custom-build"
    )


def main():
    seen = {}
    with tempfile.TemporaryDirectory() as target_dir:
        for command in COMMANDS:
            shown = " ".join(["cargo", *command])
            found = compilations(plan(command, target_dir))
            if not found:
                sys.exit(f"DuckDB compiled once: `{shown}` does not build it; mend {__file__}")
            for key, parts in found.items():
                seen.setdefault(key, (shown, parts))
    (first, usual), *others = seen.values()
    lines = []
    for shown, parts in others:
        names = (name for name in usual.keys() | parts.keys() if usual.get(name) != parts.get(name))
        different = ", ".join(sorted(name.split("/")[-1] for name in names))
        lines.append(
            f"DuckDB compiled once: `{shown}` would compile it again after `{first}`: features or "
            f"profile differ of {different}; pin them in collector/Cargo.toml, [build-dependencies]"
        )
    if lines:
        sys.exit("\n".join(lines))
    print(f"{len(COMMANDS)} cargo commands share one compilation of DuckDB")


if __name__ == "__main__":
    main()
