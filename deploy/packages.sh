#!/usr/bin/env bash
# Builds the Debian packages of both programs with cargo-deb, into target/debian/.
#
#   deploy/packages.sh            compiles them, the server with its own DuckDB
#   deploy/packages.sh --no-build packs what `cargo build` has compiled: to try it
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=$(realpath "${CARGO_TARGET_DIR:-target}")
packages=$target/debian
mkdir -p "$packages"
rm -f "$packages"/*.deb

# What goes into the packages, laid out as cargo-deb looks for it.
stage=$packages/stage
rm -rf "$stage"
mkdir -p "$stage/release"
if [[ ${1:-} == --no-build ]]; then
  strip -o "$stage/release/komandorr" "$target/debug/komandorr"
  strip -o "$stage/release/komandorr-agent" "$target/debug/komandorr-agent"
  options=(--fast)
else
  cargo build --locked --release -p komandorr
  cargo build --locked --profile agent -p komandorr-agent
  cp "$target/release/komandorr" "$target/agent/komandorr-agent" "$stage/release/"
  options=()
fi
# The server knows both command lines.
"$stage/release/komandorr" manual "$stage/release/manual"
gzip -9nf "$stage"/release/manual/*/man1/*.1

for package in komandorr komandorr-agent; do
  # An array that may be empty is an error to old bash, hence the +.
  CARGO_TARGET_DIR=$stage cargo deb --locked --no-build ${options[@]+"${options[@]}"} -p "$package" -o "$packages/"
done
rm -rf "$stage"
