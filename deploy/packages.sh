#!/usr/bin/env bash
# Builds the Debian packages of both programs with cargo-deb, into target/debian/.
#
#   deploy/packages.sh            compiles them, the server with its own DuckDB
#   deploy/packages.sh --no-build packs what `cargo build` has compiled: to try it
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${CARGO_TARGET_DIR:-target}
if [[ ${1:-} == --no-build ]]; then
  server=(dev debug) agent=(dev debug)
else
  server=(release release) agent=(agent agent)
  cargo build --locked --release -p komandorr
  cargo build --locked --profile agent -p komandorr-agent
fi

# The server knows both command lines.
for profile in "${server[1]}" "${agent[1]}"; do
  "$target/${server[1]}/komandorr" manual "$target/$profile/manual"
  gzip -9nf "$target/$profile"/manual/*/man1/*.1
done

mkdir -p "$target/debian"
rm -f "$target"/debian/*.deb
cargo deb --locked --no-build --profile "${server[0]}" -p komandorr -o "$target/debian/"
cargo deb --locked --no-build --profile "${agent[0]}" -p komandorr-agent -o "$target/debian/"
